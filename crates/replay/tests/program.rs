//! What a list or a recording becomes as a program.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use gapless_replay::{Operation, Program, Repeating, RequestId, Requested, Setup, Start, run};
use gapless_trace::{Settings, StackId, Trace};
use gapless_units::{Bytes, PoolId, StreamId};

/// The program of an operation list, or of a snapshot in JSON.
fn program(text: &str) -> Program {
    let limits = gapless_formats::Limits::default();
    let recording = gapless_formats::read(text.as_bytes().to_vec(), &limits).unwrap();
    Program::of(&Trace::rebuild(recording.devices.into_iter().next().unwrap()).unwrap())
}

#[test]
fn a_list_becomes_its_own_operations() {
    let list = "alloc,7,512,1\nrecord_stream,7,2\nempty_cache\nfree,7\nsync\n";
    let first = RequestId(0);
    assert_eq!(
        program(list).operations,
        [
            Operation::Allocate(first),
            Operation::RecordStream(first, StreamId(2)),
            Operation::EmptyCache,
            Operation::Free(first),
            Operation::Synchronize,
        ]
    );
}

/// A free that still waits for another stream when the list ends was once lost.
#[test]
fn a_free_at_the_end_that_waits_for_a_stream_is_not_lost() {
    let program = program("alloc,1,8362957,1\nrecord_stream,1,2\nfree,1\n");
    assert_eq!(program.operations.last(), Some(&Operation::Free(RequestId(0))));
    let outcome = run(&program, &Start::empty(), &Setup::new(Settings::default())).unwrap();
    assert_eq!(outcome.statistics.allocation.all.current, 0);
    assert_eq!(outcome.statistics.active.all.current, 1);
}

#[test]
fn a_use_of_a_block_that_is_never_freed_is_kept() {
    let program = program("alloc,1,512,0\nrecord_stream,1,3\n");
    assert_eq!(program.operations.len(), 2);
}

#[test]
fn the_live_peak_counts_rounded_requests() {
    let program = program("alloc,1,1,0\nalloc,2,513,0\nfree,1\nalloc,3,512,0\n");
    let settings = Settings::default();
    let rules = gapless_trace::SizeRules::new(&settings);
    assert_eq!(program.live_peak(|size| rules.round(size)), Bytes::new(512 + 1024));
}

#[test]
fn a_request_that_no_card_can_meet_fails_and_says_by_how_much() {
    let program = program("alloc,1,1073741824,0\n");
    let setup = Setup { capacity: Some(Bytes::gib(1)), ..Setup::new(Settings::default()) };
    let outcome = run(&program, &Start::empty(), &setup).unwrap();
    let failure = &outcome.failures[0];
    assert_eq!(failure.operation, 0);
    assert_eq!(
        failure.reason.to_string(),
        "out of memory: 1.00 GiB asked for, 1.00 GiB needed of the device, which has 520.0 MiB left"
    );
    assert!(!outcome.completed());
}

/// Each copy frees what the one before left, and what no copy would free is freed at its end.
#[test]
fn an_iteration_that_is_repeated_needs_no_more_each_time() {
    // Two iterations: `2` and `5` live into the next one, `6` has nothing that it replaces.
    let first = "alloc,1,512,0\nalloc,2,1024,0\nfree,1\n";
    let second = "alloc,4,512,0\nalloc,5,1024,0\nfree,2\nalloc,6,2048,0\nfree,4\n";
    let program = program(&format!("{first}{second}"));
    let repeating = Repeating::of(&program, 3..8, 3);
    assert_eq!(repeating.starts.len(), 4);
    let operations = &repeating.program.operations;
    assert_eq!(repeating.starts[0], 8 + 1);
    assert_eq!(repeating.starts[3], operations.len());
    // What the last copy leaves is not freed.
    assert_eq!(operations.len(), 9 + 3 * 6 - 1);

    let mut live: Vec<RequestId> = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        if repeating.starts.contains(&index) {
            let sizes = live.iter().map(|id| repeating.program.requests[id.index()].size);
            assert_eq!(sizes.sum::<Bytes>(), Bytes::new(1024));
        }
        if let Operation::Allocate(id) = operation {
            live.push(*id);
        } else if let Operation::Free(id) = operation {
            let at = live.iter().position(|alive| alive == id);
            live.remove(at.unwrap());
        }
    }
    assert_eq!(live.len(), 1 + 1);
}

/// Each leaves a block for the next, as large as it is itself.
#[test]
fn iterations_in_another_order_free_what_the_ones_before_left() {
    let program = program("alloc,1,512,0\nalloc,2,1024,0\nfree,1\nalloc,3,2048,0\nfree,2\n");
    let Repeating { program, starts } = Repeating::mixed(&program, &[1..3, 3..5], [0, 0, 1, 0]);
    assert_eq!(starts, [5, 7, 9, 11, 13]);
    let copies = program.operations[5..].chunks(2);
    let sizes = [1024, 1024, 2048, 1024].map(Bytes::new);
    let mut before = RequestId(2);
    for (copy, size) in copies.zip(sizes) {
        let [Operation::Allocate(id), Operation::Free(left)] = *copy else { panic!("{copy:?}") };
        assert_eq!((program.requests[id.index()].size, left), (size, before));
        before = id;
    }
}

/// A program without operations yet, whose blocks other streams still use when they are freed.
fn of_lingering_requests(count: usize) -> Program {
    let (stream, pool, stack) = (StreamId(0), PoolId::DEFAULT, StackId::NONE);
    let requested = Requested { size: Bytes::new(512), stream, pool, stack, lingers: true };
    let mut program = Program::default();
    program.requests = vec![requested; count];
    program
}

/// A block that other streams use beyond its iteration is done with in the next one.
#[test]
fn a_repeated_iteration_completes_what_the_one_before_freed() {
    let [before, now] = [RequestId(0), RequestId(1)];
    let mut program = of_lingering_requests(2);
    program.operations = vec![
        Operation::Allocate(before),
        Operation::Free(before),
        Operation::Allocate(now),
        Operation::Complete(before),
        Operation::Free(now),
    ];
    program.events = vec![0; 5];
    let Repeating { program, starts } = Repeating::of(&program, 2..5, 2);
    assert_eq!(starts, [5, 8, 11]);
    let [first, second] = [RequestId(2), RequestId(3)];
    let copies = [(first, now), (second, first)].map(|(id, earlier)| {
        [Operation::Allocate(id), Operation::Complete(earlier), Operation::Free(id)]
    });
    assert_eq!(program.operations[5..], copies.concat());
}

/// One that lives for three iterations: asked for, freed in the next, done with in the one behind.
#[test]
fn a_repeated_iteration_hands_on_what_it_inherits() {
    let mut program = of_lingering_requests(3);
    let [first, second, third] = [RequestId(0), RequestId(1), RequestId(2)];
    program.operations = vec![
        Operation::Allocate(first),
        Operation::Free(first),
        Operation::Allocate(second),
        Operation::Complete(first),
        Operation::Free(second),
        Operation::Allocate(third),
    ];
    program.events = vec![0; 6];
    let Repeating { program, starts } = Repeating::of(&program, 3..6, 3);
    assert_eq!(starts, [6, 9, 12, 15]);
    let copy = |complete, free, ask| {
        [Operation::Complete(complete), Operation::Free(free), Operation::Allocate(ask)]
    };
    let ids = [second, third, RequestId(3), RequestId(4), RequestId(5)];
    let copies: Vec<_> = ids.windows(3).flat_map(|it| copy(it[0], it[1], it[2])).collect();
    assert_eq!(program.operations[6..], copies);
}

/// A cache that the program emptied before a request for more than it held; as a capture does.
#[test]
fn memory_that_was_sent_away_on_another_line_was_not_the_requests_doing() {
    let snapshot = |line_of_release: u32| {
        let event = |action, addr, size, line| {
            format!(
                r#"{{"action": "{action}", "addr": {addr}, "size": {size}, "stream": 0,
                "frames": [{{"filename": "a.py", "line": {line}, "name": "step"}}]}}"#
            )
        };
        let (first, second) = (0x7000_0000_0000_u64, 0x7001_0000_0000_u64);
        let (small, large) = (20_u64 << 20, 100_u64 << 20);
        let events = [
            event("segment_alloc", first, small, 1),
            event("alloc", first, small, 1),
            event("free_requested", first, small, 2),
            event("free_completed", first, small, 2),
            event("segment_free", first, small, line_of_release),
            event("segment_alloc", second, large, 4),
            event("alloc", second, large, 4),
        ];
        let block = format!(
            r#"{{"size": {large}, "requested_size": {large}, "state": "active_allocated"}}"#
        );
        format!(
            r#"{{"segments": [{{"device": 0, "address": {second}, "total_size": {large}, "stream": 0,
            "segment_type": "large", "blocks": [{block}]}}], "device_traces": [[{}]]}}"#,
            events.join(",")
        )
    };
    let first = RequestId(0);
    let emptied = Operation::EmptyCache;
    assert_eq!(program(&snapshot(3)).operations[2], emptied);
    // By the request's stack, or before release 2.1 that of the allocation that was there.
    for line in [4, 1] {
        assert_eq!(
            program(&snapshot(line)).operations,
            [Operation::Allocate(first), Operation::Free(first), Operation::Allocate(RequestId(1))]
        );
    }
}

/// A snapshot of one segment of 20 MiB that is free at the end, and its events: what happened, where in the
/// segment, to how many bytes.
fn snapshot(pool: &str, events: &[(&str, u64, u64)]) -> String {
    let start = 0x7000_0000_0000_u64;
    let size = 20 << 20;
    let event = |&(action, at, size): &(&str, u64, u64)| {
        format!(r#"{{"action": "{action}", "addr": {}, "size": {size}, "stream": 0}}"#, start + at)
    };
    let events: Vec<String> = events.iter().map(event).collect();
    format!(
        r#"{{"segments": [{{"device": 0, "address": {start}, "total_size": {size}, "stream": 0,
        "segment_type": "large", "segment_pool_id": {pool},
        "blocks": [{{"size": {size}, "requested_size": 0, "state": "inactive"}}]}}],
        "device_traces": [[{}]]}}"#,
        events.join(",")
    )
}

/// A recorder may leave out that frees were completed: then none of them waited, as far as anybody knows.
#[test]
fn a_free_without_a_completion_is_done_at_once() {
    let (ask, free) = (("alloc", 0, 20 << 20), ("free_requested", 0, 20 << 20));
    let map = ("segment_alloc", 0, 20 << 20);
    let program = program(&snapshot("[0, 0]", &[map, ask, free, ask, free]));
    assert_eq!(program.operations.len(), 4);
    assert!(program.requests.iter().all(|request| !request.lingers));
    let outcome = run(&program, &Start::empty(), &Setup::new(Settings::default())).unwrap();
    assert_eq!(outcome.peak.reserved, Bytes::mib(20));
}

/// An allocation is of the pool of the memory under it at its birth, also where other memory was there
/// before.
#[test]
fn an_allocation_is_of_the_pool_of_its_memory() {
    let (ask, free) = (("alloc", 2 << 20, 2 << 20), ("free_completed", 2 << 20, 2 << 20));
    let part = |action| [(action, 0, 2 << 20), (action, 2 << 20, 2 << 20)];
    let [before, under] = part("segment_alloc");
    let [gone, gone_too] = part("segment_free");
    let all = ("segment_alloc", 0, 20 << 20);
    let events = [before, under, ask, free, gone, gone_too, all, ask, free];
    let program = program(&snapshot("[0, 7]", &events));
    let pools: Vec<PoolId> = program.requests.iter().map(|request| request.pool).collect();
    assert_eq!(pools, [PoolId::DEFAULT, PoolId(0, 7)]);
}
