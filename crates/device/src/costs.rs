//! What a device's calls take: data, read from a file.
//!
//! The published measurements disagree by a factor of 25 about creating a page, so every figure
//! made from costs names the file it used. `data/costs/` has five presets with their sources;
//! `bench/calibrate.py` measures a card and writes such a file.

use gapless_units::{Bytes, MIB};
use serde::Deserialize;

/// The memory that the costs of creating and releasing are given for.
const UNIT: u64 = 2 * MIB;

/// The presets and their files.
const PRESETS: [(&str, &str); 5] = [
    ("a100", include_str!("../data/costs/a100.toml")),
    ("fast", include_str!("../data/costs/fast.toml")),
    ("h100", include_str!("../data/costs/h100.toml")),
    ("h200", include_str!("../data/costs/h200.toml")),
    ("pessimistic", include_str!("../data/costs/pessimistic.toml")),
];

/// What a device's calls take, in nanoseconds. The time a call waits for queued work is not in it:
/// that depends on the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Costs {
    /// The preset, or what the file was called.
    pub name: String,
    create: Call,
    release: Call,
    map: u64,
    set_access: Call,
    unmap: Call,
    reserve: u64,
    allocate: u64,
    free: u64,
}

/// A call that takes some time, and some more for each handle in its range, or for each 2 MiB that
/// are created or released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Call {
    once: u64,
    for_each: u64,
}

impl Call {
    fn over(self, count: u64) -> u64 {
        self.once.saturating_add(self.for_each.saturating_mul(count))
    }
}

/// A file of costs as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    create_us_per_handle: f64,
    create_us_per_2mib: f64,
    #[serde(default)]
    release_us_per_handle: f64,
    release_us_per_2mib: f64,
    map_us_per_handle: f64,
    set_access_us_per_call: f64,
    set_access_us_per_handle: f64,
    unmap_us_per_call: f64,
    unmap_us_per_handle: f64,
    reserve_us: f64,
    allocate_us: f64,
    free_us: f64,
}

/// A text that is no file of costs.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CostsError {
    /// It is no TOML, or lacks a key, or has one too many.
    #[error("the costs cannot be read: {0}")]
    Malformed(String),
    /// A time that is negative or not finite.
    #[error("{key}: {value:?} is not a time")]
    NotATime {
        /// The key.
        key: &'static str,
        /// Its value.
        value: f64,
    },
}

impl Costs {
    /// The keys of a file of costs, each a time in microseconds. Those per handle of creating and of
    /// releasing may be left out.
    pub const KEYS: &'static [&'static str] = &[
        "create_us_per_handle",
        "create_us_per_2mib",
        "release_us_per_handle",
        "release_us_per_2mib",
        "map_us_per_handle",
        "set_access_us_per_call",
        "set_access_us_per_handle",
        "unmap_us_per_call",
        "unmap_us_per_handle",
        "reserve_us",
        "allocate_us",
        "free_us",
    ];

    /// What a file of costs is.
    pub fn file_format() -> String {
        format!(
            "TOML with these keys, each a time in microseconds: {}. Those per handle of creating and \
             releasing may be left out",
            Self::KEYS.join(", ")
        )
    }

    /// The names of the presets.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|&(name, _)| name)
    }

    /// The preset of this name.
    pub fn preset(name: &str) -> Option<Self> {
        let (name, text) = PRESETS.iter().find(|&&(preset, _)| preset == name)?;
        Self::read(name, text).ok()
    }

    /// Reads a file of costs: TOML, each key once, in microseconds. What a handle that is created or
    /// released costs whatever its size may be left out, and is nothing then.
    pub fn read(name: &str, text: &str) -> Result<Self, CostsError> {
        let file: File =
            toml::from_str(text).map_err(|error| CostsError::Malformed(complaint(&error, text)))?;
        Ok(Self {
            name: name.to_owned(),
            create: Call {
                once: nanos("create_us_per_handle", file.create_us_per_handle)?,
                for_each: nanos("create_us_per_2mib", file.create_us_per_2mib)?,
            },
            release: Call {
                once: nanos("release_us_per_handle", file.release_us_per_handle)?,
                for_each: nanos("release_us_per_2mib", file.release_us_per_2mib)?,
            },
            map: nanos("map_us_per_handle", file.map_us_per_handle)?,
            set_access: Call {
                once: nanos("set_access_us_per_call", file.set_access_us_per_call)?,
                for_each: nanos("set_access_us_per_handle", file.set_access_us_per_handle)?,
            },
            unmap: Call {
                once: nanos("unmap_us_per_call", file.unmap_us_per_call)?,
                for_each: nanos("unmap_us_per_handle", file.unmap_us_per_handle)?,
            },
            reserve: nanos("reserve_us", file.reserve_us)?,
            allocate: nanos("allocate_us", file.allocate_us)?,
            free: nanos("free_us", file.free_us)?,
        })
    }

    /// [`crate::Device::allocate`].
    pub fn allocate(&self) -> u64 {
        self.allocate
    }

    /// [`crate::Device::free`].
    pub fn free(&self) -> u64 {
        self.free
    }

    /// [`crate::Device::reserve`].
    pub fn reserve(&self) -> u64 {
        self.reserve
    }

    /// [`crate::Device::create`] of a handle.
    pub fn create(&self, size: Bytes) -> u64 {
        self.create.over(size.get().div_ceil(UNIT))
    }

    /// [`crate::Device::release`] of a handle.
    pub fn release(&self, size: Bytes) -> u64 {
        self.release.over(size.get().div_ceil(UNIT))
    }

    /// [`crate::Device::map`] of one handle.
    pub fn map(&self) -> u64 {
        self.map
    }

    /// [`crate::Device::set_access`] over a range of so many handles.
    pub fn set_access(&self, handles: u64) -> u64 {
        self.set_access.over(handles)
    }

    /// [`crate::Device::unmap`] over a range of so many handles.
    pub fn unmap(&self, handles: u64) -> u64 {
        self.unmap.over(handles)
    }
}

impl Default for Costs {
    /// The preset `pessimistic`: what a claim should be made with.
    fn default() -> Self {
        let free = Self {
            name: "free".to_owned(),
            create: Call { once: 0, for_each: 0 },
            release: Call { once: 0, for_each: 0 },
            map: 0,
            set_access: Call { once: 0, for_each: 0 },
            unmap: Call { once: 0, for_each: 0 },
            reserve: 0,
            allocate: 0,
            free: 0,
        };
        Self::preset("pessimistic").unwrap_or(free)
    }
}

/// What is wrong with a file, and where, if that is not the whole of it.
fn complaint(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().replace('\n', " ");
    // What is missing is nowhere.
    let is_missing = message.starts_with("missing field");
    let Some(span) = error.span().filter(|_| !is_missing) else { return message };
    let before = text.get(..span.start).unwrap_or(text);
    let number = 1 + before.matches('\n').count();
    match text.lines().nth(number - 1) {
        Some(line) => format!("line {number}, `{}`: {message}", line.trim()),
        None => format!("line {number}: {message}"),
    }
}

/// Microseconds of a file as nanoseconds.
fn nanos(key: &'static str, micros: f64) -> Result<u64, CostsError> {
    if !micros.is_finite() || !(0.0..1e12).contains(&micros) {
        return Err(CostsError::NotATime { key, value: micros });
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the time was just bounded"
    )]
    Ok((micros * 1e3).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_a_file_of_costs() {
        for name in Costs::presets() {
            assert_eq!(Costs::preset(name).unwrap().name, name);
        }
        assert_eq!(Costs::default().name, "pessimistic");
        assert_eq!(Costs::preset("free"), None);
    }

    #[test]
    fn a_fresh_gibibyte_takes_what_was_published() {
        let costs = Costs::preset("a100").unwrap();
        // 512 pages of 193 µs to create and 1.5 µs to map, and one call to set access.
        let nanos = costs.create(Bytes::gib(1)) + 512 * costs.map() + costs.set_access(512);
        assert_eq!(nanos, 512 * 194_500 + 36_000);
        assert_eq!(Costs::default().set_access(512), 512 * 36_000);
    }

    #[test]
    fn a_handle_may_cost_the_same_whatever_its_size() {
        let text = PRESETS[0].1.replace("create_us_per_2mib = 193.0", "create_us_per_2mib = 0.5");
        let costs = Costs::read("mine", &format!("create_us_per_handle = 9.0\n{text}")).unwrap();
        assert_eq!(costs.create(Bytes::mib(2)), 9_500);
        assert_eq!(costs.create(Bytes::mib(64)), 25_000);
    }

    #[test]
    fn a_file_has_the_keys_that_are_told() {
        let file = |left_out: &str| -> String {
            let keys = Costs::KEYS.iter().filter(|&&key| key != left_out);
            let lines: Vec<String> = keys.map(|key| format!("{key} = 1.5")).collect();
            lines.join("\n")
        };
        assert_eq!(Costs::read("mine", &file("")).unwrap().map(), 1_500);
        for &key in Costs::KEYS {
            let is_optional = ["create_us_per_handle", "release_us_per_handle"].contains(&key);
            assert_eq!(Costs::read("mine", &file(key)).is_ok(), is_optional, "without {key}");
        }
        assert!(Costs::read("mine", &format!("{}\nother_us = 1.0", file(""))).is_err());
    }

    #[test]
    fn a_broken_file_is_refused_with_the_place() {
        let text = PRESETS[0].1.replace("reserve_us = 19.0", "reserve_us = \"long\"");
        let error = Costs::read("mine", &text).unwrap_err().to_string();
        let place = r#"the costs cannot be read: line 14, `reserve_us = "long"`: invalid type"#;
        assert!(error.starts_with(place), "{error}");
        let text = PRESETS[0].1.replace("reserve_us = 19.0", "reserve_us = -1.0");
        let error = Costs::read("mine", &text).unwrap_err();
        assert_eq!(error.to_string(), "reserve_us: -1.0 is not a time");
        let error = Costs::read("mine", &format!("{}what is this\n", PRESETS[0].1)).unwrap_err();
        let place = "the costs cannot be read: line 17, `what is this`: ";
        assert!(error.to_string().starts_with(place), "{error}");
        let error = Costs::read("mine", "").unwrap_err().to_string();
        assert!(error.starts_with("the costs cannot be read: missing field"), "{error}");
    }
}
