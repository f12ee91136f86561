//! The allocator's settings, as far as a recording holds them.

mod tokens;
mod error;
mod parse;

use std::collections::BTreeMap;
use std::fmt::Write;

use gapless_units::{Bytes, MIB};

pub use error::{SettingsError, SettingsMistake};

/// The settings in force when the snapshot was taken.
///
/// PyTorch writes most of them decoded (`allocator_settings`); the segment size, the rounding
/// window and the memory fraction stand only in the settings string, where they were set there.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The settings string as it was given, `""` for the defaults.
    pub text: String,
    /// From this size on blocks are never split; `None` is no limit.
    pub max_split_size: Option<Bytes>,
    /// Blocks larger than a request by this much are not given to it, past `max_split_size`;
    /// `None` is the size of a packed large segment.
    pub max_non_split_rounding: Option<Bytes>,
    /// The share of the memory limit past which cached segments are collected; `None` is never.
    pub garbage_collection_threshold: Option<f64>,
    /// Whether segments grow by mapping pages.
    pub expandable_segments: bool,
    /// Divisions between powers of two that requests are rounded to, by the logarithm of their
    /// size in MiB; 0 and 1 round to 512 bytes only.
    pub roundup_power2_divisions: [u64; 16],
    /// The size of a segment that large requests below 10 MiB are packed into, and of a page of
    /// an expandable segment for large requests.
    pub large_segment_size: Bytes,
    /// The one size of all pages of an allocator that is not PyTorch's; `None` is PyTorch's sizes.
    pub page_size: Option<Bytes>,
    /// The share of the device's memory the allocator may take, where set below 1.
    pub memory_fraction: Option<f64>,
    /// Whether a request that would pass the whole device fails before the device is asked.
    pub throw_on_oom: bool,
    /// What an expandable segment reserves of addresses, where less than 9/8 of the device.
    pub expandable_segments_reserve: Option<Reserve>,
    /// Settings without an effect on device memory, or unknown to gapless, as text.
    pub others: BTreeMap<String, String>,
}

impl Default for Settings {
    /// PyTorch's defaults.
    fn default() -> Self {
        Self {
            text: String::new(),
            max_split_size: None,
            max_non_split_rounding: None,
            garbage_collection_threshold: None,
            expandable_segments: false,
            roundup_power2_divisions: [0; 16],
            large_segment_size: Bytes::mib(20),
            page_size: None,
            memory_fraction: None,
            throw_on_oom: false,
            expandable_segments_reserve: None,
            others: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// The settings that PyTorch reads from `text`, the rest being its defaults.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        settings.apply(text)?;
        Ok(settings)
    }

    /// Reads `text` while the program runs. As in PyTorch the split limit, its window, the
    /// collection threshold and the divisions fall back to their defaults first and the others
    /// stay; where a mistake stands in the string, what is before it is in force.
    pub fn apply(&mut self, text: &str) -> Result<(), SettingsError> {
        parse::apply(self, text)
    }

    /// The shortest string that PyTorch reads as these settings; `""` for its defaults.
    pub fn to_text(&self) -> String {
        let default = Self::default();
        let mut settings: Vec<(&str, String)> = Vec::new();
        let mib = |size: Bytes| (size.get() / MIB).to_string();
        if self.expandable_segments {
            settings.push(("expandable_segments", "True".to_owned()));
        }
        if self.large_segment_size != default.large_segment_size {
            settings.push(("large_segment_size_mb", mib(self.large_segment_size)));
        }
        if let Some(size) = self.max_split_size {
            settings.push(("max_split_size_mb", mib(size)));
        }
        if let Some(size) = self.max_non_split_rounding {
            settings.push(("max_non_split_rounding_mb", mib(size)));
        }
        if let Some(share) = self.garbage_collection_threshold {
            settings.push(("garbage_collection_threshold", share.to_string()));
        }
        if let Some(share) = self.memory_fraction {
            settings.push(("per_process_memory_fraction", share.to_string()));
        }
        if self.roundup_power2_divisions.iter().any(|&divisions| 1 < divisions) {
            settings.push(("roundup_power2_divisions", self.divisions_text()));
        }
        if self.throw_on_oom {
            settings.push(("throw_on_cudamalloc_oom", "True".to_owned()));
        }
        match self.expandable_segments_reserve {
            Some(Reserve::Fraction(share)) => {
                settings.push(("expandable_segments_reserve", share.to_string()));
            }
            Some(Reserve::Bytes(bytes)) => {
                let gib = bytes.get() as f64 / gapless_units::GIB as f64;
                settings.push(("expandable_segments_reserve", format!("{gib}G")));
            }
            None => {}
        }
        let settings = settings.iter().map(|(key, value)| format!("{key}:{value}"));
        settings.collect::<Vec<_>>().join(",")
    }

    fn divisions_text(&self) -> String {
        let table = self.roundup_power2_divisions;
        if table.iter().all(|&divisions| divisions == table[0]) {
            return table[0].to_string();
        }
        // The first interval fills all before it, so runs need not be written out there.
        let first = table.iter().position(|&divisions| divisions != table[0]).unwrap_or(16) - 1;
        let same_to_end = table.iter().rposition(|&d| d != table[15]).unwrap_or(0);
        let mut text = "[".to_owned();
        for (index, divisions) in
            table.iter().enumerate().skip(first).take_while(|x| x.0 <= same_to_end)
        {
            let _ = write!(text, "{}:{divisions},", 1_u64 << index);
        }
        let _ = write!(text, ">:{}]", table[15]);
        text
    }
}

/// The addresses an expandable segment reserves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reserve {
    /// A share of the device's memory.
    Fraction(f64),
    /// So many bytes.
    Bytes(Bytes),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_refused(text: &str, message: &str) {
        assert_eq!(Settings::parse(text).unwrap_err().to_string(), message, "{text}");
    }

    fn divisions(text: &str) -> [u64; 16] {
        let text = format!("roundup_power2_divisions:{text}");
        Settings::parse(&text).unwrap().roundup_power2_divisions
    }

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, mib) in [("20.5", 20), ("+64", 64), (" 1 0 0", 100), ("-1", (1 << 44) - 1)] {
            let settings = Settings::parse(&format!("max_split_size_mb:{text}")).unwrap();
            assert_eq!(settings.max_split_size, Some(Bytes::mib(mib)), "{text}");
        }
    }

    #[test]
    fn mistakes_are_named_with_place_and_nearest_key() {
        check_refused(
            "expandable_segments:True, max_splitsize_mb:128",
            "`max_splitsize_mb` at character 27 is not a setting of PyTorch; did you mean \
             `max_split_size_mb`?",
        );
        check_refused("flavor:1", "`flavor` at character 1 is not a setting of PyTorch");
        check_refused(
            "max_split_size_mb:19",
            "`max_split_size_mb` takes 20 or more, not `19` at character 19",
        );
        check_refused(
            "max_split_size_mb:25,large_segment_size_mb:30",
            "`max_split_size_mb` takes 30 or more, not `25` at character 19",
        );
        check_refused(
            "expandable_segments:true",
            "`expandable_segments` takes True or False, not `true` at character 21",
        );
        check_refused(
            "garbage_collection_threshold",
            "`garbage_collection_threshold` lacks a value at character 29; write \
             `garbage_collection_threshold:VALUE`",
        );
    }

    #[test]
    fn what_stands_before_a_mistake_is_in_force() {
        let mut settings = Settings::default();
        settings.apply("max_split_size_mb:100,foo:1").unwrap_err();
        assert_eq!(settings.max_split_size, Some(Bytes::mib(100)));
        assert_eq!(settings.text, "max_split_size_mb:100,foo:1");
    }

    /// The keys of CUDA's allocator are read in a second walk.
    #[test]
    fn a_mistake_in_a_key_of_cuda_spares_the_shared_keys_behind_it() {
        let mut settings = Settings::default();
        settings.apply("throw_on_cudamalloc_oom:4,max_split_size_mb:64").unwrap_err();
        assert_eq!(settings.max_split_size, Some(Bytes::mib(64)));
    }

    #[test]
    fn a_later_string_resets_four_settings_only() {
        let mut settings = Settings::parse(
            "expandable_segments:True,large_segment_size_mb:30,max_split_size_mb:64,\
             garbage_collection_threshold:0.5,roundup_power2_divisions:4",
        )
        .unwrap();
        settings.apply("").unwrap();
        assert!(settings.expandable_segments);
        assert_eq!(settings.large_segment_size, Bytes::mib(30));
        assert_eq!(settings.max_split_size, None);
        assert_eq!(settings.garbage_collection_threshold, None);
        assert_eq!(settings.roundup_power2_divisions, [0; 16]);
    }

    #[test]
    fn separators_are_not_checked() {
        let settings = Settings::parse("max_split_size_mb,100]expandable_segments:True,").unwrap();
        assert_eq!(settings.max_split_size, Some(Bytes::mib(100)));
        assert!(settings.expandable_segments);
        assert!(Settings::parse("max_split_size_mb:100,,").is_err());
    }

    #[test]
    fn intervals_fill_what_lies_before_the_first_and_behind_the_last() {
        let tail = [1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 8, 8, 8, 8, 8];
        assert_eq!(divisions("[256:1,512:2,1024:4,>:8]"), tail);
        assert_eq!(divisions("[>:8]")[..2], [0, 8]);
        assert_eq!(divisions("[512:4,256:2]"), [4, 4, 4, 4, 4, 4, 4, 4, 2, 4, 0, 0, 0, 0, 0, 0]);
        assert_eq!(divisions("4"), [4; 16]);
    }

    #[test]
    fn settings_are_written_as_they_are_read() {
        for text in [
            "",
            "expandable_segments:True",
            "max_split_size_mb:128,garbage_collection_threshold:0.6",
            "large_segment_size_mb:64,per_process_memory_fraction:0.95",
            "roundup_power2_divisions:[256:1,512:2,1024:4,>:8]",
            "roundup_power2_divisions:8",
        ] {
            assert_eq!(Settings::parse(text).unwrap().to_text(), text);
        }
    }
}
