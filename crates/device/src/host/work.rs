//! What a stream can be told to do with memory.

use std::sync::mpsc::Sender;

use gapless_units::{Bytes, Extent, StreamId};

use super::complaint::{Complaint, Fault, Mismatch};
use super::memory::Memory;
use super::pattern::pattern;

/// One thing that a stream does.
#[derive(Debug)]
pub(super) enum Work {
    /// Write the pattern of a seed.
    Fill { to: Extent, seed: u64 },
    /// Look whether the pattern of a seed is there.
    Check { of: Extent, seed: u64 },
    /// Write bytes.
    Write { to: Extent, bytes: Vec<u8> },
    /// Read bytes for somebody.
    Read { from: Extent, reader: Sender<Vec<u8>> },
    /// Copy bytes; both extents have the same size.
    Copy { from: Extent, to: Extent },
}

/// The memory that work uses: one extent, or two.
pub(super) type Uses = (Extent, Option<Extent>);

impl Work {
    pub(super) fn uses(&self) -> Uses {
        match *self {
            Self::Fill { to: extent, .. }
            | Self::Check { of: extent, .. }
            | Self::Write { to: extent, .. }
            | Self::Read { from: extent, .. } => (extent, None),
            Self::Copy { from, to } => (from, Some(to)),
        }
    }

    /// Does the work, or nothing where it has no access.
    pub(super) fn perform(self, stream: StreamId, memory: &Memory) -> Result<(), Complaint> {
        let view =
            |extent| memory.view(extent).map_err(|addr| Complaint::Fault(Fault { stream, addr }));
        match self {
            Self::Fill { to, seed } => view(to)?.fill(|offset| pattern(seed, offset)),
            Self::Check { of, seed } => {
                let difference = view(of)?.find_difference(|offset| pattern(seed, offset));
                if let Some(it) = difference {
                    let addr = of.start() + Bytes::new(it.offset);
                    let (expected, found) = (it.expected, it.found);
                    let mismatch = Mismatch { stream, addr, expected, found };
                    return Err(Complaint::Mismatch(mismatch));
                }
            }
            Self::Write { to, bytes } => view(to)?.write(&bytes),
            Self::Read { from, reader } => {
                // Nobody needs to be there any more.
                let _ = reader.send(view(from)?.read());
            }
            Self::Copy { from, to } => {
                let (from, to) = (view(from)?, view(to)?);
                // The two may share memory, under the same addresses or others.
                to.write(&from.read());
            }
        }
        Ok(())
    }
}
