//! What an allocator of ours has to say for itself: explained as any recording is, or written as
//! a snapshot.

use std::fmt;

use gapless_formats::WriteError;
use gapless_report::{Asked, Examination, ExamineError, Facts, Look, Source, text};
use gapless_trace::Recording;
use gapless_units::Bytes;

/// The width of the screen that [`Explanation`] displays.
const WIDTH: usize = 80;

/// What `gapless explain` says of a recording: ledger, verdict, what holds the gaps, and the
/// cheapest blocks whose release would have helped.
#[derive(Clone, Debug)]
pub struct Explanation(Facts);

impl Explanation {
    /// The same as data.
    pub fn facts(&self) -> &Facts {
        &self.0
    }
}

impl fmt::Display for Explanation {
    /// The screen of `gapless explain`, without colors.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let look = Look { width: WIDTH, verbose: false, hints: false };
        let screen = text(std::slice::from_ref(&self.0), &look);
        // Styles begin with an escape and end with `m`; nothing else here has one.
        let mut parts = screen.split('\u{1b}');
        out.write_str(parts.next().unwrap_or_default())?;
        for part in parts {
            out.write_str(part.split_once('m').map_or(part, |(_, behind)| behind))?;
        }
        Ok(())
    }
}

/// Explains an allocator: where every byte is that it holds, and why its last request failed where
/// one did. `capacity` is the memory of the device, where known.
///
/// ```
/// use gapless::allocator::{GaplessAllocator, Slack};
/// use gapless::device::{Sim, SimSetup};
/// use gapless::units::{Bytes, StreamId};
///
/// let device = Sim::new(SimSetup::new(Bytes::gib(1)));
/// let mut allocator = GaplessAllocator::new(device, Slack::DEFAULT, ());
/// let _held = allocator.allocate(Bytes::mib(600), StreamId::DEFAULT)?;
/// assert!(allocator.allocate(Bytes::mib(500), StreamId::DEFAULT).is_err());
/// let explanation = gapless::explain(allocator.recording(), Some(Bytes::gib(1)))?;
/// assert!(explanation.to_string().contains("TRUE SHORTAGE. 500.0 MiB were asked for."));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn explain(recording: Recording, capacity: Option<Bytes>) -> Result<Explanation, ExamineError> {
    let source = Source { path: "this allocator".to_owned(), bytes: Bytes::ZERO };
    let asked = Asked { capacity, ..Asked::default() };
    let examination = Examination::of(recording, source, &asked)?;
    Ok(Explanation(Facts::of(&examination)))
}

/// The bytes that `torch.cuda.memory._dump_snapshot` would write of an allocator: for PyTorch's
/// viewer, for `gapless explain`, and for every other command.
///
/// ```
/// # use gapless::allocator::{GaplessAllocator, Recorder, Slack};
/// # use gapless::device::{Sim, SimSetup};
/// # use gapless::units::{Bytes, StreamId};
/// let device = Sim::new(SimSetup::new(Bytes::gib(1)));
/// // A recorder keeps all that happens; without one a snapshot shows how things are.
/// let mut allocator = GaplessAllocator::new(device, Slack::DEFAULT, Recorder::default());
/// let block = allocator.allocate(Bytes::mib(600), StreamId::DEFAULT)?;
/// let bytes = gapless::snapshot(&allocator.recording())?;
/// let read = gapless::formats::read(bytes, &gapless::formats::Limits::default())?;
/// assert_eq!(read.devices[0].events.len(), allocator.recording().devices[0].events.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn snapshot(recording: &Recording) -> Result<Vec<u8>, WriteError> {
    gapless_formats::write_snapshot(recording)
}
