"""How long planning takes: `snakemake -n reproduce`, and a `dvc repro` that has nothing to do. Run it where everything is up to date.

python bench/dag.py [--scale smoke] [--repeat 3]
"""

import argparse
import statistics
import subprocess
import time


def seconds(command, repeat):
    """Wall-clock times of a command, and the last line it printed."""
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        times.append(time.perf_counter() - started)
    return times, (done.stdout.strip().splitlines() or [""])[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", help="of the dry run (default: the one in params.yaml)")
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    config = ["--config", f"scale={args.scale}"] if args.scale else []
    commands = {"snakemake -n reproduce": (["snakemake", "-n", "reproduce", *config], 5), "dvc repro, no-op": (["dvc", "repro"], 20)}
    print("| command | median s | slowest s | limit s | it said |\n|---|---|---|---|---|")
    for name, (command, limit) in commands.items():
        times, said = seconds(command, args.repeat)
        print(f"| `{name}` | {statistics.median(times):.1f} | {max(times):.1f} | {limit} | {said[:80]} |")


if __name__ == "__main__":
    main()
