//! What a baseline decides for itself: where a request goes, and what becomes of what comes back.

use std::fmt::{Debug, Display};

use gapless_device::{Device, DeviceError};
use gapless_units::{Bytes, Extent, PoolId, StreamId};

use super::holdings::{Holdings, Owner};
use super::stamp::Stamp;
use crate::observer::Observer;

/// A request, as a policy meets it.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub(super) size: Bytes,
    pub(super) stream: StreamId,
    pub(super) pool: PoolId,
    /// Whether memory may leave the addresses that it has: not where a captured graph may use
    /// these again.
    pub(super) may_move: bool,
}

impl Request {
    pub(super) fn owner(&self) -> Owner {
        Owner { stream: self.stream, pool: self.pool }
    }
}

/// Why a policy does not serve a request.
#[derive(Debug)]
pub enum Refusal {
    /// It has nothing that fits, and the device has no more; so much was asked of that.
    Short(Bytes),
    /// The device failed.
    Device(DeviceError),
}

impl From<DeviceError> for Refusal {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

impl Refusal {
    /// A failure to take so much from the device.
    pub(super) fn to_give(tried: Bytes) -> impl FnOnce(DeviceError) -> Self {
        move |error| {
            if matches!(error, DeviceError::OutOfMemory { .. }) {
                Self::Short(tried)
            } else {
                Self::Device(error)
            }
        }
    }
}

/// The rules of one pool of a baseline. What all baselines do alike, [`super::Baseline`] does.
///
/// A call that fails leaves its books as they were, or such that nothing is lost: what was already
/// taken from the device is used for the next request or given back by the next trim.
pub trait Policy: Sized {
    /// What a user may choose, as its authors recommend it unless told otherwise.
    type Settings: Clone + Debug + Default + Display;
    /// What it calls a block in the program's hands.
    type Piece: Copy + Debug;

    /// What to say beside its figures; empty for nothing.
    const NOTE: &'static str = "";

    /// A pool that holds nothing yet, over a device that maps granules of this size.
    fn new(settings: &Self::Settings, granule: Bytes) -> Self;

    /// The block that a request of this size becomes.
    fn rounded(&self, size: Bytes) -> Bytes;

    /// Whether a request may wait for other streams before it fails.
    fn may_wait(&self) -> bool {
        true
    }

    /// Finds a block, with memory under all of it that work on the request's stream may use.
    fn take<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        request: Request,
    ) -> Result<(Self::Piece, Extent), Refusal>;

    /// Takes a block back that nobody uses but the work its stamp tells of.
    fn give<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        piece: Self::Piece,
        stamp: Stamp,
    );

    /// Finishes what was begun, as far as that needs no wait: called before each request.
    fn tidy<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
    ) -> Result<(), DeviceError> {
        let _ = holdings;
        Ok(())
    }

    /// The last resort before a request fails; may wait. Memory leaves its addresses only where the
    /// request allows it. Says whether another try makes sense.
    fn reclaim<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        request: Request,
    ) -> Result<bool, DeviceError>;

    /// Gives everything back that can be given back; may wait.
    fn trim<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        owner: Owner,
    ) -> Result<(), DeviceError>;

    /// The program waited for the device.
    fn note_synchronized<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        owner: Owner,
    ) -> Result<(), DeviceError> {
        let _ = (holdings, owner);
        Ok(())
    }

    /// What is wrong with its books, where something is; for tests.
    fn check(&self) -> Result<(), String>;
}
