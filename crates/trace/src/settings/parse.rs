//! PyTorch's parser of the settings string, with its quirks.
//!
//! Source: behavior of release 2.15.0, asked string by string (`c10/core/AllocatorConfig.cpp`,
//! `c10/cuda/CUDAAllocatorConfig.cpp`). It does not check separators: whatever single token stands
//! where one belongs is skipped. Numbers are read as C reads them, so `20.5` MiB are 20.

use gapless_units::{Bytes, GIB, MIB};

use super::error::{SettingsError, SettingsMistake};
use super::tokens::{Token, tokens};
use super::{Reserve, Settings};

/// The keys that all of PyTorch's devices share. They are read first, whatever stands between.
const SHARED: [&str; 9] = [
    "max_split_size_mb",
    "max_non_split_rounding_mb",
    "garbage_collection_threshold",
    "roundup_power2_divisions",
    "expandable_segments",
    "large_segment_size_mb",
    "pinned_use_background_threads",
    "pinned_max_round_threshold_mb",
    "pinned_max_cached_size_mb",
];

/// The keys of CUDA's allocator, read in a second walk through the string.
const OF_CUDA: [&str; 13] = [
    "backend",
    "per_process_memory_fraction",
    "throw_on_cudamalloc_oom",
    "graph_capture_record_stream_reuse",
    "release_lock_on_cudamalloc",
    "release_lock_on_hipmalloc",
    "expandable_segments_reserve",
    "expandable_segments_reserve_by_class",
    "pinned_use_cuda_host_register",
    "pinned_use_hip_host_register",
    "pinned_num_register_threads",
    "pinned_reserve_segment_size_mb",
    "pinned_free_catch_all",
];

/// The largest number of MiB whose bytes fit 64 bits.
const MOST_MIB: u64 = u64::MAX / MIB;

/// Reads `text` into `settings`, which keep what was read before a mistake.
pub(super) fn apply(settings: &mut Settings, text: &str) -> Result<(), SettingsError> {
    settings.max_split_size = None;
    settings.max_non_split_rounding = None;
    settings.garbage_collection_threshold = None;
    settings.roundup_power2_divisions = [0; 16];
    text.clone_into(&mut settings.text);
    let mut parser = Parser { settings, tokens: tokens(text), next: 0, end: text.len() };
    parser.segment_size()?;
    parser.walk(&SHARED, &OF_CUDA)?;
    parser.walk(&OF_CUDA, &SHARED)
}

struct Parser<'s> {
    settings: &'s mut Settings,
    tokens: Vec<Token>,
    next: usize,
    end: usize,
}

impl Parser<'_> {
    /// The size of large segments counts for the limits of the others, wherever it stands.
    fn segment_size(&mut self) -> Result<(), SettingsError> {
        let is_key = |token: &Token| token.text == "large_segment_size_mb";
        let places = (0..self.tokens.len()).filter(|&at| is_key(&self.tokens[at]));
        for place in places.collect::<Vec<_>>() {
            self.next = place + 1;
            let mib = self.mib("large_segment_size_mb", 11)?;
            self.settings.large_segment_size = mib;
        }
        Ok(())
    }

    /// Reads the settings of some keys and steps over those of others.
    fn walk(&mut self, read: &[&str], skipped: &[&str]) -> Result<(), SettingsError> {
        self.next = 0;
        while let Some(token) = self.tokens.get(self.next).cloned() {
            self.next += 1;
            let key = token.text.as_str();
            if read.contains(&key) {
                self.setting(key)?;
            } else if skipped.contains(&key) {
                self.skip_value();
            } else {
                let mistake = SettingsMistake::UnknownKey { nearest: nearest(key) };
                return Err(SettingsError { place: token.place, token: token.text, mistake });
            }
            // Whatever stands here is taken for a comma.
            self.next += 1;
        }
        Ok(())
    }

    fn skip_value(&mut self) {
        self.next += 1;
        let is = |at: usize, text: &str| self.tokens.get(at).is_some_and(|t| t.text == text);
        if is(self.next, "[") {
            while self.next < self.tokens.len() && !is(self.next, "]") {
                self.next += 1;
            }
        }
        self.next += 1;
    }

    fn setting(&mut self, key: &str) -> Result<(), SettingsError> {
        let least = self.settings.large_segment_size.get() / MIB;
        match key {
            "max_split_size_mb" => self.settings.max_split_size = Some(self.mib(key, least)?),
            "max_non_split_rounding_mb" => {
                self.settings.max_non_split_rounding = Some(self.mib(key, least)?);
            }
            "large_segment_size_mb" => {
                self.mib(key, 11)?;
            }
            "garbage_collection_threshold" => {
                let share = self.share(key, "a share between 0 and 1", |x| 0.0 < x && x < 1.0)?;
                self.settings.garbage_collection_threshold = Some(share);
            }
            "per_process_memory_fraction" => {
                let allowed = |x| (0.0..=1.0).contains(&x);
                let share = self.share(key, "a share from 0 to 1", allowed)?;
                self.settings.memory_fraction = (share < 1.0).then_some(share);
            }
            "roundup_power2_divisions" => self.divisions(key)?,
            "expandable_segments" => self.settings.expandable_segments = self.flag(key)?,
            "throw_on_cudamalloc_oom" => self.settings.throw_on_oom = self.flag(key)?,
            "graph_capture_record_stream_reuse"
            | "release_lock_on_cudamalloc"
            | "release_lock_on_hipmalloc"
            | "pinned_use_cuda_host_register"
            | "pinned_use_hip_host_register"
            | "pinned_use_background_threads"
            | "pinned_free_catch_all" => {
                let flag = self.flag(key)?;
                self.keep(key, if flag { "True" } else { "False" });
            }
            "expandable_segments_reserve" => {
                let value = self.value(key)?;
                self.settings.expandable_segments_reserve = reserve(&value.text);
            }
            "expandable_segments_reserve_by_class" => self.classes(key)?,
            _ => self.without_effect(key)?,
        }
        Ok(())
    }

    /// Settings that change nothing about device memory are checked and kept as text.
    fn without_effect(&mut self, key: &str) -> Result<(), SettingsError> {
        match key {
            "backend" => {
                let value = self.value(key)?;
                if value.text != "native" && value.text != "cudaMallocAsync" {
                    return Err(out_of_range(&value, key, "native or cudaMallocAsync"));
                }
                self.keep(key, &value.text);
            }
            "pinned_num_register_threads" => {
                let (value, threads) = self.number(key)?;
                if !threads.is_power_of_two() || 128 < threads {
                    return Err(out_of_range(&value, key, "a power of two up to 128"));
                }
                self.keep(key, &value.text);
            }
            "pinned_reserve_segment_size_mb" => {
                let (value, mib) = self.number(key)?;
                if mib == 0 {
                    return Err(out_of_range(&value, key, "a number above 0"));
                }
                self.keep(key, &value.text);
            }
            "pinned_max_round_threshold_mb" | "pinned_max_cached_size_mb" => {
                let (value, _) = self.number(key)?;
                self.keep(key, &value.text);
            }
            _ => unreachable!("every key of the lists is read above"),
        }
        Ok(())
    }

    fn keep(&mut self, key: &str, value: &str) {
        self.settings.others.insert(key.to_owned(), value.to_owned());
    }

    /// The token behind whatever stands in the place of a colon.
    fn value(&mut self, key: &str) -> Result<Token, SettingsError> {
        self.next += 1;
        self.take(key)
    }

    fn take(&mut self, key: &str) -> Result<Token, SettingsError> {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        token.ok_or_else(|| SettingsError {
            place: self.end,
            token: String::new(),
            mistake: SettingsMistake::MissingValue { key: key.to_owned() },
        })
    }

    fn flag(&mut self, key: &str) -> Result<bool, SettingsError> {
        let value = self.value(key)?;
        match value.text.as_str() {
            "True" => Ok(true),
            "False" => Ok(false),
            _ => Err(SettingsError {
                place: value.place,
                token: value.text,
                mistake: SettingsMistake::NotABool { key: key.to_owned() },
            }),
        }
    }

    fn number(&mut self, key: &str) -> Result<(Token, u64), SettingsError> {
        let value = self.value(key)?;
        let number = whole(&value.text).ok_or_else(|| not_a_number(&value, key))?;
        Ok((value, number))
    }

    /// Whole MiB, at least `least` of them; more than fit 64 bits are as many as fit.
    fn mib(&mut self, key: &str, least: u64) -> Result<Bytes, SettingsError> {
        let (value, mib) = self.number(key)?;
        if mib < least {
            return Err(out_of_range(&value, key, &format!("{least} or more")));
        }
        Ok(Bytes::new(mib.min(MOST_MIB) * MIB))
    }

    fn share(
        &mut self,
        key: &str,
        takes: &str,
        allowed: impl Fn(f64) -> bool,
    ) -> Result<f64, SettingsError> {
        let value = self.value(key)?;
        let share = real(&value.text).ok_or_else(|| not_a_number(&value, key))?;
        if allowed(share) { Ok(share) } else { Err(out_of_range(&value, key, takes)) }
    }

    /// One number for all sizes, or a list of `MiB:number` with `>` for all that are larger.
    fn divisions(&mut self, key: &str) -> Result<(), SettingsError> {
        const TAKES: &str = "powers of two";
        let first = self.value(key)?;
        if first.text != "[" {
            let divisions = whole(&first.text).ok_or_else(|| not_a_number(&first, key))?;
            if !divisions.is_power_of_two() {
                return Err(out_of_range(&first, key, TAKES));
            }
            self.settings.roundup_power2_divisions = [divisions; 16];
            return Ok(());
        }
        let mut last: Option<usize> = None;
        let mut index = 0;
        while let Some(interval) = self.tokens.get(self.next).cloned() {
            self.next += 1;
            if interval.text == "]" {
                return Ok(());
            }
            let value = self.value(key)?;
            let divisions = whole(&value.text).ok_or_else(|| not_a_number(&value, key))?;
            if divisions != 0 && !divisions.is_power_of_two() {
                return Err(out_of_range(&value, key, TAKES));
            }
            let table = &mut self.settings.roundup_power2_divisions;
            if interval.text == ">" {
                table[(index + 1).min(16)..].fill(divisions);
            } else {
                let mib = whole(&interval.text).ok_or_else(|| not_a_number(&interval, key))?;
                if !mib.is_power_of_two() {
                    return Err(out_of_range(&interval, key, TAKES));
                }
                index = (mib.ilog2() as usize).min(15);
                if last.is_none() {
                    table[..index].fill(divisions);
                }
                table[index] = divisions;
                last = Some(index);
            }
            match self.tokens.get(self.next) {
                Some(token) if token.text == "]" => {}
                Some(_) => self.next += 1,
                None => {
                    self.take(key)?;
                }
            }
        }
        self.take(key).map(|_| ())
    }

    /// A list of `class:reserve`; classes are attached to streams from C++ only.
    fn classes(&mut self, key: &str) -> Result<(), SettingsError> {
        let first = self.value(key)?;
        let mut text = first.text;
        loop {
            let token = self.take(key)?;
            text.push_str(&token.text);
            if token.text == "]" {
                break;
            }
        }
        self.keep(key, &text);
        Ok(())
    }
}

/// The known key that looks most like this one, if any does.
fn nearest(key: &str) -> Option<&'static str> {
    let distance = |known: &&str| strsim::damerau_levenshtein(known, &key.to_ascii_lowercase());
    let (known, distance) =
        SHARED.iter().chain(&OF_CUDA).map(|known| (*known, distance(known))).min_by_key(|x| x.1)?;
    (distance <= known.len() / 3).then_some(known)
}

fn not_a_number(value: &Token, key: &str) -> SettingsError {
    let mistake = SettingsMistake::NotANumber { key: key.to_owned() };
    SettingsError { place: value.place, token: value.text.clone(), mistake }
}

fn out_of_range(value: &Token, key: &str, takes: &str) -> SettingsError {
    let mistake = SettingsMistake::OutOfRange { key: key.to_owned(), takes: takes.to_owned() };
    SettingsError { place: value.place, token: value.text.clone(), mistake }
}

/// The digits a text begins with, as C's `strtoull` reads them: a minus counts from 2^64 down.
fn whole(text: &str) -> Option<u64> {
    let (minus, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = rest[..digits].parse().ok()?;
    Some(if minus { number.wrapping_neg() } else { number })
}

/// The longest beginning of a text that is a number, in decimal or hexadecimal digits.
fn real(text: &str) -> Option<f64> {
    if let Some(rest) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_hexdigit()).len();
        if let Ok(number) = u64::from_str_radix(&rest[..digits], 16) {
            return Some(number as f64);
        }
    }
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8()).take(64);
    let ends: Vec<usize> = ends.collect();
    ends.into_iter().rev().find_map(|end| text[..end].parse().ok())
}

/// A share of the device such as `0.5`, or GiB such as `40G`; PyTorch ignores anything else.
fn reserve(text: &str) -> Option<Reserve> {
    if let Some(gib) = text.strip_suffix(['G', 'g']) {
        let gib = gib.parse::<f64>().ok().filter(|gib| gib.is_finite() && 0.0 < *gib)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive, and the cast saturates"
        )]
        return Some(Reserve::Bytes(Bytes::new((gib * GIB as f64) as u64)));
    }
    let share = text.parse::<f64>().ok().filter(|share| share.is_finite() && 0.0 < *share)?;
    Some(Reserve::Fraction(share))
}
