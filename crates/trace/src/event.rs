//! The events of a trace, one column per fact.

use gapless_units::{Addr, Bytes, Micros, PoolId, StreamId};

use crate::stacks::{LabelId, StackId};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A block was handed to the program; the size is what was asked for.
    Alloc,
    /// The program let go of a block.
    FreeRequested,
    /// The block is free again: no other stream uses it any more.
    FreeCompleted,
    /// The device gave a segment.
    SegmentAlloc,
    /// A segment went back to the device.
    SegmentFree,
    /// Pages were mapped into an expandable segment.
    SegmentMap,
    /// Pages of an expandable segment went back to the device.
    SegmentUnmap,
    /// A request failed for good; the size is the rounded request.
    OutOfMemory,
    /// A snapshot was taken.
    Snapshot,
    /// The program marked a range or a tensor.
    Annotate,
    /// A block was used on another stream than its own; only operation lists say so.
    RecordStream,
    /// The program emptied the cache; only operation lists say so.
    EmptyCache,
    /// The program waited for the device; only operation lists say so.
    Synchronize,
    /// Something the reader does not know or could not read; it keeps its place in the order.
    Unknown,
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub action: Action,
    /// The block's or segment's first byte; for [`Action::OutOfMemory`] see
    /// [`Event::device_free`].
    pub addr: Addr,
    /// The size; what of depends on the action.
    pub size: Bytes,
    /// The stream.
    pub stream: StreamId,
    /// The pool, where the recording says.
    pub pool: Option<PoolId>,
    /// When, 0 where the recording does not say.
    pub time: Micros,
    /// Where in the program.
    pub stack: StackId,
    /// What the program attached (`user_metadata`).
    pub label: LabelId,
}

impl Event {
    /// An out-of-memory event carries the device's free bytes in place of an address.
    pub fn device_free(&self) -> Bytes {
        Bytes::new(self.addr.get())
    }
}

/// The events of one device in the order of the trace.
///
/// Columns that hold only their default value stay empty, so a field that a recording lacks costs
/// nothing.
#[derive(Clone, Debug, Default)]
pub struct Events {
    actions: Vec<Action>,
    addrs: Vec<Addr>,
    sizes: Vec<Bytes>,
    stacks: Vec<StackId>,
    times: Vec<Micros>,
    streams: Column<StreamId>,
    pools: Column<Option<PoolId>>,
    labels: Column<LabelId>,
}

impl Events {
    /// No events, with room for `count`.
    pub fn with_capacity(count: usize) -> Self {
        Self {
            actions: Vec::with_capacity(count),
            addrs: Vec::with_capacity(count),
            sizes: Vec::with_capacity(count),
            stacks: Vec::with_capacity(count),
            times: Vec::with_capacity(count),
            ..Self::default()
        }
    }

    /// Appends an event.
    pub fn push(&mut self, event: Event) {
        let index = self.actions.len();
        self.actions.push(event.action);
        self.addrs.push(event.addr);
        self.sizes.push(event.size);
        self.stacks.push(event.stack);
        self.times.push(event.time);
        self.streams.set(index, event.stream);
        self.pools.set(index, event.pool);
        self.labels.set(index, event.label);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// The event at `index`, which is below [`Events::len`].
    pub fn get(&self, index: usize) -> Event {
        Event {
            action: self.actions[index],
            addr: self.addrs[index],
            size: self.sizes[index],
            stream: self.streams.get(index),
            pool: self.pools.get(index),
            time: self.times[index],
            stack: self.stacks[index],
            label: self.labels.get(index),
        }
    }

    /// All events in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Event> + ExactSizeIterator {
        (0..self.len()).map(|index| self.get(index))
    }

    /// What happened, event by event.
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// When, event by event.
    pub fn times(&self) -> &[Micros] {
        &self.times
    }

    /// Keeps the place of an event that cannot have happened as it says.
    pub(crate) fn disregard(&mut self, index: usize) {
        self.actions[index] = Action::Unknown;
    }
}

/// A column that is stored from the first value that is not the default.
#[derive(Clone, Debug, Default)]
struct Column<T> {
    values: Vec<T>,
}

impl<T: Copy + Default + PartialEq> Column<T> {
    fn set(&mut self, index: usize, value: T) {
        if value != T::default() {
            self.values.resize(index, T::default());
            self.values.push(value);
        }
    }

    fn get(&self, index: usize) -> T {
        self.values.get(index).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_of_defaults_takes_no_room() {
        let mut column = Column::default();
        column.set(0, StreamId::DEFAULT);
        column.set(1, StreamId::DEFAULT);
        assert_eq!(column.values.len(), 0);
        column.set(2, StreamId(7));
        column.set(3, StreamId::DEFAULT);
        assert_eq!((0..5).map(|i| column.get(i).0).collect::<Vec<_>>(), [0, 0, 7, 0, 0]);
    }
}
