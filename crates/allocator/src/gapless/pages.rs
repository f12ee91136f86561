//! The page table: which page of memory lies under which frames of addresses.
//!
//! A page may be mapped under several frames. At most one of these mappings is *active*: only
//! there may the bytes be used. The others are aliases, left behind when the page moved; one is
//! made active again without a call of the device.
//!
//! A page is active at its *home*, or *spare*, or *underway*: taken by a request, which will give
//! it a home or make it spare. What is underway nobody else touches, so a request may call the
//! device without keeping others from the table.

mod fingers;
mod frames;
mod pinned;

use std::cell::Cell;
use std::collections::BTreeSet;

use gapless_device::Handle;
use gapless_units::{Addr, Bytes, Extent};
use rustc_hash::FxHashMap;

use super::frame_set::FrameSet;
use super::names::{ArenaIndex, At, Frame, PageIndex, TerritoryIndex};
use super::page::{Page, Whereabouts};
use pinned::Pins;

/// What lies under a frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FrameBook {
    /// The page mapped there.
    pub(super) page: Option<PageIndex>,
    /// Whether a request is about to change what is mapped there.
    pub(super) underway: bool,
    /// How many reasons there are not to move the page.
    pub(super) pins: u32,
    /// When the page moved away, on the allocator's clock.
    pub(super) left: u64,
    /// How often a mapping had to make room here for another.
    pub(super) takeovers: u32,
}

/// A reservation that blocks are cut from.
#[derive(Clone, Debug)]
pub(super) struct Territory {
    pub(super) extent: Extent,
    pub(super) arena: ArenaIndex,
    pub(super) first: At,
    /// Up to the farthest frame that ever had memory.
    frames: Vec<FrameBook>,
    /// The block that each of them was seen in last.
    fingers: Vec<Cell<At>>,
    /// The frames where a page's bytes are used.
    pub(super) active: FrameSet,
}

/// All territories and all pages.
#[derive(Clone, Debug)]
pub(super) struct PageTable {
    pub(super) page_size: Bytes,
    /// The page size is two to this power.
    shift: u32,
    territories: Vec<Territory>,
    /// Territories that went back to the device.
    vacant_territories: Vec<TerritoryIndex>,
    pages: Vec<Option<Page>>,
    vacant: Vec<PageIndex>,
    spare: BTreeSet<PageIndex>,
    pub(super) alias_count: usize,
    /// The block that a frame was seen in last.
    latest: Cell<At>,
    /// What is pinned.
    pinned: FxHashMap<Extent, Pins>,
}

impl PageTable {
    /// For pages of a size that is a power of two.
    pub(super) fn new(page_size: Bytes) -> Self {
        assert!(page_size.get().is_power_of_two(), "pages of {page_size}");
        let shift = page_size.get().trailing_zeros();
        let (territories, pages, vacant) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            page_size,
            shift,
            territories,
            vacant_territories: Vec::new(),
            pages,
            vacant,
            spare: BTreeSet::new(),
            alias_count: 0,
            latest: Cell::default(),
            pinned: FxHashMap::default(),
        }
    }

    /// How many pages these bytes fill, the last perhaps in part.
    pub(super) fn pages_for(&self, size: Bytes) -> u64 {
        (size + (self.page_size - Bytes::new(1))).get() >> self.shift
    }

    /// How many whole pages these bytes are.
    pub(super) fn whole_pages(&self, size: Bytes) -> u64 {
        size.get() >> self.shift
    }

    /// Whether a page ends and another begins behind so many bytes.
    pub(super) fn is_boundary(&self, offset: Bytes) -> bool {
        offset.get() & (self.page_size.get() - 1) == 0
    }

    /// How many pages a block begins that lies so far behind the start of its territory.
    pub(super) fn begun_by(&self, offset: Bytes, size: Bytes) -> u64 {
        self.pages_for(offset + size) - self.pages_for(offset)
    }

    /// How many pages a block ends that lies so far behind the start of its territory.
    pub(super) fn ended_by(&self, offset: Bytes, size: Bytes) -> u64 {
        self.whole_pages(offset + size) - self.whole_pages(offset)
    }

    pub(super) fn bytes_of(&self, pages: u64) -> Bytes {
        Bytes::new(pages << self.shift)
    }

    pub(super) fn add_territory(
        &mut self,
        extent: Extent,
        arena: ArenaIndex,
        first: At,
    ) -> TerritoryIndex {
        let (frames, fingers, active) = (Vec::new(), Vec::new(), FrameSet::default());
        let territory = Territory { extent, arena, first, frames, fingers, active };
        let index = self.next_territory();
        if self.vacant_territories.pop().is_some() {
            self.territories[index.0 as usize] = territory;
        } else {
            self.territories.push(territory);
        }
        index
    }

    /// What the next territory will be called.
    pub(super) fn next_territory(&self) -> TerritoryIndex {
        let behind = TerritoryIndex(u32::try_from(self.territories.len()).unwrap_or(u32::MAX));
        self.vacant_territories.last().copied().unwrap_or(behind)
    }

    /// Forgets a territory under which nothing is mapped.
    pub(super) fn remove_territory(&mut self, index: TerritoryIndex) {
        let territory = &mut self.territories[index.0 as usize];
        let start = territory.extent.start();
        territory.extent = Extent::between(start, start);
        territory.first = At::NONE;
        territory.frames = Vec::new();
        territory.fingers = Vec::new();
        territory.active = FrameSet::default();
        self.vacant_territories.push(index);
    }

    pub(super) fn territory_indices(&self) -> impl Iterator<Item = TerritoryIndex> + use<> {
        (0..).map(TerritoryIndex).take(self.territories.len())
    }

    pub(super) fn territories(&self) -> impl Iterator<Item = (TerritoryIndex, &Territory)> {
        (0..).map(TerritoryIndex).zip(&self.territories)
    }

    /// The arenas that have territories.
    pub(super) fn owners(&self) -> BTreeSet<ArenaIndex> {
        let there = self.territories.iter().filter(|territory| territory.first.some().is_some());
        there.map(|territory| territory.arena).collect()
    }

    pub(super) fn territory(&self, index: TerritoryIndex) -> &Territory {
        &self.territories[index.0 as usize]
    }

    fn set_active(&mut self, frame: Frame, active: bool) {
        let set = &mut self.territories[frame.territory.0 as usize].active;
        if active { set.insert(frame.number) } else { set.remove(frame.number) }
    }

    pub(super) fn frame(&self, frame: Frame) -> FrameBook {
        let frames = &self.territory(frame.territory).frames;
        frames.get(frame.number as usize).copied().unwrap_or_default()
    }

    pub(super) fn frame_mut(&mut self, frame: Frame) -> &mut FrameBook {
        let territory = &mut self.territories[frame.territory.0 as usize];
        let number = frame.number as usize;
        if territory.frames.len() <= number {
            territory.frames.resize(number + 1, FrameBook::default());
            territory.fingers.resize(number + 1, Cell::default());
        }
        &mut territory.frames[number]
    }

    /// Behind the farthest frame that ever had memory.
    pub(super) fn frontier(&self, territory: TerritoryIndex) -> Addr {
        let count = self.territory(territory).frames.len() as u64;
        self.territory(territory).extent.start() + self.bytes_of(count)
    }

    /// Moves the frontier of a territory back to the last frame that memory ever lay under: a
    /// request that failed may have marked frames behind.
    pub(super) fn forget_untouched(&mut self, territory: TerritoryIndex) {
        let frames = &mut self.territories[territory.0 as usize].frames;
        let is_untouched = |book: &mut FrameBook| {
            book.page.is_none() && !book.underway && book.pins == 0 && book.left == 0
        };
        while frames.pop_if(is_untouched).is_some() {}
    }

    /// Takes a fresh page into the books, for the request that it was made for.
    pub(super) fn add_page(&mut self, handle: Handle) -> PageIndex {
        let page = Some(Page {
            handle,
            whereabouts: Whereabouts::Underway,
            aliases: Vec::new(),
            vanishing: 0,
            last_use: (ArenaIndex(0), 0),
        });
        if let Some(index) = self.vacant.pop() {
            self.pages[index.0 as usize] = page;
            return index;
        }
        self.pages.push(page);
        PageIndex(u32::try_from(self.pages.len() - 1).unwrap_or(u32::MAX))
    }

    /// How many mappings there are, at most: one of each page, and the aliases.
    pub(super) fn mapping_count(&self) -> usize {
        self.pages.len() - self.vacant.len() + self.alias_count
    }

    /// Every page there is.
    pub(super) fn pages(&self) -> impl Iterator<Item = (PageIndex, &Page)> {
        let indexed = (0..).map(PageIndex).zip(&self.pages);
        indexed.filter_map(|(index, page)| Some((index, page.as_ref()?)))
    }

    pub(super) fn page(&self, index: PageIndex) -> Option<&Page> {
        self.pages.get(index.0 as usize)?.as_ref()
    }

    fn page_mut(&mut self, index: PageIndex) -> Option<&mut Page> {
        self.pages.get_mut(index.0 as usize)?.as_mut()
    }

    /// Pages that any request may take.
    pub(super) fn spare(&self) -> &BTreeSet<PageIndex> {
        &self.spare
    }

    /// Takes a spare page for a request.
    pub(super) fn take_spare(&mut self, index: PageIndex) {
        self.spare.remove(&index);
        if let Some(page) = self.page_mut(index) {
            page.whereabouts = Whereabouts::Underway;
        }
    }

    /// Lets go of a page that a request had taken and does not use.
    pub(super) fn put_spare(&mut self, index: PageIndex) {
        if let Some(page) = self.page_mut(index) {
            page.whereabouts = Whereabouts::Spare;
            self.spare.insert(index);
        }
    }

    /// Takes the active page of a frame for a request; its mapping stays as an alias. `clock` is
    /// when its bytes were freed there, 0 where they were never used there.
    pub(super) fn deactivate(&mut self, frame: Frame, clock: u64) -> Option<PageIndex> {
        let arena = self.territory(frame.territory).arena;
        let index = self.frame(frame).page.filter(|_| self.has_memory(frame))?;
        self.set_active(frame, false);
        self.frame_mut(frame).left = clock;
        self.alias_count += 1;
        let page = self.page_mut(index)?;
        page.whereabouts = Whereabouts::Underway;
        page.aliases.push(frame);
        if 0 < clock {
            page.last_use = (arena, clock);
        }
        Some(index)
    }

    /// Makes the mapping that a frame has of a page that was taken the active one.
    pub(super) fn reactivate(&mut self, frame: Frame) {
        let Some(index) = self.frame(frame).page else { return };
        self.set_active(frame, true);
        self.alias_count -= 1;
        if let Some(page) = self.page_mut(index) {
            page.aliases.retain(|&alias| alias != frame);
            page.whereabouts = Whereabouts::Home(frame);
        }
    }

    /// Notes that a page that was taken is mapped under a frame that had none, and active there.
    pub(super) fn mapped(&mut self, frame: Frame, index: PageIndex) {
        self.frame_mut(frame).page = Some(index);
        self.set_active(frame, true);
        if let Some(page) = self.page_mut(index) {
            page.whereabouts = Whereabouts::Home(frame);
        }
    }

    /// Notes that a page that was taken got an alias, which may not be accessible: an attempt to
    /// map it failed, and so did undoing that.
    pub(super) fn stuck(&mut self, frame: Frame, index: PageIndex) {
        let book = self.frame_mut(frame);
        book.page = Some(index);
        book.left = 0;
        self.alias_count += 1;
        if let Some(page) = self.page_mut(index) {
            page.aliases.push(frame);
        }
    }

    /// Takes the alias under a frame out of the books, to unmap it. The page stays known until
    /// [`PageTable::end_to_unmap`].
    pub(super) fn begin_to_unmap(&mut self, frame: Frame) -> Option<PageIndex> {
        let index = self.frame_mut(frame).page.take()?;
        self.alias_count -= 1;
        if let Some(page) = self.page_mut(index) {
            page.aliases.retain(|&alias| alias != frame);
            page.vanishing += 1;
        }
        Some(index)
    }

    /// Notes that an alias of a page is gone.
    fn unmapped(&mut self, index: PageIndex) {
        if let Some(page) = self.page_mut(index) {
            page.vanishing -= 1;
        }
    }

    /// Notes that the alias under a frame could not be unmapped.
    fn kept(&mut self, frame: Frame, index: PageIndex) {
        self.frame_mut(frame).page = Some(index);
        self.alias_count += 1;
        if let Some(page) = self.page_mut(index) {
            page.vanishing -= 1;
            page.aliases.push(frame);
        }
    }

    /// Enters into the books that aliases are gone, of which so many runs were unmapped; the others
    /// stay.
    pub(super) fn end_to_unmap<'a>(
        &mut self,
        runs: impl IntoIterator<Item = &'a [(Frame, PageIndex)]>,
        gone: usize,
    ) {
        for (place, run) in runs.into_iter().enumerate() {
            for &(frame, index) in run {
                if place < gone {
                    self.unmapped(index);
                } else {
                    self.kept(frame, index);
                }
            }
        }
    }

    /// Forgets a page that was taken and is mapped nowhere.
    pub(super) fn remove_page(&mut self, index: PageIndex) {
        self.pages[index.0 as usize] = None;
        self.vacant.push(index);
    }
}
