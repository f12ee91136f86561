//! How fast devices are: nanoseconds a call on one thread, and bytes a stream of the host touches.
//!
//! ```text
//! cargo run --release -p gapless-device --example device_speed
//! ```

#![expect(clippy::disallowed_methods, reason = "it measures time")]
#![expect(clippy::print_stdout, reason = "it is a program")]

use std::error::Error;
use std::time::{Duration, Instant};

use gapless_device::{Device, DeviceError, Sim, SimSetup};
use gapless_units::{Bytes, Extent, StreamId};

/// How many granules the devices have, and how often each call is made.
const COUNT: u64 = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let total = |granule: Bytes| Bytes::new(COUNT * granule.get());
    measure("sim", &mut Sim::new(SimSetup::new(total(Bytes::mib(2)))))?;
    #[cfg(target_os = "linux")]
    for granule in [Bytes::new(64 << 10), Bytes::mib(2)] {
        use gapless_device::{Host, HostSetup};
        let setup = HostSetup { granule, ..HostSetup::new(total(granule)) };
        let mut host = Host::new(setup)?;
        measure(&format!("host in {granule}"), &mut host)?;
        measure_work(&mut host)?;
    }
    Ok(())
}

/// Makes a call for each of many, and prints what one took.
fn each<T, U>(
    name: &str,
    items: impl IntoIterator<Item = T>,
    mut call: impl FnMut(T) -> Result<U, DeviceError>,
) -> Result<Vec<U>, DeviceError> {
    let began = Instant::now();
    let answers = items.into_iter().map(&mut call).collect::<Result<Vec<_>, _>>()?;
    println!("  {name:14} {:8.0} ns", per(began.elapsed(), answers.len() as u64));
    Ok(answers)
}

fn per(time: Duration, count: u64) -> f64 {
    time.as_secs_f64() * 1e9 / count as f64
}

fn measure<D: Device>(name: &str, device: &mut D) -> Result<(), DeviceError> {
    println!("{name}");
    let granule = device.granule();
    let whole = device.reserve(Bytes::new(COUNT * granule.get()))?;
    let handles = each("create", 0..COUNT, |_| device.create(granule))?;
    // Every other granule first, so that no two mappings become one.
    let granules: Vec<Extent> = (0..COUNT)
        .map(|at| whole.start() + Bytes::new((at * 2 % COUNT + at * 2 / COUNT) * granule.get()))
        .map(|start| Extent::between(start, start + granule))
        .collect();
    let pairs = granules.iter().zip(&handles);
    each("map", pairs, |(at, &handle)| device.map(at.start(), handle))?;
    each("set access", &granules, |&at| device.set_access(at))?;
    each("unmap", &granules, |&at| device.unmap(at))?;
    each("release", &handles, |&handle| device.release(handle))?;
    device.unreserve(whole)?;
    let reservations = each("reserve", 0..COUNT, |_| device.reserve(granule))?;
    each("unreserve", reservations, |reservation| device.unreserve(reservation))?;
    let addresses = each("allocate", 0..COUNT, |_| device.allocate(granule))?;
    each("free", addresses, |addr| device.free(addr))?;
    let events = each("record event", 0..COUNT, |_| device.record_event(StreamId::DEFAULT))?;
    each("query event", &events, |&event| device.is_complete(event))?;
    each("drop event", events, |event| device.drop_event(event))?;
    Ok(())
}

#[cfg(target_os = "linux")]
fn measure_work(host: &mut gapless_device::Host) -> Result<(), DeviceError> {
    let stream = StreamId(1);
    let size = Bytes::mib(64);
    let addr = host.allocate(size)?;
    let block = Extent::between(addr, addr + size);
    host.fill(stream, block, 0)?;
    host.wait_for_stream(stream)?;
    let rate = |name: &str, began: Instant| {
        let rate = size.get() as f64 / began.elapsed().as_secs_f64() / 1e9;
        println!("  {name:14} {rate:8.2} GB/s");
    };
    let began = Instant::now();
    host.fill(stream, block, 1)?;
    host.wait_for_stream(stream)?;
    rate("fill", began);
    let began = Instant::now();
    host.check(stream, block, 1)?;
    host.wait_for_stream(stream)?;
    rate("check", began);
    let word = Extent::between(addr, addr + Bytes::new(8));
    each("queue", 0..COUNT, |seed| host.fill(stream, word, seed))?;
    host.wait_for_stream(stream)?;
    each("there and back", 0..COUNT, |seed| {
        host.fill(stream, word, seed)?;
        host.wait_for_stream(stream)
    })?;
    host.free(addr)
}
