//! What holds a stream up until it is opened.

use super::Host;
use super::queue::Mark;

/// Holds a stream up, from [`Host::hold`] until it is opened or dropped. It keeps the device.
#[must_use = "a gate that is dropped is open"]
#[derive(Debug)]
pub struct Gate {
    host: Host,
    mark: Mark,
}

impl Gate {
    pub(super) fn new(host: Host, mark: Mark) -> Self {
        Self { host, mark }
    }

    /// Lets the stream go on.
    pub fn open(self) {
        drop(self);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.host.engine().open_gate(self.mark);
    }
}
