//! Several devices at once: a row for each, the one to look at first on top.
//!
//! Ranks of one job should look alike. So the rows of devices whose request failed come first, and
//! within both groups the rows that differ most from the median of all: by what they reserved at
//! the peak, or by the share of it that gaps pin at the instant in question.

use gapless_diagnose::Cause;
use gapless_units::Bytes;

use crate::facts::{DeviceFacts, Facts};
use crate::names::named;

/// A device of one of several recordings, with what tells it from the others.
#[derive(Clone, Copy, Debug)]
pub struct SurveyRow<'a> {
    /// The recording.
    pub facts: &'a Facts,
    /// Its path without the folders that all of the recordings lie in.
    pub name: &'a str,
    /// The device.
    pub device: &'a DeviceFacts,
    /// How far it is from the median of all, as a share of the median.
    pub deviation: f64,
}

impl SurveyRow<'_> {
    /// What gaps pin, as a share of what is reserved.
    pub fn pinned_share(&self) -> f64 {
        let ledger = &self.device.ledger;
        ledger.bytes(Cause::PinnedGap).share_of(Bytes::new(ledger.reserved_bytes))
    }
}

/// The devices of all recordings, the one to look at first on top.
pub fn survey(recordings: &[Facts]) -> Vec<SurveyRow<'_>> {
    let row = |facts, name, device| SurveyRow { facts, name, device, deviation: 0.0 };
    let mut rows: Vec<SurveyRow<'_>> = named(recordings, |it| &it.recording.path)
        .flat_map(|(facts, name)| facts.devices.iter().map(move |device| row(facts, name, device)))
        .collect();
    let reserved = |row: &SurveyRow<'_>| row.device.peak.reserved_bytes as f64;
    let usual_reserved = median(rows.iter().map(reserved));
    let usual_pinned = median(rows.iter().map(SurveyRow::pinned_share));
    for row in &mut rows {
        let by_reserved = match usual_reserved {
            0.0 => 0.0,
            usual => (reserved(row) - usual).abs() / usual,
        };
        row.deviation = by_reserved.max((row.pinned_share() - usual_pinned).abs());
    }
    // The sort is stable, so equal rows stay in the order they were given.
    rows.sort_by(|row, other| {
        let failed = |row: &SurveyRow<'_>| row.device.failure.is_some();
        failed(other).cmp(&failed(row)).then(other.deviation.total_cmp(&row.deviation))
    });
    rows
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.get(middle) {
        None => 0.0,
        Some(&value) if values.len() % 2 == 1 => value,
        Some(&value) => f64::midpoint(values[middle - 1], value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_median(values: &[f64], expected: f64) {
        let found = median(values.iter().copied());
        assert!((found - expected).abs() < 1e-12, "{values:?}: {found}");
    }

    #[test]
    fn the_median_is_the_middle() {
        check_median(&[], 0.0);
        check_median(&[3.0, 1.0, 2.0], 2.0);
        check_median(&[4.0, 1.0, 2.0, 3.0], 2.5);
    }
}
