#!/usr/bin/env python3
"""Writes a PyTorch memory snapshot of any length, for measuring readers at full size.

    generate_snapshot.py EVENTS FILE

The program behind it trains: each iteration walks through layers forwards and backwards with a
batch of another length, so that sizes vary and the cache fragments. The allocator behind it keeps
PyTorch's rules for sizes, splitting and merging (best fit, 512-byte rounding, 2 MiB and 20 MiB
segments), so the trace and the final segments agree to the byte. Events share 400 distinct stacks
of 25 frames, as in real files. Two runs write the same bytes.
"""

import bisect
import pickle
import random
import sys

MIB = 1 << 20
BASE = 0x7F0000000000
STACKS, DEPTH = 400, 25


class Allocator:
    """A caching allocator on one stream: enough of PyTorch's to make consistent traces."""

    def __init__(self):
        self.events, self.segments = [], []
        self.free = {"small": [], "large": []}
        self.blocks = {}  # address -> [size, pool, state, requested, frames, previous, next]
        self.top, self.time = BASE, 1_795_434_992_000_000

    def record(self, action, addr, size, frames):
        self.time += 3
        self.events.append(
            {"action": action, "addr": addr, "size": size, "stream": 0,
             "time_us": self.time, "frames": frames})

    def alloc(self, requested, frames):
        size = max(512, -(-requested // 512) * 512)
        pool = "small" if size <= MIB else "large"
        free = self.free[pool]
        place = bisect.bisect_left(free, (size, 0))
        if place == len(free):
            self.grow(size, pool, frames)
            place = bisect.bisect_left(free, (size, 0))
        available, addr = free.pop(place)
        block = self.blocks[addr]
        rest = available - size
        if rest >= 512 if pool == "small" else rest > MIB:
            block[0] = size
            self.blocks[addr + size] = [rest, pool, "inactive", 0, [], addr, block[6]]
            if block[6] is not None:
                self.blocks[block[6]][5] = addr + size
            block[6] = addr + size
            bisect.insort(free, (rest, addr + size))
        block[2:5] = ["active_allocated", requested, frames]
        self.record("alloc", addr, requested, frames)
        return addr

    def grow(self, size, pool, frames):
        segment = 2 * MIB if pool == "small" else 20 * MIB if size < 10 * MIB else -(-size // (2 * MIB)) * 2 * MIB
        addr, self.top = self.top, self.top + segment
        self.segments.append((addr, segment, pool, frames))
        self.blocks[addr] = [segment, pool, "inactive", 0, [], None, None]
        bisect.insort(self.free[pool], (segment, addr))
        self.record("segment_alloc", addr, segment, frames)

    def release(self, addr, frames):
        block = self.blocks[addr]
        self.record("free_requested", addr, block[3], frames)
        self.record("free_completed", addr, block[3], frames)
        block[2:5] = ["inactive", 0, []]
        free = self.free[block[1]]
        for first, second in ((addr, block[6]), (block[5], addr)):
            if first is None or second is None:
                continue
            left, right = self.blocks[first], self.blocks[second]
            if left[2] != "inactive" or right[2] != "inactive":
                continue
            for other in (first, second):
                if other != addr:
                    free.pop(bisect.bisect_left(free, (self.blocks[other][0], other)))
            left[0] += right[0]
            left[6] = right[6]
            if right[6] is not None:
                self.blocks[right[6]][5] = first
            del self.blocks[second]
            addr = first
        bisect.insort(free, (self.blocks[addr][0], addr))

    def snapshot(self):
        segments = []
        for start, size, pool, frames in self.segments:
            blocks, addr = [], start
            while addr is not None:
                length, _, state, requested, stack, _, following = self.blocks[addr]
                blocks.append({"address": addr, "size": length, "requested_size": requested,
                               "state": state, "frames": stack})
                addr = following
            active = [block for block in blocks if block["state"] != "inactive"]
            allocated = sum(block["size"] for block in active)
            segments.append({
                "device": 0, "address": start, "total_size": size, "allocated_size": allocated,
                "active_size": allocated, "requested_size": sum(b["requested_size"] for b in active),
                "stream": 0, "segment_type": pool, "segment_pool_id": (0, 0),
                "is_expandable": False, "frames": frames, "blocks": blocks})
        settings = {"PYTORCH_CUDA_ALLOC_CONF": "", "max_split_size": -1,
                    "garbage_collection_threshold": 0.0, "expandable_segments": False,
                    "roundup_power2_divisions": {str(1 << i): 0 for i in range(16)}}
        return {"segments": segments, "device_traces": [self.events],
                "allocator_settings": settings, "external_annotations": []}


def stacks(draw):
    folder = "/opt/venv/lib/python3.11/site-packages"
    frames = [{"filename": f"{folder}/transformers/models/m{i % 40}/modeling_{i % 90}.py",
               "name": f"forward_{i % 300}", "line": 10 + i} for i in range(2000)]
    return [[draw.choice(frames) for _ in range(DEPTH)] for _ in range(STACKS)]


def train(allocator, draw, events):
    """Runs iterations until there are enough events; the last one may end in the middle."""
    where = stacks(draw)
    layers = 32
    for layer in range(layers):
        for part in range(6):
            allocator.alloc(draw.randrange(4, 40) * MIB // 2, where[(layer * 6 + part) % 60])
    while True:
        length = draw.randrange(400, 3100)
        kept = []
        for layer in range(layers):
            for part in range(12):
                scratch = allocator.alloc(draw.randrange(1, 64) * 1024, where[60 + part * 5])
                size = length * 16384 * (1 + part % 5)
                kept.append(allocator.alloc(size, where[(120 + layer * 8 + part) % STACKS]))
                allocator.release(scratch, where[61 + part * 5])
                if len(allocator.events) >= events - 3:
                    return
        gradient = None
        for index, addr in enumerate(reversed(kept)):
            following = allocator.alloc(length * 16384, where[(300 + index) % STACKS])
            allocator.release(addr, where[(301 + index) % STACKS])
            if gradient is not None:
                allocator.release(gradient, where[302 % STACKS])
            gradient = following
            if len(allocator.events) >= events - 6:
                return
        allocator.release(gradient, where[303])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    events = int(sys.argv[1])
    allocator = Allocator()
    train(allocator, random.Random(1), events)
    with open(sys.argv[2], "wb") as file:
        pickle.dump(allocator.snapshot(), file, protocol=4)
    print(f"{sys.argv[2]}: {len(allocator.events)} events")


main()
