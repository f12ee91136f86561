//! Free blocks that may have whole pages to give: by age, and by address.
//!
//! They are looked for when pages are short, which costs a walk over the free blocks of a page or
//! more. Keeping them in order all the time would cost every request more than that.

use std::cell::{Cell, OnceCell};

use gapless_units::{Addr, Extent};

use super::books::Books;
use super::names::At;
use crate::observer::Observer;

/// Room that is made at first: enough for most programs.
const USUAL_ROOM: usize = 128;

/// So many walks over the free blocks cost what putting them in order does.
const WALKS: u32 = 2;

/// Looks for free blocks of a page or more whose pages may move, by what lies in them; as long as
/// none is cut or merged.
#[derive(Debug, Default)]
pub(super) struct Idle {
    walks: Cell<u32>,
    /// The one found last: pages that were mapped together lie together.
    latest: Cell<At>,
    /// All of them in the order of addresses, once they were looked for a few times.
    ordered: OnceCell<Vec<(Addr, At)>>,
}

impl<O: Observer> Books<O> {
    /// The free block of a page or more that an extent lies in, where its pages may move.
    pub(super) fn idle_around(&self, idle: &Idle, extent: Extent) -> Option<At> {
        let is_around = |at: At| self.blocks[at].extent().contains(extent);
        if is_around(idle.latest.get()) {
            return Some(idle.latest.get());
        }
        let at = if idle.walks.get() < WALKS {
            idle.walks.set(idle.walks.get() + 1);
            self.large_blocks().find(|&at| is_around(at))?
        } else {
            let ordered = idle.ordered.get_or_init(|| self.ordered());
            let behind = ordered.partition_point(|&(start, _)| start <= extent.start());
            ordered[..behind].last().map(|&(_, at)| at).filter(|&at| is_around(at))?
        };
        idle.latest.set(at);
        Some(at)
    }

    fn ordered(&self) -> Vec<(Addr, At)> {
        let mut blocks = Vec::with_capacity(USUAL_ROOM);
        self.large_blocks().for_each(|at| blocks.push((self.blocks[at].addr, at)));
        blocks.sort_unstable();
        blocks
    }

    /// The free blocks with pages to give, those that are free longest first, with their ages.
    pub(super) fn idle_by_age(&self) -> Vec<(u64, At)> {
        let mut blocks = Vec::new();
        self.idle_blocks().for_each(|at| blocks.push((self.blocks[at].freed, at)));
        blocks.sort_unstable();
        blocks
    }

    /// The free blocks with pages to give.
    pub(super) fn idle_blocks(&self) -> impl Iterator<Item = At> {
        self.large_blocks().filter(|&at| 0 < self.active_pages(at))
    }

    /// The free blocks of a page or more whose pages may move.
    fn large_blocks(&self) -> impl Iterator<Item = At> {
        let arenas = self.arenas.indices().filter(|&arena| self.may_move(arena));
        let page = self.table.page_size;
        arenas.flat_map(move |arena| self.arenas[arena].free.all(&self.blocks, page))
    }

    /// How many frames with memory lie wholly in a free block.
    pub(super) fn active_pages(&self, at: At) -> u32 {
        let block = &self.blocks[at];
        self.table.inside_count(block.territory, block.extent()) - block.holes
    }
}
