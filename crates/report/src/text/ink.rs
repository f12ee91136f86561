//! What is emphasized, and how. Nothing is said by color alone.

use anstyle::{AnsiColor, Style};

/// What a verdict that something is wrong looks like.
pub(crate) const ALARM: Style = AnsiColor::Red.on_default().bold();
/// What a verdict that all is well looks like.
pub(crate) const CALM: Style = AnsiColor::Green.on_default().bold();
/// What one cannot be sure of.
pub(crate) const DOUBT: Style = AnsiColor::Yellow.on_default().bold();
/// Headings.
pub(crate) const HEADING: Style = Style::new().bold();
/// Free memory that nothing can use.
pub(crate) const WASTE: Style = AnsiColor::Red.on_default();
/// Memory in use.
pub(crate) const USE: Style = AnsiColor::Cyan.on_default();
/// Memory that would come back.
pub(crate) const SPARE: Style = AnsiColor::Green.on_default();
/// What may be skipped.
pub(crate) const ASIDE: Style = Style::new().dimmed();

/// The text in a style.
pub(crate) fn ink(style: Style, text: &str) -> String {
    if text.trim().is_empty() { text.to_owned() } else { format!("{style}{text}{style:#}") }
}
