//! Free blocks that have whole pages to give: by age, and by address.

use gapless_units::Addr;

use super::block::Block;
use super::names::At;
use crate::ordered::Ordered;

/// Free blocks in which whole pages lie that may move.
#[derive(Clone, Debug, Default)]
pub(super) struct Idle {
    by_age: Ordered<(u64, At), ()>,
    by_addr: Ordered<Addr, At>,
}

impl Idle {
    pub(super) fn insert(&mut self, block: &Block, at: At) {
        self.by_age.insert((block.freed, at), ());
        self.by_addr.insert(block.addr, at);
    }

    pub(super) fn remove(&mut self, block: &Block, at: At) {
        if self.by_age.remove((block.freed, at)) {
            self.by_addr.remove(block.addr);
        }
    }

    /// The block that is free longest, of those behind `after` in this order.
    pub(super) fn longest_free(&self, after: Option<(u64, At)>) -> Option<(u64, At)> {
        let mut cursor = self.by_age.at_least(after.unwrap_or_default());
        let mut entry = self.by_age.get(cursor)?;
        if after == Some(entry.key) {
            cursor = self.by_age.after(cursor);
            entry = self.by_age.get(cursor)?;
        }
        Some(entry.key)
    }

    /// The last block that begins at or before an address.
    pub(super) fn at_or_before(&self, addr: Addr) -> Option<At> {
        let cursor = self.by_addr.at_least(addr);
        if let Some(entry) = self.by_addr.get(cursor)
            && entry.key == addr
        {
            return Some(entry.value);
        }
        self.by_addr.get(self.by_addr.before(cursor)?).map(|entry| entry.value)
    }

    /// All of them with their ages, those that are free longest first.
    pub(super) fn all(&self) -> impl Iterator<Item = (u64, At)> {
        self.by_age.from(self.by_age.at_least((0, At(0)))).map(|entry| entry.key)
    }
}
