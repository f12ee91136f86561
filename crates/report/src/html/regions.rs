//! The packed address space: every address that ever mattered, without the voids between them.
//!
//! ```text
//!   addresses   ····[ A ]·············[   B   ]··[ C ]····
//!   packed          [ A ][   B   ][ C ]
//! ```
//!
//! A device's addresses are scattered over 2^48 bytes; a picture has no room for that, and a
//! browser's numbers no bits. Packed places are small and keep their order, and what is
//! contiguous in addresses is contiguous here.

use gapless_trace::{Allocation, Trace};
use gapless_units::Extent;
use serde_json::{Value, json};

/// The ranges of addresses that were ever mapped or held a block, in order.
#[derive(Debug, Default)]
pub(super) struct Regions {
    extents: Vec<Extent>,
    /// Where each starts in the packed space.
    places: Vec<u64>,
}

impl Regions {
    pub(super) fn of(trace: &Trace) -> Self {
        let mapped = trace.mappings.iter().map(|mapping| mapping.extent);
        let blocks = trace.allocations.iter().map(Allocation::extent);
        let mut sorted: Vec<Extent> = mapped.chain(blocks).filter(|e| !e.is_empty()).collect();
        sorted.sort_unstable();
        let mut extents: Vec<Extent> = Vec::new();
        for extent in sorted {
            match extents.last_mut() {
                Some(last) if extent.start() <= last.end() => {
                    *last = Extent::between(last.start(), last.end().max(extent.end()));
                }
                Some(_) | None => extents.push(extent),
            }
        }
        let mut next = 0;
        let places = extents.iter().map(|extent| {
            let place = next;
            next += extent.size().get();
            place
        });
        let places = places.collect();
        Self { extents, places }
    }

    /// Where an extent starts in the packed space; an extent without bytes may lie anywhere.
    pub(super) fn place(&self, extent: Extent) -> u64 {
        let behind = self.extents.partition_point(|region| region.start() <= extent.start());
        let Some(region) = behind.checked_sub(1) else { return 0 };
        let inside = extent.start() - self.extents[region].start();
        self.places[region] + inside.get().min(self.extents[region].size().get())
    }

    /// For each region its first address in hexadecimal digits and its size.
    pub(super) fn json(&self) -> Value {
        let region = |e: &Extent| json!([format!("{:x}", e.start().get()), e.size().get()]);
        self.extents.iter().map(region).collect()
    }
}

#[cfg(test)]
mod tests {
    use gapless_units::{Addr, Bytes, GIB, KIB, MIB};

    use super::super::sample::sample;
    use super::*;

    #[test]
    fn packed_places_leave_out_what_lies_between() {
        let regions = Regions::of(&sample().0);
        let place = |addr| regions.place(Extent::new(Addr::new(addr), Bytes::new(1)).unwrap());
        assert_eq!(place(4 * MIB), 0);
        assert_eq!(place(4 * MIB + KIB), KIB);
        assert_eq!(place(GIB + 5), 2 * MIB + 5);
        assert_eq!(regions.json(), json!([["400000", 2 * MIB], ["40000000", 20 * MIB]]));
    }
}
