//! The physical memory of the host's device: one file without a name, cut into granules.

use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use gapless_units::Bytes;
use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, fstat, ftruncate, memfd_create};
use rustix::io::Result;

use crate::ranges::Ranges;

/// A part of the file.
pub(super) type Piece = Range<u64>;

/// What of the file is whose.
#[derive(Debug)]
pub(super) struct Backing {
    file: OwnedFd,
    size: u64,
    free: Ranges,
}

impl Backing {
    /// A file of so many bytes, none of which takes memory before it is written.
    pub(super) fn new(size: Bytes) -> Result<Self> {
        let file = memfd_create("gapless-host", MemfdFlags::CLOEXEC)?;
        ftruncate(&file, size.get())?;
        Ok(Self { file, size: size.get(), free: Ranges::of(0..size.get()) })
    }

    pub(super) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Takes `size` bytes, which are free: in one piece where one is long enough, else in several,
    /// so that this memory knows no gaps.
    pub(super) fn take(&mut self, size: Bytes) -> Vec<Piece> {
        let mut left = size.get();
        let fits = |piece: &Piece| left <= piece.end - piece.start;
        let whole = self.free.within(0..self.size).find(fits);
        let mut pieces = Vec::new();
        for piece in whole.into_iter().chain(self.free.within(0..self.size)) {
            if left == 0 {
                break;
            }
            let taken = left.min(piece.end - piece.start);
            pieces.push(piece.start..piece.start + taken);
            left -= taken;
        }
        for piece in &pieces {
            self.free.remove(piece.clone());
        }
        pieces
    }

    /// Takes pieces back, and gives their memory to the system.
    pub(super) fn give(&mut self, pieces: Vec<Piece>) {
        for piece in pieces {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            // Where the system does not take it, it stays for whoever gets the piece next.
            let _ = fallocate(&self.file, flags, piece.start, piece.end - piece.start);
            self.free.insert(piece);
        }
    }

    /// How much memory the system holds for the file.
    pub(super) fn resident(&self) -> Bytes {
        let blocks = fstat(&self.file).map_or(0, |stat| stat.st_blocks);
        // The unit of this field is 512 bytes, whatever the file system.
        Bytes::new(u64::try_from(blocks).unwrap_or_default() * 512)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_no_gaps() {
        let kib = |kib: u64| Bytes::new(kib * 1024);
        let mut backing = Backing::new(kib(64)).unwrap();
        let mut pieces: Vec<_> = (0..8).map(|_| backing.take(kib(8))).collect();
        for at in [6, 3, 1] {
            backing.give(pieces.swap_remove(at));
        }
        assert_eq!(backing.take(kib(24)), [8192..16384, 24576..32768, 49152..57344]);
        backing.give(pieces.swap_remove(0));
        assert_eq!(backing.take(kib(4)).first(), Some(&(0..4096)));
        assert_eq!(backing.resident(), Bytes::ZERO);
    }
}
