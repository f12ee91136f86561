//! What a device has to do: a model that knows only which granule holds what.

use std::collections::BTreeMap;

use gapless_device::{Device, DeviceError, Handle};
use gapless_units::{Bytes, Extent};

use crate::call::Call;

/// How many granules the devices have.
const GRANULES: u64 = 40;

/// A handle that was made: its granules, and whether it was released.
#[derive(Clone, Copy, Debug)]
struct Made {
    handle: Handle,
    granules: u64,
    released: bool,
}

/// A device, and the truth about it, granule by granule.
#[derive(Debug)]
pub(crate) struct Truth<D> {
    device: D,
    granule: u64,
    allocations: Vec<Extent>,
    reservations: Vec<Extent>,
    made: Vec<Made>,
    /// For each mapped granule the handle and which granule of it this is.
    mapped: BTreeMap<u64, (usize, u64)>,
}

/// What a device said, of which nothing depends on the addresses it chose. `None` where there was
/// nothing to ask.
pub(crate) type Answer = Option<Result<(), DeviceError>>;

/// Whether a call makes sense, and what the device said.
type Step = (bool, Result<(), DeviceError>);

impl<D: Device> Truth<D> {
    /// Of a fresh device that `make` makes with so much memory.
    pub(crate) fn new(granule: Bytes, make: impl FnOnce(Bytes) -> D) -> Self {
        Self {
            device: make(Bytes::new(GRANULES * granule.get())),
            granule: granule.get(),
            allocations: Vec::new(),
            reservations: Vec::new(),
            made: Vec::new(),
            mapped: BTreeMap::new(),
        }
    }

    pub(crate) fn device(&self) -> &D {
        &self.device
    }

    fn is_mapped(&self, made: usize) -> bool {
        self.mapped.values().any(|&(other, _)| other == made)
    }

    fn used(&self) -> u64 {
        let allocated = self.allocations.iter().map(|extent| extent.size().get());
        let rounded = allocated.map(|size| size.next_multiple_of(self.granule));
        let held = self
            .made
            .iter()
            .enumerate()
            .filter(|&(index, made)| !made.released || self.is_mapped(index));
        rounded.sum::<u64>() + held.map(|(_, made)| made.granules * self.granule).sum::<u64>()
    }

    fn left(&self) -> u64 {
        GRANULES * self.granule - self.used()
    }

    fn take(&mut self, new: Extent) {
        let mut others = self.allocations.iter().chain(&self.reservations);
        assert!(others.all(|other| !other.overlaps(new)), "{new:?} is given twice");
    }

    /// Whether a mapping reaches over this address.
    fn cuts(&self, addr: u64) -> bool {
        let before = self.mapped.get(&(addr - self.granule));
        before.is_some_and(|&(made, at)| {
            at + 1 < self.made[made].granules && self.mapped.get(&addr) == Some(&(made, at + 1))
        })
    }

    /// Makes a call, and sees that the device does what makes sense and keeps its books.
    pub(crate) fn step(&mut self, call: Call) -> Answer {
        let step = match call {
            Call::Allocate { parts, bytes } => {
                Some(self.allocate(parts * self.granule / 64 + bytes))
            }
            Call::Free { which, beside } => self.free(which, beside),
            Call::Reserve(granules) => Some(self.reserve(granules)),
            Call::Unreserve(which) => self.unreserve(which),
            Call::Create(granules) => Some(self.create(granules)),
            Call::Release(which) => self.release(which),
            Call::Map { reservation, at, handle } => self.map(reservation, at, handle),
            Call::Access { reservation, at, granules } => self.access(reservation, at, granules),
            Call::Unmap { reservation, at, granules } => self.unmap(reservation, at, granules),
        };
        let (makes_sense, answer) = step?;
        assert_eq!(makes_sense, answer.is_ok(), "{call:?}: {answer:?}");
        let free = Bytes::new(self.left());
        assert_eq!(self.device.memory().free, free, "{call:?}: {answer:?}");
        Some(answer)
    }

    fn allocate(&mut self, size: u64) -> Step {
        let fits = size.next_multiple_of(self.granule) <= self.left();
        let answer = self.device.allocate(Bytes::new(size));
        check_refusal(&answer);
        if let Ok(addr) = answer {
            let extent = Extent::new(addr, Bytes::new(size)).unwrap();
            self.take(extent);
            self.allocations.push(extent);
        }
        (fits, answer.map(drop))
    }

    fn free(&mut self, which: usize, beside: bool) -> Option<Step> {
        let which = which.checked_rem(self.allocations.len())?;
        let addr = self.allocations[which].start() + Bytes::new(u64::from(beside) * 512);
        let answer = self.device.free(addr);
        if !beside {
            self.allocations.swap_remove(which);
        }
        Some((!beside, answer))
    }

    fn reserve(&mut self, granules: u64) -> Step {
        let size = Bytes::new(granules * self.granule);
        let extent = self.device.reserve(size).unwrap();
        assert_eq!(extent.size(), size);
        self.take(extent);
        self.reservations.push(extent);
        (true, Ok(()))
    }

    fn unreserve(&mut self, which: usize) -> Option<Step> {
        let which = which.checked_rem(self.reservations.len())?;
        let extent = self.reservations[which];
        let (start, end) = (extent.start().get(), extent.end().get());
        let is_idle = self.mapped.range(start..end).next().is_none();
        let answer = self.device.unreserve(extent);
        if is_idle {
            self.reservations.swap_remove(which);
        }
        Some((is_idle, answer))
    }

    fn create(&mut self, granules: u64) -> Step {
        let fits = granules * self.granule <= self.left();
        let answer = self.device.create(Bytes::new(granules * self.granule));
        check_refusal(&answer);
        if let Ok(handle) = answer {
            self.made.push(Made { handle, granules, released: false });
        }
        (fits, answer.map(drop))
    }

    fn release(&mut self, which: usize) -> Option<Step> {
        let which = which.checked_rem(self.made.len())?;
        let made = &mut self.made[which];
        let was_held = !std::mem::replace(&mut made.released, true);
        Some((was_held, self.device.release(made.handle)))
    }

    /// So many granules at a place in a reservation, and whether they end in it.
    fn range(&self, reservation: usize, at: u64, granules: u64) -> Option<(Extent, bool)> {
        let which = reservation.checked_rem(self.reservations.len())?;
        let reservation = self.reservations[which];
        let at = at % (reservation.size().get() / self.granule);
        let start = reservation.start() + Bytes::new(at * self.granule);
        let range = Extent::new(start, Bytes::new(granules * self.granule)).unwrap();
        Some((range, reservation.contains(range)))
    }

    /// How many granules of a range are mapped, and whether no mapping sticks out of it.
    fn mapped_in(&self, range: Extent) -> (u64, bool) {
        let (start, end) = (range.start().get(), range.end().get());
        let is_whole = !self.cuts(start) && !self.cuts(end);
        (self.mapped.range(start..end).count() as u64, is_whole)
    }

    fn map(&mut self, reservation: usize, at: u64, handle: usize) -> Option<Step> {
        let which = handle.checked_rem(self.made.len())?;
        let Made { handle, granules, released } = self.made[which];
        let (range, is_reserved) = self.range(reservation, at, granules)?;
        let makes_sense = is_reserved && self.mapped_in(range).0 == 0 && !released;
        let answer = self.device.map(range.start(), handle);
        if makes_sense {
            let start = range.start().get();
            let all = (0..granules).map(|at| (start + at * self.granule, (which, at)));
            self.mapped.extend(all);
        }
        Some((makes_sense, answer))
    }

    fn access(&mut self, reservation: usize, at: u64, granules: u64) -> Option<Step> {
        let (range, is_reserved) = self.range(reservation, at, granules)?;
        // Where one reservation ends another may begin, or nothing.
        if !is_reserved {
            return None;
        }
        let makes_sense = self.mapped_in(range) == (granules, true);
        Some((makes_sense, self.device.set_access(range)))
    }

    fn unmap(&mut self, reservation: usize, at: u64, granules: u64) -> Option<Step> {
        let (range, is_reserved) = self.range(reservation, at, granules)?;
        let (count, is_whole) = self.mapped_in(range);
        let makes_sense = 0 < count && is_whole && is_reserved;
        let answer = self.device.unmap(range);
        if makes_sense {
            let numbers = range.start().get()..range.end().get();
            self.mapped.retain(|addr, _| !numbers.contains(addr));
        }
        Some((makes_sense, answer))
    }

    /// Gives everything back, and sees that it was everything.
    pub(crate) fn end(&mut self) {
        for extent in std::mem::take(&mut self.allocations) {
            self.device.free(extent.start()).unwrap();
        }
        for extent in std::mem::take(&mut self.reservations) {
            let (start, end) = (extent.start().get(), extent.end().get());
            if self.mapped.range(start..end).next().is_some() {
                self.device.unmap(extent).unwrap();
            }
            self.device.unreserve(extent).unwrap();
        }
        for made in self.made.iter().filter(|made| !made.released) {
            self.device.release(made.handle).unwrap();
        }
        assert_eq!(self.device.memory().free, self.device.memory().total);
    }
}

/// Memory is refused for want of it and for nothing else.
fn check_refusal<T>(answer: &Result<T, DeviceError>) {
    if let Err(error) = answer {
        assert!(matches!(error, DeviceError::OutOfMemory { .. }), "{error}");
    }
}
