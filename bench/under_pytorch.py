#!/usr/bin/env python3
"""Runs programs under PyTorch's own allocator and under the gapless one, on a card, and prints a table.

    under_pytorch.py [--steps N] [--pages SIZE,…] [--built FILE] [PROGRAM …]

A program is one of `recordings/programs`; all that need no private pools if none is given. Each runs
anew for every line: with PyTorch's default settings, with expandable segments, and under the gapless
allocator with pages of each size (bytes where there is no unit). What is told of time is of the second
half of the steps: how long it took, the median step, and for the gapless allocator the share that the
calls of the driver took, and how long they took in the median step. Needs a card, PyTorch, and what the
programs import (transformers, torchvision); the library is built with cargo unless it is given.
"""

import argparse
import ctypes
import json
import os
import pathlib
import random
import runpy
import statistics
import subprocess
import sys
import time
import types

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What else would decide how memory is given.
SETTINGS = ["PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "GAPLESS_PAGE"]
PROGRAMS = ["vit_prefetch", "llama_varlen", "llm_serving", "moe_routing"]


class Told(ctypes.Structure):
    """`Told` of `under_pytorch.rs`."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("live", "reserved", "stalls", "nanos")]


class Gapless:
    """The gapless allocator, under PyTorch from now on."""

    def __init__(self, torch, library):
        own = ctypes.CDLL(library)
        own.gapless_tell.restype = Told
        self.told = own.gapless_tell
        allocator = torch.cuda.memory.CUDAPluggableAllocator(library, "gapless_allocate", "gapless_free")
        record_stream = ctypes.cast(own.gapless_record_stream, ctypes.c_void_p).value
        allocator.allocator().set_record_stream_fn(record_stream)
        torch.cuda.memory.change_current_allocator(allocator)

    def nanos(self):
        return self.told().nanos

    def peaks(self):
        told = self.told()
        return told.live, told.reserved, told.stalls


class Own:
    """PyTorch's own allocator, whose calls nobody times."""

    def __init__(self, torch):
        self.cuda = torch.cuda

    def nanos(self):
        return 0

    def peaks(self):
        retries = self.cuda.memory_stats()["num_alloc_retries"]
        return self.cuda.max_memory_allocated(), self.cuda.max_memory_reserved(), retries


def run(program, steps, built):
    """Runs a program in this process and prints what there is to tell."""
    import torch

    allocator = Gapless(torch, built) if built else Own(torch)

    def record(make):
        random.seed(0)
        torch.manual_seed(0)
        times, running = [], make()
        for _ in range(steps):
            before, began = allocator.nanos(), time.perf_counter_ns()
            next(running)
            torch.cuda.synchronize()
            times.append((time.perf_counter_ns() - began, allocator.nanos() - before))
        print(json.dumps([allocator.peaks(), times]), flush=True)
        # What a program holds in the end need not go back one by one.
        os._exit(0)

    sys.modules["recorder"] = types.SimpleNamespace(record=record)
    runpy.run_path(str(program), run_name="__main__")


def line(name, command, **environment):
    """Runs a program as it is told and prints its line. Says whether it ran to its end."""
    clean = {key: value for key, value in os.environ.items() if key not in SETTINGS}
    done = subprocess.run(command, env={**clean, **environment}, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0 or not done.stdout:
        print(f"  {name:18} failed", flush=True)
        return False
    (live, reserved, stalls), times = json.loads(done.stdout.splitlines()[-1])
    later = times[len(times) // 2 :]
    took, in_calls = sum(step for step, _ in later), sum(nanos for _, nanos in later)
    middle = statistics.median(nanos for _, nanos in later)
    calls = f"{100 * in_calls / took:7.3f} % {middle / 1e3:8.1f} us" if "GAPLESS_PAGE" in environment else ""
    step = statistics.median(step for step, _ in later) / 1e6
    print(f"  {name:18} {live >> 20:8} {reserved >> 20:9} {stalls:6} {took / 1e6:9.0f} ms {step:7.1f} ms  {calls}".rstrip(), flush=True)
    return True


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--steps", type=int, default=100)
    arguments.add_argument("--pages", default="2MiB,8MiB")
    arguments.add_argument("--built", help="what `cargo build --example under_pytorch` makes")
    arguments.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments.add_argument("programs", nargs="*", type=pathlib.Path)
    typed = arguments.parse_args()
    if typed.alone:
        return run(typed.programs[0], typed.steps, typed.built)
    built = pathlib.Path(typed.built or build()).resolve()
    programs = typed.programs or [ROOT / "recordings" / "programs" / f"{name}.py" for name in PROGRAMS]
    print(f"{'peaks in MiB':20} {'alive':>8} {'reserved':>9} {'stalls':>6} {'second half':>12} {'a step':>10}  calls, in the median step")
    ran = []
    for program in programs:
        print(f"{program.stem}, {typed.steps} steps")
        alone = [sys.executable, __file__, str(program), "--steps", str(typed.steps), "--alone"]
        ran.append(line("PyTorch", alone))
        ran.append(line("expandable", alone, PYTORCH_CUDA_ALLOC_CONF="expandable_segments:True"))
        for page in typed.pages.split(","):
            ran.append(line(f"gapless, {page}", [*alone, "--built", str(built)], GAPLESS_PAGE=page))
    if not all(ran):
        sys.exit(1)


def build():
    command = ["cargo", "build", "--release", "--quiet", "--package", "gapless-replay", "--example", "under_pytorch"]
    subprocess.run(command, check=True, cwd=ROOT)
    target = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
    return target / "release" / "examples" / "libunder_pytorch.so"


if __name__ == "__main__":
    main()
