"""What both benchmarks share: seconds, peak memory, spreads, and the machine and versions in words."""

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from tcan import models  # noqa: F401
import diffusers


def timed(work, device):
    """(seconds, what `work` returned), with everything that was queued on the card done before and after."""
    _wait(device)
    started = time.perf_counter()
    result = work()
    _wait(device)
    return time.perf_counter() - started, result


def _wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def peak_mib(device):
    """The most memory so far in MiB: of tensors on the card, or of this process (Linux: getrusage would count the process it was started from)."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2 ** 20
    return int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024


def spread(values):
    return {"median": statistics.median(values), "least": min(values), "largest": max(values)}


def ratios(rounds, over, under):
    """The spread of one time over another, taken round by round: what slows a round down slows down both."""
    return spread([one[over] / one[under] for one in rounds])


def child(script, *words):
    """Run a benchmark's script in a process of its own, whose peak memory is its own too; the JSON of the last line it prints."""
    done = subprocess.run([sys.executable, script, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: expected figures, the process ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.splitlines()[-1])


def demand(device):
    """End here, in so many words, where there is no such device."""
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("not measured: no CUDA device")


def about(device):
    """The command, the machine and the versions."""
    words = {"command": " ".join(["python", *sys.argv]), "python": platform.python_version(), "torch": torch.__version__, "diffusers": diffusers.__version__}
    if device == "cuda":
        card = torch.cuda.get_device_properties(0)
        return words | {"device": card.name, "cuda": torch.version.cuda, "card_mib": card.total_memory / 2 ** 20}
    return words | {"device": f"CPU, {torch.get_num_threads()} threads of {os.cpu_count()} cores"}
