//! Stamps: which work may still use memory that lies free.

use gapless_units::StreamId;

/// Who used free memory last, and until when on the allocator's own clock, which counts frees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The stream; none where several did.
    pub(super) stream: Option<StreamId>,
    pub(super) time: u64,
}

impl Stamp {
    /// Of memory that nobody used yet.
    pub(super) const UNUSED: Self = Self { stream: None, time: 0 };

    /// Of two pieces that become one.
    pub(super) fn and(self, other: Self) -> Self {
        if self.time == 0 {
            return other;
        }
        if other.time == 0 {
            return self;
        }
        let stream = self.stream.filter(|_| self.stream == other.stream);
        Self { stream, time: self.time.max(other.time) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_uses_are_one_of_their_stream_or_one_of_several() {
        let of = |stream, time| Stamp { stream: Some(StreamId(stream)), time };
        assert_eq!(of(1, 3).and(of(1, 2)), of(1, 3));
        assert_eq!(of(1, 3).and(of(2, 5)), Stamp { stream: None, time: 5 });
        assert_eq!(of(1, 3).and(Stamp::UNUSED), of(1, 3));
        assert_eq!(Stamp::UNUSED.and(of(2, 1)), of(2, 1));
    }
}
