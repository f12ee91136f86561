"""Runs a program's steps and writes what PyTorch's allocator recorded of them."""

import argparse
import ctypes
import gzip
import pickle
import random
import statistics
import sys
import time

import torch


def record(steps):
    """`steps` answers an iterator that runs a step each time it is asked for the next."""
    arguments = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    arguments.add_argument("file", help="where the snapshot goes, compressed with gzip")
    arguments.add_argument("--steps", type=int, required=True)
    arguments.add_argument("--leave", type=int, metavar="MIB", help="take all memory of the card but this")
    typed = arguments.parse_args()
    random.seed(0)
    torch.manual_seed(0)
    if typed.leave:
        take_all_but(typed.leave << 20)
    torch.cuda.memory._record_memory_history(enabled="all", context="all", stacks="python")
    torch._C._cuda_attach_out_of_memory_observer(lambda *_: write(typed.file))
    took, running = [], steps()
    try:
        for _ in range(typed.steps):
            began = time.perf_counter()
            next(running)
            torch.cuda.synchronize()
            took.append(time.perf_counter() - began)
        write(typed.file)
    except torch.OutOfMemoryError as error:
        print(f"step {len(took) + 1}: {error}")
    peaks = torch.cuda.max_memory_reserved() >> 20, torch.cuda.max_memory_allocated() >> 20
    later = statistics.median(took[len(took) // 2 :]) if took else 0
    print(
        f"{typed.file}: PyTorch {torch.__version__}, {torch.cuda.get_device_name()}, {len(took)} steps, "
        f"median of the later half {later * 1000:.1f} ms, "
        f"peak {peaks[0]} MiB reserved, {peaks[1]} MiB allocated"
    )


def take_all_but(left):
    """Takes memory of the card as another process would: beside PyTorch's allocator, for good."""
    torch.cuda.init()
    free, _ = torch.cuda.mem_get_info()
    taken = ctypes.c_uint64()
    code = ctypes.CDLL("libcuda.so.1").cuMemAlloc_v2(ctypes.byref(taken), ctypes.c_size_t(free - left))
    if code != 0:
        sys.exit(f"the card does not give {free - left} bytes: error {code} of the driver")


def write(file):
    snapshot = torch.cuda.memory._snapshot()
    with gzip.open(file, "wb", compresslevel=9) as out:
        pickle.dump(snapshot, out)
    print(f"{sum(map(len, snapshot['device_traces']))} events, {torch.cuda.mem_get_info()[0] >> 20} MiB free on the card")
