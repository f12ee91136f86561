//! Whether it is worth to watch what a program asks for.
//!
//! Most programs come to rest by themselves: nothing is mapped any more, and nobody has to know their
//! requests. Others never repeat. Neither should pay for what is profiled of those that do both, so
//! requests are watched for a while when pages move, and less and less where nothing is found.

use gapless_units::Bytes;

/// So many requests are watched at a time: those of eight turns of the longest period.
const SPAN: u32 = 1 << 17;

/// So often pages move before the next watch, where nothing was found; each time twice as
/// often, up to a limit.
const IN_VAIN: u32 = 64;

/// The limit.
const MOST_IN_VAIN: u32 = 1 << 12;

/// What it means that pages were mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unrest {
    /// The program grows, or it is to be left alone for a while.
    Ignored,
    /// Pages were mapped though no more was alive than before, and the requests are watched already.
    Watched,
    /// The same, and from now on they are.
    WatchBegins,
}

/// How many more requests are watched.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watch {
    left: u32,
    /// How many were left when pages were mapped last.
    left_when_moved: u32,
    /// The most that was alive when pages were mapped.
    peak: Bytes,
    /// How many moves are left out before the next watch.
    left_out: u32,
    /// How many were left out last.
    in_vain: u32,
}

impl Watch {
    /// Whether requests are watched.
    #[inline]
    pub(super) fn is_on(self) -> bool {
        0 < self.left
    }

    /// A request was watched.
    pub(super) fn spend(&mut self) {
        self.left -= 1;
        if self.left == 0 {
            let has_come_to_rest = SPAN / 2 <= self.left_when_moved;
            let in_vain = (2 * self.in_vain).clamp(IN_VAIN, MOST_IN_VAIN);
            self.in_vain = if has_come_to_rest { 0 } else { in_vain };
            self.left_out = self.in_vain;
        }
    }

    /// Something was found, and there is more to see.
    pub(super) fn renew(&mut self) {
        self.left = SPAN;
        self.left_when_moved = SPAN;
        self.in_vain = 0;
    }

    /// Takes in that pages were mapped, with which so much has been alive at most.
    pub(super) fn map(&mut self, peak: Bytes) -> Unrest {
        if self.peak < peak {
            self.peak = peak;
            return Unrest::Ignored;
        }
        self.left_when_moved = self.left;
        if 0 < self.left {
            return Unrest::Watched;
        }
        if 0 < self.left_out {
            self.left_out -= 1;
            return Unrest::Ignored;
        }
        self.left = SPAN;
        self.left_when_moved = SPAN;
        Unrest::WatchBegins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Watches until it is over, while pages move; answers how many requests.
    fn to_the_end(watch: &mut Watch) -> u32 {
        let requests = std::iter::from_fn(|| {
            watch.is_on().then(|| {
                watch.map(Bytes::mib(1));
                watch.spend();
            })
        });
        requests.map(|()| 1).sum()
    }

    /// How often pages move before requests are watched.
    fn moves(watch: &mut Watch) -> u32 {
        std::iter::from_fn(|| (watch.map(Bytes::mib(1)) == Unrest::Ignored).then_some(1)).sum()
    }

    #[test]
    fn a_program_that_grows_is_not_watched() {
        let mut watch = Watch::default();
        assert!((1..100).all(|peak| watch.map(Bytes::mib(peak)) == Unrest::Ignored));
        assert!(!watch.is_on());
        assert_eq!(watch.map(Bytes::mib(99)), Unrest::WatchBegins);
        assert!(watch.is_on());
        assert_eq!(watch.map(Bytes::mib(99)), Unrest::Watched);
    }

    #[test]
    fn where_nothing_is_found_it_is_watched_less() {
        let mut watch = Watch::default();
        let left_out = [1, 64, 128, 256, 512, 1024, 2048, 4096, 4096];
        for expected in left_out {
            assert_eq!(moves(&mut watch), expected);
            assert_eq!(to_the_end(&mut watch), SPAN);
        }
        assert_eq!(moves(&mut watch), 4096);
        watch.renew();
        assert_eq!(to_the_end(&mut watch), SPAN);
        assert_eq!(moves(&mut watch), 64);
    }

    #[test]
    fn who_came_to_rest_is_watched_again_at_once() {
        let mut watch = Watch::default();
        assert_eq!(moves(&mut watch), 1);
        while watch.is_on() {
            watch.spend();
        }
        assert_eq!(moves(&mut watch), 0);
        assert!(watch.is_on());
    }
}
