//! The allocator's settings, from `allocator_settings` and the settings string in it.

use gapless_trace::Settings;
use gapless_units::Bytes;

use super::excerpt::{excerpt, written_out};
use super::{Decoder, Devices, numbers};
use crate::document::{Document, Value, View};

/// Beside PyTorch's settings: how large the pages of an allocator of our own are, in bytes.
pub(crate) const PAGE_KEY: &str = "gapless_page_size";

/// Characters of a setting that are kept; its key is kept as far.
const MOST_SETTING: usize = 1000;
/// Characters of the settings string that are kept.
const MOST_TEXT: usize = 1 << 16;

impl Decoder<'_> {
    /// Reads the settings, which are the same for all devices.
    pub(super) fn settings(&mut self, root: Value, devices: &mut Devices) {
        let Some(dict) = self.document.get(root, "allocator_settings") else { return };
        if self.document.view(dict) != View::Dict {
            self.complaints
                .skipped("settings that are no dict", || "allocator_settings".to_owned());
            return;
        }
        let settings = self.decode_settings(dict);
        let others = settings.others.iter().map(|(key, value)| 64 + key.len() + value.len());
        let units = 8 + (settings.text.len() + others.sum::<usize>()) / 64;
        for device in devices.values_mut() {
            if !self.allowance.take(units) {
                self.complaints.cut_off(|| "allocator_settings".to_owned());
                break;
            }
            device.settings = Some(settings.clone());
        }
    }

    fn decode_settings(&mut self, dict: Value) -> Settings {
        let document = self.document;
        let mut settings = Settings::default();
        for (key, value) in document.entries(dict) {
            if !self.allowance.take(1 + MOST_SETTING / 64) {
                self.complaints.cut_off(|| "allocator_settings".to_owned());
                break;
            }
            match key {
                "PYTORCH_CUDA_ALLOC_CONF" | "PYTORCH_ALLOC_CONF" => {
                    settings.text = written_out(document, value, MOST_TEXT);
                }
                "max_split_size" => {
                    settings.max_split_size = numbers::limit(document, value).map(Bytes::new);
                }
                "garbage_collection_threshold" => {
                    let share = numbers::real(document, value).filter(|&share| 0.0 < share);
                    settings.garbage_collection_threshold = share;
                }
                "expandable_segments" => {
                    settings.expandable_segments = numbers::flag(document, value);
                }
                PAGE_KEY => settings.page_size = numbers::limit(document, value).map(Bytes::new),
                "roundup_power2_divisions" => divisions(document, value, &mut settings),
                _ => {
                    let value = written_out(document, value, MOST_SETTING);
                    settings.others.insert(excerpt(key, MOST_SETTING), value);
                }
            }
        }
        from_text(&mut settings);
        settings
    }
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

/// What stands only in the string: the sizes of large segments and of the rounding window, the
/// share of the device, and what expandable segments reserve. What PyTorch read before a mistake
/// in the string was in force.
fn from_text(settings: &mut Settings) {
    let mut said = Settings::default();
    // The mistake is the recorded program's, and it knows of it.
    let _ = said.apply(&settings.text);
    settings.large_segment_size = said.large_segment_size;
    settings.max_non_split_rounding = said.max_non_split_rounding;
    settings.memory_fraction = said.memory_fraction;
    settings.throw_on_oom = said.throw_on_oom;
    settings.expandable_segments_reserve = said.expandable_segments_reserve;
}
