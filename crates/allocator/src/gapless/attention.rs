//! Whether it is worth to listen to what a program asks for.
//!
//! Most programs come to rest by themselves: nothing is mapped any more, and nobody has to know their
//! requests. So it costs a program at rest nothing that others are studied.

use gapless_units::Bytes;

/// So many requests are listened to after pages were mapped.
const SPAN: u32 = 1 << 16;

/// For how many more requests somebody listens.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attention {
    left: u32,
    /// The most that was alive when pages were mapped.
    peak: Bytes,
}

impl Attention {
    /// Whether somebody listens.
    #[inline]
    pub(super) fn is_paid(self) -> bool {
        0 < self.left
    }

    /// A request was listened to.
    pub(super) fn spend(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    /// There is more to hear.
    pub(super) fn renew(&mut self) {
        self.left = SPAN;
    }

    /// Takes in that pages are mapped, when so much has been alive at most. Says whether that is
    /// restless: no more is alive than when pages were mapped before.
    pub(super) fn map(&mut self, peak: Bytes) -> bool {
        let is_restless = peak <= self.peak;
        self.peak = self.peak.max(peak);
        if is_restless {
            self.renew();
        }
        is_restless
    }
}
