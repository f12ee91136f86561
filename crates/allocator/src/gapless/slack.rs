//! How much memory is kept beyond what is alive: the one choice that every program may have to make.

use gapless_units::Bytes;

/// How much memory is kept beyond the most that was ever alive, to save device calls.
///
/// Up to this much is taken from the device before pages that lie free elsewhere are moved. More
/// slack means fewer calls and more memory. It is a wish, not a limit: where the device has no
/// more, pages are moved instead, and no request fails for lack of slack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slack {
    /// As a share of the most that was alive, from 0 to 1; what is beyond counts as that, and what is no
    /// number as 0.
    pub share: f64,
    /// At least so much.
    pub least: Bytes,
}

impl Slack {
    /// One percent: on recorded programs it saves most moves.
    pub const DEFAULT: Self = Self { share: 0.01, least: Bytes::ZERO };

    /// None: a page is taken from the device only where no free one can be moved.
    pub const NONE: Self = Self { share: 0.0, least: Bytes::ZERO };

    /// The most to reserve by choice when `peak` was alive at most.
    pub(super) fn budget(self, peak: Bytes) -> Bytes {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a size is a size"
        )]
        let slack = Bytes::new((peak.get() as f64 * self.share.clamp(0.0, 1.0)) as u64);
        Bytes::new(peak.get().saturating_add(slack.max(self.least).get()))
    }
}

impl Default for Slack {
    fn default() -> Self {
        Self::DEFAULT
    }
}
