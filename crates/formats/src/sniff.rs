//! Telling what a file is by how it begins.

use crate::error::{Foreign, ReadError};
use crate::{operations, pickle};

/// A format that gapless reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Pickle,
    Json,
    Operations,
}

/// How far into a file its first keys are looked for.
const BEGINNING: usize = 4096;

/// The pickled number by which `torch.save` began its files before it wrote archives.
const TORCH_MAGIC: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

/// What the bytes are, or why gapless does not read them.
pub(crate) fn content(bytes: &[u8]) -> Result<Content, ReadError> {
    let text = bytes.trim_ascii_start();
    let beginning = &text[..text.len().min(BEGINNING)];
    if text.is_empty() {
        return Err(ReadError::Empty);
    }
    if let Some(foreign) = foreign(beginning) {
        return Err(ReadError::Foreign(foreign));
    }
    if pickle::is_pickle(bytes) {
        return Ok(Content::Pickle);
    }
    if matches!(beginning[0], b'{' | b'[') {
        return Ok(Content::Json);
    }
    if operations::is_operation_list(bytes) {
        return Ok(Content::Operations);
    }
    let first = String::from_utf8_lossy(&beginning[..beginning.len().min(16)]).into_owned();
    Err(ReadError::Unknown(first))
}

/// A format that is known and not read.
fn foreign(beginning: &[u8]) -> Option<Foreign> {
    let has = |needle: &[u8]| beginning.windows(needle.len()).any(|window| window == needle);
    let lower = beginning.iter().take(64).map(u8::to_ascii_lowercase).collect::<Vec<_>>();
    if beginning.starts_with(b"PK\x03\x04") {
        return Some(Foreign::TorchArchive);
    }
    if beginning.starts_with(TORCH_MAGIC) {
        return Some(Foreign::TorchPickles);
    }
    if lower.starts_with(b"<!doctype html") || lower.starts_with(b"<html") {
        return Some(Foreign::WebPage);
    }
    let header = beginning.split(|&byte| byte == b'\n').next().unwrap_or_default();
    if [&b"id,"[..], b"buffer,", b"buffer_id,"].iter().any(|start| header.starts_with(start)) {
        return Some(Foreign::PlanningProblem);
    }
    if beginning[0] == b'{'
        && (has(b"\"traceEvents\"") || has(b"\"schemaVersion\"") || has(b"\"deviceProperties\""))
    {
        return Some(Foreign::ProfilerTrace);
    }
    let is_memory_statistics = has(b"\"MemoryInfo\"") || (has(b"\"General\"") && has(b"\"API\""));
    if beginning[0] == b'{' && is_memory_statistics {
        return Some(Foreign::GraphicsMemoryDump);
    }
    let timeline = beginning.starts_with(b"[[") && !has(b"{");
    timeline.then_some(Foreign::MemoryTimeline)
}
