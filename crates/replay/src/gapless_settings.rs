//! The settings of our own allocator.

use std::fmt;

use gapless_allocator::{PageSize, Slack};
use gapless_device::Sim;
use gapless_units::MIB;

/// Settings of our own allocator, told apart by the share of its slack and the size of its pages.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GaplessSettings {
    /// How much memory is kept beyond what is alive.
    pub slack: Slack,
    /// How large its pages are.
    pub page: PageSize,
}

impl fmt::Display for GaplessSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "slack:{}", self.slack.share)?;
        match self.page.over(Sim::GRANULE) {
            Sim::GRANULE => Ok(()),
            page => write!(out, ",page:{}MiB", page.get() / MIB),
        }
    }
}
