//! Places in a program, and the stacks made of them.

use gapless_diagnose::{SiteId, Sites};
use gapless_trace::{Frame, StackId, Stacks};
use serde::Serialize;

/// A place in a program's source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file as the recorder wrote it.
    pub file: String,
    /// The line, 0 where unknown.
    pub line: u32,
    /// The function.
    pub function: String,
}

impl Place {
    fn of(frame: &Frame<'_>) -> Self {
        let (file, function) = (frame.file.to_owned(), frame.function.to_owned());
        Self { file, line: frame.line, function }
    }
}

impl Place {
    /// The line of the program behind a stack, none where no stack was recorded.
    pub(crate) fn of_site(stacks: &Stacks, sites: &Sites, stack: StackId) -> Option<Self> {
        place(stacks, sites, sites.site(stack))
    }
}

/// The place of a site, none where no stack was recorded.
pub(super) fn place(stacks: &Stacks, sites: &Sites, site: SiteId) -> Option<Place> {
    sites.frame(stacks, site).map(|frame| Place::of(&frame))
}

/// The places of a stack, innermost first.
pub(super) fn stack(stacks: &Stacks, id: StackId) -> Vec<Place> {
    stacks.frames(id).map(|frame| Place::of(&frame)).collect()
}
