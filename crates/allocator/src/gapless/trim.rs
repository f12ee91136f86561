//! Giving memory back to the device.

use gapless_device::{Device, DeviceError};
use gapless_trace::Action;
use gapless_units::Bytes;

use super::addresses::release_bare;
use super::books::Books;
use super::hold::Hold;
use super::names::{PageIndex, Slot};
use super::unmap::unmap;
use super::waits::{wait_for_all_uses, wait_for_arena};
use crate::observer::Observer;

/// Gives free pages back until no more than `keep` is reserved, out of the gaps that lack most of
/// theirs first, and addresses under which nothing is mapped. Waits for all work on the streams
/// that are served, and for other streams where they use blocks that were freed.
pub(super) fn trim<H: Hold>(hold: &mut H, keep: Bytes) -> Result<(), DeviceError> {
    hold.books().check_no_capture("trim")?;
    if keep < hold.books().reserved {
        give_pages_back(hold, keep)?;
    }
    release_bare(hold)
}

fn give_pages_back<H: Hold>(hold: &mut H, keep: Bytes) -> Result<(), DeviceError> {
    // What lies in fronts is waited for as all that is free.
    hold.clear_fronts();
    let (books, device) = hold.parts();
    books.record_postponed(device)?;
    // What others free meanwhile is not waited for, or there might be no end.
    let waiting: Vec<_> = hold.books().deferred.queues.keys().copied().collect();
    for stream in waiting {
        wait_for_all_uses(hold, stream)?;
    }
    for arena in hold.books().table.owners() {
        wait_for_arena(hold, arena)?;
    }
    hold.clear_fronts();
    let (books, device) = hold.parts();
    let surplus = books.table.pages_for(books.reserved.saturating_sub(keep));
    let surplus = usize::try_from(surplus).unwrap_or(usize::MAX);
    let mut pages: Vec<PageIndex> = books.table.spare().iter().copied().take(surplus).collect();
    for &index in &pages {
        books.table.take_spare(index);
    }
    let taken = books.take_from_sparsest(device, None, &mut pages, surplus);
    // Until it is its turn, whoever needs a page may have it.
    for &index in &pages {
        books.table.put_spare(index);
    }
    taken?;
    for index in pages {
        hold.let_others_search();
        // Others may give pages back meanwhile, too.
        if hold.books().reserved <= keep {
            break;
        }
        give_spare_back(hold, index)?;
    }
    Ok(())
}

/// Leaves no page without an address: what a request that failed had gathered lies where it lay
/// before, or goes back to the device. A page that the device does not take stays spare.
pub(super) fn settle_spare_pages<H: Hold>(hold: &mut H) -> Result<(), DeviceError> {
    hold.books().put_spare_pages_home();
    for index in hold.books().table.spare().clone() {
        give_spare_back(hold, index)?;
    }
    Ok(())
}

/// Gives a page back to the device if it is spare still, and no work uses its addresses.
fn give_spare_back<H: Hold>(hold: &mut H, index: PageIndex) -> Result<(), DeviceError> {
    let books = hold.books();
    // While another page went back, another thread may have taken this one.
    if !books.table.spare().contains(&index) || !books.may_go(index) {
        return Ok(());
    }
    books.table.take_spare(index);
    let answer = give_back(hold, index);
    if answer.is_err() {
        hold.books().table.put_spare(index);
    }
    answer
}

impl<O: Observer> Books<O> {
    /// Puts each spare page where it was used last, if that is in a free block.
    fn put_spare_pages_home(&mut self) {
        for index in self.table.spare().clone() {
            self.table.take_spare(index);
            if !self.put_home(index) {
                self.table.put_spare(index);
            }
        }
    }

    /// Makes the mapping active again that a page which was taken left behind where it was used
    /// last, if that is in a free block.
    fn put_home(&mut self, index: PageIndex) -> bool {
        let Some(page) = self.table.page(index) else { return false };
        let (last, until) = page.last_use;
        let is_home = |slot: &Slot| {
            let book = self.table.slot(*slot);
            self.table.reservation(slot.reservation).arena == last
                && !book.underway
                && book.revivable().is_some()
                && book.used_until == until
        };
        let home = page.aliases.iter().copied().find(is_home);
        let home = home.and_then(|slot| Some((slot, self.idle_around(slot)?)));
        let Some((slot, at)) = home else { return false };
        self.table.reactivate(slot);
        let block = &mut self.blocks[at];
        block.bare -= 1;
        // The slot has been free since then, and merging makes a free block younger only.
        debug_assert!(until <= block.freed, "{slot:?} was used until {until:?}");
        self.tell_slot(Action::SegmentMap, slot);
        true
    }

    /// Whether a spare page can be given back: no work may use any of its addresses, and
    /// no request be about to map another page there.
    fn may_go(&self, index: PageIndex) -> bool {
        let may_vanish = |&alias: &Slot| {
            let arena = self.table.reservation(alias.reservation).arena;
            let book = self.table.slot(alias);
            !book.underway && book.used_until <= self.arenas[arena].settled
        };
        let page = self.table.page(index);
        page.is_some_and(|page| page.vanishing == 0 && page.aliases.iter().all(may_vanish))
    }
}

/// Unmaps a page that was taken everywhere, and releases it.
fn give_back<H: Hold>(hold: &mut H, index: PageIndex) -> Result<(), DeviceError> {
    let books = hold.books();
    let Some(page) = books.table.page(index) else { return Ok(()) };
    let (handle, aliases) = (page.handle, page.aliases.clone());
    unmap(hold, &aliases, |device| device.release(handle))?;
    let books = hold.books();
    books.table.remove_page(index);
    books.count_released();
    Ok(())
}
