//! A program whose last iteration comes again and again: what an allocator does once it has
//! settled, which few recordings are long enough to show.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use crate::program::{Operation, Program, RequestId};

/// A program that ends with copies of one iteration.
#[derive(Clone, Debug)]
pub struct Repeating {
    /// The program.
    pub program: Program,
    /// The operation at which each copy begins, and where the last one ends.
    pub starts: Vec<usize>,
}

impl Repeating {
    /// A program up to the end of an iteration, which is a range of its operations, and so many
    /// copies of that iteration.
    ///
    /// A copy frees what the one before left alive, where the iteration freed a block of the same
    /// size, stream and pool that it had not asked for. What the iteration leaves beyond that is
    /// freed at its end, so that no copy needs more than the one before.
    pub fn of(program: &Program, iteration: Range<usize>, copies: usize) -> Self {
        let pattern = Pattern::of(program, &program.operations[iteration.clone()]);
        let mut program = program.clone();
        program.operations.truncate(iteration.end);
        program.events.truncate(iteration.end);
        let mut names = pattern.recorded_names();
        pattern.end(&mut program, &names);
        let mut starts = vec![program.operations.len()];
        for _ in 0..copies {
            names = pattern.copy(&mut program, &names);
            pattern.end(&mut program, &names);
            starts.push(program.operations.len());
        }
        Self { program, starts }
    }
}

/// What each request of the iteration is called in a copy.
type Names = BTreeMap<RequestId, RequestId>;

/// The operations of an iteration, and how they continue those of the one before.
struct Pattern<'a> {
    body: &'a [Operation],
    /// What it asks for.
    born: BTreeSet<RequestId>,
    /// For a request of an earlier iteration that it frees or completes: the one that it leaves
    /// instead, or freed and did not complete.
    heirs: Names,
    /// What is to do at its end, with what it leaves and no copy would free.
    rest: Vec<Operation>,
}

impl<'a> Pattern<'a> {
    fn of(program: &Program, body: &'a [Operation]) -> Self {
        let ids = |of: fn(&Operation) -> Option<RequestId>| body.iter().filter_map(of);
        let asked = ids(|it| if let Operation::Allocate(id) = it { Some(*id) } else { None });
        let freed = ids(|it| if let Operation::Free(id) = it { Some(*id) } else { None });
        let completed = ids(|it| if let Operation::Complete(id) = it { Some(*id) } else { None });
        let lingers = |id: &RequestId| program.requests[id.index()].lingers;

        let (mut heirs, left) = match_up(program, asked.clone(), freed.clone());
        let (waiting, pending) = match_up(program, freed.filter(lingers), completed);
        heirs.extend(waiting);
        let free_rest = left.iter().map(|&id| Operation::Free(id));
        let unfinished = left.iter().copied().filter(lingers).chain(pending);
        let rest = free_rest.chain(unfinished.map(Operation::Complete)).collect();
        Self { body, born: asked.collect(), heirs, rest }
    }

    /// The names in the iteration as it was recorded.
    fn recorded_names(&self) -> Names {
        let inherited = self.heirs.keys().copied();
        self.born.iter().copied().chain(inherited).map(|id| (id, id)).collect()
    }

    /// Appends the iteration with requests of its own, whose names it returns.
    fn copy(&self, program: &mut Program, before: &Names) -> Names {
        let inherited = self.heirs.iter().filter_map(|(&id, heir)| Some((id, *before.get(heir)?)));
        let mut names: Names = inherited.collect();
        for &operation in self.body {
            if let Operation::Allocate(id) = operation {
                names.insert(id, program.ask_again(id));
                continue;
            }
            program.extend(renamed(operation, |id| names.get(&id).copied()));
        }
        names
    }

    /// Appends what is to do at the end of the iteration.
    fn end(&self, program: &mut Program, names: &Names) {
        let name = |id| names.get(&id).copied();
        program.extend(self.rest.iter().filter_map(|&operation| renamed(operation, name)));
    }
}

/// For each request that is closed and was not opened: one that is opened and not closed, of the
/// same size, stream and pool, in order. And those opened that are left over.
fn match_up(
    program: &Program,
    opened: impl Iterator<Item = RequestId> + Clone,
    closed: impl Iterator<Item = RequestId> + Clone,
) -> (Names, Vec<RequestId>) {
    let kind = |id: RequestId| {
        let request = &program.requests[id.index()];
        (request.size, request.stream, request.pool, request.lingers)
    };
    let all_opened: BTreeSet<RequestId> = opened.clone().collect();
    let all_closed: BTreeSet<RequestId> = closed.clone().collect();
    let mut left: BTreeMap<_, VecDeque<RequestId>> = BTreeMap::new();
    for id in opened.filter(|id| !all_closed.contains(id)) {
        left.entry(kind(id)).or_default().push_back(id);
    }
    let mut heirs = Names::new();
    for id in closed.filter(|id| !all_opened.contains(id)) {
        if let Some(heir) = left.get_mut(&kind(id)).and_then(VecDeque::pop_front) {
            heirs.insert(id, heir);
        }
    }
    let mut left: Vec<RequestId> = left.into_values().flatten().collect();
    left.sort_unstable();
    (heirs, left)
}

/// The same operation on the request of another name; none where it has none.
fn renamed(
    operation: Operation,
    name: impl Fn(RequestId) -> Option<RequestId>,
) -> Option<Operation> {
    Some(match operation {
        Operation::Allocate(id) => Operation::Allocate(name(id)?),
        Operation::Fail(id) => Operation::Fail(name(id)?),
        Operation::Free(id) => Operation::Free(name(id)?),
        Operation::Complete(id) => Operation::Complete(name(id)?),
        Operation::RecordStream(id, stream) => Operation::RecordStream(name(id)?, stream),
        Operation::EmptyCache | Operation::Synchronize => operation,
    })
}
