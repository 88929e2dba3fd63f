"""The heap's bound: what is freed between things that stay is given back."""

import os
import platform
import subprocess
import sys

import pytest

# Blocks of 8 MiB that come and go, each with a small one after it that stays: glibc by itself keeps the holes.
PROGRAM = """
import re, sys
from pathlib import Path
import numpy as np
if sys.argv[1] == "bounded":
    from eval import heap
    assert heap.bound()
stays = []
for turn in range(3):
    blocks = []
    for place in range(40):
        blocks.append(np.ones(8 << 20, np.uint8))
        stays.append(np.ones(60 << 10, np.uint8))
    del blocks
print(int(re.search(r"VmRSS:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is glibc's alone")
def test_what_is_freed_is_given_back():
    def left_by(how, **environment):
        return float(subprocess.run([sys.executable, "-c", PROGRAM, how], env={**os.environ, **environment}, capture_output=True, text=True, check=True).stdout)

    left = {how: left_by(how) for how in ("plain", "bounded")}
    assert left["bounded"] < 120, left
    assert left_by("bounded", MALLOC_MMAP_MAX_="0", MALLOC_TRIM_THRESHOLD_=str(2**32)) < 120, "whatever the environment says"
    assert left["plain"] > left["bounded"] + 100, left


# Blocks too small to be mapped by themselves: what lies between those that stay isn't at the heap's end, so no threshold gives it back.
HOLES = """
import re, sys
from pathlib import Path
import numpy as np
from eval import heap
seen = []
progress = heap.bounded(lambda *what: seen.append(what))
blocks = [np.ones(1 << 20, np.uint8) for _ in range(300)]
blocks[:-1] = []
for done in range(1, heap.EVERY + int(sys.argv[1])):
    progress(done, 100, "clip")
assert len(seen) == done and seen[-1] == (done, 100, "clip")
print(int(re.search(r"VmRSS:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is glibc's alone")
def test_holes_are_given_back_every_so_many_frames():
    before, after = (float(subprocess.run([sys.executable, "-c", HOLES, extra], capture_output=True, text=True, check=True).stdout) for extra in "01")
    assert before > 300 and after < 100, (before, after)


def test_the_progress_may_be_left_out():
    from eval import heap

    heap.bounded()(heap.EVERY, 100, "clip")
