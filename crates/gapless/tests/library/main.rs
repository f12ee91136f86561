//! What a program that uses the library meets: explanations of its own allocator, and snapshots.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod recordings;

use gapless::allocator::SharedBlock as Block;
use gapless::allocator::{
    AllocationError, Allocator, GaplessAllocator, Observer, PageSize, Recorder, SharedAllocator,
    Shortage, Slack, ThreadFront,
};
use gapless::device::{Completion, Host, Locked, Sim, SimSetup};
use gapless::formats::Limits;
use gapless::report::{Asked, Examination, Facts, Moment, Source};
use gapless::trace::{Events, Recording};
use gapless::units::{Bytes, KIB, PoolId, StreamId};

const COMPUTE: StreamId = StreamId(0);
const COPY: StreamId = StreamId(1);

fn device(pages: u64) -> Sim {
    let completion = Completion::WhenTold;
    Sim::new(SimSetup { completion, ..SimSetup::new(Bytes::mib(2 * pages)) })
}

fn allocator<O: Observer>(pages: u64, observer: O) -> GaplessAllocator<Sim, O> {
    GaplessAllocator::new(device(pages), Slack::NONE, observer)
}

/// The verdict, and the causes of all reserved bytes, which are the reserved bytes.
fn verdict(recording: Recording, pages: u64) -> String {
    let explanation = gapless::explain(recording, Some(Bytes::mib(2 * pages))).unwrap();
    let device = &explanation.facts().devices[0];
    let ledger = &device.ledger;
    let sum: u64 = ledger.causes.iter().map(|cause| cause.bytes).sum();
    assert_eq!(sum, ledger.reserved_bytes);
    device.verdict.kind.to_owned()
}

/// Who takes all names of the allocator's has this crate under its own name still.
#[test]
fn all_names_can_be_taken_at_once() {
    use gapless::allocator::*;
    let mut it = GaplessAllocator::new(device(4), Slack::NONE, Recorder::default());
    let block = it.allocate(Bytes::mib(2), COMPUTE).unwrap();
    assert!(gapless::snapshot(&it.recording()).is_ok());
    assert_eq!(it.free(block), Ok(()));
}

#[test]
fn what_is_alive_and_the_request_may_be_too_much() {
    let mut it = allocator(8, ());
    let _held = it.allocate(Bytes::mib(10), COMPUTE).unwrap();
    assert!(it.allocate(Bytes::mib(7), COMPUTE).is_err());
    assert_eq!(verdict(it.recording(), 8), "true_shortage");
}

#[test]
fn a_failure_is_over_when_something_else_happened() {
    let mut it = allocator(8, ());
    let held = it.allocate(Bytes::mib(10), COMPUTE).unwrap();
    assert!(it.allocate(Bytes::mib(7), COMPUTE).is_err());
    it.free(held).unwrap();
    assert_eq!(verdict(it.recording(), 8), "cannot_tell");
    let _held = it.allocate(Bytes::mib(12), COMPUTE).unwrap();
    assert!(it.allocate(Bytes::mib(7), COMPUTE).is_err());
    assert_eq!(verdict(it.recording(), 8), "true_shortage");
    let _small = it.allocate(Bytes::mib(1), COMPUTE).unwrap();
    assert_eq!(verdict(it.recording(), 8), "cannot_tell");
}

#[test]
fn parts_of_pages_stay_with_their_stream() {
    let mut it = allocator(4, ());
    let _first = it.allocate(Bytes::new(512 * KIB), COMPUTE).unwrap();
    let gap = it.allocate(Bytes::new(3300 * KIB), COMPUTE).unwrap();
    let _rest = it.allocate(Bytes::new((8192 - 512 - 3300) * KIB), COMPUTE).unwrap();
    it.free(gap).unwrap();
    assert!(it.allocate(Bytes::new(680 * KIB), COPY).is_err());
    let told = gapless::explain(it.recording(), None).unwrap();
    assert_eq!(told.facts().devices[0].verdict.kind, "stranded_on_stream");
    let told = told.to_string().replace('\n', " ");
    assert!(told.contains("only whole pages change streams"), "{told}");
}

#[test]
fn small_blocks_may_pin_every_page() {
    let mut it = allocator(8, ());
    let pairs = [0; 8].map(|_| {
        let small = it.allocate(Bytes::new(512), COMPUTE).unwrap();
        (small, it.allocate(Bytes::new(2048 * KIB - 512), COMPUTE).unwrap())
    });
    for (_, filler) in pairs {
        it.free(filler).unwrap();
    }
    assert!(it.allocate(Bytes::mib(4), COMPUTE).is_err());
    assert_eq!(verdict(it.recording(), 8), "fragmentation");
    let told = gapless::explain(it.recording(), None).unwrap().to_string();
    assert!(told.contains("device 0 · gapless"), "{told}");
    assert!(!told.contains("torch"), "no call of PyTorch's helps: {told}");
}

#[test]
fn pages_of_a_private_pool_stay_there() {
    let mut it = allocator(8, ());
    let pool = PoolId(0, 1);
    let block = it.allocate_in(pool, Bytes::mib(12), COMPUTE).unwrap();
    it.free(block).unwrap();
    assert!(it.allocate(Bytes::mib(8), COMPUTE).is_err());
    assert_eq!(verdict(it.recording(), 8), "stranded_in_pool");
    // The program says that nothing needs them any more.
    it.end_pool(pool);
    assert!(it.allocate(Bytes::mib(8), COMPUTE).is_ok());
}

#[test]
fn small_requests_are_explained_too() {
    let mut it = allocator(2, ());
    let _held = it.allocate(Bytes::mib(4), COMPUTE).unwrap();
    assert!(it.allocate(Bytes::new(512), COMPUTE).is_err());
    assert_eq!(verdict(it.recording(), 2), "true_shortage");
    // Small or large, all lie in the same pages, also where the whole life is told.
    let mut it = allocator(2, Recorder::default());
    let gap = it.allocate(Bytes::mib(1), COMPUTE).unwrap();
    let _held = it.allocate(Bytes::mib(3), COMPUTE).unwrap();
    it.free(gap).unwrap();
    assert!(it.allocate(Bytes::new(512), COPY).is_err());
    assert_eq!(verdict(it.recording(), 2), "stranded_on_stream");
}

#[test]
fn whatever_waits_is_waited_for_before_a_request_fails() {
    let mut it = allocator(4, Recorder::default());
    let block = it.allocate(Bytes::mib(8), COMPUTE).unwrap();
    it.record_stream(block, COPY).unwrap();
    it.free(block).unwrap();
    let block = it.allocate(Bytes::mib(8), COMPUTE).unwrap();
    assert_eq!(it.usage().stalls, 1);
    it.free(block).unwrap();
    assert_eq!(verdict(it.recording(), 4), "fits");
}

/// What lies free elsewhere cannot move meanwhile: that is why, and nobody is asked to free blocks in vain.
#[test]
fn a_request_that_fails_in_a_capture_is_told_so() {
    let mut it = allocator(16, ());
    let free = it.allocate(Bytes::mib(24), COMPUTE).unwrap();
    it.free(free).unwrap();
    it.begin_capture();
    assert!(it.is_capturing());
    let refused = it.allocate_or(Bytes::mib(12), COPY, |_, bytes| panic!("{bytes} in vain"));
    let error = refused.unwrap_err();
    assert!(matches!(error, AllocationError::OutOfMemory { shortage: Shortage::Capture, .. }));
    let told = gapless::explain(it.recording(), Some(Bytes::mib(32))).unwrap().to_string();
    assert!(
        told.contains("A LIMIT WAS REACHED. 12.0 MiB were asked for. A graph was being"),
        "{told}"
    );
    let bytes = gapless::snapshot(&it.recording()).unwrap();
    let read = gapless::formats::read(bytes, &Limits::default()).unwrap();
    assert_eq!(read.notes, []);
    assert_eq!(verdict(read, 16), "limit_reached");
    it.end_capture().unwrap();
    assert!(it.allocate(Bytes::mib(12), COPY).is_ok());
    // What lies free in the pool of another graph does not move afterwards either.
    let mut graphs = allocator(16, ());
    let other = graphs.allocate_in(PoolId(0, 1), Bytes::mib(24), COMPUTE).unwrap();
    graphs.free(other).unwrap();
    graphs.begin_capture();
    assert!(graphs.allocate_in(PoolId(0, 2), Bytes::mib(12), COMPUTE).is_err());
    assert_eq!(verdict(graphs.recording(), 16), "stranded_in_pool");
    // With all that is free it would not do either.
    it.begin_capture();
    assert!(it.allocate(Bytes::mib(30), COPY).is_err());
    assert_eq!(verdict(it.recording(), 16), "true_shortage");
}

#[test]
fn what_the_device_never_has_is_not_made_room_for() {
    let mut it = allocator(8, ());
    let refused = it.allocate_or(Bytes::mib(17), COMPUTE, |_, bytes| panic!("{bytes} in vain"));
    let error = refused.unwrap_err();
    assert!(matches!(error, AllocationError::OutOfMemory { shortage: Shortage::Device, .. }));
    assert!(error.to_string().ends_with("; it never has so much"), "{error}");
    // Nor what fits into its bytes, but not into as many whole pages.
    let device = Sim::new(SimSetup::new(Bytes::mib(63)));
    let mut it = GaplessAllocator::new(device, Slack::DEFAULT, ());
    let refused = it.allocate_or(Bytes::mib(63), COMPUTE, |_, bytes| panic!("{bytes} in vain"));
    let told =
        "63.0 MiB asked for, 64.0 MiB needed of the device, which has 63.0 MiB left; it never";
    assert!(refused.unwrap_err().to_string().contains(told));
}

/// What a flush gives back of what `recording` tells, and the verdict, also from its snapshot.
fn flushable(recording: &Recording, pages: u64) -> (Bytes, String) {
    let card = Some(Bytes::mib(2 * pages));
    let bytes = gapless::snapshot(recording).unwrap();
    let read = gapless::formats::read(bytes, &Limits::default()).unwrap();
    assert_eq!(read.notes, []);
    let [told, read] = [recording.clone(), read].map(|it| gapless::explain(it, card).unwrap());
    let (told, read) = (&told.facts().devices[0], &read.facts().devices[0]);
    assert_eq!(format!("{:?}", told.ledger), format!("{:?}", read.ledger));
    assert_eq!(told.verdict.summary, read.verdict.summary);
    (told.ledger.flushable(), told.verdict.summary.clone())
}

/// Pinned pages do not go back and do not move, though they lie free: a flush is not promised, and a
/// request that fails for want of them is told so.
#[test]
fn pinned_memory_that_lies_free_is_told() {
    let mut it = allocator(8, Recorder::default());
    let pinned = it.allocate(Bytes::new(7 * 1024 * KIB - 512), COMPUTE).unwrap();
    let other = it.allocate(Bytes::new(3 * 1024 * KIB + 512), COMPUTE).unwrap();
    let extent = it.pin(pinned).unwrap();
    it.free(pinned).unwrap();
    it.free(other).unwrap();
    // Of the page that both have a byte of, nothing moves.
    assert_eq!(flushable(&it.recording(), 8).0, Bytes::mib(2));
    assert!(it.allocate(Bytes::mib(10), COPY).is_err());
    let (bytes, verdict) = flushable(&it.recording(), 8);
    assert_eq!(bytes, Bytes::mib(2));
    assert!(verdict.contains("8.0 MiB lie free and are pinned"), "{verdict}");
    assert!(it.unpin(extent));
    assert_eq!(flushable(&it.recording(), 8).0, Bytes::mib(10));
    let block = it.allocate(Bytes::mib(10), COPY).unwrap();
    it.free(block).unwrap();
    // A pin of long ago says nothing of what was before.
    let block = it.allocate(Bytes::mib(4), COPY).unwrap();
    it.pin(block).unwrap();
    it.free(block).unwrap();
    let source = Source { path: "its life".to_owned(), bytes: Bytes::ZERO };
    let asked = Asked { at: Moment::Failure, ..Asked::default() };
    let then = Facts::of(&Examination::of(it.recording(), source, &asked).unwrap());
    assert_eq!(then.devices[0].ledger.pinned_free_bytes, 0);
    it.trim(Bytes::ZERO).unwrap();
    assert_eq!(it.reserved(), Bytes::mib(4));
    it.observer_mut().events = Events::default();
    let told = gapless::explain(it.recording(), None).unwrap().to_string();
    assert!(told.contains("4.0 MiB 100.0 %  pinned pages"), "{told}");
}

/// Small requests take whole pages as well, and what they leave of one is no page that could go back.
#[test]
fn small_requests_take_pages() {
    let allocator = |mib| {
        let device = Sim::new(SimSetup::new(Bytes::mib(mib)));
        GaplessAllocator::with_pages(device, PageSize::at_least(Bytes::mib(4)), Slack::NONE, ())
    };
    let small = Bytes::new(512 * KIB);
    // Half of a page lies free, of another stream's and pinned.
    let mut it = allocator(8);
    let half = it.allocate(Bytes::mib(2), COMPUTE).unwrap();
    let _rest = it.allocate(Bytes::mib(6), COMPUTE).unwrap();
    it.pin(half).unwrap();
    it.free(half).unwrap();
    assert!(it.allocate(small, COPY).is_err());
    let (flushable, verdict) = flushable(&it.recording(), 8);
    assert!(flushable.is_zero() && verdict.contains("another stream"), "{flushable} {verdict}");
    // Half of a page is left on the card.
    let mut it = allocator(10);
    let _all = it.allocate(Bytes::mib(8), COMPUTE).unwrap();
    let error = it.allocate(small, COMPUTE).unwrap_err();
    assert_eq!(error.missing(), Some(Bytes::mib(2)));
    let told = gapless::explain(it.recording(), Some(Bytes::mib(10))).unwrap();
    let verdict = &told.facts().devices[0].verdict.summary;
    let shortage = "That takes 4.0 MiB of the card. 8.0 MiB are in use and the card has 10.0 MiB for \
                    this program: 2.0 MiB too little";
    assert!(verdict.contains(shortage), "{verdict}");
}

#[test]
fn a_whole_life_is_explained_from_its_snapshot() {
    let mut it = allocator(64, Recorder::default());
    let mut held = Vec::new();
    for step in 0..400_u64 {
        let size = 1 + step * 7_919_003 % 9_000_000;
        held.extend(it.allocate(Bytes::new(size), StreamId(step % 2)));
        if 12 < held.len() {
            let which = usize::try_from(step % 12).unwrap();
            it.free(held.swap_remove(which)).unwrap();
        }
    }
    assert!(it.allocate(Bytes::mib(120), COMPUTE).is_err());
    let bytes = gapless::snapshot(&it.recording()).unwrap();
    let read = gapless::formats::read(bytes, &Limits::default()).unwrap();
    let source = Source { path: "its life".to_owned(), bytes: Bytes::ZERO };
    let examination = Examination::of(read, source, &Asked::default()).unwrap();
    let facts = Facts::of(&examination);
    assert!(facts.recording.consistent, "{:?}", facts.recording.notes);
    let told = gapless::explain(it.recording(), None).unwrap();
    let (device, told) = (&facts.devices[0], &told.facts().devices[0]);
    assert_eq!(device.verdict.kind, told.verdict.kind);
    assert_eq!(format!("{:?}", device.ledger), format!("{:?}", told.ledger));
    assert_eq!(device.end.totals.reserved_bytes, it.usage().reserved.get());
    assert_eq!(device.end.totals.requested_bytes, it.usage().requested.get());
}

#[test]
fn shared_allocators_are_explained_alike() {
    let device = Locked::new(device(8));
    let allocator = SharedAllocator::new(device, Slack::NONE, ());
    let mut front = allocator.front();
    let small = front.allocate(Bytes::new(100 * KIB), COMPUTE).unwrap();
    let held = front.allocate(Bytes::mib(10), COMPUTE).unwrap();
    // What a thread keeps for itself is free.
    front.free(small).unwrap();
    assert!(front.allocate(Bytes::mib(7), COMPUTE).is_err());
    assert_eq!(verdict(allocator.recording(), 8), "true_shortage");
    assert_eq!(allocator.usage().allocated, Bytes::mib(10));
    front.free(held).unwrap();
}

#[test]
fn a_program_may_make_room() {
    let mut it = allocator(8, ());
    let mut cache = vec![it.allocate(Bytes::mib(10), COMPUTE).unwrap()];
    let mut asked_for = Vec::new();
    let block = it.allocate_or(Bytes::mib(12), COMPUTE, |it, missing| {
        asked_for.push(missing);
        cache.pop().is_some_and(|block| it.free(block).is_ok())
    });
    assert!(block.is_ok());
    // Five pages are taken, three are left, and six are needed.
    assert_eq!(asked_for, [Bytes::mib(6)]);
    let refused = it.allocate_or(Bytes::mib(5), COMPUTE, |_, _| false).unwrap_err();
    assert_eq!(refused.missing(), Some(Bytes::mib(2)));
    let told = refused.to_string();
    assert!(
        told.contains("5.0 MiB asked for, 6.0 MiB needed of the device, which has 4.0 MiB left")
    );
}

/// What the guide says of threads is true of the types.
#[test]
fn threads_may_have_what_the_guide_says() {
    fn may_go<T: Send>() {}
    fn may_be_shared<T: Sync>() {}
    may_go::<GaplessAllocator<Host>>();
    may_go::<SharedAllocator<Host>>();
    may_be_shared::<SharedAllocator<Host>>();
    may_go::<ThreadFront<Host>>();
    may_be_shared::<ThreadFront<Host>>();
    may_go::<Block>();
    may_be_shared::<Block>();
}

/// The examples run, and print what they promise.
#[test]
fn the_examples_say_what_they_should() {
    // Beside the test programs cargo puts the examples, and builds them with the tests.
    let folder = std::env::current_exe().unwrap().parent().unwrap().join("../examples");
    let run = |name: &str| {
        let output = std::process::Command::new(folder.join(name)).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let told = run("fragmentation");
    assert!(told.contains("PyTorch's: out of memory in batch 3"), "{told}");
    assert!(told.contains("gapless:   60 batches done"), "{told}");
    let told = run("threads");
    assert!(told.contains("600 batches by 3 threads"), "{told}");
    assert!(told.contains(" 0 of them active"), "{told}");
    let told = run("out_of_memory");
    assert!(told.contains("FRAGMENTATION. 56.0 MiB were asked for."), "{told}");
    assert!(told.contains("served once"), "{told}");
}
