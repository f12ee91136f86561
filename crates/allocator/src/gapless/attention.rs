//! Whether it is worth to listen to what a program asks for.
//!
//! Most programs come to rest by themselves: nothing is mapped any more, and nobody has to know their
//! requests. Others never repeat. Neither should pay for what is learnt of those that do both, so it
//! is listened for a while when pages move, and less and less where nothing is found.

use gapless_units::Bytes;

/// So many requests are listened to at a time: those of eight turns of the longest period.
const SPAN: u32 = 1 << 17;

/// So often pages move before it is listened again, where nothing was found; each time twice as
/// often, up to a limit.
const IN_VAIN: u32 = 64;

/// The limit.
const MOST_IN_VAIN: u32 = 1 << 12;

/// What it means that pages were mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The program grows, or it is to be left alone for a while.
    Nothing,
    /// Pages were mapped though no more was alive than before, and somebody listens already.
    Restless,
    /// The same, and from now on somebody listens.
    StartsToListen,
}

/// For how many more requests somebody listens.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attention {
    left: u32,
    /// How many were left when pages were mapped last.
    left_when_moved: u32,
    /// The most that was alive when pages were mapped.
    peak: Bytes,
    /// How many moves are left out before it is listened again.
    left_out: u32,
    /// How many were left out last.
    in_vain: u32,
}

impl Attention {
    /// Whether somebody listens.
    #[inline]
    pub(super) fn is_paid(self) -> bool {
        0 < self.left
    }

    /// A request was listened to.
    pub(super) fn spend(&mut self) {
        self.left -= 1;
        if self.left == 0 {
            let has_come_to_rest = SPAN / 2 <= self.left_when_moved;
            let in_vain = (2 * self.in_vain).clamp(IN_VAIN, MOST_IN_VAIN);
            self.in_vain = if has_come_to_rest { 0 } else { in_vain };
            self.left_out = self.in_vain;
        }
    }

    /// Something was found, and there is more to hear.
    pub(super) fn renew(&mut self) {
        self.left = SPAN;
        self.left_when_moved = SPAN;
        self.in_vain = 0;
    }

    /// Takes in that pages were mapped, with which so much has been alive at most.
    pub(super) fn map(&mut self, peak: Bytes) -> Heard {
        if self.peak < peak {
            self.peak = peak;
            return Heard::Nothing;
        }
        self.left_when_moved = self.left;
        if 0 < self.left {
            return Heard::Restless;
        }
        if 0 < self.left_out {
            self.left_out -= 1;
            return Heard::Nothing;
        }
        self.left = SPAN;
        self.left_when_moved = SPAN;
        Heard::StartsToListen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Listens until nobody does any more, while pages move; answers to how many requests.
    fn listen(attention: &mut Attention) -> u32 {
        let requests = std::iter::from_fn(|| {
            attention.is_paid().then(|| {
                attention.map(Bytes::mib(1));
                attention.spend();
            })
        });
        requests.map(|()| 1).sum()
    }

    /// How often pages move before somebody listens.
    fn moves(attention: &mut Attention) -> u32 {
        std::iter::from_fn(|| (attention.map(Bytes::mib(1)) == Heard::Nothing).then_some(1)).sum()
    }

    #[test]
    fn a_program_that_grows_is_not_listened_to() {
        let mut attention = Attention::default();
        assert!((1..100).all(|peak| attention.map(Bytes::mib(peak)) == Heard::Nothing));
        assert!(!attention.is_paid());
        assert_eq!(attention.map(Bytes::mib(99)), Heard::StartsToListen);
        assert!(attention.is_paid());
        assert_eq!(attention.map(Bytes::mib(99)), Heard::Restless);
    }

    #[test]
    fn where_nothing_is_found_it_is_listened_less() {
        let mut attention = Attention::default();
        let left_out = [1, 64, 128, 256, 512, 1024, 2048, 4096, 4096];
        for expected in left_out {
            assert_eq!(moves(&mut attention), expected);
            assert_eq!(listen(&mut attention), SPAN);
        }
        assert_eq!(moves(&mut attention), 4096);
        attention.renew();
        assert_eq!(listen(&mut attention), SPAN);
        assert_eq!(moves(&mut attention), 64);
    }

    #[test]
    fn who_came_to_rest_is_listened_to_again_at_once() {
        let mut attention = Attention::default();
        assert_eq!(moves(&mut attention), 1);
        while attention.is_paid() {
            attention.spend();
        }
        assert_eq!(moves(&mut attention), 0);
        assert!(attention.is_paid());
    }
}
