//! A device that gives and refuses as it did when it was recorded.

use std::collections::VecDeque;

use gapless_units::Bytes;

/// One thing a recorded device did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It gave so many bytes.
    Gives(Bytes),
    /// It took so many back.
    Takes(Bytes),
}

/// What a recorded device did next. It refuses what it is asked for as long as it was given back
/// more memory first.
#[derive(Clone, Debug, Default)]
pub struct Script {
    steps: VecDeque<Step>,
    refuses_then: bool,
}

impl Script {
    /// The steps in order, and whether the device refuses everything behind them.
    pub fn new(steps: impl IntoIterator<Item = Step>, refuses_then: bool) -> Self {
        Self { steps: steps.into_iter().collect(), refuses_then }
    }

    /// Whether the device gives so many bytes now.
    pub(super) fn gives(&mut self, size: Bytes) -> bool {
        match self.steps.front_mut() {
            Some(Step::Gives(left)) => {
                *left = left.saturating_sub(size);
                if left.is_zero() {
                    self.steps.pop_front();
                }
                true
            }
            Some(Step::Takes(_)) => false,
            None => !self.refuses_then,
        }
    }

    /// So many bytes came back.
    pub(super) fn takes(&mut self, size: Bytes) {
        if let Some(Step::Takes(left)) = self.steps.front_mut() {
            *left = left.saturating_sub(size);
            if left.is_zero() {
                self.steps.pop_front();
            }
        }
    }
}
