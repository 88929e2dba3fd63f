"""Makes a shard of the stand-in TikTok set in a process of its own, which kills itself at the AT-th thing it does to the disk (0: never).

python -m tests.unit.killed_tiktok RAW OUT AT        prints how many things there were
"""

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

from tcan.data import tiktok
from tests import paper_world

OPTIONS = SimpleNamespace(source="tiktok", fit="crop", min_frames=4, leakage="stop", manifest=str(paper_world.MANIFEST), test_frames=None)


def main(raw, out, at):
    count = 0

    def hook(event, args):
        nonlocal count
        if event in ("open", "os.rename", "os.mkdir", "os.rmdir", "os.remove") and str(out.parent) in str(args[0]):
            count += 1
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    tiktok.make_shard(OPTIONS, 16, 2024, raw, out, 0, 5)
    print(count)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
