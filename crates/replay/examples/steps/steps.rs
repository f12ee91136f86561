//! The operations of a recording, for an allocator to carry out over and over.

use std::error::Error;

use gapless_replay::{Operation, Program};
use gapless_trace::Trace;
use gapless_units::{Bytes, PoolId, StreamId};

/// An operation with what it needs, so that carrying it out looks nothing up.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    Allocate { place: usize, size: Bytes, stream: StreamId, pool: PoolId },
    Free { place: usize },
    Use { place: usize, stream: StreamId },
}

/// The steps of a program, which in the end gives back all it has.
fn steps(program: &Program) -> Vec<Step> {
    let mut held = vec![false; program.requests.len()];
    let mut steps = Vec::with_capacity(program.operations.len());
    for &operation in &program.operations {
        match operation {
            Operation::Allocate(id) => {
                let request = &program.requests[id.index()];
                if request.size.is_zero() {
                    continue;
                }
                held[id.index()] = true;
                steps.push(Step::Allocate {
                    place: id.index(),
                    size: request.size,
                    stream: request.stream,
                    pool: request.pool,
                });
            }
            Operation::Free(id) if held[id.index()] => {
                held[id.index()] = false;
                steps.push(Step::Free { place: id.index() });
            }
            Operation::RecordStream(id, stream) if held[id.index()] => {
                steps.push(Step::Use { place: id.index(), stream });
            }
            Operation::Free(_)
            | Operation::RecordStream(..)
            | Operation::Fail(_)
            | Operation::Complete(_)
            | Operation::EmptyCache
            | Operation::Synchronize => {}
        }
    }
    let rest = (0..held.len()).filter(|&place| held[place]);
    steps.extend(rest.map(|place| Step::Free { place }));
    steps
}

/// The steps of a recording.
pub(crate) struct Steps {
    pub(crate) steps: Vec<Step>,
    /// Places of blocks are below this number.
    pub(crate) places: usize,
}

impl Steps {
    /// Those of the first device that a file tells of, from nothing on.
    pub(crate) fn read(path: &str) -> Result<Self, Box<dyn Error>> {
        let bytes = std::fs::read(path)?;
        let recording = gapless_formats::read(bytes, &gapless_formats::Limits::default())?;
        let device = recording.devices.into_iter().next().ok_or("it tells of no device")?;
        let trace = Trace::rebuild(device)?;
        let program = Program::of(&trace);
        let program = if trace.is_placed() { program.begun_anew() } else { program };
        Ok(Self { steps: steps(&program), places: program.requests.len() })
    }
}
