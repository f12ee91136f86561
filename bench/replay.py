#!/usr/bin/env python3
"""Measures how fast recordings are replayed, and prints a table.

    replay.py [--oracle FOLDER] [--passes N] [FILE …]     the recordings of the project if none is given

A replay alone is timed, best of N passes: no reading, no report. With `--oracle` PyTorch's own
allocator runs the same operation lists in the same run, over a stand-in device and without
recording anything (FOLDER has `bench.sh`; ORACLE_DIR names its environment), and the last column is
how many times faster the replay is.
"""

import argparse
import gzip
import os
import pathlib
import re
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SETTINGS = ["", "expandable_segments:True"]


def build():
    command = ["cargo", "build", "--release", "--quiet", "--package", "gapless-replay", "--example", "replay_speed"]
    subprocess.run(command, cwd=ROOT, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return str(target / "release" / "examples" / "replay_speed")


def replayed(program, path, settings, passes):
    """Operations and nanoseconds for each."""
    command = [program, str(path), settings, str(passes)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(re.search(r"operations (\d+)", text)[1]), float(re.search(r"an operation ([\d.]+)", text)[1])


def allocated(oracle, path, settings):
    """Nanoseconds for each operation in PyTorch's own allocator."""
    with tempfile.NamedTemporaryFile("wb", suffix=".csv") as plain:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as packed:
            plain.write(packed.read())
        plain.flush()
        environment = dict(os.environ, PYTORCH_CUDA_ALLOC_CONF=settings)
        command = [str(oracle / "bench.sh"), plain.name]
        text = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    return float(re.search(r"([\d.]+) ns per operation", text)[1])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--oracle", type=pathlib.Path)
    arguments.add_argument("--passes", type=int, default=31)
    arguments.add_argument("files", nargs="*", type=pathlib.Path)
    typed = arguments.parse_args()
    files = typed.files or sorted((ROOT / "recordings").glob("*.pickle*"))
    program = build()
    print(f"{'recording':40} {'settings':26} {'operations':>10} {'ns each':>8} {'M/s':>6} {'PyTorch ns':>11} {'ratio':>6}")
    for path in files:
        for settings in SETTINGS:
            operations, nanos = replayed(program, path, settings, typed.passes)
            row = f"{path.name:40} {settings or 'default':26} {operations:10} {nanos:8.1f} {1e3 / nanos:6.2f}"
            if typed.oracle and ".csv" in path.name:
                theirs = allocated(typed.oracle, path, settings)
                row += f" {theirs:11.1f} {theirs / nanos:6.2f}"
            print(row, flush=True)


if __name__ == "__main__":
    main()
