//! What a recorded program asked for, request by request.

use std::collections::BTreeMap;

use gapless_trace::{Action, Allocation, Instant, Mapping, StackId, Trace};
use gapless_units::{Addr, Bytes, PoolId, StreamId};

/// A request of a program: its position in [`Program::requests`](crate::Program::requests).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u32);

impl RequestId {
    /// The position.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requested {
    /// How much.
    pub size: Bytes,
    /// For work on which stream.
    pub stream: StreamId,
    /// From which pool.
    pub pool: PoolId,
    /// Where in the program.
    pub stack: StackId,
    /// Whether other streams still used the block when it was given back, as far as the recording
    /// shows: its free did not complete at once.
    pub lingers: bool,
}

/// The requests behind the allocations of a trace.
pub(crate) fn requests_of(trace: &Trace) -> Vec<Requested> {
    let pools = pools_of(trace);
    let mut requests: Vec<Requested> = trace
        .allocations
        .iter()
        .zip(pools)
        .map(|(allocation, pool)| Requested {
            size: allocation.requested,
            stream: allocation.stream,
            pool,
            stack: allocation.stack,
            lingers: false,
        })
        .collect();
    if !trace.is_placed() {
        return requests;
    }
    let actions = trace.events.actions();
    for (index, &action) in actions.iter().enumerate() {
        let Some(id) = trace.subject(index) else { continue };
        if action == Action::FreeRequested {
            let at_once = index + 1 < actions.len()
                && actions[index + 1] == Action::FreeCompleted
                && trace.subject(index + 1) == Some(id);
            // Where the recorder leaves completions out, nothing says that a free waited.
            let allocation = trace.allocation(id);
            let waits = allocation.let_go < allocation.freed;
            requests[id.index()].lingers = waits && !at_once;
        } else if action == Action::FreeCompleted && trace.allocation(id).let_go == Instant::START {
            requests[id.index()].lingers = true;
        }
    }
    requests
}

/// The pool of each allocation: that of the memory it lies in.
fn pools_of(trace: &Trace) -> Vec<PoolId> {
    if trace.mappings.iter().all(|mapping| !mapping.pool.is_private()) {
        return vec![PoolId::DEFAULT; trace.allocations.len()];
    }
    let mut mappings: Vec<&Mapping> = trace.mappings.iter().collect();
    mappings.sort_by_key(|mapping| mapping.born);
    let mut coming = mappings.into_iter().peekable();
    let mut held: BTreeMap<Addr, &Mapping> = BTreeMap::new();
    // Allocations come in the order of their births.
    let mut pool_of = |allocation: &Allocation| {
        while let Some(mapping) = coming.next_if(|mapping| mapping.born <= allocation.born) {
            held.insert(mapping.extent.start(), mapping);
        }
        while let Some((&start, &mapping)) = held.range(..=allocation.addr).next_back() {
            if mapping.is_held(allocation.born) {
                return if allocation.addr < mapping.extent.end() {
                    mapping.pool
                } else {
                    PoolId::DEFAULT
                };
            }
            held.remove(&start);
        }
        PoolId::DEFAULT
    };
    trace.allocations.iter().map(&mut pool_of).collect()
}
