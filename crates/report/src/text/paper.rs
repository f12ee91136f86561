//! The lines written so far.

use anstyle::Style;

use super::ink::{HEADING, ink};
use super::wrap::wrap;

/// Lines of a given width, with at most one empty line between them.
#[derive(Debug)]
pub(crate) struct Paper {
    width: usize,
    text: String,
}

impl Paper {
    /// Nothing yet.
    pub(crate) fn new(width: usize) -> Self {
        Self { width, text: String::new() }
    }

    /// The width of a line.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// A line as it stands.
    pub(crate) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// A sentence on as many lines as it takes, all of them behind `indent` spaces.
    pub(crate) fn sentence(&mut self, indent: usize, sentence: &str) {
        for line in wrap(sentence, self.width.saturating_sub(indent)) {
            self.line(&format!("{:indent$}{line}", ""));
        }
    }

    /// A sentence behind a mark such as `-`, the lines below aligned with its first word.
    pub(crate) fn item(&mut self, indent: usize, mark: &str, sentence: &str) {
        let hanging = indent + mark.chars().count() + 1;
        for (index, line) in wrap(sentence, self.width.saturating_sub(hanging)).iter().enumerate() {
            if index == 0 {
                self.line(&format!("{:indent$}{mark} {line}", ""));
            } else {
                self.line(&format!("{:hanging$}{line}", ""));
            }
        }
    }

    /// A sentence that begins with an emphasized mark.
    pub(crate) fn marked(&mut self, style: Style, mark: &str, sentence: &str) {
        for (index, line) in wrap(&format!("{mark} {sentence}"), self.width).iter().enumerate() {
            match line.strip_prefix(mark).filter(|_| index == 0) {
                Some(rest) => self.line(&format!("{}{rest}", ink(style, mark))),
                None => self.line(line),
            }
        }
    }

    /// An empty line, unless there is one.
    pub(crate) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A heading behind an empty line.
    pub(crate) fn heading(&mut self, heading: &str) {
        self.gap();
        self.line(&ink(HEADING, heading));
    }

    /// All of it.
    pub(crate) fn into_text(self) -> String {
        let mut text = self.text;
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }
}
