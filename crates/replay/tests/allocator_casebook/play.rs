//! A case under way: its operations are carried out, and what is expected is compared.

use std::collections::BTreeMap;
use std::fmt::Write;

use gapless_allocator::caching::BlockId;
use gapless_allocator::caching::PoolOptions;
use gapless_allocator::{AllocationError, CachingAllocator, Rules};
use gapless_device::{Completion, Placement, Sim, SimSetup};
use gapless_trace::{BlockState, FinalSegment, Release, Settings, SizePool};
use gapless_units::{Bytes, PoolId, StreamId};

use super::log::Log;
use super::notation::{plain, shown, size_of};

/// More than any case asks for.
const NO_LIMIT: Bytes = Bytes::gib(8 * 1024);

/// Under which circumstances a case plays.
struct Circumstances {
    settings: Settings,
    release: Release,
    capacity: Bytes,
    placement: Placement,
}

impl Default for Circumstances {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            release: Rules::NEWEST,
            capacity: NO_LIMIT,
            placement: Placement::LowestFirst,
        }
    }
}

impl Circumstances {
    fn allocator(&self) -> CachingAllocator<Sim, Log> {
        let device = Sim::new(SimSetup {
            placement: self.placement,
            completion: Completion::WhenTold,
            ..SimSetup::new(self.capacity)
        });
        let reservation = Bytes::new(self.capacity.get() / 8 * 9);
        let log = Log { reservation, ..Log::default() };
        CachingAllocator::new(device, &self.settings, self.release, log)
    }
}

/// A case under way.
#[derive(Default)]
pub(crate) struct Play {
    circumstances: Circumstances,
    allocator: Option<CachingAllocator<Sim, Log>>,
    blocks: BTreeMap<String, BlockId>,
    pools: BTreeMap<String, PoolId>,
}

impl Play {
    fn allocator(&mut self) -> &mut CachingAllocator<Sim, Log> {
        self.allocator.get_or_insert_with(|| self.circumstances.allocator())
    }

    /// Carries out a line of an `allocator` block.
    pub(crate) fn perform(&mut self, line: &str) -> Result<(), String> {
        if let Some((key, value)) = line.split_once(": ") {
            return self.set(key, value.trim());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["alloc", name, size, rest @ ..] => self.allocate(name, size, rest),
            ["free", name] => {
                let block = self.blocks.remove(*name).ok_or(format!("{name} is not allocated"))?;
                self.allocator().free(block).map_err(|error| error.to_string())
            }
            ["use", name, "on", stream] => {
                let block = *self.blocks.get(*name).ok_or(format!("{name} is not allocated"))?;
                let stream = stream_of(stream)?;
                let used = self.allocator().record_stream(block, stream);
                used.map_err(|error| error.to_string())
            }
            ["done"] => {
                self.allocator().device_mut().finish_all_work();
                Ok(())
            }
            ["empty_cache"] => self.allocator().empty_cache().map_err(|error| error.to_string()),
            ["pool", name, options @ ..] => self.make_pool(name, options),
            ["end", "pool", name] => {
                let id = self.pools.remove(*name).ok_or(format!("there is no pool {name}"))?;
                self.allocator().destroy_pool(id).map_err(|error| error.to_string())
            }
            ["begin", "capture"] => {
                self.allocator().begin_capture();
                Ok(())
            }
            ["end", "capture"] => {
                self.allocator().end_capture();
                Ok(())
            }
            _ => Err(format!("`{line}` is no operation")),
        }
    }

    /// Settings may change under way; the device and the release stay what they were.
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let circumstances = &mut self.circumstances;
        match key {
            "settings" => {
                circumstances.settings.apply(value).map_err(|error| error.to_string())?;
                if let Some(allocator) = &mut self.allocator {
                    allocator.change_settings(&circumstances.settings);
                }
            }
            _ if self.allocator.is_some() => return Err(format!("`{key}` comes too late")),
            "capacity" => {
                circumstances.capacity = size_of(value).ok_or(format!("`{value}` is no size"))?;
            }
            "framework" => {
                let release = value.strip_prefix("PyTorch ").and_then(|text| {
                    let (major, minor) = text.split_once('.')?;
                    Some(Release::new(major.parse().ok()?, minor.parse().ok()?))
                });
                circumstances.release = release.ok_or(format!("`{value}` is no framework"))?;
            }
            "addresses" if value == "descending" => {
                circumstances.placement = Placement::HighestFirst;
            }
            _ => return Err(format!("`{key}: {value}` means nothing")),
        }
        Ok(())
    }

    fn allocate(&mut self, name: &str, size: &str, rest: &[&str]) -> Result<(), String> {
        let bytes = size_of(size).ok_or(format!("`{size}` is no size"))?;
        let (mut stream, mut pool, mut fails) = (StreamId::DEFAULT, PoolId::DEFAULT, false);
        let mut rest = rest;
        loop {
            rest = match rest {
                [] => break,
                ["on", text, rest @ ..] => {
                    stream = stream_of(text)?;
                    rest
                }
                ["in", name, rest @ ..] => {
                    pool = *self.pools.get(*name).ok_or(format!("there is no pool {name}"))?;
                    rest
                }
                ["fails", rest @ ..] => {
                    fails = true;
                    rest
                }
                [word, ..] => return Err(format!("`{word}` means nothing here")),
            };
        }
        if self.blocks.contains_key(name) {
            return Err(format!("there is a block {name} already"));
        }
        let allocator = self.allocator();
        name.clone_into(&mut allocator.observer_mut().name);
        match allocator.allocate_in(pool, bytes, stream) {
            Ok(_) if fails => Err(format!("{name} does not fail")),
            Ok(block) => {
                self.blocks.insert(name.to_owned(), block);
                Ok(())
            }
            Err(AllocationError::OutOfMemory { .. } | AllocationError::Rejected { .. })
                if fails =>
            {
                Ok(())
            }
            Err(error) => Err(format!("{name}: {error}")),
        }
    }

    fn make_pool(&mut self, name: &str, words: &[&str]) -> Result<(), String> {
        let mut options = PoolOptions::default();
        for word in words {
            match *word {
                "no_split" => options.no_split = true,
                "use_on_oom" => options.use_on_oom = true,
                _ => return Err(format!("`{word}` is no option of a pool")),
            }
        }
        let id = PoolId(0, 1 + self.pools.len() as u64);
        self.allocator().create_pool(id, options);
        self.pools.insert(name.to_owned(), id);
        Ok(())
    }

    /// Compares a whole `expect` block with what is, and says what differs at which line.
    pub(crate) fn compare(&mut self, expected: &[(usize, String)]) -> Vec<(usize, String)> {
        let events = std::mem::take(&mut self.allocator().observer_mut().events);
        let is_layout = |text: &str| {
            text == "no segments" || text.starts_with(['S', 'L']) && text.contains(": ")
        };
        let mut segments = self.layout().into_iter();
        let mut wrong = Vec::new();
        for (line, statement) in expected {
            let expected = plain(statement);
            let found = if is_layout(&expected) {
                segments.next().unwrap_or("no further segment".to_owned())
            } else {
                self.fact(&expected, &events)
            };
            if expected != found {
                wrong.push((*line, format!("expected {expected}\n        found    {found}")));
            }
        }
        let has_layout = expected.iter().any(|(_, text)| is_layout(text));
        if let Some((line, _)) = expected.last().filter(|_| has_layout) {
            wrong.extend(segments.map(|segment| (*line, format!("further    {segment}"))));
        }
        wrong
    }

    /// The segments in the order in which they came.
    fn layout(&mut self) -> Vec<String> {
        let allocator = self.allocator();
        let log = allocator.observer();
        let mut segments = allocator.segments();
        segments.sort_by_key(|segment| (log.place_of(segment.addr), segment.addr));
        let mut lines: Vec<String> =
            segments.iter().map(|segment| self.segment_line(segment)).collect();
        if lines.is_empty() {
            lines.push("no segments".to_owned());
        }
        lines
    }

    fn segment_line(&self, segment: &FinalSegment) -> String {
        let kind = match segment.size_pool {
            SizePool::Small => "S",
            SizePool::Large => "L",
        };
        // Writing to a `String` cannot fail.
        let mut line = format!("{kind}{}", shown(segment.size));
        let log = self.allocator.as_ref().map(CachingAllocator::observer);
        if segment.expandable {
            line += " expandable";
            let place = log.and_then(|log| log.place_of(segment.addr));
            if let Some((_, offset)) = place.filter(|(_, offset)| !offset.is_zero()) {
                let _ = write!(line, " at {}", shown(offset));
            }
        }
        if segment.stream != StreamId::DEFAULT {
            let _ = write!(line, " on {}", segment.stream);
        }
        if segment.pool.is_private() {
            let name = self.pools.iter().find(|(_, id)| **id == segment.pool);
            let name = name.map_or("a pool that ended", |(name, _)| name);
            let _ = write!(line, " in {name}");
        }
        let blocks = segment.blocks.iter().map(|block| {
            let name = log.and_then(|log| log.names.get(&block.addr));
            let name = name.map_or("?", String::as_str);
            match block.state {
                BlockState::Inactive => format!("free {}", shown(block.size)),
                BlockState::Allocated => format!("{name} {}", shown(block.size)),
                BlockState::PendingFree => format!("{name} {} pending", shown(block.size)),
            }
        });
        format!("{line}: {}", blocks.collect::<Vec<_>>().join(", "))
    }

    /// What is found for the subject of a statement.
    fn fact(&mut self, statement: &str, events: &[String]) -> String {
        if let Some((subject @ ("events" | "segment events"), _)) = statement.split_once(':') {
            let wanted = |event: &&String| subject == "events" || event.starts_with("segment_");
            let events: Vec<&str> = events.iter().filter(wanted).map(String::as_str).collect();
            let events = if events.is_empty() { "none".to_owned() } else { events.join(", ") };
            return format!("{subject}: {events}");
        }
        let words: Vec<&str> = statement.split_whitespace().collect();
        let (name, peak) = match words.as_slice() {
            [name, _] => (*name, false),
            [name, "peak", _] => (*name, true),
            _ => return "a statement the casebook knows".to_owned(),
        };
        let statistics = self.allocator().statistics();
        let full = match name {
            "reserved" | "allocated" | "requested" | "active" => format!("{name}_bytes"),
            _ => name.to_owned(),
        };
        let by_pool = statistics.by_pool().into_iter().find(|(other, _)| *other == full);
        let counter = statistics.counters().into_iter().find(|(other, _)| *other == full);
        let number = match (by_pool, counter, name) {
            (Some((_, number)), _, _) if peak => number.all.peak,
            (Some((_, number)), _, _) => number.all.current,
            (None, Some((_, number)), _) => number,
            (None, None, "oversize_segments") => statistics.oversize_segments.current,
            (None, None, "oversize_allocations") => statistics.oversize_allocations.current,
            (None, None, _) => return "a statement the casebook knows".to_owned(),
        };
        let peak = if peak { "peak " } else { "" };
        format!("{name} {peak}{}", shown(Bytes::new(number)))
    }
}

fn stream_of(text: &str) -> Result<StreamId, String> {
    text.parse().map(StreamId).map_err(|_| format!("`{text}` is no stream"))
}
