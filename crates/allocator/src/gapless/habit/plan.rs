//! A plan: where each request of a cycle goes, and whether that serves.

use gapless_plan::{Cycle, Packing};
use gapless_units::Addr;

/// A plan that maps pages in more cycles than so many brings no rest.
const RESTLESS: u32 = 3;

/// So many cycles at rest make up for those that were not.
const CALM: u32 = 8;

/// For so many cycles a plan may wait for work on addresses that it takes from others: they are in
/// the way once.
const SETTLING: u32 = 2;

/// Where the requests of a cycle go.
#[derive(Clone, Debug)]
pub(in crate::gapless) struct Plan {
    /// Where the block of each request lies that is planned.
    starts: Vec<Option<Addr>>,
    /// Where the highest of them ends.
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
        let mut starts = vec![None; cycle.period() as usize];
        // What was added to the cycle, because it lies there, is never asked for.
        for (span, &offset) in cycle.spans().iter().zip(packing.offsets()) {
            starts[span.born as usize] = Some(first + offset);
        }
        let end = first + packing.height();
        Self { starts, end, age: 0, has_moved: false, restless: 0, calm: 0 }
    }

    /// Where the block of the request at a place of the cycle lies.
    pub(super) fn start(&self, place: usize) -> Option<Addr> {
        self.starts[place]
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
