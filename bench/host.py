#!/usr/bin/env python3
"""Measures what the gapless allocator takes of the host's time, and prints a table.

    host.py [--oracle FOLDER] [--passes N] [FILE …]     the recordings of the project if none is given

First a hit in the front, then each file's operations over and over, best of N passes, on the
simulated device. With `--oracle` PyTorch's own allocator runs the same operation lists in the same
run, over a stand-in device (FOLDER has `bench.sh`; ORACLE_DIR names its environment). mimalloc
stands beside both as a yardstick, for the sizes divided by 1024, so that it serves them from
memory it has; it builds with a C compiler and is left out with `--no-yardstick`.
"""

import argparse
import gzip
import os
import pathlib
import re
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DIVISOR = 1024


def output(command, **more):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, **more).stdout


def build_ours():
    output(["cargo", "build", "--release", "--quiet", "--package", "gapless-replay", "--example", "host_cost"], cwd=ROOT)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "release" / "examples" / "host_cost"


def build_yardstick():
    folder = ROOT / "target" / "yardstick"
    manifest = ROOT / "bench" / "yardstick" / "Cargo.toml"
    output(["cargo", "build", "--release", "--quiet", "--manifest-path", manifest, "--target-dir", folder])
    return folder / "release" / "gapless-yardstick"


def nanos(text):
    return float(re.search(r"([\d.]+) ns per operation", text)[1])


def plain(path, folder):
    """The operation list as a file that is not compressed."""
    copy = pathlib.Path(folder) / "list.csv"
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as packed:
        copy.write_bytes(packed.read())
    return copy


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--oracle", type=pathlib.Path)
    arguments.add_argument("--passes", type=int, default=21)
    arguments.add_argument("--no-yardstick", action="store_true")
    arguments.add_argument("files", nargs="*", type=pathlib.Path)
    typed = arguments.parse_args()
    files = typed.files or sorted((ROOT / "recordings").glob("*.pickle*"))
    ours = build_ours()
    lists = [path for path in files if ".csv" in path.name]
    yardstick = build_yardstick() if lists and not typed.no_yardstick else None
    print(output([ours, typed.passes]), end="")
    print(f"{'':42} {'operations':>10} {'ns each':>8} {'p99':>6} {'mapped':>7} {'PyTorch':>8} {'ratio':>6} {'mimalloc':>9}")
    for path in files:
        text = output([ours, typed.passes, path]).splitlines()[-1]
        found = re.search(r": (\d+) operations, ([\d.]+) ns each, p99 (-?\d+) ns, (\d+) granules", text)
        count, each, slow, mapped = int(found[1]), float(found[2]), int(found[3]), int(found[4])
        row = f"{path.name:42} {count:10} {each:8.1f} {slow:6} {mapped:7}"
        with tempfile.TemporaryDirectory() as folder:
            theirs = ""
            if path in lists and typed.oracle:
                environment = dict(os.environ, PYTORCH_CUDA_ALLOC_CONF="")
                theirs = nanos(output([typed.oracle / "bench.sh", plain(path, folder)], env=environment))
                theirs = f"{theirs:8.1f} {theirs / each:6.2f}"
            row += f" {theirs:15}"
            if path in lists and yardstick:
                row += f" {nanos(output([yardstick, typed.passes, DIVISOR, plain(path, folder)])):9.1f}"
        print(row.rstrip(), flush=True)


if __name__ == "__main__":
    main()
