//! What is queued on one stream.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar};
use std::thread::JoinHandle;

use gapless_units::{Extent, StreamId};

use super::work::{Uses, Work};

/// A place in a stream's queue: all that was queued before it, counted from the stream's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) stream: StreamId,
    pub(super) count: u64,
}

impl Mark {
    /// The place behind what stands here.
    pub(super) fn behind(self) -> Self {
        Self { count: self.count + 1, ..self }
    }
}

/// Something in the queue.
#[derive(Debug)]
pub(super) enum Item {
    /// Work on memory, which is taken out when it begins.
    Work { uses: Uses, work: Option<Work> },
    /// The stream goes on once another reached this place.
    Wait(Mark),
    /// The stream goes on once somebody opened it.
    Gate { is_open: bool },
}

impl Item {
    pub(super) fn work(work: Work) -> Self {
        Self::Work { uses: work.uses(), work: Some(work) }
    }

    /// What it uses of a range.
    fn use_of(&self, range: Extent) -> Option<Extent> {
        let Self::Work { uses: (one, other), .. } = self else { return None };
        std::iter::once(*one).chain(*other).find(|used| used.overlaps(range))
    }
}

/// What is queued on one stream, and how far it is.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) items: VecDeque<Item>,
    /// How many items are done.
    pub(super) done: u64,
    /// How many items may be done.
    pub(super) allowed: u64,
    /// Told when the first item may have become one that can be done.
    pub(super) wake: Arc<Condvar>,
    pub(super) worker: Option<JoinHandle<()>>,
}

impl Queue {
    /// A queue that goes on by itself, or only as far as it is allowed.
    pub(super) fn new(goes_on: bool) -> Self {
        Self {
            items: VecDeque::new(),
            done: 0,
            allowed: if goes_on { u64::MAX } else { 0 },
            wake: Arc::default(),
            worker: None,
        }
    }

    /// How many items were ever queued.
    pub(super) fn end(&self) -> u64 {
        self.done + self.items.len() as u64
    }

    /// Opens the gate that stands at this place, where it was not passed yet.
    pub(super) fn open_gate(&mut self, place: u64) {
        let index = place.checked_sub(self.done).and_then(|index| usize::try_from(index).ok());
        if let Some(Item::Gate { is_open }) = index.and_then(|index| self.items.get_mut(index)) {
            *is_open = true;
            self.wake.notify_one();
        }
    }

    /// Allows the items before this place; what of them waits for other streams.
    pub(super) fn allow(&mut self, count: u64) -> Vec<Mark> {
        if count <= self.allowed {
            return Vec::new();
        }
        self.allowed = count;
        self.wake.notify_one();
        let before = usize::try_from(count.saturating_sub(self.done)).unwrap_or(usize::MAX);
        let items = self.items.iter().take(before);
        let marks = items.filter_map(|item| match item {
            Item::Wait(mark) => Some(*mark),
            Item::Work { .. } | Item::Gate { .. } => None,
        });
        marks.collect()
    }

    /// What of a range is used by something that is not done.
    pub(super) fn use_of(&self, range: Extent) -> Option<Extent> {
        self.items.iter().find_map(|item| item.use_of(range))
    }

    /// The first item is done.
    pub(super) fn pass(&mut self) {
        if self.items.pop_front().is_some() {
            self.done += 1;
        }
    }
}
