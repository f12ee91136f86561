//! The entries of `external_annotations`: ranges that the program marked.

use gapless_trace::Annotation;
use gapless_units::{DeviceId, Micros};

use super::{Decoder, Devices, numbers};
use crate::document::Value;

impl Decoder<'_> {
    /// Gives each annotation to its device, and those without one to all.
    pub(super) fn annotations(&mut self, list: Value, devices: &mut Devices) {
        let document = self.document;
        for (index, entry) in document.items(list).enumerate() {
            let text = |key| document.get(entry, key).and_then(|value| document.as_text(value));
            let time = document.get(entry, "time_us").and_then(|t| numbers::integer(document, t));
            let time = time.and_then(|time| i64::try_from(time).ok());
            let (Some(name), Some(time)) = (text("name"), time) else {
                let place = || format!("external_annotations[{index}]");
                self.complaints.skipped("an annotation without a name or a time", place);
                continue;
            };
            let annotation = Annotation {
                time: Micros(time),
                starts: text("stage") != Some("END"),
                name: self.stacks.label(name),
            };
            let device = document.get(entry, "device").and_then(|d| numbers::count(document, d));
            let device = device.and_then(|device| u32::try_from(device).ok()).map(DeviceId);
            match device.and_then(|device| devices.get_mut(&device)) {
                Some(device) => device.annotations.push(annotation),
                None if device.is_none() => {
                    for device in devices.values_mut() {
                        device.annotations.push(annotation);
                    }
                }
                None => {}
            }
        }
    }
}
