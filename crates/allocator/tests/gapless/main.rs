//! The gapless allocator under random programs, failing devices and adversaries, beside a shadow
//! that knows none of its rules: only which memory lies under which address, which blocks the
//! program holds, and which work is not yet done.

#[path = "../shadow/counted.rs"]
mod counted;
mod watched;
mod subject;
mod program;
mod shadow;
mod random;
mod faults;
mod lagging;
mod endings;
mod adversaries;
mod captures;
mod cases;
mod life;
