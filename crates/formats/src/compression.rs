//! Unpacking what arrives compressed. How is told by content, not by name.

use std::fmt;
use std::io::{self, Read};

use crate::limits::Limits;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip, of one or several members.
    Gzip,
    /// Zstandard, of one or several frames.
    Zstandard,
}

impl fmt::Display for Compression {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstandard => "Zstandard",
        })
    }
}

impl Compression {
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstandard),
            _ => None,
        }
    }
}

/// Why compressed data does not unpack.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// It is damaged or cut off.
    #[error("its {compression} data is damaged or cut off after {unpacked} unpacked bytes")]
    Damaged {
        /// How it is compressed.
        compression: Compression,
        /// How many bytes came out before.
        unpacked: usize,
        /// What the decompressor met.
        #[source]
        source: io::Error,
    },
    /// It unpacks to more than is allowed.
    #[error("its {compression} data unpacks to more than {limit} bytes")]
    TooFar {
        /// How it is compressed.
        compression: Compression,
        /// The limit, from the size of the file.
        limit: u64,
    },
}

/// The bytes as they were before compression; the same bytes where there was none.
pub(crate) fn unpack(bytes: Vec<u8>, limits: &Limits) -> Result<Vec<u8>, UnpackError> {
    let Some(compression) = Compression::of(&bytes) else { return Ok(bytes) };
    let limit = limits.unpacked(bytes.len());
    let mut unpacked = Vec::with_capacity(bytes.len().saturating_mul(4).min(64 << 20));
    let done = match compression {
        Compression::Gzip => {
            take(&mut flate2::read::MultiGzDecoder::new(bytes.as_slice()), limit, &mut unpacked)
        }
        Compression::Zstandard => unpack_frames(&bytes, limit, &mut unpacked),
    };
    if let Err(source) = done {
        return Err(UnpackError::Damaged { compression, unpacked: unpacked.len(), source });
    }
    if limit < unpacked.len() as u64 {
        return Err(UnpackError::TooFar { compression, limit });
    }
    Ok(unpacked)
}

fn unpack_frames(mut bytes: &[u8], limit: u64, unpacked: &mut Vec<u8>) -> io::Result<()> {
    while Compression::of(bytes) == Some(Compression::Zstandard) && unpacked.len() as u64 <= limit {
        let mut frame = ruzstd::decoding::StreamingDecoder::new(&mut bytes)
            .map_err(|error| io::Error::other(error.to_string()))?;
        take(&mut frame, limit, unpacked)?;
    }
    Ok(())
}

/// Reads until the end, or one byte past the limit.
fn take(reader: &mut impl Read, limit: u64, into: &mut Vec<u8>) -> io::Result<()> {
    let left = limit.saturating_add(1).saturating_sub(into.len() as u64);
    reader.take(left).read_to_end(into).map(|_| ())
}
