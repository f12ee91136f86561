//! What the allocator knows: blocks, pages, what is free, what waits. No call of the device.

use std::sync::Weak;

use gapless_trace::{Action, SizePool};
use gapless_units::{Bytes, PoolId, StreamId};

use super::arena::Arenas;
use super::block::{Blocks, State};
use super::counts::{Counts, Moment};
use super::deferred::Deferred;
use super::front::Front;
use super::names::{ArenaIndex, BlockId, BlockIndex, RequestNumber, Slot};
use super::pages::PageTable;
use super::slack::Slack;
use super::time::Time;
use super::watch::{Unrest, Watch};
use crate::observer::{Happening, Observer};
use crate::statistics::Statistics;

/// How many blocks wait in the front. A request that does not find its size there empties it, so few
/// come together: in a front of 16 no recorded program finds more.
const SHELVED: usize = 8;

/// Everything the allocator knows.
#[derive(Debug)]
pub(super) struct Books<O> {
    pub(super) observer: O,
    pub(super) slack: Slack,
    pub(super) blocks: Blocks,
    pub(super) table: PageTable,
    pub(super) arenas: Arenas,
    pub(super) front: Front<BlockIndex, SHELVED>,
    pub(super) deferred: Deferred,
    pub(super) counts: Counts,
    /// What the device gave and took, and what failed; the rest is in the counts.
    rare: Statistics,
    pub(super) reserved: Bytes,
    /// What time it is.
    pub(super) clock: Time,
    pub(super) stalls: u64,
    /// The request that failed last, and when.
    failure: Option<(Happening, Moment)>,
    /// Whether a graph was captured then.
    pub(super) failed_in_capture: bool,
    /// Blocks that requests have cut out and not handed out yet.
    pub(super) serving: u32,
    pub(super) watch: Watch,
    /// Who waits for the work of which streams, with the books out of hand.
    pub(super) waits: Vec<(StreamId, Weak<()>)>,
    /// How many graphs are being captured.
    pub(super) captures: u32,
}

impl<O: Observer> Books<O> {
    pub(super) fn new(page_size: Bytes, slack: Slack, observer: O) -> Self {
        Self {
            observer,
            slack,
            blocks: Blocks::default(),
            table: PageTable::new(page_size),
            arenas: Arenas::default(),
            front: Front::default(),
            deferred: Deferred::default(),
            counts: Counts::default(),
            rare: Statistics::default(),
            reserved: Bytes::ZERO,
            clock: Time::START,
            stalls: 0,
            failure: None,
            failed_in_capture: false,
            serving: 0,
            watch: Watch::default(),
            waits: Vec::new(),
            captures: 0,
        }
    }

    /// A block of this size that was freed a moment ago; none where the arena's plan has the next
    /// request go elsewhere.
    #[inline]
    pub(super) fn take_shelved(&mut self, arena: ArenaIndex, size: Bytes) -> Option<BlockIndex> {
        if self.has_place(arena) {
            return None;
        }
        self.front.take(arena, size)
    }

    /// Puts a block into the program's hands that was counted as free.
    #[inline]
    pub(super) fn hand_out(&mut self, at: BlockIndex, requested: Bytes) -> BlockId {
        let id = self.blocks.hand_out(at, requested);
        if self.watch.is_on() {
            self.tell_planner(at);
        } else {
            self.blocks[at].request = RequestNumber::NONE;
        }
        self.counts.hand_out(self.blocks[at].size, requested);
        self.tell_block(Action::Alloc, at);
        id
    }

    /// What an arena is of.
    pub(super) fn name_of(&self, arena: ArenaIndex) -> (PoolId, StreamId) {
        (self.arenas[arena].pool, self.arenas[arena].stream)
    }

    /// Whether an arena's next request may have a place of its own.
    #[inline]
    pub(super) fn has_place(&self, arena: ArenaIndex) -> bool {
        self.watch.is_on() && self.arenas[arena].planner.has_place()
    }

    /// Tells the planner of an arena of a request, which gets this block.
    #[inline(never)]
    fn tell_planner(&mut self, at: BlockIndex) {
        let block = &mut self.blocks[at];
        let planner = &mut self.arenas[block.arena].planner;
        block.request = planner.next_request();
        self.watch.spend();
        if planner.ask(block.size) {
            self.watch.renew();
        }
    }

    /// Takes in that pages were mapped for a block that was cut out for a request.
    pub(super) fn note_map(&mut self, taker: BlockIndex) {
        let block = &self.blocks[taker];
        let (arena, with_it) = (block.arena, self.counts.live() + block.size);
        let unrest = self.watch.map(self.counts.live_peak().max(with_it));
        if unrest == Unrest::WatchBegins {
            for index in self.arenas.indices() {
                self.arenas[index].planner.interrupt();
            }
        }
        if unrest != Unrest::Ignored {
            self.arenas[arena].planner.map();
        }
    }

    /// Takes a block back from the program: into the front, unless other streams still use it.
    #[inline]
    pub(super) fn take_back(&mut self, at: BlockIndex) {
        self.tell_block(Action::FreeRequested, at);
        let block = &self.blocks[at];
        let (state, size, requested) = (block.state, block.size, block.requested);
        if state == State::Pending {
            self.counts.defer(size);
        } else {
            self.counts.give_back(size, requested);
            self.note_free(at);
            self.shelve(at);
        }
    }

    /// Notes that the program is done with a block: work of its own stream uses it no later than now.
    #[inline]
    pub(super) fn note_free(&mut self, at: BlockIndex) {
        self.clock.pass();
        self.blocks[at].freed = self.clock;
    }

    /// Takes in what was asked for in a block, where that was not told when it was handed out; answers
    /// what was counted.
    pub(super) fn correct_request(&mut self, at: BlockIndex, requested: Bytes) -> Bytes {
        let block = &mut self.blocks[at];
        let counted = std::mem::replace(&mut block.requested, requested);
        self.counts.correct(block.size, counted, requested);
        counted
    }

    /// Takes a block back that other streams used and use no more.
    pub(super) fn take_unused(&mut self, at: BlockIndex) {
        let block = &self.blocks[at];
        let (size, requested) = (block.size, block.requested);
        self.counts.finish(size, requested);
        // Who searched before may find more now.
        self.clock.pass();
        self.shelve(at);
    }

    /// Puts a block that nobody uses any more into the front.
    #[inline]
    fn shelve(&mut self, at: BlockIndex) {
        let block = &mut self.blocks[at];
        block.state = State::Shelved;
        let (size, arena, request) = (block.size, block.arena, block.request);
        if self.watch.is_on() {
            self.arenas[arena].planner.free(request);
        }
        self.tell_block(Action::FreeCompleted, at);
        if let Some(oldest) = self.front.put(arena, size, at) {
            self.merge_free(oldest);
        }
    }

    /// The most to reserve by choice.
    pub(super) fn budget(&self) -> Bytes {
        self.slack.budget(self.counts.live_peak())
    }

    /// How much may be taken from the device by choice.
    pub(super) fn room(&self) -> Bytes {
        self.budget().saturating_sub(self.reserved)
    }

    /// What it counts, under PyTorch's names.
    pub(super) fn statistics(&self) -> Statistics {
        self.statistics_with(&self.counts)
    }

    /// The same with other counts of blocks.
    pub(super) fn statistics_with(&self, counts: &Counts) -> Statistics {
        let mut statistics = self.rare;
        counts.tell(&mut statistics);
        statistics
    }

    /// Takes the present for the peaks.
    pub(super) fn reset_peaks(&mut self) {
        self.counts.reset_peaks();
        self.rare.reset_peaks();
    }

    /// Counts and tells a request that failed.
    pub(super) fn note_failure(&mut self, failure: Happening) {
        self.failed_in_capture = self.is_capturing();
        self.rare.num_ooms += 1;
        self.failure = Some((failure, self.counts.moment()));
        self.observer.observe(failure);
    }

    /// The request that failed last.
    pub(super) fn last_failure(&self) -> Option<Happening> {
        self.failure.map(|(failure, _)| failure)
    }

    /// The same, unless something was allocated or freed since.
    pub(super) fn failure_until_now(&self) -> Option<Happening> {
        let now = self.counts.moment();
        self.failure.filter(|&(_, when)| when == now).map(|(failure, _)| failure)
    }

    /// Counts pages that the device gave.
    pub(super) fn count_created(&mut self, pages: u64) {
        let size = self.table.bytes_of(pages);
        self.reserved += size;
        self.rare.num_device_alloc += pages;
        self.rare.reserved_bytes.increase(SizePool::Large, size.get());
    }

    /// Counts a page that went back to the device.
    pub(super) fn count_released(&mut self) {
        let size = self.table.page_size;
        self.reserved -= size;
        self.rare.num_device_free += 1;
        self.rare.reserved_bytes.decrease(SizePool::Large, size.get());
    }

    /// Notes that another stream uses a block.
    pub(super) fn note_use(&mut self, at: BlockIndex, stream: StreamId) {
        let block = &mut self.blocks[at];
        let arena = &mut self.arenas[block.arena];
        if arena.stream == stream {
            // Where that stream was over, there is a new one of the name, which has its blocks.
            arena.stream_is_over = false;
        } else {
            block.used_elsewhere = true;
            self.deferred.note_use(at, stream);
        }
    }

    /// Whether the pages under free blocks of an arena may move.
    pub(super) fn may_move(&self, arena: ArenaIndex) -> bool {
        let arena = &self.arenas[arena];
        !self.is_capturing() && (!arena.pool.is_private() || arena.pool_is_over)
    }

    #[inline]
    fn tell_block(&mut self, action: Action, at: BlockIndex) {
        let block = &self.blocks[at];
        let arena = &self.arenas[block.arena];
        self.observer.observe(Happening {
            action,
            addr: block.addr,
            size: block.requested,
            stream: arena.stream,
            pool: arena.pool,
        });
    }

    pub(super) fn tell_slot(&mut self, action: Action, slot: Slot) {
        let arena = &self.arenas[self.table.reservation(slot.reservation).arena];
        let (stream, pool): (StreamId, PoolId) = (arena.stream, arena.pool);
        let (addr, size) = (self.table.addr(slot), self.table.page_size);
        self.observer.observe(Happening { action, addr, size, stream, pool });
    }
}
