//! Who writes a snapshot with these keys: which releases of PyTorch, or our own allocator.

use gapless_trace::{Framework, Release};

use crate::document::{Document, Value};

/// Where a snapshot of ours says whose it is.
pub(crate) const FRAMEWORK_KEY: &str = "framework";

/// It is there where a snapshot of ours was written after a request that failed in a capture.
pub(crate) const CAPTURE_KEY: &str = "gapless_failed_in_capture";

/// The releases, told by the newest key that is there and the oldest that is missing.
pub(super) fn release(document: &Document, root: Value) -> Framework {
    let ours = Framework::gapless();
    let name = document.get(root, FRAMEWORK_KEY).and_then(|name| document.as_text(name));
    if name.is_some_and(|name| name == ours.name) {
        return ours;
    }
    let first_of = |key| {
        let list = document.get(root, key)?;
        document.items(list).next()
    };
    let event = document
        .get(root, "device_traces")
        .and_then(|traces| document.items(traces).find_map(|trace| document.items(trace).next()));
    let event_has = |key| event.is_some_and(|event| document.get(event, key).is_some());
    let block = first_of("segments").and_then(|segment| {
        document.get(segment, "blocks").and_then(|blocks| document.items(blocks).next())
    });
    let block_lacks = |key| block.is_some_and(|block| document.get(block, key).is_none());
    let has = |key| document.get(root, key).is_some();

    let (first, last) = if has("host_segments") || has("host_traces") {
        (Some((2, 14)), None)
    } else if event_has("pool_id") {
        (Some((2, 12)), Some((2, 13)))
    } else if event_has("user_metadata") {
        (Some((2, 10)), Some((2, 11)))
    } else if event_has("compile_context") {
        (Some((2, 8)), Some((2, 9)))
    } else if has("external_annotations") && event.is_some() {
        (Some((2, 6)), Some((2, 7)))
    } else if has("external_annotations") {
        (Some((2, 6)), Some((2, 13)))
    } else if block_lacks("address") {
        (Some((1, 13)), Some((2, 0)))
    } else if has("allocator_settings") || block.is_some() {
        (Some((2, 1)), Some((2, 5)))
    } else {
        (None, None)
    };
    let release = |(major, minor)| Release::new(major, minor);
    Framework { name: "PyTorch".to_owned(), first: first.map(release), last: last.map(release) }
}
