//! Where a request goes for which pages are short: where the fewest have to be mapped.

use gapless_units::{Addr, Bytes};

use super::books::Books;
use super::idle::Idle;
use super::names::{ArenaIndex, Frame};
use super::place::Place;
use crate::observer::Observer;

/// How many gaps are looked at, the tightest first.
const LOOKED_AT: usize = 64;

/// The best place so far.
struct Cheapest<'a, O> {
    books: &'a Books<O>,
    idle: Idle,
    place: Place,
    missing: usize,
}

impl<'a, O: Observer> Cheapest<'a, O> {
    fn new(books: &'a Books<O>, place: Place) -> Self {
        let idle = Idle::default();
        let missing = books.missing(&idle, place).count();
        Self { books, idle, place, missing }
    }

    /// Of equally cheap places that in the smallest gap comes first.
    fn rank(&self, place: Place) -> (Bytes, Addr) {
        (self.books.blocks[place.at()].size, place.start())
    }

    fn consider(&mut self, place: Place) {
        let is_first = self.rank(place) < self.rank(self.place);
        // Counted no further than to where it is clear which of the two is better.
        let enough = self.missing + usize::from(is_first);
        let missing = self.books.missing(&self.idle, place).take(enough).count();
        if missing < enough {
            (self.place, self.missing) = (place, missing);
        }
    }
}

impl<O: Observer> Books<O> {
    /// The place for which the fewest pages have to be mapped: in one of the tightest gaps, in the
    /// tightest that needs no memory, or where a block of this size was mapped before.
    pub(super) fn cheapest_place(&self, tightest: Place, arena: ArenaIndex) -> Place {
        let size = tightest.size();
        let (free, known) = (&self.arenas[arena].free, &self.arenas[arena].known);
        let ready = free.smallest_ready(&self.blocks, size);
        let first = ready.map_or(tightest, |at| self.place_in(at, size));
        let mut cheapest = Cheapest::new(self, first);
        cheapest.consider(tightest);
        // In larger gaps than one that needs no memory there is nothing better.
        let most = ready.filter(|_| cheapest.missing == 0).map(|at| self.blocks[at].size);
        let gaps = || free.between(&self.blocks, size, most);
        let others = gaps().take(LOOKED_AT).filter(|&at| at != tightest.at());
        others.for_each(|at| cheapest.consider(self.place_in(at, size)));
        if let Some(known) = known.of(size) {
            for at in gaps() {
                let parts = known.within(self.blocks[at].extent());
                parts.for_each(|part| cheapest.consider(Place::new(at, part)));
            }
        }
        cheapest.place
    }

    /// The frames of a place that need another page than they had.
    pub(super) fn missing(&self, idle: &Idle, place: Place) -> impl Iterator<Item = Frame> {
        let frames = self.lacking(place);
        frames.filter(|&frame| !self.can_revive(idle, frame))
    }
}
