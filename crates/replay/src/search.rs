//! The smallest memory that does, where not every rule gets better with more.

use gapless_device::Sim;
use gapless_units::Bytes;

use crate::run::ReplayError;
use crate::setup::ENDLESS;

/// The granules a card's memory comes in.
pub(crate) const GRANULE: Bytes = Sim::GRANULE;

/// In so many steps memory that does not do grows by an eighth; then it doubles.
const STEPS: u32 = 16;

/// How many sizes right below what halving found are tried one by one.
const CLOSE: u64 = 12;

/// A search for the smallest memory that does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// Less cannot do.
    pub(crate) least: Bytes,
    /// What is used without a limit.
    pub(crate) most: Bytes,
    /// How exact the answer is.
    pub(crate) resolution: Bytes,
    /// How many sizes are tried on either side of what halving found. Not every rule gets better with
    /// more memory: what an allocator reserves, and so where it puts blocks, depends on it.
    pub(crate) tries: u64,
}

impl Search {
    /// The smallest memory found that does, and whether more was met that does not. It is the smallest
    /// of all where so many sizes can be tried as lie below.
    pub(crate) fn smallest_that(
        &self,
        does: impl Fn(Bytes) -> Result<bool, ReplayError>,
    ) -> Result<(Bytes, bool), ReplayError> {
        let (smallest, has_gaps) = self.find(&does)?;
        Ok((smallest, has_gaps || self.fails_above(smallest, &does)?))
    }

    /// The same without a look at what is larger than the smallest found, but for what was met on the way.
    pub(crate) fn find(
        &self,
        does: impl Fn(Bytes) -> Result<bool, ReplayError>,
    ) -> Result<(Bytes, bool), ReplayError> {
        let halved = self.halve(&does)?;
        let below = self.first_below(halved, &does)?;
        Ok((below.unwrap_or(halved), below.is_some()))
    }

    /// Halves the span between what is too little and what does.
    fn halve(
        &self,
        does: impl Fn(Bytes) -> Result<bool, ReplayError>,
    ) -> Result<Bytes, ReplayError> {
        let mut works = self.most.max(self.least).round_up(GRANULE);
        // A share of the device below 1 needs a larger card than what is reserved.
        let mut tries = 0;
        while !does(works)? {
            if ENDLESS <= works {
                return Err(ReplayError::TooMuch { live: self.least });
            }
            let more = if tries < STEPS { Bytes::new(works.get() / 8) } else { works };
            works = (works + more).round_up(GRANULE);
            tries += 1;
        }
        let mut fails = self.least.round_down(GRANULE).saturating_sub(GRANULE);
        while self.resolution < works.saturating_sub(fails) {
            let middle = Bytes::new(fails.get().midpoint(works.get())).round_up(GRANULE);
            if middle == works {
                break;
            }
            if does(middle)? {
                works = middle;
            } else {
                fails = middle;
            }
        }
        Ok(works)
    }

    /// Something smaller that does: the smallest where every size is tried, else the smallest around
    /// the first of those tried, which lie evenly over all that is less, and close together below.
    fn first_below(
        &self,
        halved: Bytes,
        does: impl Fn(Bytes) -> Result<bool, ReplayError>,
    ) -> Result<Option<Bytes>, ReplayError> {
        if self.tries == 0 {
            return Ok(None);
        }
        let sizes = |from: Bytes, to: Bytes, stride: Bytes| {
            let first = Some(from.round_up(GRANULE)).filter(|&first| first < to);
            std::iter::successors(first, move |&size| Some(size + stride).filter(|&it| it < to))
        };
        let stride = self.stride(halved.saturating_sub(self.least));
        let close =
            Bytes::new(self.resolution.get() * CLOSE).min(halved.saturating_sub(self.least));
        let evenly = sizes(self.least, halved - close, stride);
        let mut passed = self.least;
        for size in evenly.chain(sizes(halved - close, halved, self.resolution)) {
            if does(size)? {
                for closer in sizes(passed, size, self.stride(size - passed)) {
                    if does(closer)? {
                        return Ok(Some(closer));
                    }
                }
                return Ok(Some(size));
            }
            passed = size + self.resolution;
        }
        Ok(None)
    }

    /// Whether something between what does and the most that is used does not, as far as tries tell:
    /// close together where memory is short, ever farther apart above, and evenly over all of it.
    pub(crate) fn fails_above(
        &self,
        smallest: Bytes,
        does: impl Fn(Bytes) -> Result<bool, ReplayError>,
    ) -> Result<bool, ReplayError> {
        let first = Bytes::new(self.resolution.get() * 4);
        // Without a limit less may be used than is needed with one.
        let span = self.most.saturating_sub(smallest).max(first + first);
        let farther = |&beyond: &Bytes| {
            let apart = Bytes::new(beyond.get() / 4).round_down(GRANULE).max(first);
            Some(beyond + apart)
        };
        let geometric = std::iter::successors(Some(first), farther);
        let geometric = geometric.take(if self.tries == 0 { 3 } else { usize::MAX });
        let stride = self.stride(span);
        let evenly = (1..=self.tries).map(|step| Bytes::new(stride.get() * step));
        let is_inside = |beyond: &Bytes| *beyond < span;
        for beyond in geometric.take_while(is_inside).chain(evenly.take_while(is_inside)) {
            if !does(smallest + beyond)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How far apart tries are that are spread over a span.
    fn stride(&self, span: Bytes) -> Bytes {
        let even = Bytes::new(span.get() / self.tries.max(1));
        even.max(self.resolution).round_up(GRANULE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From 200 MiB on it does, and at these sizes below.
    fn does(sizes: &'static [u64]) -> impl Fn(Bytes) -> Result<bool, ReplayError> {
        move |size| Ok(Bytes::mib(200) <= size || sizes.iter().any(|&mib| size == Bytes::mib(mib)))
    }

    fn search(tries: u64) -> Search {
        let (least, most) = (Bytes::mib(90), Bytes::mib(400));
        Search { least, most, resolution: GRANULE, tries }
    }

    #[test]
    fn with_enough_tries_it_is_the_smallest_of_all() {
        for sizes in [&[100, 104, 106][..], &[92], &[196], &[90, 150]] {
            let found = search(200).smallest_that(does(sizes)).unwrap();
            assert_eq!(found, (Bytes::mib(sizes[0]), true));
        }
        assert_eq!(search(200).smallest_that(does(&[])), Ok((Bytes::mib(200), false)));
    }

    #[test]
    fn what_never_does_is_no_answer() {
        let answer = search(8).smallest_that(|_| Ok(false));
        assert_eq!(answer, Err(ReplayError::TooMuch { live: Bytes::mib(90) }));
        let large = Bytes::gib(3000);
        let found = search(0).smallest_that(|size| Ok(large <= size)).unwrap();
        assert_eq!(found, (large, false));
    }

    #[test]
    fn close_sizes_are_always_tried() {
        assert_eq!(search(8).smallest_that(does(&[180])), Ok((Bytes::mib(180), true)));
    }

    #[test]
    fn what_fails_above_is_told() {
        let fails_at =
            |gap: u64| move |size| Ok(Bytes::mib(200) <= size && size != Bytes::mib(gap));
        for gap in [208, 250, 398] {
            let found = search(200).smallest_that(fails_at(gap)).unwrap();
            assert_eq!(found, (Bytes::mib(200), true), "{gap}");
        }
    }
}
