//! The address ranges of the host's device, and the one place where memory is touched by address.
//!
//! ```text
//!   region     whole ├──┬────────────────────────────────┬──┤  as the kernel gave it
//!   usable              ├────────┬────────┬──────┬───────┤     whole granules of it
//!                        nothing   a file   a file nothing
//!   open                         ├───────┤                    what may be touched
//! ```
//!
//! Everything here is sound by itself, whatever its callers say:
//!
//! - Only addresses of regions are mapped over or given back, and regions belong to this value.
//! - Only open addresses are touched. They are mapped, readable and writable.
//! - A [`View`] borrows this value, and whatever changes a mapping needs it whole. So nothing that
//!   is looked at goes away.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr::{null_mut, with_exposed_provenance, with_exposed_provenance_mut};
use std::slice;
use std::sync::atomic::AtomicU64;

use gapless_units::{Addr, Bytes, Extent};
use rustix::io::{Errno, Result};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mmap_anonymous, mprotect, munmap};
use rustix::param::page_size;

use super::backing::{Backing, Piece};
use super::view::View;
use crate::ranges::Ranges;

/// Addresses without memory, of which the system keeps no account.
const NOTHING: MapFlags = MapFlags::PRIVATE.union(MapFlags::NORESERVE);

/// Addresses that the kernel gave.
#[derive(Clone, Copy, Debug)]
struct Region {
    whole: Extent,
    usable: Extent,
}

/// All address ranges of a device.
#[derive(Debug, Default)]
pub(super) struct Maps {
    /// By the start of what is usable of each.
    regions: BTreeMap<Addr, Region>,
    /// The addresses that may be touched.
    open: Ranges,
    /// How often the kernel is still asked before it refuses everything.
    #[cfg(test)]
    pub(super) patience: Option<u64>,
}

impl Maps {
    /// Takes addresses that begin at a multiple of `align`, without memory.
    pub(super) fn reserve(&mut self, size: Bytes, align: Bytes) -> Result<Extent> {
        self.admit()?;
        let page = page_size() as u64;
        let slack = align.saturating_sub(Bytes::new(page));
        let whole = size.checked_add(slack).map_err(|_| Errno::NOMEM)?;
        let length = length_of(whole)?;
        // SAFETY: the kernel chooses addresses that nobody uses.
        let start = unsafe { mmap_anonymous(null_mut(), length, ProtFlags::empty(), NOTHING) }?;
        let start = Bytes::new(start.expose_provenance() as u64);
        let extent = |start: Bytes, size| {
            Extent::new(Addr::new(start.get()), size).map_err(|_| Errno::NOMEM)
        };
        let (whole, usable) = (extent(start, whole)?, extent(start.round_up(align), size)?);
        self.regions.insert(usable.start(), Region { whole, usable });
        Ok(usable)
    }

    /// Gives back what [`Maps::reserve`] gave, with all that is mapped there.
    pub(super) fn unreserve(&mut self, start: Addr) -> Result<()> {
        self.admit()?;
        let Region { whole, usable } = *self.regions.get(&start).ok_or(Errno::INVAL)?;
        let (start, length) = (pointer_to(whole.start())?, length_of(whole.size())?);
        // SAFETY: the addresses are this value's own, `&mut self` tells that no view is alive, and
        // the region is forgotten below.
        unsafe { munmap(start, length) }?;
        self.regions.remove(&usable.start());
        self.close(usable);
        Ok(())
    }

    /// Puts a piece of the memory at some addresses; it is not yet open there.
    pub(super) fn place(&mut self, at: Addr, backing: &Backing, piece: &Piece) -> Result<()> {
        self.admit()?;
        let size = Bytes::new(piece.end - piece.start);
        let range = Extent::new(at, size).map_err(|_| Errno::INVAL)?;
        let (start, length) = self.usable(range)?;
        let (access, flags) = (ProtFlags::empty(), MapFlags::SHARED | MapFlags::FIXED);
        // SAFETY: the addresses are this value's own, and `&mut self` tells that no view is alive.
        unsafe { mmap(start, length, access, flags, backing.file(), piece.start) }?;
        self.close(range);
        Ok(())
    }

    /// Lets a range be read and written under which memory was placed.
    pub(super) fn open(&mut self, range: Extent) -> Result<()> {
        self.admit()?;
        let page = Bytes::new(page_size() as u64);
        let whole = range.size().round_up(page);
        let whole = Extent::new(range.start(), whole).map_err(|_| Errno::INVAL)?;
        let (start, length) = self.usable(whole)?;
        let access = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: the addresses are this value's own, and more access harms no view.
        unsafe { mprotect(start, length, access) }?;
        self.open.insert(range.start().get()..range.end().get());
        Ok(())
    }

    /// Takes away whatever lies under a range.
    pub(super) fn clear(&mut self, range: Extent) -> Result<()> {
        self.admit()?;
        let (start, length) = self.usable(range)?;
        let flags = NOTHING | MapFlags::FIXED;
        // SAFETY: the addresses are this value's own, and `&mut self` tells that no view is alive.
        unsafe { mmap_anonymous(start, length, ProtFlags::empty(), flags) }?;
        self.close(range);
        Ok(())
    }

    /// The bytes of a range, where all of it is open; else its first address that is not.
    pub(super) fn view(&self, range: Extent) -> std::result::Result<View<'_>, Addr> {
        if range.is_empty() {
            return Ok(View::new(&[], 0, 0));
        }
        let numbers = range.start().get()..range.end().get();
        if let Some(addr) = self.open.first_absent(&numbers) {
            return Err(Addr::new(addr));
        }
        let word = size_of::<AtomicU64>();
        let outside = |_| range.start();
        let (start, len) = (numbers.start, range.size().get());
        let start = usize::try_from(start).map_err(outside)?;
        let len = usize::try_from(len).map_err(outside)?;
        let lead = start % word;
        let first = with_exposed_provenance::<AtomicU64>(start - lead);
        // SAFETY: open addresses are mapped, readable and writable, in whole pages, so the words
        // at both ends are too. They stay so while the view borrows this value. Other mappings of
        // the same memory change it by atomic accesses to whole words only, as views do, and the
        // bits of a file are words of any value.
        let words = unsafe { slice::from_raw_parts(first, (lead + len).div_ceil(word)) };
        Ok(View::new(words, lead, len))
    }

    fn close(&mut self, range: Extent) {
        self.open.remove(range.start().get()..range.end().get());
    }

    /// Start and length of a range that lies in one region, in whole pages of the system.
    fn usable(&self, range: Extent) -> Result<(*mut c_void, usize)> {
        let before = self.regions.range(..=range.start()).next_back();
        let region = before.filter(|(_, region)| region.usable.contains(range));
        let page = page_size() as u64;
        let is_whole =
            [range.start().get(), range.size().get()].iter().all(|it| it.is_multiple_of(page));
        if region.is_none() || !is_whole {
            return Err(Errno::INVAL);
        }
        Ok((pointer_to(range.start())?, length_of(range.size())?))
    }

    /// Refuses where a test wants it.
    #[cfg(test)]
    fn admit(&mut self) -> Result<()> {
        match &mut self.patience {
            Some(0) => return Err(Errno::NOMEM),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(())
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "only tests refuse")]
    fn admit(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Drop for Maps {
    fn drop(&mut self) {
        for Region { whole, .. } in self.regions.values() {
            let place = (pointer_to(whole.start()), length_of(whole.size()));
            if let (Ok(start), Ok(length)) = place {
                // SAFETY: the addresses are this value's own, and nobody can use it any more.
                // What the kernel does not take back ends with the process.
                let _ = unsafe { munmap(start, length) };
            }
        }
    }
}

fn pointer_to(addr: Addr) -> Result<*mut c_void> {
    let addr = usize::try_from(addr.get()).map_err(|_| Errno::INVAL)?;
    Ok(with_exposed_provenance_mut(addr))
}

fn length_of(size: Bytes) -> Result<usize> {
    usize::try_from(size.get()).map_err(|_| Errno::NOMEM)
}
