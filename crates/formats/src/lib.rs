//! Every file format gapless reads.
//!
//! [`read`] takes the bytes of a file and hands over a [`Recording`]: compression and format are
//! told by content, never by name. Readers accept data only, take no more memory than a small
//! multiple of the file, and return what they could read with notes on what they could not.
//!
//! ```text
//!   bytes ─► compression ─┬─► pickle ─┬─► document ─► snapshot ─► Recording
//!                         ├─► json ───┘                           ▲
//!                         └─► operations ─────────────────────────┘
//! ```

mod limits;

mod document;
mod pickle;
mod json;
mod operations;

mod compression;
mod error;

mod snapshot;
mod snapshot_writer;
mod sniff;

use gapless_trace::{Format, Note, Recording};

pub use compression::{Compression, UnpackError};
pub use document::BuildError;
pub use error::{Foreign, ReadError};
pub use json::JsonError;
pub use limits::Limits;
pub use operations::{Mistake, OperationError};
pub use pickle::PickleError;
pub use snapshot_writer::{WriteError, write_snapshot};

use compression::Unpacked;
use sniff::Content;

/// Reads a recording from the bytes of a file.
pub fn read(bytes: Vec<u8>, limits: &Limits) -> Result<Recording, ReadError> {
    let Unpacked { bytes, left_over } = compression::unpack(bytes, limits)?;
    let mut recording = match sniff::content(&bytes)? {
        Content::Pickle => {
            let document = pickle::read(&bytes)?;
            drop(bytes);
            snapshot::decode(&document, Format::SnapshotPickle)?
        }
        Content::Json => {
            let document = json::read(&bytes)?;
            drop(bytes);
            snapshot::decode(&document, Format::SnapshotJson)?
        }
        Content::Operations => operations::read(&bytes)?,
    };
    if 0 < left_over {
        let text = format!("{left_over} bytes behind the compressed data were not read");
        recording.notes.push(Note::missing("trailing-bytes", text));
    }
    Ok(recording)
}
