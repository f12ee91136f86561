#!/usr/bin/env python3
"""Measures what the calls of an NVIDIA driver take, and prints them as a file of costs.

    calibrate.py [--device N] [--pages N] [--rounds N] > my_card.toml

`gapless compare --costs my_card.toml` then tells what an allocator's calls would take on this card. The
figures are means over all calls of a round, the best round of each, less what calling from Python takes. Comments tell
what an allocator has to know besides: whether a call waits for a kernel that runs, which calls are refused while a graph
is captured, whether a page that is mapped at two addresses shows the same bytes at both, and whether a handle can be
mapped in part.
"""

import argparse
import statistics
import sys
import time

from driver import PAGE, Driver, Refused

SPANS = [1, 2, 4, 8, 16, 32, 64, 128, 256]
# Handles of so many pages are made, mapped and released besides those of one.
LARGER = [4, 16, 64]
LARGER_COUNT = 16
RESERVED = 8 << 30
ALLOCATED = 20 << 20
# How long a kernel runs beside which so many calls are timed.
WORK_MS = 300
BESIDE_WORK = 64
# CUstreamCaptureMode.
CAPTURES = {"global": 0, "thread-local": 1, "relaxed": 2}


def micros(call, *arguments):
    """What a call answers, and the microseconds that it takes."""
    began = time.perf_counter_ns()
    answer = call(*arguments)
    return answer, (time.perf_counter_ns() - began) / 1e3


class Round:
    """All calls once over so many pages: the microseconds of each, by name."""

    def __init__(self, driver, pages):
        self.times = {}
        self.driver = driver
        self.reserve_and_back()
        handles = [self.timed(("create", 1), driver.create) for _ in range(pages)]
        self.spans(handles)
        for handle in handles:
            self.timed(("release", 1), driver.release, handle)
        for size in LARGER:
            self.larger(size)
        for _ in range(50):
            addr = self.timed("allocate", driver.allocate, ALLOCATED)
            self.timed("free", driver.free, addr)

    def larger(self, pages):
        """All calls on handles of so many pages, one by one."""
        size = pages * PAGE
        base = self.driver.reserve(LARGER_COUNT * size)
        starts = range(base, base + LARGER_COUNT * size, size)
        handles = [self.timed(("create", pages), self.driver.create, pages) for _ in starts]
        for addr, handle in zip(starts, handles):
            self.timed(("map", pages), self.driver.map, addr, handle, pages)
        for addr in starts:
            self.timed(("set_access of", pages), self.driver.set_access, addr, size)
        for addr in starts:
            self.timed(("unmap of", pages), self.driver.unmap, addr, size)
        for handle in handles:
            self.timed(("release", pages), self.driver.release, handle)
        self.driver.unreserve(base, LARGER_COUNT * size)

    def timed(self, name, call, *arguments):
        answer, took = micros(call, *arguments)
        self.times.setdefault(name, []).append(took)
        return answer

    def reserve_and_back(self):
        for _ in range(50):
            addr = self.timed("reserve", self.driver.reserve, RESERVED)
            self.driver.unreserve(addr, RESERVED)

    def spans(self, handles):
        """Maps all pages and takes them away again, in spans of each length."""
        size = len(handles) * PAGE
        base = self.driver.reserve(size)
        for span in SPANS:
            for at, handle in enumerate(handles):
                self.timed(("map", 1), self.driver.map, base + at * PAGE, handle)
            starts = range(0, len(handles), span)
            for at in starts:
                self.timed(("set_access", span), self.driver.set_access, base + at * PAGE, span * PAGE)
            for at in starts:
                self.timed(("unmap", span), self.driver.unmap, base + at * PAGE, span * PAGE)
        self.driver.unreserve(base, size)


def line(points):
    """The line through points with the least squares relative to their height: (at 0, for each)."""
    weights = [1 / max(y, 0.01) ** 2 for _, y in points]
    total = sum(weights)
    mean_x = sum(w * x for w, (x, _) in zip(weights, points)) / total
    mean_y = sum(w * y for w, (_, y) in zip(weights, points)) / total
    spread = sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, points))
    slope = sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, points)) / spread
    slope = max(slope, 0.0)
    return max(mean_y - slope * mean_x, 0.0), slope


def beside_work(driver):
    """Lines about calls that are made while a kernel runs."""
    kernel, stream = driver.spin_kernel(), driver.stream()
    if kernel is None:
        return ["not measured beside work: the driver compiles no kernels"]
    driver.launch(kernel, 1, stream)
    driver.synchronize()
    base = driver.reserve(BESIDE_WORK * PAGE)
    pages = [base + at * PAGE for at in range(BESIDE_WORK)]
    lines = [f"While a kernel runs for {WORK_MS} ms, means over {BESIDE_WORK} calls:"]

    def tell(what, call, calls):
        driver.launch(kernel, WORK_MS, stream)
        answers, times = zip(*(micros(call, *arguments) for arguments in calls))
        if driver.is_done(stream):
            lines.append(f"  {what}: waits for it, up to {max(times) / 1000:.0f} ms")
        else:
            lines.append(f"  {what}: {statistics.fmean(times):.1f}, does not wait")
        driver.synchronize()
        return answers

    handles = tell("create", driver.create, [()] * BESIDE_WORK)
    tell("map", driver.map, zip(pages, handles))
    tell("set access", driver.set_access, [(addr, PAGE) for addr in pages])
    tell("unmap", driver.unmap, [(addr, PAGE) for addr in pages])
    tell("release", driver.release, [(handle,) for handle in handles])
    blocks = tell("cudaMalloc", driver.allocate, [(ALLOCATED,)] * BESIDE_WORK)
    tell("cudaFree", driver.free, [(addr,) for addr in blocks])
    driver.unreserve(base, BESIDE_WORK * PAGE)
    return lines


def beside_captures(driver):
    """Lines about calls made while a graph is captured on another stream, by the thread that captures."""
    captured, other = driver.stream(), driver.stream()
    base = driver.reserve(2 * PAGE)
    kept, moved = driver.create(), driver.create()
    driver.map(base, kept)
    driver.set_access(base, PAGE)
    before = driver.event()
    driver.call("cuEventRecord", before, other)

    def carried_out(call):
        """Whether the driver does it, and the capture is whole afterwards."""
        try:
            call()
            done = True
        except Refused:
            done = False
        return driver.end_capture(captured) and done

    def create_and_release():
        driver.release(driver.create())

    def map_and_unmap():
        driver.map(base + PAGE, moved)
        driver.set_access(base + PAGE, PAGE)
        driver.unmap(base + PAGE, PAGE)

    def reserve_and_back():
        driver.unreserve(driver.reserve(PAGE), PAGE)

    allocated = []
    calls = {
        "reserving": reserve_and_back,
        "creating and releasing": create_and_release,
        "mapping, setting access and unmapping": map_and_unmap,
        "cudaMalloc": lambda: allocated.append(driver.allocate(ALLOCATED)),
        "recording an event on another stream": lambda: driver.call("cuEventRecord", driver.event(), other),
        "asking about an event": lambda: driver.call("cuEventQuery", before),
        "waiting for an event": lambda: driver.call("cuEventSynchronize", before),
        "waiting for another stream": lambda: driver.call("cuStreamSynchronize", other),
    }
    lines = []
    for mode, number in CAPTURES.items():
        refused = []
        for what, call in calls.items():
            driver.synchronize()
            driver.begin_capture(captured, number)
            if not carried_out(call):
                refused.append(what)
        told = "refused: " + ", ".join(refused) if refused else "nothing refused"
        lines.append(f"While a graph is captured ({mode}), {told}.")
    driver.synchronize()
    for addr in allocated:
        driver.free(addr)
    driver.unmap(base, PAGE)
    for handle in (kept, moved):
        driver.release(handle)
    driver.unreserve(base, 2 * PAGE)
    return lines


def aliases(driver):
    """A line about a page at two addresses."""
    base = driver.reserve(2 * PAGE)
    handle = driver.create()
    for at in (base, base + PAGE):
        driver.map(at, handle)
    driver.set_access(base, 2 * PAGE)
    seen = []
    for byte in range(1, 101):
        here, there = (base, base + PAGE) if byte % 2 else (base + PAGE, base)
        driver.fill(here, byte, PAGE)
        seen.append(driver.byte_at(there + byte * 4096) == byte)
    driver.unmap(base + PAGE, PAGE)
    seen.append(driver.byte_at(base) == 100)
    driver.unmap(base, PAGE)
    driver.release(handle)
    driver.unreserve(base, 2 * PAGE)
    told = "shows the same bytes at both" if all(seen) else f"differs in {seen.count(False)} of {len(seen)} looks"
    return f"A page that is mapped at two addresses {told}."


def parts(driver):
    """A line about a handle that is larger than what is mapped of it."""
    base, handle = driver.reserve(4 * PAGE), driver.create(4)
    mapped = [at for at in range(4) if driver.maps_part(base + at * PAGE, handle, at * PAGE)]
    for at in mapped:
        driver.unmap(base + at * PAGE, PAGE)
    driver.release(handle)
    driver.unreserve(base, 4 * PAGE)
    return "A part of a handle can be mapped." if mapped else "A handle is mapped whole or not at all."


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--device", type=int, default=0)
    arguments.add_argument("--pages", type=int, default=2048)
    arguments.add_argument("--rounds", type=int, default=3)
    typed = arguments.parse_args()
    if typed.pages < 1 or typed.pages % max(SPANS) != 0:
        sys.exit(f"--pages: a multiple of {max(SPANS)}")
    if typed.rounds < 1:
        sys.exit("--rounds: at least one")
    driver = Driver(typed.device)
    if driver.granule() != PAGE:
        sys.exit(f"pages of {driver.granule()} bytes, which no file of costs is for")
    Round(driver, max(SPANS))
    rounds = [Round(driver, typed.pages).times for _ in range(typed.rounds)]
    calling = statistics.median(micros(driver.version)[1] for _ in range(10_000))

    def mean(key):
        return max(min(statistics.fmean(times[key]) for times in rounds) - calling, 0.0)

    def once_and_each(name, counts):
        return line([(count, mean((name, count))) for count in counts])

    handle_created, page_created = once_and_each("create", [1, *LARGER])
    handle_released, page_released = once_and_each("release", [1, *LARGER])
    call_accessed, handle_accessed = once_and_each("set_access", SPANS)
    call_unmapped, handle_unmapped = once_and_each("unmap", SPANS)
    print(f"# What the driver's calls take (CUDA {driver.version()}) on a card of the kind {driver.name()}, in")
    print(f"# microseconds: means over {typed.pages} pages, the best of {typed.rounds} rounds, as bench/calibrate.py")
    print("# prints them.")
    print("#")
    print("# One handle of " + ", ".join(f"{size * PAGE >> 20} MiB" for size in [1, *LARGER]) + ":")
    for name in ("create", "map", "set_access", "unmap", "release"):
        larger = name + " of" if name in ("set_access", "unmap") else name
        means = [mean((name, 1)), *(mean((larger, size)) for size in LARGER)]
        print(f"#   {name}: " + ", ".join(f"{took:.1f}" for took in means))
    print("# One call over " + ", ".join(map(str, SPANS)) + " handles of 2 MiB:")
    for name in ("set_access", "unmap"):
        print(f"#   {name}: " + ", ".join(f"{mean((name, span)):.1f}" for span in SPANS))
    for told in [*beside_work(driver), *beside_captures(driver)]:
        print(f"# {told}")
    print(f"# {aliases(driver)}")
    print(f"# {parts(driver)}")
    print()
    costs = {
        "create_us_per_handle": handle_created,
        "create_us_per_2mib": page_created,
        "release_us_per_handle": handle_released,
        "release_us_per_2mib": page_released,
        "map_us_per_handle": mean(("map", 1)),
        "set_access_us_per_call": call_accessed,
        "set_access_us_per_handle": handle_accessed,
        "unmap_us_per_call": call_unmapped,
        "unmap_us_per_handle": handle_unmapped,
        "reserve_us": mean("reserve"),
        "allocate_us": mean("allocate"),
        "free_us": mean("free"),
    }
    for key, value in costs.items():
        print(f"{key} = {value:.2f}")


if __name__ == "__main__":
    try:
        main()
    except Refused as refused:
        sys.exit(str(refused))
