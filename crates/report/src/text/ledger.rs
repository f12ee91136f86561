//! The ledger as bars, and the free bytes by what keeps them from the request.
//!
//! ```text
//!   label      ████████▊               bytes   share  what is to be known
//!   14 cells   the rest of the line    10      8      24
//! ```

use anstyle::Style;
use gapless_units::Bytes;

use super::bar::bar;
use super::ink::{ASIDE, HEADING, SPARE, USE, WASTE, ink};
use super::paper::Paper;
use crate::facts::DeviceFacts;
use crate::figures::{counted, percent_of};
use crate::words::{about_cause, cause, moment, obstacle, request};

/// What labels take, with the space behind.
const LABEL: usize = 15;
/// What sizes take.
const SIZE: usize = 10;
/// What shares take.
const SHARE: usize = 8;
/// What notes take.
const NOTE: usize = 24;
/// The widest bar.
const WIDEST: usize = 48;

/// One line: a share of the whole.
struct Share<'a> {
    label: &'a str,
    bytes: Bytes,
    whole: Bytes,
    style: Style,
    note: String,
}

/// Every reserved byte by its cause. Where nothing says how blocks were placed, only what is in
/// use is known.
pub(crate) fn ledger(paper: &mut Paper, device: &DeviceFacts) {
    let ledger = &device.ledger;
    let whole = Bytes::new(ledger.reserved_bytes);
    total(paper, if device.placed { "reserved" } else { "in use" }, whole, &moment(ledger));
    for share in &ledger.causes {
        let bytes = Bytes::new(share.bytes);
        if bytes.is_zero() && (share.cause == "pending" || !device.placed) {
            continue;
        }
        let style = match share.cause {
            "requested" => USE,
            "releasable" => SPARE,
            _ => WASTE,
        };
        let note = about_cause(share.cause, bytes, ledger);
        line(paper, &Share { label: cause(share.cause), bytes, whole, style, note });
    }
}

/// The free bytes by what keeps them from the request in question.
pub(crate) fn free(paper: &mut Paper, device: &DeviceFacts) {
    let whole = device.ledger.free_bytes();
    let Some(asked) = device.request.as_ref().filter(|_| !whole.is_zero()) else { return };
    total(paper, "free", whole, &format!("for {}", request(asked)));
    for share in &device.ledger.free {
        let largest = Bytes::new(share.largest_bytes);
        let note = match share.gaps {
            1 => "in one gap".to_owned(),
            gaps => format!("{}, up to {largest}", counted(gaps, "gap")),
        };
        let style = if share.obstacle == "none" { SPARE } else { WASTE };
        let bytes = Bytes::new(share.bytes);
        line(paper, &Share { label: obstacle(share.obstacle), bytes, whole, style, note });
    }
}

fn total(paper: &mut Paper, label: &str, bytes: Bytes, when: &str) {
    let label = ink(HEADING, &format!("{label:<LABEL$}"));
    paper.line(&format!("{label}{bytes:>SIZE$}  {}", ink(ASIDE, when)));
}

fn line(paper: &mut Paper, share: &Share<'_>) {
    let cells = paper.width().saturating_sub(LABEL + SIZE + SHARE + 2 + NOTE).min(WIDEST);
    let bar = ink(share.style, &bar(share.bytes.share_of(share.whole), cells));
    let percent = percent_of(share.bytes, share.whole);
    let percent = if share.bytes.is_zero() { String::new() } else { percent };
    let bytes = share.bytes.to_string();
    let label = format!("  {}", share.label);
    paper.line(&format!(
        "{label:<LABEL$}{bar}{bytes:>SIZE$}{percent:>SHARE$}  {}",
        ink(ASIDE, &share.note)
    ));
}
