//! The page table: which page of memory lies under which frames of addresses.
//!
//! A page may be mapped under several frames. At most one of these mappings is *active*: only
//! there may the bytes be used. The others are aliases, left behind when the page moved; one is
//! made active again without a call of the device.

use gapless_device::Handle;
use gapless_units::{Addr, Bytes, Extent};

use super::names::{ArenaIndex, At, Frame, PageIndex, TerritoryIndex};

/// What lies under a frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FrameBook {
    /// The page mapped there.
    pub(super) page: Option<PageIndex>,
    /// Whether the page's bytes are used here.
    pub(super) active: bool,
    /// How many reasons there are not to move the page.
    pub(super) pins: u32,
    /// When the page moved away, on the allocator's clock.
    pub(super) left: u64,
}

/// A reservation that blocks are cut from.
#[derive(Clone, Debug)]
pub(super) struct Territory {
    pub(super) extent: Extent,
    pub(super) arena: ArenaIndex,
    pub(super) first: At,
    /// Up to the farthest frame that ever had memory.
    frames: Vec<FrameBook>,
}

/// A page of physical memory.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) handle: Handle,
    /// Where it is active.
    pub(super) home: Option<Frame>,
    /// Where else it is mapped.
    pub(super) aliases: Vec<Frame>,
    /// The arena that used it last, and until when on the allocator's clock.
    pub(super) last_use: (ArenaIndex, u64),
}

/// All territories and all pages.
#[derive(Clone, Debug)]
pub(super) struct PageTable {
    pub(super) page_size: Bytes,
    territories: Vec<Territory>,
    pages: Vec<Option<Page>>,
    vacant: Vec<PageIndex>,
    /// Pages that are active nowhere.
    pub(super) spare: Vec<PageIndex>,
    pub(super) alias_count: usize,
}

impl PageTable {
    pub(super) fn new(page_size: Bytes) -> Self {
        let (territories, pages, vacant) = (Vec::new(), Vec::new(), Vec::new());
        Self { page_size, territories, pages, vacant, spare: Vec::new(), alias_count: 0 }
    }

    pub(super) fn next_territory(&self) -> TerritoryIndex {
        TerritoryIndex(u32::try_from(self.territories.len()).unwrap_or(u32::MAX))
    }

    pub(super) fn add_territory(&mut self, extent: Extent, arena: ArenaIndex, first: At) {
        self.territories.push(Territory { extent, arena, first, frames: Vec::new() });
    }

    pub(super) fn territories(&self) -> &[Territory] {
        &self.territories
    }

    pub(super) fn territory(&self, index: TerritoryIndex) -> &Territory {
        &self.territories[index.0 as usize]
    }

    /// The number of the frame that an address lies in.
    pub(super) fn number_of(&self, territory: TerritoryIndex, addr: Addr) -> u32 {
        let offset = (addr - self.territory(territory).extent.start()).get();
        u32::try_from(offset / self.page_size.get()).unwrap_or(u32::MAX)
    }

    /// The frames that share a byte with an extent.
    pub(super) fn touched(
        &self,
        territory: TerritoryIndex,
        extent: Extent,
    ) -> impl DoubleEndedIterator<Item = Frame> + use<> {
        let first = self.number_of(territory, extent.start());
        let start = self.territory(territory).extent.start();
        let end = (extent.end() - start).get().div_ceil(self.page_size.get());
        let end = u32::try_from(end).unwrap_or(u32::MAX);
        (first..end).map(move |number| Frame { territory, number })
    }

    /// The frames that lie wholly in an extent.
    pub(super) fn inside(
        &self,
        territory: TerritoryIndex,
        extent: Extent,
    ) -> impl DoubleEndedIterator<Item = Frame> + use<> {
        let start = self.territory(territory).extent.start();
        let whole = extent.whole_pages(start, self.page_size);
        let first = self.number_of(territory, whole.start());
        let count = u32::try_from(whole.size().get() / self.page_size.get()).unwrap_or(u32::MAX);
        (first..first + count).map(move |number| Frame { territory, number })
    }

    pub(super) fn frame(&self, frame: Frame) -> FrameBook {
        let frames = &self.territory(frame.territory).frames;
        frames.get(frame.number as usize).copied().unwrap_or_default()
    }

    pub(super) fn frame_mut(&mut self, frame: Frame) -> &mut FrameBook {
        let frames = &mut self.territories[frame.territory.0 as usize].frames;
        let number = frame.number as usize;
        if frames.len() <= number {
            frames.resize(number + 1, FrameBook::default());
        }
        &mut frames[number]
    }

    /// Behind the farthest frame that ever had memory.
    pub(super) fn frontier(&self, territory: TerritoryIndex) -> Addr {
        let count = self.territory(territory).frames.len() as u64;
        self.territory(territory).extent.start() + Bytes::new(count * self.page_size.get())
    }

    /// All frames of a territory up to the farthest that ever had memory.
    pub(super) fn frames(&self, territory: TerritoryIndex) -> impl Iterator<Item = Frame> + use<> {
        let count = u32::try_from(self.territory(territory).frames.len()).unwrap_or(u32::MAX);
        (0..count).map(move |number| Frame { territory, number })
    }

    pub(super) fn addr(&self, frame: Frame) -> Addr {
        let offset = self.page_size.get() * u64::from(frame.number);
        self.territory(frame.territory).extent.start() + Bytes::new(offset)
    }

    pub(super) fn extent(&self, frame: Frame) -> Extent {
        let addr = self.addr(frame);
        Extent::between(addr, addr + self.page_size)
    }

    /// Takes a fresh page into the books, as a spare one.
    pub(super) fn add_page(&mut self, handle: Handle) -> PageIndex {
        let last_use = (ArenaIndex(0), 0);
        let page = Some(Page { handle, home: None, aliases: Vec::new(), last_use });
        let index = if let Some(index) = self.vacant.pop() {
            self.pages[index.0 as usize] = page;
            index
        } else {
            self.pages.push(page);
            PageIndex(u32::try_from(self.pages.len() - 1).unwrap_or(u32::MAX))
        };
        self.spare.push(index);
        index
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

    /// Takes the active page away from a frame, which keeps its mapping as an alias. `clock` is
    /// when its bytes were freed there, 0 where they were never used there.
    pub(super) fn deactivate(&mut self, frame: Frame, clock: u64) -> Option<PageIndex> {
        let arena = self.territory(frame.territory).arena;
        let book = self.frame_mut(frame);
        let index = book.page.filter(|_| book.active)?;
        book.active = false;
        book.left = clock;
        self.alias_count += 1;
        let page = self.page_mut(index)?;
        page.home = None;
        page.aliases.push(frame);
        if 0 < clock {
            page.last_use = (arena, clock);
        }
        self.spare.push(index);
        Some(index)
    }

    /// Makes the mapping that a frame has of a spare page the active one.
    pub(super) fn reactivate(&mut self, frame: Frame) {
        let Some(index) = self.frame(frame).page else { return };
        self.frame_mut(frame).active = true;
        self.alias_count -= 1;
        if let Some(page) = self.page_mut(index) {
            page.aliases.retain(|&alias| alias != frame);
            page.home = Some(frame);
        }
        self.spare.retain(|&spare| spare != index);
    }

    /// Notes that a page was just mapped under a frame that had none, and is active there.
    pub(super) fn mapped(&mut self, frame: Frame, index: PageIndex) {
        let book = self.frame_mut(frame);
        book.page = Some(index);
        book.active = true;
        if let Some(page) = self.page_mut(index) {
            page.home = Some(frame);
        }
        self.spare.retain(|&spare| spare != index);
    }

    /// Notes that an alias was unmapped.
    pub(super) fn unmapped(&mut self, frame: Frame) {
        let Some(index) = self.frame_mut(frame).page.take() else { return };
        self.alias_count -= 1;
        if let Some(page) = self.page_mut(index) {
            page.aliases.retain(|&alias| alias != frame);
        }
    }

    /// Notes that a page that was active under a frame is not mapped there any more; it is spare.
    pub(super) fn lost(&mut self, frame: Frame) {
        let book = self.frame_mut(frame);
        book.active = false;
        let Some(index) = book.page.take() else { return };
        if let Some(page) = self.page_mut(index) {
            page.home = None;
        }
        self.spare.push(index);
    }

    /// Forgets a spare page that is mapped nowhere.
    pub(super) fn remove_page(&mut self, index: PageIndex) {
        self.pages[index.0 as usize] = None;
        self.spare.retain(|&spare| spare != index);
        self.vacant.push(index);
    }
}
