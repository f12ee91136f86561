//! Why a file could not be read.

use crate::compression::UnpackError;
use crate::json::JsonError;
use crate::operations::OperationError;
use crate::pickle::PickleError;

/// Why a file could not be read at all. What can be read in part is read, with notes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// It does not unpack.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// It is a pickle, but not of plain data.
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// It looks like JSON, and is not.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// It looks like an operation list, and is not.
    #[error(transparent)]
    Operations(#[from] OperationError),
    /// It was read, and is no snapshot.
    #[error("it has neither `segments` nor `device_traces`: it is {found}")]
    NotASnapshot {
        /// What stands at its top.
        found: String,
    },
    /// It is a format that gapless knows and does not read.
    #[error("it is {0}")]
    Foreign(Foreign),
    /// It begins like no format that gapless knows.
    #[error("it begins with {0:?}, like no format that gapless reads")]
    Unknown(String),
}

/// A format that gapless recognizes and does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// What `torch.profiler` exports.
    ProfilerTrace,
    /// The profiler's memory timeline.
    MemoryTimeline,
    /// The statistics of the Vulkan or D3D12 memory allocator.
    GraphicsMemoryDump,
    /// What `torch.save` writes.
    TorchArchive,
    /// What `torch.save` wrote before it wrote archives.
    TorchPickles,
    /// Buffers to be packed, as `MiniMalloc` reads them.
    PlanningProblem,
    /// A web page.
    WebPage,
}

impl std::fmt::Display for Foreign {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::ProfilerTrace => "a profiler trace, which says nothing about segments",
            Self::MemoryTimeline => {
                "a profiler's memory timeline, which says nothing about segments"
            }
            Self::GraphicsMemoryDump => "a memory dump of a graphics allocator (VMA or D3D12MA)",
            Self::TorchArchive => "a zip archive as `torch.save` writes them",
            Self::TorchPickles => "a series of pickles as `torch.save` wrote them before 1.6",
            Self::PlanningProblem => "a planning problem (buffers with lifetimes), not a recording",
            Self::WebPage => "a web page",
        })
    }
}
