//! Who keeps how much unusable, in numbers.

use gapless_diagnose::{BlameRow, Sites};
use gapless_trace::Stacks;
use serde::Serialize;

use super::place::{Place, place, stack};

/// The most rows that leave; what the others pin is told in one sum.
const MOST_ROWS: usize = 100;

/// The blocks of one line of the program and what they pin together.
#[derive(Clone, Debug, Serialize)]
pub struct BlameFacts {
    /// The line, where known.
    pub site: Option<Place>,
    /// The stack that ends there whose blocks pin most.
    pub stack: Vec<Place>,
    /// The free bytes they keep unusable.
    pub pins_bytes: u64,
    /// How many blocks they are.
    pub blocks: usize,
    /// The size of these blocks.
    pub live_bytes: u64,
}

/// The rows of blame that do not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OmittedFacts {
    /// How many.
    pub rows: usize,
    /// What they pin together.
    pub pins_bytes: u64,
}

impl BlameFacts {
    pub(super) fn all(
        rows: &[BlameRow],
        stacks: &Stacks,
        sites: &Sites,
    ) -> (Vec<Self>, OmittedFacts) {
        let (told, omitted) = rows.split_at(rows.len().min(MOST_ROWS));
        let told = told.iter().map(|row| Self {
            site: place(stacks, sites, row.site),
            stack: stack(stacks, row.stack),
            pins_bytes: row.pins.get(),
            blocks: row.blocks,
            live_bytes: row.live.get(),
        });
        let pins_bytes = omitted.iter().map(|row| row.pins.get()).sum();
        (told.collect(), OmittedFacts { rows: omitted.len(), pins_bytes })
    }
}
