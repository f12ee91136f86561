//! The ledger as bars, and the free bytes by what keeps them from the request.
//!
//! ```text
//!   label      ████████▊               bytes   share  what is to be known
//!   14 cells   the rest of the line    10      8      as wide as the widest
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
/// The widest bar.
const WIDEST: usize = 48;

/// One line: a share of the whole.
struct Share<'a> {
    label: &'a str,
    bytes: Bytes,
    style: Style,
    note: String,
}

/// A whole and its shares.
struct Part<'a> {
    label: &'a str,
    whole: Bytes,
    when: String,
    shares: Vec<Share<'a>>,
}

/// Writes both, with bars of one width.
pub(crate) fn ledger(paper: &mut Paper, device: &DeviceFacts) {
    let mut parts = vec![reserved(device)];
    if device.consistent {
        parts.extend(free(device));
    }
    let notes = parts.iter().flat_map(|part| &part.shares).map(|share| share.note.chars().count());
    let taken = LABEL + SIZE + SHARE + 2 + notes.max().unwrap_or(0);
    let cells = paper.width().saturating_sub(taken).min(WIDEST);
    for part in &parts {
        paper.gap();
        let label = ink(HEADING, &format!("{:<LABEL$}", part.label));
        let size = format!("{:>SIZE$}", part.whole.to_string());
        paper.line(&format!("{label}{size}  {}", ink(ASIDE, &part.when)));
        for share in &part.shares {
            paper.line(&line(share, part.whole, cells));
        }
    }
    if let Some(outside) = device.outside_bytes {
        paper.gap();
        let label = ink(HEADING, &format!("{:<LABEL$}", "outside"));
        let size = format!("{:>SIZE$}", Bytes::new(outside).to_string());
        let whose = ink(ASIDE, "of the card: context, libraries, other processes");
        paper.line(&format!("{label}{size}  {whose}"));
    }
}

/// Every reserved byte by its cause. Where nothing says how blocks were placed, only what is in
/// use is known.
fn reserved(device: &DeviceFacts) -> Part<'_> {
    let ledger = &device.ledger;
    let known = ledger
        .causes
        .iter()
        .filter(|share| share.bytes != 0 || (share.cause != "pending" && device.placed));
    let shares = known.map(|share| {
        let bytes = Bytes::new(share.bytes);
        let style = match share.cause {
            "requested" => USE,
            "releasable" => SPARE,
            _ => WASTE,
        };
        let note = about_cause(share.cause, bytes, ledger);
        Share { label: cause(share.cause), bytes, style, note }
    });
    Part {
        label: if device.placed { "reserved" } else { "in use" },
        whole: Bytes::new(ledger.reserved_bytes),
        when: moment(ledger),
        shares: shares.collect(),
    }
}

/// The free bytes by what keeps them from the request in question.
fn free(device: &DeviceFacts) -> Option<Part<'_>> {
    let whole = device.ledger.free_bytes();
    let asked = device.request.as_ref().filter(|_| !whole.is_zero())?;
    let shares = device.ledger.free.iter().map(|share| {
        let largest = Bytes::new(share.largest_bytes);
        let note = match share.gaps {
            1 => "in one gap".to_owned(),
            gaps => format!("{}, up to {largest}", counted(gaps, "gap")),
        };
        let style = if share.obstacle == "none" { SPARE } else { WASTE };
        Share { label: obstacle(share.obstacle), bytes: Bytes::new(share.bytes), style, note }
    });
    let when = format!("for {}", request(asked));
    Some(Part { label: "free", whole, when, shares: shares.collect() })
}

fn line(share: &Share<'_>, whole: Bytes, cells: usize) -> String {
    let label = format!("  {}", share.label);
    let bar = ink(share.style, &bar(share.bytes.share_of(whole), cells));
    let bytes = share.bytes.to_string();
    let percent = percent_of(share.bytes, whole);
    let percent = if share.bytes.is_zero() { String::new() } else { percent };
    let note = ink(ASIDE, &share.note);
    format!("{label:<LABEL$}{bar}{bytes:>SIZE$}{percent:>SHARE$}  {note}")
}
