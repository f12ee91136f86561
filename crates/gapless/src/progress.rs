//! What is being done, on a terminal, once it takes longer than half a second.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long nothing is said.
const PATIENCE: Duration = Duration::from_millis(500);

/// A line on standard error that says how far the work is.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
    allowed: bool,
}

impl Progress {
    /// Progress through `count` files; silent where it would be in the way.
    pub(crate) fn new(count: usize, is_quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{bar:20} {pos}/{len} {wide_msg}") {
            bar.set_style(style);
        }
        let allowed = !is_quiet && std::io::stderr().is_terminal();
        Self { bar, started: Instant::now(), allowed }
    }

    /// Says what is being done from now on.
    pub(crate) fn say(&self, what: String) {
        if self.allowed && PATIENCE <= self.started.elapsed() && self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_message(what);
    }

    /// One more file is done.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
