//! What an allocator tells of itself, added up.

use std::collections::BTreeMap;

use gapless_allocator::{Happening, Observer};
use gapless_trace::Action;
use gapless_units::{Addr, Bytes};

/// The sums of a trace, and what in it cannot be.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Blocks that are not free, with what was asked for and whether the program holds them.
    pub(crate) active: BTreeMap<Addr, (Bytes, bool)>,
    pub(crate) reserved: i128,
    pub(crate) failures: u64,
    /// The first event that cannot be.
    pub(crate) absurd: Option<String>,
}

impl Observer for Tally {
    fn observe(&mut self, happening: Happening) {
        let Happening { action, addr, size, .. } = happening;
        let known = self.active.get(&addr).copied();
        let mut makes_sense = true;
        match action {
            Action::Alloc => makes_sense = self.active.insert(addr, (size, true)).is_none(),
            Action::FreeRequested => {
                makes_sense = known == Some((size, true));
                self.active.insert(addr, (size, false));
            }
            Action::FreeCompleted => {
                makes_sense = known == Some((size, false));
                self.active.remove(&addr);
            }
            Action::SegmentAlloc | Action::SegmentMap => self.reserved += i128::from(size.get()),
            Action::SegmentFree | Action::SegmentUnmap => self.reserved -= i128::from(size.get()),
            Action::OutOfMemory => self.failures += 1,
            Action::Snapshot
            | Action::Annotate
            | Action::RecordStream
            | Action::EmptyCache
            | Action::Synchronize
            | Action::Unknown => makes_sense = false,
        }
        if !makes_sense && self.absurd.is_none() {
            self.absurd = Some(format!("{happening:?} where the block was {known:?}"));
        }
    }
}
