//! One device as the page gets it: which columns there are and what they hold.
//!
//! | column | of | |
//! | --- | --- | --- |
//! | `addr` `size` `slack` | allocation | packed place, bytes, bytes beyond those asked for |
//! | `born` `held` `pending` | allocation | instant of birth, events held, events pending |
//! | `stack` `stream` | allocation | numbers in `stacks` and `streams` |
//! | `weight` | allocation | twice the logarithm of bytes × events, the order to draw in |
//! | `piece_*` | mapping | the same for pieces of physical memory; `key` is a number in `keys` |
//! | `time` | event | microseconds |
//! | `reserved_least` … | run of instants | the curves |
//!
//! Allocations stand in the order of addresses and then of birth, so the page finds the blocks of
//! an instant in the order it needs by walking the columns once.

use gapless_trace::{Allocation, Instant, Mapping, StackId, Stacks, Trace};
use serde_json::{Value, json};

use super::columns::{Array, Columns};
use super::curves;
use super::marks;
use super::numbered::Numbered;
use super::regions::Regions;
use super::shelves;
use super::stack_table;

/// A device, ready to be written into the page.
#[derive(Debug)]
pub(super) struct Packed {
    /// Where each column is.
    pub(super) directory: Value,
    /// The columns.
    pub(super) base64: String,
}

/// Packs what happened on a device.
pub(super) fn pack(trace: &Trace, stacks: &Stacks) -> Packed {
    let mut columns = Columns::default();
    let regions = if trace.is_placed() { Regions::of(trace) } else { Regions::default() };
    let run = curves::add(trace, &mut columns);
    let used = add_allocations(trace, places(trace, &regions), &mut columns);
    let keys = add_mappings(trace, &regions, &mut columns);
    add_times(trace, &mut columns);
    columns.json("regions", &regions.json());
    columns.json("keys", &keys);
    columns.json("stacks", &stack_table::json(&used, stacks));
    columns.json("failures", &marks::failures(trace));
    columns.json("ranges", &marks::ranges(trace, stacks));
    let (directory, base64) = columns.pack();
    let directory = json!({
        "device": trace.device.0,
        "events": trace.events.len(),
        "placed": trace.is_placed(),
        "run": run,
        "columns": directory,
    });
    Packed { directory, base64 }
}

/// Where each allocation is drawn: where it was, or where there is room if nobody knows.
fn places(trace: &Trace, regions: &Regions) -> Vec<u64> {
    if trace.is_placed() {
        trace.allocations.iter().map(|allocation| regions.place(allocation.extent())).collect()
    } else {
        shelves::places(&trace.allocations)
    }
}

/// Adds the allocations, and says which stacks they have.
fn add_allocations(trace: &Trace, places: Vec<u64>, columns: &mut Columns) -> Numbered<StackId> {
    let mut sorted: Vec<(u64, &Allocation)> = places.into_iter().zip(&trace.allocations).collect();
    sorted.sort_by_key(|&(place, allocation)| (place, allocation.born));
    let all = || sorted.iter().map(|&(_, allocation)| allocation);
    columns.steps("addr", Array::F64, sorted.iter().map(|&(place, _)| place.cast_signed()));
    columns.steps("size", Array::F64, all().map(|a| a.size.get().cast_signed()));
    // What was asked for is mostly the block's size, and the difference packs to nothing.
    columns.steps("slack", Array::F64, all().map(slack));
    columns.steps("born", Array::U32, all().map(|a| events(a.born)));
    columns.plain("held", Array::U32, all().map(|a| span(trace, a.born, a.let_go)));
    columns.plain("pending", Array::U32, all().map(|a| span(trace, a.let_go, a.freed)));
    let mut used = Numbered::default();
    columns.plain("stack", Array::U32, all().map(|a| u64::from(used.number(a.stack))));
    let mut streams = Numbered::default();
    columns.plain("stream", Array::U32, all().map(|a| u64::from(streams.number(a.stream))));
    let names = streams.things().iter().map(ToString::to_string).collect();
    columns.json("streams", &names);
    columns.plain("weight", Array::U8, all().map(|a| weight(trace, a)));
    used
}

/// Adds the pieces of physical memory, and says what kinds there are.
fn add_mappings(trace: &Trace, regions: &Regions, columns: &mut Columns) -> Value {
    let mut sorted: Vec<(u64, &Mapping)> =
        trace.mappings.iter().map(|m| (regions.place(m.extent), m)).collect();
    sorted.sort_by_key(|&(place, mapping)| (place, mapping.born));
    let all = || sorted.iter().map(|&(_, mapping)| mapping);
    columns.steps("piece_addr", Array::F64, sorted.iter().map(|&(place, _)| place.cast_signed()));
    columns.steps("piece_size", Array::F64, all().map(|m| m.extent.size().get().cast_signed()));
    columns.steps("piece_born", Array::U32, all().map(|m| events(m.born)));
    columns.plain("piece_held", Array::U32, all().map(|m| span(trace, m.born, m.freed)));
    let mut keys = Numbered::default();
    let key = |m: &Mapping| u64::from(keys.number((m.pool, m.size_pool, m.stream, m.expandable)));
    columns.plain("piece_key", Array::U32, all().map(key));
    let described = keys.things().iter().map(|&(pool, size_pool, stream, expandable)| {
        let page = expandable.then(|| trace.rules.page(size_pool).get());
        json!({"pool": [pool.0, pool.1], "size_pool": size_pool.word(),
               "stream": stream.to_string(), "page": page})
    });
    described.collect()
}

/// Adds the times of events, where the recording has any.
fn add_times(trace: &Trace, columns: &mut Columns) {
    let times = trace.events.times();
    if let Some(first) = times.first()
        && times.iter().any(|time| time.0 != 0)
    {
        let since = times.iter().map(|time| time.0.saturating_sub(first.0));
        columns.steps("time", Array::F64, since);
    }
}

fn slack(allocation: &Allocation) -> i64 {
    allocation.size.get().cast_signed() - allocation.requested.get().cast_signed()
}

fn events(instant: Instant) -> i64 {
    i64::try_from(instant.events()).unwrap_or(i64::MAX)
}

/// The events from one instant to a later one; what lies behind the end is one event behind it.
fn span(trace: &Trace, from: Instant, to: Instant) -> u64 {
    let behind = trace.events.len() + 1;
    to.events().min(behind).saturating_sub(from.events()) as u64
}

/// How much of the whole picture an allocation takes: half steps of powers of two.
fn weight(trace: &Trace, allocation: &Allocation) -> u64 {
    let events = span(trace, allocation.born, allocation.freed).max(1);
    let area = u128::from(allocation.size.get().max(1)) * u128::from(events);
    let power = area.ilog2();
    let half = u64::from(power.checked_sub(1).is_some_and(|below| area >> below & 1 == 1));
    2 * u64::from(power) + half
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;
    use super::*;

    #[test]
    fn the_directory_has_a_number_for_each_allocation_and_piece() {
        let (trace, stacks) = sample();
        let Packed { directory, .. } = pack(&trace, &stacks);
        let count = |name: &str| {
            let columns = directory["columns"].as_array().unwrap();
            columns.iter().find(|column| column["name"] == name).map(|c| c["count"].clone())
        };
        assert_eq!(count("addr"), Some(json!(3)));
        assert_eq!(count("weight"), Some(json!(3)));
        assert_eq!(count("piece_addr"), Some(json!(2)));
        assert_eq!(count("time"), Some(json!(8)));
        assert_eq!(count("reserved_most"), Some(json!(9)));
        assert_eq!((&directory["events"], &directory["run"]), (&json!(8), &json!(1)));
    }

    #[test]
    fn spans_end_one_event_behind_the_recording() {
        let (trace, _) = sample();
        let alive = trace.allocations.iter().find(|a| trace.end() < a.freed).unwrap();
        assert_eq!(alive.born.events() as u64 + span(&trace, alive.born, alive.freed), 9);
    }

    #[test]
    fn weights_grow_by_half_powers_of_two() {
        let (trace, _) = sample();
        let largest = trace.allocations.iter().find(|a| a.size == gapless_units::Bytes::mib(20));
        // 20 MiB for two events: 2^24 + 2^22 bytes, twice; half a power is 1.5 times.
        assert_eq!(weight(&trace, largest.unwrap()), 50);
    }
}
