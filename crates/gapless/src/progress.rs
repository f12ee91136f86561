//! What is being done, on a terminal, once it takes longer than half a second.

use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long nothing is said.
const PATIENCE: Duration = Duration::from_millis(500);

/// A line on standard error that says how far the work is.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    waiter: Option<Waiter>,
}

/// Shows the bar once it took long, also while a single piece of work is under way.
#[derive(Debug)]
struct Waiter {
    ended: Sender<()>,
    thread: JoinHandle<()>,
}

impl Waiter {
    /// None where there can be no more threads.
    fn new(bar: ProgressBar) -> Option<Self> {
        let (ended, is_ended) = channel();
        let wait = move || {
            if is_ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                bar.set_draw_target(ProgressDrawTarget::stderr());
                bar.tick();
            }
        };
        let thread = thread::Builder::new().spawn(wait).ok()?;
        Some(Self { ended, thread })
    }

    fn end(self) {
        drop(self.ended);
        // A thread that panicked has nothing to show any more.
        let _ = self.thread.join();
    }
}

impl Progress {
    /// Progress through `count` steps; silent where it would be in the way.
    pub(crate) fn new(count: usize, is_quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{bar:20} {pos}/{len} {wide_msg}") {
            bar.set_style(style);
        }
        let allowed = !is_quiet && std::io::stderr().is_terminal();
        let waiter = allowed.then(|| Waiter::new(bar.clone())).flatten();
        Self { bar, waiter }
    }

    /// Says what is being done from now on.
    pub(crate) fn say(&self, what: String) {
        self.bar.set_message(what);
    }

    /// One more step is done.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            waiter.end();
        }
        self.bar.finish_and_clear();
    }
}
