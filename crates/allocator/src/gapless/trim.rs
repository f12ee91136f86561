//! Giving memory back to the device.

use gapless_device::{Device, DeviceError};
use gapless_units::Bytes;

use super::GaplessAllocator;
use super::names::{At, Frame, PageIndex};
use crate::observer::Observer;

impl<D: Device, O: Observer> GaplessAllocator<D, O> {
    /// Gives free pages back until no more than `keep` is reserved, those that are free longest
    /// first. Waits for the streams that used them.
    pub fn trim(&mut self, keep: Bytes) -> Result<(), DeviceError> {
        self.finish_frees()?;
        self.clear_all_shelves();
        if self.reserved <= keep {
            return Ok(());
        }
        for arena in self.arenas.indices() {
            self.wait_for_arena(arena)?;
        }
        let spare = self.table.spare.clone();
        for index in spare {
            self.give_back(index, keep)?;
        }
        let free: Vec<At> = self.movable.iter().map(|&(_, at)| at).collect();
        for at in free {
            let (territory, extent) = (self.blocks[at].territory, self.blocks[at].extent());
            for frame in self.table.inside(territory, extent) {
                let book = self.table.frame(frame);
                let Some(index) = book.page.filter(|_| book.active && book.pins == 0) else {
                    continue;
                };
                if self.reserved <= keep {
                    return Ok(());
                }
                self.take_free(at);
                self.leave(at, frame);
                self.put_free(at);
                self.give_back(index, keep)?;
            }
        }
        Ok(())
    }

    /// Unmaps a spare page everywhere and releases it.
    fn give_back(&mut self, index: PageIndex, keep: Bytes) -> Result<(), DeviceError> {
        let Some(page) = self.table.page(index).filter(|_| keep < self.reserved) else {
            return Ok(());
        };
        let (handle, aliases): (_, Vec<Frame>) = (page.handle, page.aliases.clone());
        for frame in aliases {
            self.clear_frames(&[frame])?;
        }
        self.device.release(handle)?;
        self.table.remove_page(index);
        self.reserved -= self.table.page_size;
        self.statistics.num_device_free += 1;
        let size = self.table.page_size.get();
        self.statistics.reserved_bytes.decrease(super::SizePool::Large, size);
        Ok(())
    }
}
