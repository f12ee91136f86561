//! What a device can do, and the devices.
//!
//! [`Device`] is the one seam between an allocator and memory: plain allocation, virtual memory
//! (addresses, physical handles and mappings apart), streams and events. An allocator is generic
//! over it, so the code that is simulated is the code that ships.
//!
//! [`Sim`] is a device that keeps books and no memory: addresses, capacity in 2 MiB granules, and
//! the time each call would have taken by a cost model ([`Costs`]). [`Card`] names the cards whose
//! memory it may stand for.
//!
//! `Host` is a device of real memory, where there is Linux: handles are parts of a file in memory,
//! mappings are the kernel's, streams are threads. What a stream wrote can be read back, so a test
//! sees what happens to data.
//!
//! [`Cuda`] is an NVIDIA card, through the driver that is found when the program runs.
//!
//! [`suite::check`] is what every device must pass. [`Faulty`] lets calls of any device fail,
//! [`Locked`] lets several threads use one.

mod costs;
mod cards;

mod device;
mod faulty;
mod locked;

mod ranges;
mod books;

mod sim;
#[cfg(target_os = "linux")]
mod host;
mod cuda;

pub mod suite;

pub use cards::Card;
pub use costs::{Costs, CostsError};
pub use cuda::{Cuda, CudaError, CudaGraph, CudaSetup, CudaWork};
pub use device::{Device, DeviceError, EventId, Handle, MemoryInfo, SharedDevice};
pub use faulty::Faulty;
#[cfg(target_os = "linux")]
pub use host::{Complaint, Fault, Gate, Host, HostSetup, Mismatch, Pace, Reading};
pub use locked::Locked;
pub use sim::{CallCounts, Completion, Placement, Script, Sim, SimSetup, Step};
