//! The allocator's clock: logical time, by which it is known what work may still use.

/// A moment on the clock, which goes on with each free, with each that is done later, and with each pool
/// that ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Time(u64);

impl Time {
    /// When the clock begins: before anything was freed.
    pub(super) const START: Self = Self(0);

    /// Until when something was used that never was.
    pub(super) const NEVER: Self = Self::START;

    /// Lets time go on.
    #[inline]
    pub(super) fn pass(&mut self) {
        self.0 += 1;
    }
}
