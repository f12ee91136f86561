//! Random programs that order their work by events: no data is lost, however far streams lag.

use gapless_device::{Device, EventId, Handle, Host, Pace};
use gapless_units::{Extent, StreamId};
use proptest::prelude::*;

use crate::block::{GRANULE, granules, host_with};

const STREAMS: u64 = 4;

/// What a program does; the numbers choose among what there is.
#[derive(Clone, Copy, Debug)]
enum Step {
    Create(u64),
    Release(usize),
    Map { handle: usize, at: u64 },
    Unmap(usize),
    Fill { mapping: usize, stream: u64 },
    Check { mapping: usize, stream: u64 },
    Copy { from: usize, to: usize, stream: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let which = || any::<usize>();
    let stream = || 0..STREAMS;
    prop_oneof![
        2 => (1..4_u64).prop_map(Step::Create),
        1 => which().prop_map(Step::Release),
        4 => (which(), 0..24_u64).prop_map(|(handle, at)| Step::Map { handle, at }),
        2 => which().prop_map(Step::Unmap),
        4 => (which(), stream()).prop_map(|(mapping, stream)| Step::Fill { mapping, stream }),
        4 => (which(), stream()).prop_map(|(mapping, stream)| Step::Check { mapping, stream }),
        2 => (which(), which(), stream())
            .prop_map(|(from, to, stream)| Step::Copy { from, to, stream }),
    ]
}

/// Memory of the program, and what it holds: for each granule the seed of its pattern, if any.
#[derive(Debug)]
struct Memory {
    handle: Handle,
    seeds: Vec<Option<u64>>,
    /// The end of the last work that used it.
    used: Option<EventId>,
    is_held: bool,
}

struct Program {
    host: Host,
    reservation: Extent,
    memories: Vec<Memory>,
    /// Where memories are mapped.
    mappings: Vec<(Extent, usize)>,
    next_seed: u64,
}

impl Program {
    /// Queues work on memories behind all that used them before.
    fn queue(&mut self, stream: u64, memories: &[usize], work: impl Fn(&Host, StreamId)) {
        let stream = StreamId(stream);
        for &memory in memories {
            if let Some(event) = self.memories[memory].used {
                self.host.make_wait(stream, event).unwrap();
            }
        }
        work(&self.host, stream);
        for &memory in memories {
            let event = self.host.record_event(stream).unwrap();
            if let Some(before) = self.memories[memory].used.replace(event) {
                self.host.drop_event(before).unwrap();
            }
        }
    }

    fn granules_of(extent: Extent) -> impl Iterator<Item = Extent> {
        let count = extent.size().get() / GRANULE.get();
        (0..count).map(move |at| Extent::new(extent.start() + granules(at), GRANULE).unwrap())
    }

    fn step(&mut self, step: Step) -> Option<()> {
        match step {
            Step::Create(count) => {
                let handle = self.host.create(granules(count)).ok()?;
                let seeds = vec![None; usize::try_from(count).unwrap()];
                self.memories.push(Memory { handle, seeds, used: None, is_held: true });
            }
            Step::Release(which) => {
                let which = which.checked_rem(self.memories.len())?;
                let memory = &mut self.memories[which];
                if std::mem::take(&mut memory.is_held) {
                    self.host.release(memory.handle).unwrap();
                }
            }
            Step::Map { handle, at } => {
                let which = handle.checked_rem(self.memories.len())?;
                let Memory { handle, ref seeds, .. } = self.memories[which];
                let start = self.reservation.start() + granules(at);
                self.host.map(start, handle).ok()?;
                let range = Extent::new(start, granules(seeds.len() as u64)).unwrap();
                self.host.set_access(range).unwrap();
                self.mappings.push((range, which));
            }
            Step::Unmap(which) => {
                let which = which.checked_rem(self.mappings.len())?;
                let (range, memory) = self.mappings.swap_remove(which);
                if let Some(event) = self.memories[memory].used {
                    self.host.wait_for_event(event).unwrap();
                }
                self.host.unmap(range).unwrap();
            }
            Step::Fill { mapping, stream } => {
                let which = mapping.checked_rem(self.mappings.len())?;
                let (range, memory) = self.mappings[which];
                for (at, part) in Self::granules_of(range).enumerate() {
                    self.next_seed += 1;
                    let seed = self.next_seed;
                    self.queue(stream, &[memory], |host, on| host.fill(on, part, seed).unwrap());
                    self.memories[memory].seeds[at] = Some(seed);
                }
            }
            Step::Check { mapping, stream } => {
                let which = mapping.checked_rem(self.mappings.len())?;
                self.check(which, stream);
            }
            Step::Copy { from, to, stream } => {
                let count = self.mappings.len();
                let from = self.mappings[from.checked_rem(count)?];
                let to = self.mappings[to.checked_rem(count)?];
                let part = |(range, _)| Self::granules_of(range).next().unwrap();
                let (source, target) = (part(from), part(to).start());
                let copy = |host: &Host, on| host.copy(on, source, target).unwrap();
                self.queue(stream, &[from.1, to.1], copy);
                self.memories[to.1].seeds[0] = self.memories[from.1].seeds[0];
            }
        }
        Some(())
    }

    fn check(&mut self, mapping: usize, stream: u64) {
        let (range, memory) = self.mappings[mapping];
        for (at, part) in Self::granules_of(range).enumerate() {
            if let Some(seed) = self.memories[memory].seeds[at] {
                self.queue(stream, &[memory], |host, on| host.check(on, part, seed).unwrap());
            }
        }
    }

    fn end(mut self) {
        for mapping in 0..self.mappings.len() {
            self.check(mapping, mapping as u64 % STREAMS);
        }
        self.host.wait_for_device().unwrap();
        assert_eq!(self.host.complaints(), []);
        for which in 0..self.memories.len() {
            self.step(Step::Release(which));
        }
        for (range, _) in std::mem::take(&mut self.mappings) {
            self.host.unmap(range).unwrap();
        }
        self.host.unreserve(self.reservation).unwrap();
        assert_eq!(self.host.memory().free, self.host.memory().total);
        assert_eq!(self.host.resident(), granules(0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]
    #[test]
    fn no_data_is_lost(
        steps in prop::collection::vec(step(), 0..120),
        lags in any::<bool>(),
    ) {
        let pace = if lags { Pace::WhenAwaited } else { Pace::AtOnce };
        let mut host = host_with(12, pace);
        let reservation = host.reserve(granules(26)).unwrap();
        let (memories, mappings) = (Vec::new(), Vec::new());
        let mut program = Program { host, reservation, memories, mappings, next_seed: 0 };
        for step in steps {
            let _ = program.step(step);
        }
        program.end();
    }
}
