//! The allocator's settings, from `allocator_settings` and the settings string in it.

use std::collections::BTreeMap;

use gapless_trace::Settings;
use gapless_units::{Bytes, MIB};

use super::complaints::Complaints;
use super::events::written_out;
use super::numbers;
use crate::document::{Document, Value, View};

/// Reads the settings; none where the value is no dict.
pub(super) fn decode(
    document: &Document,
    dict: Value,
    complaints: &mut Complaints,
) -> Option<Settings> {
    if document.view(dict) != View::Dict {
        complaints.skipped("settings that are no dict", || "allocator_settings".to_owned());
        return None;
    }
    let mut settings = Settings::default();
    let mut others = BTreeMap::new();
    for (key, value) in document.entries(dict) {
        match key {
            "PYTORCH_CUDA_ALLOC_CONF" | "PYTORCH_ALLOC_CONF" => {
                settings.text = written_out(document, value);
            }
            "max_split_size" => {
                settings.max_split_size = numbers::limit(document, value).map(Bytes::new);
            }
            "garbage_collection_threshold" => {
                let share = document.as_float(value).filter(|&share| 0.0 < share);
                settings.garbage_collection_threshold = share;
            }
            "expandable_segments" => {
                settings.expandable_segments = document.view(value) == View::Bool(true);
            }
            "roundup_power2_divisions" => divisions(document, value, &mut settings),
            _ => {
                others.insert(key.to_owned(), written_out(document, value));
            }
        }
    }
    settings.others = others;
    from_text(&mut settings);
    Some(settings)
}

/// The table of divisions: the keys are powers of two in MiB.
fn divisions(document: &Document, table: Value, settings: &mut Settings) {
    for (key, value) in document.entries(table) {
        let interval = key.parse::<u64>().ok().filter(|mib| mib.is_power_of_two());
        let Some(interval) = interval.map(|mib| mib.ilog2() as usize) else { continue };
        let divisions = numbers::count(document, value).filter(|d| d.is_power_of_two());
        if let Some(entry) = settings.roundup_power2_divisions.get_mut(interval) {
            *entry = divisions.unwrap_or(0);
        }
    }
}

/// What stands only in the string: the sizes of large segments and of the rounding window, and
/// the share of the device. PyTorch reads whole MiB with C's rules, so `20.5` is 20.
fn from_text(settings: &mut Settings) {
    let text: String = settings.text.chars().filter(|c| !c.is_whitespace()).collect();
    for pair in text.split(',') {
        let Some((key, value)) = pair.split_once(':') else { continue };
        let digits = value.len() - value.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let mib = value[..digits].parse::<u64>().ok().filter(|&mib| 0 < mib && mib < 1 << 30);
        let mib = mib.map(|mib| Bytes::new(mib * MIB));
        match key {
            "large_segment_size_mb" => {
                settings.large_segment_size = mib.unwrap_or(settings.large_segment_size);
            }
            "max_non_split_rounding_mb" => settings.max_non_split_rounding = mib,
            "per_process_memory_fraction" => {
                let share = value.parse::<f64>().ok();
                settings.memory_fraction = share.filter(|share| (0.0..1.0).contains(share));
            }
            _ => {}
        }
    }
}
