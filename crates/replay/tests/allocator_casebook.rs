//! The allocator's casebook: documents in `casebook/allocator/` that run as tests.
//!
//! Its README explains the notation. A heading begins a case; operations stand in blocks marked
//! `allocator`, and what is true behind them in blocks marked `expect`.

#![expect(clippy::disallowed_methods, reason = "the casebook is read from its folder")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use gapless_allocator::caching::PoolOptions;
use gapless_allocator::{AllocationError, BlockId, CachingAllocator, Happening, Observer, Rules};
use gapless_device::{Completion, Placement, Sim, SimSetup};
use gapless_trace::{Action, BlockState, FinalSegment, Release, Settings, SizePool};
use gapless_units::{Addr, Bytes, Extent, KIB, MIB, PoolId, StreamId};

/// More than any case asks for.
const NO_LIMIT: Bytes = Bytes::gib(8 * 1024);

/// A size as documents write it: `18.5M`, `512`, `2M-512`.
fn size_of(text: &str) -> Option<Bytes> {
    if let Some((left, right)) = text.split_once('+') {
        return size_of(left)?.checked_add(size_of(right)?).ok();
    }
    if let Some((left, right)) = text.split_once('-') {
        return size_of(left)?.checked_sub(size_of(right)?).ok();
    }
    text.parse().ok()
}

/// A size in the one way in which what is expected and what is found are compared.
fn shown(size: Bytes) -> String {
    let bytes = size.get();
    match bytes {
        0 => "0".to_owned(),
        _ if bytes.is_multiple_of(MIB) => format!("{}M", bytes / MIB),
        _ if bytes.is_multiple_of(MIB / 2) => format!("{}.5M", bytes / MIB),
        _ if bytes.is_multiple_of(KIB) => format!("{}K", bytes / KIB),
        _ => bytes.to_string(),
    }
}

/// A statement with every size written as [`shown`] writes it.
fn plain(statement: &str) -> String {
    let words = statement.split_whitespace().map(|word| {
        let bare = word.trim_end_matches([',', ':']);
        let end = &word[bare.len()..];
        let (kind, size) = match bare.strip_prefix(['S', 'L']) {
            Some(size) if size_of(size).is_some() => (&bare[..1], size),
            Some(_) | None => ("", bare),
        };
        size_of(size).map_or(word.to_owned(), |size| format!("{kind}{}{end}", shown(size)))
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Writes down what happens in the words of the documents.
#[derive(Default)]
struct Log {
    /// The name that the next block gets.
    name: String,
    /// The names of blocks that are not free.
    names: BTreeMap<Addr, String>,
    /// All segments and reservations in the order in which they came.
    places: Vec<Extent>,
    /// How many addresses an expandable segment spans.
    reservation: Bytes,
    /// What happened since somebody looked.
    events: Vec<String>,
}

impl Log {
    fn new_place(&mut self, addr: Addr, size: Bytes) {
        let place = Extent::between(addr, addr + size);
        self.places.retain(|other| !other.overlaps(place));
        self.places.push(place);
    }

    /// The number of the place, and how far into it the address lies.
    fn place_of(&self, addr: Addr) -> Option<(usize, Bytes)> {
        let holds = |place: &Extent| place.start() <= addr && addr < place.end();
        let at = self.places.iter().position(holds)?;
        Some((at, addr - self.places[at].start()))
    }

    fn offset(&self, addr: Addr) -> String {
        self.place_of(addr).map_or("nowhere".to_owned(), |(_, offset)| shown(offset))
    }
}

impl Observer for Log {
    fn observe(&mut self, happening: Happening) {
        let Happening { action, addr, size, .. } = happening;
        let name = self.names.get(&addr).cloned().unwrap_or_default();
        let size_shown = shown(size);
        let event = match action {
            Action::Alloc => {
                self.names.insert(addr, self.name.clone());
                format!("alloc {} {size_shown}", self.name)
            }
            Action::FreeRequested => format!("free_requested {name}"),
            Action::FreeCompleted => {
                self.names.remove(&addr);
                format!("free_completed {name}")
            }
            Action::SegmentAlloc => {
                self.new_place(addr, size);
                format!("segment_alloc {size_shown}")
            }
            Action::SegmentFree => {
                self.places.retain(|place| place.start() != addr);
                format!("segment_free {size_shown}")
            }
            Action::SegmentMap => {
                if self.place_of(addr).is_none() {
                    self.new_place(addr, self.reservation);
                }
                format!("segment_map {size_shown} at {}", self.offset(addr))
            }
            Action::SegmentUnmap => format!("segment_unmap {size_shown} at {}", self.offset(addr)),
            Action::OutOfMemory => format!("oom {size_shown}"),
            Action::Snapshot
            | Action::Annotate
            | Action::RecordStream
            | Action::EmptyCache
            | Action::Synchronize
            | Action::Unknown => "something no allocator does".to_owned(),
        };
        self.events.push(event);
    }
}

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
struct Play {
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
    fn perform(&mut self, line: &str) -> Result<(), String> {
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
    fn compare(&mut self, expected: &[(usize, String)]) -> Vec<(usize, String)> {
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

/// Plays every case of a document, and says at which lines it is wrong.
fn play(text: &str) -> Vec<(usize, String)> {
    let mut wrong = Vec::new();
    let mut play = Play::default();
    let mut block: Option<&str> = None;
    let mut expected = Vec::new();
    let (mut failed, mut compared) = (false, 0);
    for (number, line) in (1..).zip(text.lines()) {
        match (block, line.strip_prefix("```")) {
            (None, Some(kind)) => block = Some(kind),
            (Some(kind), Some(_)) => {
                block = None;
                if kind == "expect" && !failed {
                    let differences = play.compare(&std::mem::take(&mut expected));
                    compared += 1;
                    failed = !differences.is_empty();
                    wrong.extend(differences);
                }
            }
            (Some("allocator"), None) if !failed => {
                let line = line.split_once('#').map_or(line, |(line, _)| line).trim();
                if !line.is_empty()
                    && let Err(error) = play.perform(line)
                {
                    failed = true;
                    wrong.push((number, error));
                }
            }
            (Some("expect"), None) if !failed && !line.is_empty() => {
                expected.push((number, line.to_owned()));
            }
            (None, None) if line.starts_with('#') => {
                (play, failed) = (Play::default(), false);
                expected.clear();
            }
            (Some(_) | None, None) => {}
        }
    }
    if compared == 0 {
        wrong.push((1, "it expects nothing".to_owned()));
    }
    wrong
}

fn documents() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../casebook/allocator");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{error}"));
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut documents: Vec<PathBuf> = files
        .filter(|file| file.extension().is_some_and(|ending| ending == "md"))
        .filter(|file| file.file_stem().is_some_and(|name| name != "README"))
        .collect();
    documents.sort();
    documents
}

#[test]
fn every_case_of_the_allocator_ends_as_told() {
    let documents = documents();
    assert!(!documents.is_empty(), "the casebook is empty");
    let mut wrong = Vec::new();
    for path in documents {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}"));
        let told = play(&text).into_iter().map(|(line, what)| format!("{name}:{line}: {what}"));
        wrong.extend(told);
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// What the tests of the runner see: the lines that are wrong.
fn wrong_lines(text: &str) -> Vec<usize> {
    play(text).into_iter().map(|(line, _)| line).collect()
}

#[test]
fn a_wrong_case_is_told_at_its_line() {
    let right = "# A\n```allocator\nalloc A 1\n```\n```expect\nS2M: A 512, free 2M-512\n```\n";
    assert_eq!(wrong_lines(right), [0; 0]);
    assert_eq!(wrong_lines(&right.replace("A 512", "A 1K")), [6]);
    assert_eq!(wrong_lines(&right.replace("alloc A 1", "alloc A lot")), [3, 1]);
    assert_eq!(wrong_lines("# Nothing\n"), [1]);
}
