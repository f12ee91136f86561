//! Work that is the same on any number of threads.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// The answers to `0..count` in order, worked out on as many threads as there are cores; `done`
/// is called as each comes in.
pub(super) fn answers<T: Send>(
    count: usize,
    work: impl Fn(usize) -> T + Sync,
    done: impl Fn(),
) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(count);
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let mut answers: Vec<Option<T>> = (0..count).map(|_| None).collect();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    // Nobody listens any more only where this thread's own answer is awaited.
                    if count <= index || sender.send((index, work(index))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (index, answer) in receiver {
            answers[index] = Some(answer);
            done();
        }
    });
    answers.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_the_order_of_questions() {
        assert_eq!(
            answers(100, |index| index * index, || ()),
            (0..100).map(|i| i * i).collect::<Vec<_>>()
        );
        assert!(answers(0, |index| index, || ()).is_empty());
    }
}
