//! What is told of a comparison, as JSON of the schema [`COMPARISON_SCHEMA`].

use gapless_replay::Comparison;
use gapless_units::Micros;
use serde::Serialize;

use super::compared::{Compared, ComparedDevice};
use crate::facts::RecordingFacts;
use crate::replay::FidelityFacts;

/// The name and number of the schema.
pub const COMPARISON_SCHEMA: &str = "gapless.compare/1";

/// Everything gapless says about allocators on one device's recording.
#[derive(Clone, Debug, Serialize)]
pub struct ComparisonFacts {
    /// [`COMPARISON_SCHEMA`].
    pub schema: &'static str,
    /// The file.
    pub recording: RecordingFacts,
    /// The device.
    pub device: u32,
    /// The cost preset.
    pub cost_preset: String,
    /// How long the recording lasted; null where it has no times.
    pub recorded_us: Option<f64>,
    /// Requests that failed when it was recorded. They are left out of the comparison: what the
    /// program would have done with an answer is not known.
    pub failed_requests_left_out: usize,
    /// How well the recording comes back under its own settings; null where it does not tell
    /// where blocks were placed, or contradicts itself.
    pub fidelity: Option<FidelityFacts>,
    /// The allocators, in the order they were asked for.
    pub allocators: Vec<ContenderFacts>,
}

/// One allocator.
#[derive(Clone, Debug, Serialize)]
pub struct ContenderFacts {
    /// Its name.
    pub name: &'static str,
    /// Its settings, in its own words; empty for none.
    pub settings: String,
    /// What is to be known beside its figures; empty for nothing.
    pub note: String,
    /// The most that was alive at once, rounded to 512 bytes; the same for all.
    pub peak_live_bytes: u64,
    /// The least memory found with which the program completes.
    pub smallest_capacity_bytes: u64,
    /// Whether the program fails with some larger memory: then a smaller one may do that was not tried.
    pub smallest_capacity_has_gaps: bool,
    /// The share of it that is never alive; below 0 where the allocator rounds to less than 512 bytes.
    pub waste_at_capacity: f64,
    /// Requests that wait for the device with that memory.
    pub stalls_at_capacity: u64,
    /// The least memory found with which it completes and no request waits for the device.
    pub stall_free_capacity_bytes: u64,
    /// Whether requests wait with some larger memory.
    pub stall_free_capacity_has_gaps: bool,
    /// The share of it that is never alive.
    pub stall_free_waste: f64,
    /// The most it reserves on a device without a limit.
    pub uncapped_peak_reserved_bytes: u64,
    /// The share of it that is never alive.
    pub uncapped_waste: f64,
    /// How often the device is called without a limit.
    pub device_calls: DeviceCallsFacts,
    /// All of them together.
    pub all_device_calls: u64,
    /// Granules of 2 MiB mapped without a limit.
    pub granules_mapped: u64,
    /// Those of the last iteration; null where the recording has none.
    pub granules_mapped_last_iteration: Option<u64>,
    /// What the device's calls take without a limit, by the cost preset.
    pub modelled_us: f64,
    /// How much of that is for what was alive before the recording began.
    pub modelled_us_before: f64,
    /// The rest as a share of how long the recording lasted; null where it has no times.
    pub modelled_share_of_recorded: Option<f64>,
    /// What the device's calls of the last iteration take; null where the recording has none.
    pub modelled_us_last_iteration: Option<f64>,
    /// That as a share of how long the iteration lasted; null where it has no times.
    pub modelled_share_of_last_iteration: Option<f64>,
    /// The reserved bytes over the program's operations, for the picture.
    #[serde(skip)]
    pub curve: Vec<gapless_units::Bytes>,
}

/// Calls of the device by kind.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DeviceCallsFacts {
    /// `cuMemAddressReserve`.
    pub reserve: u64,
    /// `cuMemCreate`.
    pub create: u64,
    /// `cuMemMap`.
    pub map: u64,
    /// `cuMemSetAccess`.
    pub set_access: u64,
    /// `cuMemUnmap`.
    pub unmap: u64,
    /// `cuMemRelease`.
    pub release: u64,
    /// `cudaMalloc`.
    pub alloc: u64,
    /// `cudaFree`.
    pub free: u64,
}

impl ComparisonFacts {
    /// What is told of each device of a recording.
    pub fn of(compared: &Compared) -> Vec<Self> {
        let tell = |device: &ComparedDevice| Self {
            schema: COMPARISON_SCHEMA,
            recording: RecordingFacts::of(&compared.recorded),
            device: device.device.0,
            cost_preset: compared.costs.name.clone(),
            recorded_us: device.duration.map(|Micros(micros)| micros as f64),
            failed_requests_left_out: device.program.failed(),
            fidelity: device
                .check
                .as_ref()
                .map(|check| FidelityFacts::of(&check.fidelity, check.release.to_string())),
            allocators: device.comparisons.iter().map(|it| contender(it, device)).collect(),
        };
        compared.devices.iter().map(tell).collect()
    }
}

fn contender(it: &Comparison, device: &ComparedDevice) -> ContenderFacts {
    let calls = it.uncapped.calls;
    let micros = |nanos: u64| nanos as f64 / 1e3;
    let modelled_us = micros(it.uncapped.modelled_nanos);
    let modelled_us_before = micros(it.uncapped.prelude_nanos);
    let last_us = it.uncapped.in_span.map(|span| micros(span.modelled_nanos));
    let share = |part: f64, Micros(whole): Micros| part / whole as f64;
    ContenderFacts {
        name: it.contender.name,
        settings: it.contender.settings.clone(),
        note: it.contender.note.clone(),
        peak_live_bytes: it.peak_live.get(),
        smallest_capacity_bytes: it.smallest_capacity.get(),
        smallest_capacity_has_gaps: it.has_gaps,
        waste_at_capacity: it.waste(it.smallest_capacity),
        stalls_at_capacity: it.at_capacity.stalls,
        stall_free_capacity_bytes: it.stall_free_capacity.get(),
        stall_free_capacity_has_gaps: it.has_stalling_gaps,
        stall_free_waste: it.waste(it.stall_free_capacity),
        uncapped_peak_reserved_bytes: it.uncapped.peak_reserved.get(),
        uncapped_waste: it.waste(it.uncapped.peak_reserved),
        device_calls: DeviceCallsFacts {
            reserve: calls.reserve,
            create: calls.create,
            map: calls.map,
            set_access: calls.set_access,
            unmap: calls.unmap,
            release: calls.release,
            alloc: calls.allocate,
            free: calls.free,
        },
        all_device_calls: calls.total(),
        granules_mapped: calls.granules_mapped,
        granules_mapped_last_iteration: it.uncapped.in_span.map(|span| span.granules_mapped),
        modelled_us,
        modelled_us_before,
        modelled_share_of_recorded: device
            .duration
            .map(|of| share(modelled_us - modelled_us_before, of)),
        modelled_us_last_iteration: last_us,
        modelled_share_of_last_iteration: last_us
            .zip(device.iterations.last().and_then(|last| last.duration))
            .map(|(last_us, of)| share(last_us, of)),
        curve: it.uncapped.reserved_curve.clone(),
    }
}
