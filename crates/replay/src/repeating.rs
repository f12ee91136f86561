//! A program whose iterations come again and again: what an allocator does in the long run, which few
//! recordings are long enough to show.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter::repeat_n;
use std::ops::Range;

use crate::program::{Operation, Program};
use crate::requests::RequestId;

/// A program that goes on with copies of its iterations.
#[derive(Clone, Debug)]
pub struct Repeating {
    /// The program.
    pub program: Program,
    /// The operation at which each copy begins, and where the last one ends.
    pub starts: Vec<usize>,
}

impl Repeating {
    /// A program up to the end of an iteration, which is a range of its operations, and so many
    /// copies of that iteration; as [`Repeating::mixed`] says.
    pub fn of(program: &Program, iteration: Range<usize>, copies: usize) -> Self {
        Self::mixed(program, &[iteration], repeat_n(0, copies))
    }

    /// A program up to the end of the last of these iterations, which are ranges of its operations,
    /// and a copy of each that `order` names by its place.
    ///
    /// A copy frees what the one before left alive, where its iteration freed a block that it had not
    /// asked for: one of the same size, stream and pool, or else of another size. What the one before
    /// leaves beyond that is freed between them, so that nothing piles up. Panics where `order` names
    /// a place behind the last iteration.
    pub fn mixed(
        program: &Program,
        iterations: &[Range<usize>],
        order: impl IntoIterator<Item = usize>,
    ) -> Self {
        let bodies = iterations.iter().map(|it| &program.operations[it.clone()]);
        let patterns: Vec<Pattern> = bodies.map(Pattern::of).collect();
        let end = iterations.last().map_or(program.operations.len(), |last| last.end);
        let mut copied = program.clone();
        copied.operations.truncate(end);
        copied.events.truncate(end);

        let mut starts = Vec::new();
        if let Some(mut before) = patterns.last() {
            let mut names = before.recorded_names();
            for next in order.into_iter().map(|place| &patterns[place]) {
                let handover = Handover::between(program, before, next);
                handover.finish(&mut copied, &names);
                starts.push(copied.operations.len());
                names = next.copy(&mut copied, handover.inherited(&names));
                before = next;
            }
        }
        starts.push(copied.operations.len());
        Self { program: copied, starts }
    }
}

/// What each request of an iteration is called in a copy.
type Names = BTreeMap<RequestId, RequestId>;

/// The operations of an iteration.
struct Pattern<'a> {
    body: &'a [Operation],
    /// What it asks for.
    asked: Vec<RequestId>,
    /// What it frees.
    freed: Vec<RequestId>,
    /// Those freed in it or before that other streams use no more.
    completed: Vec<RequestId>,
}

impl<'a> Pattern<'a> {
    fn of(body: &'a [Operation]) -> Self {
        let ids = |of: fn(&Operation) -> Option<RequestId>| body.iter().filter_map(of).collect();
        Self {
            body,
            asked: ids(|it| if let Operation::Allocate(id) = it { Some(*id) } else { None }),
            freed: ids(|it| if let Operation::Free(id) = it { Some(*id) } else { None }),
            completed: ids(|it| if let Operation::Complete(id) = it { Some(*id) } else { None }),
        }
    }

    /// The names in the iteration as it was recorded.
    fn recorded_names(&self) -> Names {
        self.asked.iter().chain(&self.freed).map(|&id| (id, id)).collect()
    }

    /// Appends the iteration with requests of its own; takes the names of what it inherits, and
    /// returns those of all that is in it.
    fn copy(&self, program: &mut Program, mut names: Names) -> Names {
        for &operation in self.body {
            if let Operation::Allocate(id) = operation {
                names.insert(id, program.ask_again(id));
                continue;
            }
            program.extend(renamed(operation, &names));
        }
        names
    }
}

/// How an iteration goes on from another.
struct Handover {
    /// For a request from before that it frees or completes: the one that the other leaves instead, or
    /// freed and did not complete.
    heirs: Names,
    /// What is to do first, with what the other leaves and it would not free.
    rest: Vec<Operation>,
}

impl Handover {
    fn between(program: &Program, before: &Pattern, next: &Pattern) -> Self {
        let lingers = |id: &RequestId| program.requests[id.index()].lingers;
        let waiting = |pattern: &Pattern| -> Vec<RequestId> {
            pattern.freed.iter().copied().filter(lingers).collect()
        };
        let left = without(&before.asked, &before.freed);
        let (mut heirs, left) = match_up(program, left, without(&next.freed, &next.asked));
        let pending = without(&waiting(before), &before.completed);
        let late = without(&next.completed, &waiting(next));
        let (heirs_of_late, pending) = match_up(program, pending, late);
        heirs.extend(heirs_of_late);
        let free_rest = left.iter().map(|&id| Operation::Free(id));
        let unfinished = left.iter().copied().filter(lingers).chain(pending);
        let rest = free_rest.chain(unfinished.map(Operation::Complete)).collect();
        Self { heirs, rest }
    }

    /// Appends what is to do first, in a copy of the other with these names.
    fn finish(&self, program: &mut Program, names: &Names) {
        program.extend(self.rest.iter().filter_map(|&operation| renamed(operation, names)));
    }

    /// The names of what the next copy inherits from one with these names.
    fn inherited(&self, names: &Names) -> Names {
        self.heirs.iter().filter_map(|(&id, heir)| Some((id, *names.get(heir)?))).collect()
    }
}

/// Those of the first that are not among the second.
fn without(all: &[RequestId], gone: &[RequestId]) -> Vec<RequestId> {
    let gone: BTreeSet<RequestId> = gone.iter().copied().collect();
    all.iter().copied().filter(|id| !gone.contains(id)).collect()
}

/// For each request that is closed: one that was left open, of the same size, stream and pool, in
/// order, or else of another size. And those that stay open.
fn match_up(
    program: &Program,
    mut open: Vec<RequestId>,
    mut closed: Vec<RequestId>,
) -> (Names, Vec<RequestId>) {
    let mut heirs = Names::new();
    for by_size in [true, false] {
        let kind = |id: RequestId| {
            let request = &program.requests[id.index()];
            (by_size.then_some(request.size), request.stream, request.pool, request.lingers)
        };
        let mut left: BTreeMap<_, VecDeque<RequestId>> = BTreeMap::new();
        for &id in &open {
            left.entry(kind(id)).or_default().push_back(id);
        }
        closed.retain(|&id| {
            let heir = left.get_mut(&kind(id)).and_then(VecDeque::pop_front);
            heirs.extend(heir.map(|heir| (id, heir)));
            heir.is_none()
        });
        open = left.into_values().flatten().collect();
        open.sort_unstable();
    }
    (heirs, open)
}

/// The same operation on the request of another name; none where it has none.
fn renamed(operation: Operation, names: &Names) -> Option<Operation> {
    let name = |id| names.get(&id).copied();
    Some(match operation {
        Operation::Allocate(id) => Operation::Allocate(name(id)?),
        Operation::Fail(id) => Operation::Fail(name(id)?),
        Operation::Free(id) => Operation::Free(name(id)?),
        Operation::Complete(id) => Operation::Complete(name(id)?),
        Operation::RecordStream(id, stream) => Operation::RecordStream(name(id)?, stream),
        Operation::EmptyCache | Operation::Synchronize => operation,
    })
}
