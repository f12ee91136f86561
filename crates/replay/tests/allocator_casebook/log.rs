//! What an allocator does, in the words of the documents.

use std::collections::BTreeMap;

use gapless_allocator::{Happening, Observer};
use gapless_trace::Action;
use gapless_units::{Addr, Bytes, Extent};

use super::notation::shown;

/// Writes down what happens in the words of the documents.
#[derive(Default)]
pub(crate) struct Log {
    /// The name that the next block gets.
    pub(crate) name: String,
    /// The names of blocks that are not free.
    pub(crate) names: BTreeMap<Addr, String>,
    /// All segments and reservations in the order in which they came.
    pub(crate) places: Vec<Extent>,
    /// How many addresses an expandable segment spans.
    pub(crate) reservation: Bytes,
    /// What happened since somebody looked.
    pub(crate) events: Vec<String>,
}

impl Log {
    fn new_place(&mut self, addr: Addr, size: Bytes) {
        let place = Extent::between(addr, addr + size);
        self.places.retain(|other| !other.overlaps(place));
        self.places.push(place);
    }

    /// The number of the place, and how far into it the address lies.
    pub(crate) fn place_of(&self, addr: Addr) -> Option<(usize, Bytes)> {
        let holds = |place: &Extent| place.start() <= addr && addr < place.end();
        let at = self.places.iter().position(holds)?;
        Some((at, addr - self.places[at].start()))
    }

    pub(crate) fn offset(&self, addr: Addr) -> String {
        self.place_of(addr).map_or("nowhere".to_owned(), |(_, offset)| shown(offset))
    }
}

impl Observer for Log {
    fn observe(&mut self, happening: Happening) {
        let Happening { action, addr, size, .. } = happening;
        let name = self.names.get(&addr).cloned().unwrap_or_default();
        let size_shown = shown(size);
        let event = match action {
            Action::Alloc => {
                self.names.insert(addr, self.name.clone());
                format!("alloc {} {size_shown}", self.name)
            }
            Action::FreeRequested => format!("free_requested {name}"),
            Action::FreeCompleted => {
                self.names.remove(&addr);
                format!("free_completed {name}")
            }
            Action::SegmentAlloc => {
                self.new_place(addr, size);
                format!("segment_alloc {size_shown}")
            }
            Action::SegmentFree => {
                self.places.retain(|place| place.start() != addr);
                format!("segment_free {size_shown}")
            }
            Action::SegmentMap => {
                if self.place_of(addr).is_none() {
                    self.new_place(addr, self.reservation);
                }
                format!("segment_map {size_shown} at {}", self.offset(addr))
            }
            Action::SegmentUnmap => format!("segment_unmap {size_shown} at {}", self.offset(addr)),
            Action::OutOfMemory => format!("oom {size_shown}"),
            Action::Snapshot
            | Action::Annotate
            | Action::RecordStream
            | Action::EmptyCache
            | Action::Synchronize
            | Action::Unknown => "something no allocator does".to_owned(),
        };
        self.events.push(event);
    }
}
