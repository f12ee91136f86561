//! The model of what happened to a device's memory.
//!
//! A reader of some file format fills a [`Recording`]: the events in order and, where the file
//! has it, the allocator's state at the end. [`Trace::rebuild`] turns the part of one device into
//! a [`Trace`], the one model all of gapless works on: every allocation with its lifetime and the
//! size of its block, every piece of physical memory with the time it was held.
//!
//! ```text
//!   Recording ──► admit ──► lifetimes ──► mappings ──► block sizes ──► Trace
//!   (as read)     refuse    undo the      undo the     follow the      ├─ totals   curves, peaks
//!                 what      events from   segments     events          └─ state_at segments and
//!                 cannot    the end       likewise     forwards           blocks at an instant
//!                 be
//! ```
//!
//! Instants count events: instant 0 is before the first event, instant `n` after the `n`-th.
//! Lifetimes are half-open in instants, extents half-open in addresses.

mod note;
mod stacks;

mod framework;
mod settings;
mod segment;
mod sizes;

mod event;
mod recording;
mod merge;

mod instant;
mod allocation;
mod mapping;

mod totals;
mod rebuild;
mod state;
mod trace;

pub use allocation::{Allocation, AllocationId};
pub use event::{Action, Event, Events};
pub use framework::{Framework, Release};
pub use instant::Instant;
pub use mapping::Mapping;
pub use note::{Note, Weight};
pub use recording::{Annotation, DeviceRecording, Format, Recording};
pub use segment::{BlockState, FinalBlock, FinalSegment, SizePool};
pub use settings::{Reserve, Settings, SettingsError, SettingsMistake};
pub use sizes::SizeRules;
pub use stacks::{Frame, FrameId, LabelId, StackId, Stacks};
pub use state::{Block, Gap, Segment, State};
pub use totals::{Totals, TotalsIter};
pub use trace::{RebuildError, Trace};
