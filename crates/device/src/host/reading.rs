//! Bytes that a stream was told to read.

use std::sync::mpsc::Receiver;

use super::Host;
use super::queue::Mark;
use crate::device::DeviceError;

/// Bytes that a stream reads, from [`Host::read`] on. It keeps the device.
#[must_use = "nobody else can wait for the bytes"]
#[derive(Debug)]
pub struct Reading {
    host: Host,
    mark: Mark,
    bytes: Receiver<Vec<u8>>,
}

impl Reading {
    pub(super) fn new(host: Host, mark: Mark, bytes: Receiver<Vec<u8>>) -> Self {
        Self { host, mark, bytes }
    }

    /// Waits until the stream read them.
    pub fn wait(self) -> Result<Vec<u8>, DeviceError> {
        self.host.engine().wait("read", &[self.mark.behind()])?;
        let lost = |_| DeviceError::Driver { call: "read", reason: "nothing was read".to_owned() };
        self.bytes.recv().map_err(lost)
    }
}
