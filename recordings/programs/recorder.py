"""Runs a program's steps and writes what PyTorch's allocator recorded of them."""

import argparse
import gzip
import pickle
import random
import sys
import time

import torch


def record(steps):
    """`steps` answers an iterator that runs a step each time it is asked for the next."""
    arguments = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    arguments.add_argument("file", help="where the snapshot goes, compressed with gzip")
    arguments.add_argument("--steps", type=int, required=True)
    typed = arguments.parse_args()
    random.seed(0)
    torch.manual_seed(0)
    torch.cuda.memory._record_memory_history(enabled="all", context="all", stacks="python")
    took, running = [], steps()
    for _ in range(typed.steps):
        began = time.perf_counter()
        next(running)
        torch.cuda.synchronize()
        took.append(time.perf_counter() - began)
    snapshot = torch.cuda.memory._snapshot()
    with gzip.open(typed.file, "wb", compresslevel=9) as file:
        pickle.dump(snapshot, file)
    events = sum(map(len, snapshot["device_traces"]))
    peaks = torch.cuda.max_memory_reserved() >> 20, torch.cuda.max_memory_allocated() >> 20
    last = sorted(took[len(took) // 2 :])
    print(
        f"{typed.file}: PyTorch {torch.__version__}, {torch.cuda.get_device_name()}, {typed.steps} steps, "
        f"median of the later half {last[len(last) // 2] * 1000:.1f} ms, {events} events, "
        f"peak {peaks[0]} MiB reserved, {peaks[1]} MiB allocated"
    )
