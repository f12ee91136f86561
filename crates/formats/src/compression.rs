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
            // A frame of data, or one to be skipped, which parallel compressors put first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Some(Self::Zstandard)
            }
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

/// What came out of a compressed file.
pub(crate) struct Unpacked {
    pub(crate) bytes: Vec<u8>,
    /// How many bytes stand behind the last member and belong to none, padding not counted.
    pub(crate) left_over: usize,
}

/// The bytes as they were before compression; the same bytes where there was none.
pub(crate) fn unpack(bytes: Vec<u8>, limits: &Limits) -> Result<Unpacked, UnpackError> {
    let Some(compression) = Compression::of(&bytes) else {
        return Ok(Unpacked { bytes, left_over: 0 });
    };
    let limit = limits.unpacked(bytes.len());
    let mut unpacked = Vec::with_capacity(bytes.len().saturating_mul(4).min(64 << 20));
    let mut rest = bytes.as_slice();
    while Compression::of(rest) == Some(compression) {
        let member = match compression {
            Compression::Gzip => unpack_member(rest, limit, &mut unpacked),
            Compression::Zstandard => unpack_frame(rest, limit, &mut unpacked),
        };
        rest = member.map_err(|source| {
            let unpacked = unpacked.len();
            UnpackError::Damaged { compression, unpacked, source }
        })?;
        if limit < unpacked.len() as u64 {
            return Err(UnpackError::TooFar { compression, limit });
        }
    }
    let is_padding = rest.iter().all(|&byte| byte == 0);
    Ok(Unpacked { bytes: unpacked, left_over: if is_padding { 0 } else { rest.len() } })
}

/// Unpacks the first member of a gzip file; what is behind it is left.
fn unpack_member<'b>(bytes: &'b [u8], limit: u64, into: &mut Vec<u8>) -> io::Result<&'b [u8]> {
    let mut member = flate2::bufread::GzDecoder::new(bytes);
    take(&mut member, limit, into)?;
    Ok(member.into_inner())
}

/// Unpacks the first frame of a Zstandard file; what is behind it is left.
fn unpack_frame<'b>(bytes: &'b [u8], limit: u64, into: &mut Vec<u8>) -> io::Result<&'b [u8]> {
    if let [0x50..=0x5f, _, _, _, size_and_content @ ..] = bytes {
        let rest = behind_content(size_and_content);
        return rest.ok_or_else(|| io::ErrorKind::UnexpectedEof.into());
    }
    let mut rest = bytes;
    let frame = ruzstd::decoding::StreamingDecoder::new(&mut rest);
    let mut frame = frame.map_err(|error| io::Error::other(error.to_string()))?;
    take(&mut frame, limit, into)?;
    // The decoder computes the checksum and leaves the comparison to its caller.
    let decoder = frame.into_frame_decoder();
    let written = decoder.get_checksum_from_data();
    if decoder.is_finished() && written.is_some() && written != decoder.get_calculated_checksum() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum does not match"));
    }
    Ok(rest)
}

/// What is behind the content of a frame to be skipped; none where the file ends inside of it.
fn behind_content(size_and_content: &[u8]) -> Option<&[u8]> {
    let (&size, content) = size_and_content.split_first_chunk::<4>()?;
    let size = usize::try_from(u32::from_le_bytes(size)).ok()?;
    content.get(size..)
}

/// Reads until the end, or one byte past the limit.
fn take(reader: &mut impl Read, limit: u64, into: &mut Vec<u8>) -> io::Result<()> {
    let left = limit.saturating_add(1).saturating_sub(into.len() as u64);
    reader.take(left).read_to_end(into).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `zstd --check` makes of `gapless` and a line's end.
    const FRAME: [u8; 21] = *b"\x28\xb5\x2f\xfd\x04\x58\x41\x00\x00gapless\n\x60\x88\x30\xb3";
    const SKIPPED: [u8; 11] = *b"\x50\x2a\x4d\x18\x03\0\0\0abc";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        let mut gzip = flate2::GzBuilder::new().write(&mut packed, flate2::Compression::fast());
        io::Write::write_all(&mut gzip, text).unwrap();
        gzip.finish().unwrap();
        packed
    }

    #[track_caller]
    fn check(packed: &[&[u8]], expected: &[u8], left_over: usize) {
        let unpacked = unpack(packed.concat(), &Limits::default()).unwrap();
        assert_eq!((unpacked.bytes.as_slice(), unpacked.left_over), (expected, left_over));
    }

    #[test]
    fn members_follow_each_other_and_what_is_behind_is_counted() {
        let one = gzip(b"one");
        check(&[&one], b"one", 0);
        check(&[&one, &gzip(b"two")], b"onetwo", 0);
        check(&[&one, &[0; 512]], b"one", 0);
        check(&[&one, b"trash"], b"one", 5);
    }

    #[test]
    fn frames_follow_each_other_and_some_are_skipped() {
        check(&[&FRAME], b"gapless\n", 0);
        check(&[&SKIPPED, &FRAME, &SKIPPED, &FRAME], b"gapless\ngapless\n", 0);
        check(&[&FRAME, b"trash"], b"gapless\n", 5);
    }

    #[test]
    fn a_changed_byte_is_found() {
        for at in 9..FRAME.len() {
            let mut frame = FRAME;
            frame[at] ^= 1;
            let damaged = unpack(frame.to_vec(), &Limits::default());
            assert!(matches!(damaged, Err(UnpackError::Damaged { .. })), "{at}");
        }
        let skipped = unpack(SKIPPED[..9].to_vec(), &Limits::default());
        assert!(matches!(skipped, Err(UnpackError::Damaged { .. })));
    }

    #[test]
    fn the_limit_counts_all_members() {
        let limits = Limits { unpacked_bytes: 5, unpacked_ratio: 1 };
        let packed = [gzip(b"one"), gzip(b"two")].concat();
        assert!(matches!(unpack(packed, &limits), Err(UnpackError::TooFar { limit: 5, .. })));
    }
}
