//! The rule that each policy is known for, in the smallest program that needs it.

mod gmlake;
mod page_steal;
mod bfc;
mod tlsf;
mod stream_pool;
mod rmm_arena;
