//! The allocator's clock: logical time, by which it is known what work may still use.

/// A moment on the clock. It goes on with each free, with each that is done later, and with each pool
/// that ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Time(u64);

impl Time {
    /// Before anything happened.
    pub(super) const NEVER: Self = Self(0);

    /// Lets time go on.
    #[inline]
    pub(super) fn pass(&mut self) {
        self.0 += 1;
    }
}
