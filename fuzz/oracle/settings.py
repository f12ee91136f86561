"""Compares the parser of settings strings with PyTorch's own.

    run.sh settings.py [COUNT] [SEED]

Runs under the oracle's Python, which has PyTorch over a stand-in driver. Strings are made from keys,
values and separators, right and wrong; both parsers read each, and the verdict and what is in force
afterwards must be the same.
"""

import pathlib
import random
import subprocess
import sys

import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEYS = """max_split_size_mb max_non_split_rounding_mb garbage_collection_threshold roundup_power2_divisions
expandable_segments large_segment_size_mb per_process_memory_fraction throw_on_cudamalloc_oom
graph_capture_record_stream_reuse release_lock_on_cudamalloc release_lock_on_hipmalloc backend
pinned_use_cuda_host_register pinned_use_hip_host_register pinned_num_register_threads
pinned_use_background_threads pinned_reserve_segment_size_mb pinned_free_catch_all
pinned_max_round_threshold_mb pinned_max_cached_size_mb expandable_segments_reserve_by_class
max_splitsize_mb expandable_segment foo""".split()
USUAL = KEYS[:8]
VALUES = """True False true 1 0 2 3 4 8 16 19 20 21 20.5 30 64 100 128 256 -1 abc 0.5 .7 0.9x 1.0 1.5 nan inf native
[256:1,512:2,1024:4,>:8] [>:8] [64:8,256:4,1024:4,>:1] [512:4] [256:2,>:0] [] [3:1] [4:3] [4:0] [512:4,256:2]
[>:8,64:2] [131072:4] [1:2 [ ] [1:2,] [a:0.5,b:1G] 0x40 1e1 99999999999999999 18446744073709551616 +5""".split()


def draw(r):
    parts = []
    for _ in range(r.choice([1, 1, 2, 2, 3, 4])):
        key = r.choice(USUAL if r.random() < 0.8 else KEYS)
        fitting = {"expandable_segments": ["True", "False"], "roundup_power2_divisions": VALUES[30:46] + ["4", "8"],
                   "large_segment_size_mb": ["12", "20", "30", "64"], "max_split_size_mb": ["20", "64", "128"]}
        value = r.choice(fitting.get(key, VALUES) if r.random() < 0.7 else VALUES)
        if key == "expandable_segments_reserve_by_class":
            value = r.choice(["[a:0.5,b:1G]", "[1:40G]"])  # its malformed lists are not imitated
        parts.append(key + (":" if r.random() < 0.97 else r.choice([",", " ", "::", "", "["])) + value)
    text = parts[0]
    for part in parts[1:]:
        text += ("," if r.random() < 0.95 else r.choice([":", "]", ",,", " , ", ""])) + part
    if r.random() < 0.05:
        text += r.choice([",", ",,", ":", "]"])
    if r.random() < 0.05:
        at = r.randrange(len(text))
        text = text[:at] + r.choice(["", " ", "[", "x"]) + text[at + 1:]
    return text


def theirs(text):
    parse = torch._C._accelerator_setAllocatorSettings
    parse("expandable_segments:False,large_segment_size_mb:20")
    try:
        parse(text)
        verdict = "ok"
    except Exception as refused:
        verdict = f"refused: {str(refused).splitlines()[0][:120]}"
    settings = torch.cuda.memory._snapshot()["allocator_settings"]
    return (settings["max_split_size"] % 2**64 if settings["max_split_size"] != -1 else -1,
            settings["garbage_collection_threshold"], settings["expandable_segments"],
            list(settings["roundup_power2_divisions"].values()), verdict)


def ours(texts):
    command = ["cargo", "run", "--quiet", "--release", "-p", "gapless-trace", "--example", "settings"]
    answer = subprocess.run(command, cwd=ROOT, input="\n".join(texts) + "\n", text=True, capture_output=True, check=True)
    for line in answer.stdout.splitlines():
        limit, threshold, expandable, table, verdict = line.split("\t")
        yield int(limit), float(threshold), expandable == "true", eval(table), verdict


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
    r = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    torch.cuda.init()
    texts = [draw(r) for _ in range(count)]
    accepted = different = 0
    for text, mine in zip(texts, ours(texts), strict=True):
        real = theirs(text)
        accepted += real[4] == "ok"
        if real[:4] != mine[:4] or real[4][:2] != mine[4][:2]:
            different += 1
            if different <= 20:
                print(f"{text!r}\n    PyTorch {real}\n    gapless {mine}")
    print(f"{count} strings, {accepted} accepted, {different} different")
    sys.exit(different != 0)


if __name__ == "__main__":
    main()
