//! What a reader or the rebuild has to say about a recording besides its contents.

/// How much a note takes away from what the recording says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Good to know; nothing is missing.
    Remark,
    /// Something was not recorded, or could not be read; what is said about the rest stands.
    Missing,
    /// The recording contradicts itself, so nothing it says can be believed as it stands.
    Contradiction,
}

/// A sentence about a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// How much it takes away.
    pub weight: Weight,
    /// A stable word for the kind of note, for programs.
    pub code: &'static str,
    /// The sentence, with the place and the numbers.
    pub text: String,
}

impl Note {
    /// A note that takes nothing away.
    pub fn remark(code: &'static str, text: impl Into<String>) -> Self {
        Self { weight: Weight::Remark, code, text: text.into() }
    }

    /// A note about something missing.
    pub fn missing(code: &'static str, text: impl Into<String>) -> Self {
        Self { weight: Weight::Missing, code, text: text.into() }
    }

    /// A note about two statements of the recording that cannot both be true.
    pub fn contradiction(code: &'static str, text: impl Into<String>) -> Self {
        Self { weight: Weight::Contradiction, code, text: text.into() }
    }
}
