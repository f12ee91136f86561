//! The baselines under random programs and failing devices, beside a shadow that knows none of their
//! rules, and small programs that each need one rule.

#[path = "../gapless/watched.rs"]
mod watched;
#[path = "../shadow/counted.rs"]
mod counted;
#[path = "../shadow/tally.rs"]
mod tally;
mod program;
mod shadow;
mod random;
mod faults;
mod bench;
mod cases;
mod life;
