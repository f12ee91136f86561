"""Compares the allocator with PyTorch's own on random lists of operations.

    run.sh differential.py [COUNT] [SEED] [--length N]

Runs under the oracle's Python, which has PyTorch over a stand-in driver. Each list runs in a child
with an allocator of its own, under random settings, capacity, lagging of events and placement of
addresses; then ours replays it. Every event with its address, every block at the end, every failure
and every counter must be the same. The first list that differs is made smaller and printed.
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import sys

import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
K, M = 1 << 10, 1 << 20
OUTSIDE = 528482304
EDGES = [1, 511, 512, 513, 1024, 4 * K, 64 * K, 512 * K, M - 512, M - 1, M, M + 1, M + 512, 2 * M, 2 * M + 1, 5 * M,
         9 * M, 10 * M - 512, 10 * M - 1, 10 * M, 10 * M + 1, 12 * M, 16 * M, 19 * M, 19 * M + 512, 20 * M - 1, 20 * M,
         20 * M + 1, 32 * M, 40 * M, 64 * M - 1, 64 * M, 64 * M + 512, 100 * M, 128 * M, 180 * M]


def settings(r):
    parts = []
    segment = 20
    if r.random() < 0.2:
        segment = r.choice([12, 16, 24, 32, 64])
        parts.append(f"large_segment_size_mb:{segment}")
    if r.random() < 0.35:
        parts.append("expandable_segments:True")
    if r.random() < 0.35:
        limit = max(segment, r.choice([20, 25, 32, 64, 100, 128]))
        parts.append(f"max_split_size_mb:{limit}")
        if r.random() < 0.4:
            parts.append(f"max_non_split_rounding_mb:{max(segment, r.choice([20, 30, 64, 100]))}")
    if r.random() < 0.3:
        parts.append("roundup_power2_divisions:" + r.choice(
            ["2", "4", "8", "16", "[256:1,512:2,1024:4,>:8]", "[1:4,16:8,>:2]", "[64:8,>:4]", "[2:2,>:0]"]))
    if r.random() < 0.35:
        parts.append(f"per_process_memory_fraction:{r.choice([0.3, 0.5, 0.7, 0.95])}")
        if r.random() < 0.7:
            parts.append(f"garbage_collection_threshold:{r.choice([0.2, 0.4, 0.6, 0.8, 0.95])}")
    elif r.random() < 0.1:
        parts.append("garbage_collection_threshold:0.5")
    if r.random() < 0.07:
        parts.append("throw_on_cudamalloc_oom:True")
    if r.random() < 0.05 and "expandable_segments:True" in parts:
        parts.append("expandable_segments_reserve:" + r.choice(["0.5", "1G", "0.1"]))
    r.shuffle(parts)
    return ",".join(parts)


def draw_size(r):
    k = r.random()
    if k < 0.45:
        return max(1, r.choice(EDGES) + (r.randrange(-600, 601) if r.random() < 0.3 else 0))
    if k < 0.75:
        return int(2 ** r.uniform(8, 27.5))
    return r.choice([4 * M, 6 * M, 30 * M, 512, 2000, 300 * K, 1536 * K])


def draw(r, length):
    capacity = OUTSIDE + r.choice([200, 400, 400, 700, 1500, 4000]) * M
    streams = r.choice([[0], [0, 0, 0, 1], [0, 1, 2], [0, 1, 2, 3, 4]])
    uses = r.choice([0, 0, 0.1, 0.3]) if len(streams) > 1 else 0
    goal = (capacity - OUTSIDE) * r.uniform(0.3, 1.1)
    operations, live, total = [], {}, 0
    for i in range(length):
        k = r.random()
        if k < 0.01:
            operations.append("empty_cache")
        elif k < 0.02:
            operations.append("sync")
        elif live and (total > goal or r.random() < 0.47):
            ids = list(live)
            x = ids[-1 - min(len(ids) - 1, int(r.expovariate(0.3)))] if r.random() < 0.6 else r.choice(ids)
            total -= live.pop(x)
            operations.append(f"free,{x}")
        else:
            size = draw_size(r)
            live[i] = size
            total += size
            operations.append(f"alloc,{i},{size},{r.choice(streams)}")
            if r.random() < uses:
                for _ in range(r.choice([1, 1, 2])):
                    operations.append(f"record_stream,{i},{r.choice(streams)}")
    return {"list": "\n".join(operations) + "\n", "settings": settings(r), "capacity": capacity, "outside": OUTSIDE,
            "queries": r.choice([0, 0, 1, 3, 8]), "down": r.random() < 0.2, "skip": r.random() < 0.7}


def real(job):
    """What PyTorch's allocator does, in this process, which must not have used it before."""
    os.environ.update(FAKE_CUDA_MEM=str(job["capacity"]), FAKE_CUDA_CONTEXT=str(job["outside"]),
                      FAKE_CUDA_EVENT_QUERIES=str(job["queries"]), FAKE_CUDA_VA="down" if job["down"] else "up")
    torch._C._accelerator_setAllocatorSettings(job["settings"])
    torch.cuda.init()
    torch.cuda.memory._record_memory_history(enabled="all", context=None, max_entries=100000)
    streams = [torch.cuda.default_stream()] + [torch.cuda.Stream() for _ in range(4)]
    number = {stream.cuda_stream: i for i, stream in enumerate(streams)}
    blocks, failures = {}, []
    device = torch.device("cuda", 0)
    for at, line in enumerate(job["list"].splitlines()):
        word, *fields = line.split(",")
        fields = [int(field) for field in fields]
        if word == "alloc":
            torch.cuda.set_stream(streams[fields[2]])
            try:
                blocks[fields[0]] = torch.empty(fields[1], dtype=torch.uint8, device=device)
            except torch.cuda.OutOfMemoryError:
                failures.append([at, fields[1]])
                if not job["skip"]:
                    break
        elif word == "free":
            blocks.pop(fields[0], None)
        elif word == "record_stream":
            if fields[0] in blocks:
                blocks[fields[0]].record_stream(streams[fields[1]])
        elif word == "empty_cache":
            torch.cuda.empty_cache()
        else:
            torch.cuda.synchronize()
    statistics = torch.cuda.memory_stats()
    snapshot = torch.cuda.memory._snapshot()
    events = [[e["action"], e.get("addr", e.get("device_free", 0)), e["size"], number[e["stream"]]]
              for e in snapshot["device_traces"][0] if e["action"] != "snapshot"]
    segments = [{"address": s["address"], "size": s["total_size"], "stream": number[s["stream"]],
                 "pool": s["segment_type"], "expandable": s["is_expandable"],
                 "blocks": [[b["address"] - s["address"], b["size"], b["requested_size"], b["state"]] for b in s["blocks"]]}
                for s in sorted(snapshot["segments"], key=lambda s: s["address"])]
    return {"events": events, "failures": failures, "segments": segments, "statistics": statistics}


def real_in_child(job):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "w") as answer:
                json.dump(real(job), answer)
            code = 0
        except BaseException as error:
            print("the oracle failed:", repr(error)[:200], job["settings"], flush=True)
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else None


class Ours:
    def __init__(self):
        command = ["cargo", "build", "--quiet", "--release", "-p", "gapless-replay", "--example", "oracle"]
        environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
        subprocess.run(command, cwd=ROOT, check=True, env=environment)
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.process = subprocess.Popen([target / "release" / "examples" / "oracle"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment)

    def answer(self, job):
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def difference(theirs, mine):
    """The first thing that differs, or nothing."""
    for at, (a, b) in enumerate(zip(theirs["events"], mine["events"])):
        if a != b:
            return f"event {at}: PyTorch {a}, gapless {b}"
    if len(theirs["events"]) != len(mine["events"]):
        return f"events: PyTorch {len(theirs['events'])}, gapless {len(mine['events'])}"
    if theirs["failures"] != mine["failures"]:
        return f"failures: PyTorch {theirs['failures']}, gapless {mine['failures']}"
    if theirs["segments"] != mine["segments"]:
        return "the segments at the end"
    for name, value in mine["statistics"].items():
        if theirs["statistics"].get(name, 0) != value:
            return f"{name}: PyTorch {theirs['statistics'].get(name)}, gapless {value}"
    return None


def smaller(job, ours):
    """Drops operations as long as a difference stays."""
    lines = job["list"].splitlines()
    step = len(lines) // 2
    while step:
        at = 0
        while at < len(lines):
            kept = lines[:at] + lines[at + step:]
            alive, valid = set(), []
            for line in kept:
                word, *fields = line.split(",")
                if word == "alloc":
                    alive.add(fields[0])
                elif fields and fields[0] not in alive:
                    continue
                elif word == "free":
                    alive.remove(fields[0])
                valid.append(line)
            tried = dict(job, list="\n".join(valid) + "\n")
            theirs = real_in_child(tried) if valid else None
            if theirs and difference(theirs, ours.answer(tried)):
                lines = valid
            else:
                at += step
        step //= 2
    return dict(job, list="\n".join(lines) + "\n")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("count", nargs="?", type=int, default=1000)
    arguments.add_argument("seed", nargs="?", type=int, default=1)
    arguments.add_argument("--length", type=int, default=300)
    typed = arguments.parse_args()
    ours = Ours()
    events = retries = failures = different = lost = 0
    for index in range(typed.count):
        job = draw(random.Random(f"{typed.seed}/{index}"), typed.length)
        theirs = real_in_child(job)
        if theirs is None:
            lost += 1
            continue
        events += len(theirs["events"])
        retries += theirs["statistics"]["num_alloc_retries"]
        failures += len(theirs["failures"])
        found = difference(theirs, ours.answer(job))
        if found:
            different += 1
            print(f"list {typed.seed}/{index}, settings {job['settings']!r}: {found}", flush=True)
            if different == 1:
                job = smaller(job, ours)
                print(difference(real_in_child(job), ours.answer(job)))
                print(json.dumps({key: value for key, value in job.items() if key != "list"}))
                print(job["list"], flush=True)
        if (index + 1) % 1000 == 0:
            print(f"{index + 1} lists, {different} different", flush=True)
    print(f"{typed.count} lists: {events} events, {retries} retries, {failures} failures; "
          f"{different} different, {lost} on which PyTorch itself failed")
    sys.exit(different != 0)


if __name__ == "__main__":
    main()
