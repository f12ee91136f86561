//! Times of events, as recordings give them.

/// Microseconds since the epoch the recording counts from.
///
/// They order nothing: recorders stamp events with clocks that may step back between threads, so
/// the order of a trace is the order of its lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

impl Micros {
    /// The microseconds from `earlier` to this time, 0 where the clock stepped back.
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}
