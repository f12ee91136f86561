//! A plan: where each request of a cycle goes, and whether that serves.

use gapless_plan::{Cycle, Packing};
use gapless_units::{Addr, Bytes, Extent};

/// A plan that maps pages in more cycles than so many brings no rest.
const RESTLESS: u32 = 3;

/// So many cycles at rest make up for those that were not.
const CALM: u32 = 8;

/// For so many cycles a plan may wait for work on addresses that it takes from others: they are in
/// the way once.
const SETTLING: u32 = 2;

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gapless) struct Planned {
    pub(in crate::gapless) part: Extent,
    /// How large the free block was that it was cut from in the cycle before: in the next it is so
    /// again, most often.
    pub(in crate::gapless) gap: Bytes,
}

/// Where the requests of a cycle go.
#[derive(Debug)]
pub(in crate::gapless) struct Plan {
    /// Where the block of each request lies that is planned.
    places: Vec<Option<Planned>>,
    /// Behind the highest of them, and behind what outlives the cycle among them.
    end: Addr,
    /// How many cycles it has lasted.
    age: u32,
    /// Whether pages were mapped in this cycle.
    has_moved: bool,
    /// In how many cycles that was so.
    restless: u32,
    /// How many cycles in a row it was not.
    calm: u32,
}

/// What the last cycles say of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is too early to say.
    Open,
    /// It has brought rest for some cycles.
    Serves,
    /// Pages are still mapped.
    Fails,
}

impl Plan {
    /// A packing behind an address.
    pub(super) fn new(cycle: &Cycle, packing: &Packing, first: Addr) -> Self {
        let mut places = vec![None; cycle.period() as usize];
        // What was added to the cycle, because it lies there, is never asked for.
        for (span, &offset) in cycle.spans().iter().zip(packing.offsets()) {
            let start = first + offset;
            let part = Extent::between(start, start + span.size);
            places[span.born as usize] = Some(Planned { part, gap: span.size });
        }
        let end = first + packing.height();
        Self { places, end, age: 0, has_moved: false, restless: 0, calm: 0 }
    }

    /// Where the request at a place of the cycle goes.
    pub(super) fn place(&self, place: usize) -> Option<Planned> {
        self.places[place]
    }

    /// Takes in how large the free block is that the request at a place of the cycle goes to.
    pub(super) fn note_gap(&mut self, place: usize, gap: Bytes) {
        if let Some(planned) = &mut self.places[place] {
            planned.gap = gap;
        }
    }

    /// From where on no place is planned.
    pub(in crate::gapless) fn end(&self) -> Addr {
        self.end
    }

    /// Whether what it takes from elsewhere is still coming.
    pub(in crate::gapless) fn is_being_settled(&self) -> bool {
        self.age < SETTLING
    }

    /// Takes in that pages are mapped for the next request.
    pub(super) fn map(&mut self) {
        self.has_moved = true;
    }

    pub(super) fn end_cycle(&mut self) -> Verdict {
        self.age = self.age.saturating_add(1);
        if std::mem::take(&mut self.has_moved) {
            self.restless += 1;
            self.calm = 0;
        } else {
            self.calm += 1;
        }
        if RESTLESS < self.restless {
            Verdict::Fails
        } else if self.calm == CALM {
            self.calm = 0;
            self.restless = 0;
            Verdict::Serves
        } else {
            Verdict::Open
        }
    }
}
