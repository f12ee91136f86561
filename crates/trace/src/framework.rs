//! The framework that made a recording, as far as the recording tells.

use std::fmt;

/// A release such as 2.15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// The number before the point.
    pub major: u16,
    /// The number behind it.
    pub minor: u16,
}

impl Release {
    /// The release `major.minor`.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.major, self.minor)
    }
}

/// A framework with the releases whose files look like the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framework {
    /// The framework's name.
    pub name: String,
    /// The first release that writes such a file, where known.
    pub first: Option<Release>,
    /// The last release that writes such a file; `None` is up to today's.
    pub last: Option<Release>,
}

impl Framework {
    /// The name of ours.
    const GAPLESS: &str = "gapless";

    /// This library, whose allocator tells of itself.
    pub fn gapless() -> Self {
        Self { name: Self::GAPLESS.to_owned(), first: None, last: None }
    }

    /// Whether it is this library: calls and rules of PyTorch mean nothing then.
    pub fn is_gapless(&self) -> bool {
        self.name == Self::GAPLESS
    }
}

impl fmt::Display for Framework {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match (self.first, self.last) {
            (None, None) => write!(out, "{name}"),
            (None, Some(last)) => write!(out, "{name} up to {last}"),
            (Some(first), None) => write!(out, "{name} {first} or later"),
            (Some(first), Some(last)) if first == last => write!(out, "{name} {first}"),
            (Some(first), Some(last)) => write!(out, "{name} {first} to {last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_framework_says_what_it_knows_of_its_release() {
        let pytorch = |first, last| Framework { name: "PyTorch".to_owned(), first, last };
        let (early, late) = (Release::new(2, 2), Release::new(2, 8));
        assert_eq!(pytorch(None, None).to_string(), "PyTorch");
        assert_eq!(pytorch(Some(early), Some(late)).to_string(), "PyTorch 2.2 to 2.8");
        assert_eq!(pytorch(Some(late), None).to_string(), "PyTorch 2.8 or later");
        assert_eq!(pytorch(Some(late), Some(late)).to_string(), "PyTorch 2.8");
    }
}
