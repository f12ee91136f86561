//! Taking bytes off a pickle, never past its end.

use super::error::PickleError;

/// A place in a pickle.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the current opcode is.
    opcode_at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, opcode_at: 0 }
    }

    /// The next opcode.
    pub(super) fn opcode(&mut self) -> Result<u8, PickleError> {
        self.opcode_at = self.at;
        let &opcode = self.bytes.get(self.at).ok_or_else(|| self.truncated())?;
        self.at += 1;
        Ok(opcode)
    }

    /// Where the current opcode is.
    pub(super) fn opcode_at(&self) -> usize {
        self.opcode_at
    }

    /// How many bytes were taken.
    pub(super) fn taken(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let rest = &self.bytes[self.at..];
        let &array = rest.first_chunk::<N>().ok_or_else(|| self.truncated())?;
        self.at += N;
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, PickleError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32, PickleError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, PickleError> {
        self.array().map(u64::from_le_bytes)
    }

    /// As many bytes as were claimed, if they are there.
    pub(super) fn bytes(&mut self, claimed: u64) -> Result<&'a [u8], PickleError> {
        let left = self.left();
        let size = usize::try_from(claimed).ok().filter(|&size| size <= left);
        let size = size.ok_or(PickleError::ClaimsTooMuch { at: self.opcode_at, claimed, left })?;
        let taken = &self.bytes[self.at..self.at + size];
        self.at += size;
        Ok(taken)
    }

    /// The bytes up to a line's end, without it.
    pub(super) fn line(&mut self) -> Result<&'a [u8], PickleError> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n').ok_or_else(|| self.truncated())?;
        self.at += end + 1;
        Ok(&rest[..end])
    }

    fn truncated(&self) -> PickleError {
        PickleError::Truncated { at: self.bytes.len() }
    }
}
