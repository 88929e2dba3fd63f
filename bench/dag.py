"""How long planning takes: `snakemake -n reproduce`, a `dvc repro` that has nothing to do, and the paper scale's plan for sets of many videos.

python bench/dag.py [--scale smoke] [--repeat 3]                 where everything is up to date
python bench/dag.py --videos 340 100000 [--clips-of-a-job 64]    in any checkout; nothing is fetched or made
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
LIMITS = {340: (10, None), 100_000: (120, 4)}  # videos: seconds, GiB


def seconds(command, repeat, **where):
    """Of a command: wall-clock times, the most processor time and memory (GiB, of its largest process) that it took, and the lines it printed."""
    times, peaks, computed = [], [], []
    for _ in range(repeat):
        started = time.perf_counter()
        with tempfile.TemporaryFile("w+") as printed:
            running = subprocess.Popen(command, text=True, stdout=printed, stderr=subprocess.STDOUT, **where)
            _, status, usage = os.wait4(running.pid, 0)
            times.append(time.perf_counter() - started)
            peaks.append(usage.ru_maxrss / 2**20)
            computed.append(usage.ru_utime + usage.ru_stime)
            printed.seek(0)
            said = printed.read().strip().splitlines() or [""]
        if status:
            sys.exit(f"error: {' '.join(command)}: expected it to succeed, got: {said[-1]}")
    return times, max(computed), max(peaks), said


def at_hand(args):
    config = ["--config", f"scale={args.scale}"] if args.scale else []
    commands = {"snakemake -n reproduce": (["snakemake", "-n", "reproduce", *config], 5), "dvc repro, no-op": (["dvc", "repro"], 20)}
    print("| command | median s | slowest s | limit s | it said |\n|---|---|---|---|---|")
    for name, (command, limit) in commands.items():
        times, _, _, said = seconds(command, args.repeat)
        print(f"| `{name}` | {statistics.median(times):.1f} | {max(times):.1f} | {limit} | {said[-1][:80]} |")


def at_paper_scale(args):
    """`snakemake -n --config scale=paper` in a copy of the checkout whose train set has shards for that many videos."""
    print("| videos | clips of a job | jobs | median s | slowest s | limit s | processor s | peak GiB | limit GiB |", "|---" * 9 + "|", sep="\n")
    for videos in args.videos:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
            params = Path(folder) / "params.yaml"
            document = yaml.safe_load(params.read_text())
            document["scales"]["paper"]["data"]["sets"]["tiktok_train"]["shards"] = -(-videos // args.clips_of_a_job)
            params.write_text(yaml.safe_dump(document, sort_keys=False))
            times, computed, peak, said = seconds(["snakemake", "-n", "--config", "scale=paper"], args.repeat, cwd=folder)
            jobs = next(line.split()[1] for line in said if line.startswith("total "))
            limit, memory = LIMITS.get(videos, ("", ""))
            print(f"| {videos} | {args.clips_of_a_job} | {jobs} | {statistics.median(times):.1f} | {max(times):.1f} | {limit} | {computed:.1f} "
                  f"| {peak:.2f} | {memory or ''} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", help="of the dry run (default: the one in params.yaml)")
    parser.add_argument("--videos", type=int, nargs="+", help="plan the paper scale for as many train videos")
    parser.add_argument("--clips-of-a-job", type=int, default=16, help="of a shard (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    (at_paper_scale if args.videos else at_hand)(args)


if __name__ == "__main__":
    main()
