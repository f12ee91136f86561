#!/usr/bin/env python3
"""Measures `gapless explain` beside what else reads the same snapshot, and prints a table.

    explain.py [EVENTS] [RUNS]          1000000 events and 5 runs if not given

Every command runs RUNS times in turn with the others, so that a change of the machine's speed
meets all of them; the table gives medians, and the ratio of each to Python's `pickle.load` of the
same file. Peak memory is the operating system's, of the whole process. mosaic
(github.com/facebookresearch/mosaic) is measured where its command is on the PATH.
"""

import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent
MOSAIC = "mosaic_get_memory_profile"


def build():
    subprocess.run(["cargo", "build", "--release", "--quiet", "--package", "gapless"], cwd=ROOT, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return str(target / "release" / "gapless")


def commands(gapless, snapshot, folder):
    load = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"
    page = str(folder / "page.html")
    table = {
        "python pickle.load": [sys.executable, "-c", load, snapshot],
        "gapless explain": [gapless, "explain", snapshot],
        "gapless explain --format json": [gapless, "explain", "--format", "json", snapshot],
        "gapless explain --format html": [gapless, "explain", "--format", "html", "--output", page, snapshot],
    }
    if shutil.which(MOSAIC):
        profile = str(folder / "mosaic.html")
        table["mosaic category profile"] = [
            MOSAIC, "--snapshot", snapshot, "--out-path", profile, "--profile", "categories"]
    return table


def measure(command):
    """Wall seconds and peak MiB of one run."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"failed: {' '.join(command)}")
    return time.monotonic() - started, usage.ru_maxrss / 1024


def main():
    events = sys.argv[1] if len(sys.argv) > 1 else "1000000"
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    gapless = build()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        snapshot = str(folder / "snapshot.pickle")
        subprocess.run([sys.executable, str(BENCH / "generate_snapshot.py"), events, snapshot], check=True)
        table = commands(gapless, snapshot, folder)
        taken = {label: [] for label in table}
        for _ in range(runs):
            for label, command in table.items():
                taken[label].append(measure(command))
        size = os.path.getsize(snapshot) / 1e6
        print(f"\n{events} events, {size:.1f} MB, median of {runs} runs\n")
        print("| command | seconds | MiB at the peak | times pickle.load |")
        print("| --- | ---: | ---: | ---: |")
        base = statistics.median(seconds for seconds, _ in taken["python pickle.load"])
        for label, measured in taken.items():
            seconds = statistics.median(seconds for seconds, _ in measured)
            mib = statistics.median(mib for _, mib in measured)
            print(f"| {label} | {seconds:.2f} | {mib:.0f} | {seconds / base:.2f} |")
        page = folder / "page.html"
        print(f"\nThe page is {page.stat().st_size / 1e6:.1f} MB.")
        if MOSAIC not in " ".join(command[0] for command in table.values()):
            print(f"mosaic was not measured: `{MOSAIC}` is not on the PATH.")


main()
