//! The entries of `external_annotations`: ranges that the program marked.

use gapless_trace::Annotation;
use gapless_units::{DeviceId, Micros};

use super::complaints::Place;
use super::{Decoder, Devices, numbers};
use crate::document::Value;

impl Decoder<'_> {
    /// Gives each annotation to its device, and those without one to all.
    pub(super) fn annotations(&mut self, list: Value, devices: &mut Devices) {
        let document = self.document;
        for (index, entry) in document.items(list).enumerate() {
            let place = Place { list: "external_annotations", index };
            if !self.allowance.take(1 + document.len(entry)) {
                self.complaints.cut_off(|| place.to_string());
                break;
            }
            let text = |key| document.get(entry, key).and_then(|value| document.as_text(value));
            let time = document.get(entry, "time_us").and_then(|t| numbers::integer(document, t));
            let time = time.and_then(|time| i64::try_from(time).ok());
            let (Some(name), Some(time)) = (text("name"), time) else {
                let what = "an annotation without a name or a time";
                self.complaints.skipped(what, || place.to_string());
                continue;
            };
            let annotation = Annotation {
                time: Micros(time),
                starts: text("stage") != Some("END"),
                name: self.label_text(name),
            };
            let device = document.get(entry, "device").and_then(|d| numbers::count(document, d));
            match device.and_then(|device| u32::try_from(device).ok()).map(DeviceId) {
                Some(device) => self.annotate_one(annotation, device, devices, place),
                None => self.annotate_all(annotation, devices, place),
            }
        }
    }

    fn annotate_one(
        &mut self,
        annotation: Annotation,
        device: DeviceId,
        devices: &mut Devices,
        place: Place<'_>,
    ) {
        if let Some(device) = devices.get_mut(&device) {
            device.annotations.push(annotation);
        } else {
            let what = "an annotation of a device without events and segments";
            self.complaints.skipped(what, || place.to_string());
        }
    }

    fn annotate_all(&mut self, annotation: Annotation, devices: &mut Devices, place: Place<'_>) {
        if !self.allowance.take(devices.len()) {
            return self.complaints.cut_off(|| place.to_string());
        }
        for device in devices.values_mut() {
            device.annotations.push(annotation);
        }
    }
}
