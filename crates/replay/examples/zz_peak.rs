//! Temporary.
#![allow(clippy::all, clippy::pedantic, clippy::restriction, missing_docs, clippy::allow_attributes, clippy::allow_attributes_without_reason)]
use gapless_allocator::*;
use gapless_device::*;
use gapless_replay::*;
use gapless_trace::*;
use gapless_units::*;
fn main() {
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path).unwrap();
        let recording = gapless_formats::read(bytes, &gapless_formats::Limits::default()).unwrap();
        for device in recording.devices {
            let trace = Trace::rebuild(device).unwrap();
            let program = Program::of(&trace);
            let program = if trace.is_placed() { program.begun_anew() } else { program };
            let mut stop = usize::MAX;
            for pass in 0..2 {
                let mut sim = Sim::new(SimSetup::new(Bytes::gib(4096)));
                let mut a = GaplessAllocator::new(sim, Slack::NONE, ());
                let mut blocks = vec![None; program.requests.len()];
                let mut peak = 0;
                let mut peak_at = 0;
                for (i, op) in program.operations.iter().enumerate() {
                    if pass == 1 && i > stop { break; }
                    match *op {
                        Operation::Allocate(id) => { let r = &program.requests[id.index()]; if !r.size.is_zero() { blocks[id.index()] = Some(a.allocate_in(r.pool, r.size, r.stream).unwrap()); } }
                        Operation::Free(id) => if let Some(b) = blocks[id.index()].take() { a.free(b).unwrap(); }
                        Operation::RecordStream(id, s) => if let Some(b) = blocks[id.index()] { a.record_stream(b, s).unwrap(); }
                        _ => {}
                    }
                    let r = a.reserved().get();
                    if r > peak { peak = r; peak_at = i; }
                }
                if pass == 0 { stop = peak_at; println!("{path} peak reserved {} live peak {} at {peak_at} of {}", peak >> 20, a.live_peak().get() as f64 / 1048576., program.operations.len()); continue; }
                // analyze
                let mut frames: std::collections::BTreeMap<u64, (u64, Vec<u64>, StreamId)> = Default::default();
                for seg in a.segments() {
                    for p in 0..seg.size.get() >> 21 { frames.entry((seg.addr.get() >> 21) + p).or_insert((0, vec![], seg.stream)); }
                    for b in &seg.blocks {
                        if b.state == BlockState::Inactive { continue; }
                        let (s, e) = (b.addr.get(), b.addr.get() + b.size.get());
                        for f in s >> 21..(e + (1 << 21) - 1) >> 21 {
                            let lo = s.max(f << 21); let hi = e.min((f + 1) << 21);
                            let en = frames.entry(f).or_insert((0, vec![], seg.stream));
                            en.0 += hi - lo; en.1.push(b.size.get());
                        }
                    }
                }
                let partial: Vec<_> = frames.iter().filter(|(_, v)| v.0 < 1 << 21).collect();
                let empty = partial.iter().filter(|(_, v)| v.0 == 0).count();
                println!("  live {} frames {} partial {} empty {empty} free {:.1} MiB", a.live().get() >> 20, frames.len(), partial.len(), partial.iter().map(|(_, v)| (1u64 << 21) - v.0).sum::<u64>() as f64 / 1048576.);
                for (f, v) in partial.iter().take(60) { println!("    {f:x} stream {:?} used {:7.1} KiB by {:?}", v.2.0, v.0 as f64 / 1024., v.1.iter().map(|s| s / 1024).collect::<Vec<_>>()); }
            }
        }
    }
}
