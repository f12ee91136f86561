//! Plain lists of operations, for small cases written by hand.
//!
//! ```text
//! # capacity: 40GiB               a comment; `key: value` lines are remarks
//! alloc,<id>,<bytes>,<stream>     bytes as asked for; stream 0 is the default one
//! record_stream,<id>,<stream>     the block is used on another stream too
//! free,<id>
//! empty_cache
//! sync                            all queued work completes
//! ```
//!
//! A list says what was asked for and not where it was placed. Each block gets an address of its
//! own that tells it apart and means nothing else. The free of a block that another stream uses
//! completes at the next `alloc`, `empty_cache` or `sync`, when an allocator would look.

use std::collections::BTreeMap;

use gapless_trace::{
    Action, DeviceRecording, Event, Events, Format, LabelId, Note, Recording, StackId, Stacks,
};
use gapless_units::{Addr, Bytes, DeviceId, Micros, StreamId};

/// What separates the stand-in addresses, so that blocks never touch.
const UNIT: u64 = 512;

/// A line that is no operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct OperationError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    #[source]
    pub reason: Mistake,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mistake {
    /// A first word that is no operation.
    #[error("`{0}` is no operation; they are alloc, free, record_stream, empty_cache and sync")]
    UnknownOperation(String),
    /// Too few or too many fields.
    #[error("`{operation}` takes {expected} fields behind its name, not {found}")]
    FieldCount {
        /// The operation.
        operation: String,
        /// How many fields it takes.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A field that is no number.
    #[error("column {column}: `{text}` is not a number from 0 to 2^63")]
    NotANumber {
        /// The column, from 1.
        column: usize,
        /// The field.
        text: String,
    },
    /// A second block with the id of one that is alive.
    #[error("block {0} is allocated while it is alive")]
    AliveAlready(u64),
    /// A block that is not alive.
    #[error("block {0} is not alive")]
    NotAlive(u64),
    /// A line that is not text.
    #[error("it is not UTF-8 text")]
    NotText,
    /// Sizes that no address space holds.
    #[error("the sizes add up past the last address")]
    TooLarge,
}

/// Whether bytes begin like an operation list: comments, then an operation.
pub(crate) fn is_operation_list(bytes: &[u8]) -> bool {
    const NAMES: [&[u8]; 5] = [b"alloc", b"free", b"record_stream", b"empty_cache", b"sync"];
    let lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.take(1000).find(|line| !line.is_empty() && !line.starts_with(b"#"));
    first.is_some_and(|line| {
        let name = line.split(|&byte| byte == b',').next().unwrap_or_default();
        NAMES.contains(&name.trim_ascii())
    })
}

/// Reads an operation list.
pub(crate) fn read(bytes: &[u8]) -> Result<Recording, OperationError> {
    let mut list = List::default();
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let failed = |reason| OperationError { line: index + 1, reason };
        let line = str::from_utf8(line).map_err(|_| failed(Mistake::NotText))?;
        let operation = line.split('#').next().unwrap_or_default();
        if let Some(remark) = line.trim_start().strip_prefix('#') {
            list.remark(remark.trim());
        } else if !operation.trim().is_empty() {
            list.operation(operation).map_err(failed)?;
        }
    }
    Ok(list.finish())
}

/// What is known after the lines so far.
#[derive(Default)]
struct List {
    events: Events,
    notes: Vec<Note>,
    alive: BTreeMap<u64, Block>,
    waiting: Vec<Block>,
    next_addr: u64,
}

#[derive(Clone, Copy)]
struct Block {
    addr: u64,
    size: u64,
    stream: u64,
    /// Whether another stream uses it.
    shared: bool,
}

impl List {
    fn remark(&mut self, text: &str) {
        if text.split_once(':').is_some_and(|(key, value)| !key.contains(',') && !value.is_empty())
        {
            self.notes.push(Note::remark("list-header", text));
        }
    }

    fn operation(&mut self, line: &str) -> Result<(), Mistake> {
        let name = line.split(',').next().unwrap_or_default().trim();
        match name {
            "alloc" => {
                let [id, size, stream] = fields(line)?;
                self.alloc(id, size, stream)
            }
            "free" => {
                let [id] = fields(line)?;
                self.free(id)
            }
            "record_stream" => {
                let [id, stream] = fields(line)?;
                self.record_stream(id, stream)
            }
            "empty_cache" => {
                let [] = fields(line)?;
                self.complete();
                self.push(Action::EmptyCache, 0, 0, 0);
                Ok(())
            }
            "sync" => {
                let [] = fields(line)?;
                self.complete();
                self.push(Action::Synchronize, 0, 0, 0);
                Ok(())
            }
            other => Err(Mistake::UnknownOperation(other.chars().take(40).collect())),
        }
    }

    fn alloc(&mut self, id: u64, size: u64, stream: u64) -> Result<(), Mistake> {
        if self.alive.contains_key(&id) {
            return Err(Mistake::AliveAlready(id));
        }
        self.complete();
        let addr = self.next_addr;
        let end = addr.checked_add(size).and_then(|end| end.checked_next_multiple_of(UNIT));
        self.next_addr = end.and_then(|end| end.checked_add(UNIT)).ok_or(Mistake::TooLarge)?;
        self.push(Action::Alloc, addr, size, stream);
        self.alive.insert(id, Block { addr, size, stream, shared: false });
        Ok(())
    }

    fn free(&mut self, id: u64) -> Result<(), Mistake> {
        let block = self.alive.remove(&id).ok_or(Mistake::NotAlive(id))?;
        self.push(Action::FreeRequested, block.addr, block.size, block.stream);
        if block.shared {
            self.waiting.push(block);
        } else {
            self.push(Action::FreeCompleted, block.addr, block.size, block.stream);
        }
        Ok(())
    }

    fn record_stream(&mut self, id: u64, stream: u64) -> Result<(), Mistake> {
        let block = self.alive.get_mut(&id).ok_or(Mistake::NotAlive(id))?;
        block.shared |= stream != block.stream;
        let block = *block;
        self.push(Action::RecordStream, block.addr, block.size, stream);
        Ok(())
    }

    /// Completes the frees that were waiting for another stream.
    fn complete(&mut self) {
        for block in std::mem::take(&mut self.waiting) {
            self.push(Action::FreeCompleted, block.addr, block.size, block.stream);
        }
    }

    fn push(&mut self, action: Action, addr: u64, size: u64, stream: u64) {
        self.events.push(Event {
            action,
            addr: Addr::new(addr),
            size: Bytes::new(size),
            stream: StreamId(stream),
            pool: None,
            time: Micros(0),
            stack: StackId::NONE,
            label: LabelId::EMPTY,
        });
    }

    fn finish(self) -> Recording {
        let device = DeviceRecording {
            device: DeviceId(0),
            settings: None,
            events: self.events,
            end: None,
            annotations: Vec::new(),
        };
        Recording {
            format: Format::OperationList,
            framework: None,
            devices: vec![device],
            pinned_host: None,
            stacks: Stacks::default(),
            failed_in_capture: false,
            notes: self.notes,
        }
    }
}

/// The numbers behind an operation's name.
fn fields<const N: usize>(line: &str) -> Result<[u64; N], Mistake> {
    let mut numbers = [0; N];
    let operation = line.split(',').next().unwrap_or_default();
    let found = line.split(',').count() - 1;
    if found != N {
        let operation = operation.trim().to_owned();
        return Err(Mistake::FieldCount { operation, expected: N, found });
    }
    let mut column = operation.len() + 2;
    for (number, field) in numbers.iter_mut().zip(line.split(',').skip(1)) {
        let parsed = field.trim().parse::<u64>().ok().filter(|&parsed| parsed < 1 << 63);
        *number = parsed.ok_or_else(|| Mistake::NotANumber {
            column,
            text: field.trim().chars().take(40).collect(),
        })?;
        column += field.len() + 1;
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(list: &str) -> Vec<Action> {
        let recording = read(list.as_bytes()).unwrap();
        recording.devices[0].events.actions().to_vec()
    }

    fn check_refused(list: &str, message: &str) {
        let error = read(list.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn a_free_completes_at_once_unless_another_stream_uses_the_block() {
        use Action::{Alloc, FreeCompleted, FreeRequested, RecordStream, Synchronize};
        let plain = actions("alloc,1,512,0\nfree,1\n");
        assert_eq!(plain, [Alloc, FreeRequested, FreeCompleted]);
        let shared = actions("alloc,1,512,0\nrecord_stream,1,7\nfree,1 # later\n\nsync\n");
        assert_eq!(shared, [Alloc, RecordStream, FreeRequested, FreeCompleted, Synchronize]);
    }

    #[test]
    fn mistakes_are_named_with_line_and_column() {
        check_refused(
            "# fine\nalloc,1,512,0\nalloc,2,lots,0\n",
            "line 3: column 9: `lots` is not a number from 0 to 2^63",
        );
        check_refused("alloc,1,5\n", "line 1: `alloc` takes 3 fields behind its name, not 2");
        check_refused("sync\nfree,3\n", "line 2: block 3 is not alive");
        check_refused(
            "sync\nmalloc,3\n",
            "line 2: `malloc` is no operation; they are alloc, free, record_stream, empty_cache and sync",
        );
    }

    #[test]
    fn lists_are_told_by_their_first_operation() {
        assert!(is_operation_list(b"# workload: x\n\n  alloc,1,2,0\n"));
        assert!(!is_operation_list(b"id,lower,upper,size\n"));
        assert!(!is_operation_list(b""));
    }
}
