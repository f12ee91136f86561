//! Where the block of a frame may be.

use crate::gapless::names::{At, Frame};

use super::PageTable;

/// Of which frames beside it a frame has the fingers, by their distance.
const NEAR: [u32; 3] = [1, 8, 64];

impl PageTable {
    /// Notes the block that a frame is seen in.
    pub(in crate::gapless) fn point(&self, frame: Frame, at: At) {
        self.latest.set(at);
        if let Some(finger) = self.territory(frame.territory).fingers.get(frame.number as usize) {
            finger.set(at);
        }
    }

    /// Blocks that are perhaps those of a frame or near it: that of the last frame that was seen, the
    /// one that the frame was seen in last, and those of frames beside it.
    pub(in crate::gapless) fn fingers(&self, frame: Frame) -> impl Iterator<Item = At> {
        let Frame { territory, number } = frame;
        let fingers = &self.territory(territory).fingers;
        let beside = move |distance| [number.checked_sub(distance), number.checked_add(distance)];
        let numbers = NEAR.into_iter().flat_map(beside).flatten();
        let numbers = std::iter::once(number).chain(numbers);
        let own = numbers.filter_map(|number| fingers.get(number as usize)?.get().some());
        self.latest.get().some().into_iter().chain(own)
    }
}
