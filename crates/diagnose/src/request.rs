//! The request in question: the one that failed, or the hardest one of late.

use gapless_trace::{Allocation, Instant, Mapping, SizePool, StackId, Trace};
use gapless_units::{Bytes, PoolId, StreamId};

/// A request that free memory is measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What was asked for. A failed request is only known after rounding.
    pub requested: Bytes,
    /// The block it needs.
    pub rounded: Bytes,
    /// What is asked of the device when no free block serves it.
    pub segment: Bytes,
    /// The stream it was made on.
    pub stream: StreamId,
    /// The pool it was routed to.
    pub pool: PoolId,
    /// Which half of the pool.
    pub size_pool: SizePool,
    /// Where in the program.
    pub stack: StackId,
    /// Why it is the one in question.
    pub origin: Origin,
}

/// Why a request is the one in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It failed for good.
    Failed {
        /// The out-of-memory event.
        event: usize,
        /// What the device had left then.
        device_free: Bytes,
    },
    /// It is the largest of the last tenth of the events up to the instant looked at.
    LargestRecent {
        /// The event that served it.
        event: usize,
    },
    /// It is the largest block alive; the recording has no earlier requests.
    LargestAlive,
}

impl Request {
    /// The request in question at `instant`: the failure where it is the event just before,
    /// the largest recent one otherwise; none where nothing was ever asked for.
    pub fn in_question(trace: &Trace, instant: Instant) -> Option<Self> {
        if let Some(event) = instant.event()
            && trace.failure() == Some(event)
        {
            return Some(Self::failed(trace, event));
        }
        Self::largest_recent(trace, instant).or_else(|| Self::largest_alive(trace, instant))
    }

    fn failed(trace: &Trace, index: usize) -> Self {
        let event = trace.events.get(index);
        let origin = Origin::Failed { event: index, device_free: event.device_free() };
        let stack = event.stack;
        Self { stack, ..Self::new(trace, event.size, event.stream, event.pool, origin) }
    }

    fn largest_recent(trace: &Trace, instant: Instant) -> Option<Self> {
        let until = instant.events();
        let born = |from: usize| {
            let born = trace.allocations.partition_point(|a| a.born.events() <= from);
            let ended = trace.allocations.partition_point(|a| a.born <= instant);
            trace.allocations[born..ended.max(born)].iter().max_by_key(|a| (a.requested, a.born))
        };
        let largest = born(until - until / 10).or_else(|| born(0))?;
        let event = largest.born.event()?;
        let origin = Origin::LargestRecent { event };
        Some(Self::served(trace, largest, origin))
    }

    fn largest_alive(trace: &Trace, instant: Instant) -> Option<Self> {
        let alive = trace.allocations.iter().filter(|a| a.is_active(instant));
        let largest = alive.max_by_key(|a| (a.requested, a.addr))?;
        Some(Self::served(trace, largest, Origin::LargestAlive))
    }

    /// One that got a block. Releases before 2.12 do not tell its pool; the memory that it lies in does.
    fn served(trace: &Trace, block: &Allocation, origin: Origin) -> Self {
        let holds = |mapping: &&Mapping| {
            let (start, end) = (mapping.extent.start(), mapping.extent.end());
            start <= block.addr && block.addr < end && mapping.is_held(block.born)
        };
        let pool = trace.mappings.iter().find(holds).map(|mapping| mapping.pool);
        let request = Self::new(trace, block.requested, block.stream, pool, origin);
        Self { stack: block.stack, ..request }
    }

    fn new(
        trace: &Trace,
        requested: Bytes,
        stream: StreamId,
        pool: Option<PoolId>,
        origin: Origin,
    ) -> Self {
        let rounded = trace.rules.round(requested);
        Self {
            requested,
            rounded,
            segment: trace.rules.segment_size(rounded),
            stream,
            pool: pool.unwrap_or_default(),
            size_pool: trace.rules.size_pool(rounded),
            stack: StackId::NONE,
            origin,
        }
    }

    /// What the device had left when the request failed, where it failed.
    pub fn device_free(&self) -> Option<Bytes> {
        match self.origin {
            Origin::Failed { device_free, .. } => Some(device_free),
            Origin::LargestRecent { .. } | Origin::LargestAlive => None,
        }
    }
}
