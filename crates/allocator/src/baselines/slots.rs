//! Slots: the granule-sized places of reservations, and the handle that lies under each.

use gapless_device::Handle;
use gapless_units::{Addr, Bytes, Extent};

/// A reservation with the handles under its slots.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    reservation: Extent,
    granule: Bytes,
    /// Up to the farthest slot that ever had memory.
    handles: Vec<Option<Handle>>,
}

impl Slots {
    /// A reservation without memory.
    pub(super) fn new(reservation: Extent, granule: Bytes) -> Self {
        Self { reservation, granule, handles: Vec::new() }
    }

    fn number(&self, addr: Addr) -> usize {
        let number = (addr - self.reservation.start()).get() / self.granule.get();
        usize::try_from(number).unwrap_or(usize::MAX)
    }

    /// The slots that lie wholly in an extent, as one.
    pub(super) fn inside(&self, extent: Extent) -> Extent {
        extent.whole_pages(self.reservation.start(), self.granule)
    }

    /// The slots that share a byte with an extent, as one.
    pub(super) fn touched(&self, extent: Extent) -> Extent {
        let start = self.reservation.start();
        let first = (extent.start() - start).round_down(self.granule);
        let last = (extent.end() - start).round_up(self.granule);
        Extent::between(start + first, start + last)
    }

    /// Where the slots of an extent of whole slots begin.
    pub(super) fn starts(slots: Extent, granule: Bytes) -> impl Iterator<Item = Addr> {
        let first = Some(slots.start()).filter(|_| !slots.is_empty());
        std::iter::successors(first, move |&addr| {
            Some(addr + granule).filter(|&next| next < slots.end())
        })
    }

    /// The handle under the slot that begins at `addr`.
    pub(super) fn handle(&self, addr: Addr) -> Option<Handle> {
        self.handles.get(self.number(addr)).copied().flatten()
    }

    /// Notes that handles lie under slots from `start` on.
    pub(super) fn put(&mut self, start: Addr, handles: impl IntoIterator<Item = Handle>) {
        for (number, handle) in (self.number(start)..).zip(handles) {
            if self.handles.len() <= number {
                self.handles.resize(number + 1, None);
            }
            self.handles[number] = Some(handle);
        }
    }

    /// Notes that nothing lies under these slots any more; answers what did.
    pub(super) fn take(&mut self, slots: Extent) -> Vec<Handle> {
        let (first, last) = (self.number(slots.start()), self.number(slots.end()));
        let last = last.min(self.handles.len());
        let taken = self.handles.get_mut(first..last).unwrap_or_default();
        taken.iter_mut().filter_map(Option::take).collect()
    }

    /// The runs of slots in `range` that have memory, or those that have none.
    pub(super) fn runs(&self, range: Extent, with_memory: bool) -> Vec<Extent> {
        let mut runs: Vec<Extent> = Vec::new();
        let mut at = range.start();
        let known = Bytes::new(self.granule.get() * self.handles.len() as u64);
        let known = self.reservation.start() + known;
        let behind = if with_memory { range.end().min(known) } else { range.end() };
        while at < behind {
            let end = at + self.granule;
            if self.handle(at).is_some() == with_memory {
                match runs.last_mut().filter(|run| run.end() == at) {
                    Some(run) => *run = Extent::between(run.start(), end),
                    None => runs.push(Extent::between(at, end)),
                }
            }
            at = end;
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(from: u64, to: u64) -> Extent {
        let addr = |mib: u64| Addr::new((1 << 40) + (mib << 20));
        Extent::between(addr(from), addr(to))
    }

    #[test]
    fn slots_know_where_memory_lies() {
        let mut slots = Slots::new(extent(0, 100), Bytes::mib(2));
        slots.put(extent(4, 8).start(), [Handle(7), Handle(8)]);
        slots.put(extent(10, 12).start(), [Handle(9)]);
        assert_eq!(slots.handle(extent(6, 8).start()), Some(Handle(8)));
        assert_eq!(slots.runs(extent(0, 14), true), [extent(4, 8), extent(10, 12)]);
        let without = [extent(0, 4), extent(8, 10), extent(12, 14)];
        assert_eq!(slots.runs(extent(0, 14), false), without);
        assert_eq!(slots.take(extent(6, 12)), [Handle(8), Handle(9)]);
        assert_eq!(slots.runs(extent(0, 14), true), [extent(4, 6)]);
        assert_eq!(slots.inside(extent(3, 9)), extent(4, 8));
        assert_eq!(slots.touched(extent(3, 9)), extent(2, 10));
    }
}
