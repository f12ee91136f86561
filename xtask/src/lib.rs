//! The rules of the house, checked: each module knows one rule and answers with complaints, one
//! sentence each, that say what to change.
//!
//! The rules run as ordinary tests (`tests/house.rs`); `cargo xtask generate` writes the files
//! that are made from a list here. Nothing in the workspace depends on this package.

mod complaint;
mod source;

mod workspace;

mod paths;

pub mod directions;
pub mod floors;
pub mod manifests;
pub mod mentions;
pub mod module_order;
pub mod openings;
pub mod sizes;
pub mod words;

pub mod bans;
pub mod finding_pages;

pub mod generated;

pub use complaint::Complaint;
pub use source::Source;
pub use workspace::{Dependency, Package, Workspace, WorkspaceError};
