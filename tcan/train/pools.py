"""The pools of scenes that the foundation learns from (tcan/train/foundation.py): frames, drawn poses and key points of each."""

import numpy as np

from tcan.data.photographs import Photographs
from tcan.files import atomic_dir
from tcan.provenance import write_run
from tcan.train.rendered import render

SHARPENINGS = {"finished_pool": "sharpening", "photographed_pool": "photographs"}  # of which section a pool is


def make(args, config):
    """Write args.part, a pool, into args.out: frames.npy and poses.npy, uint8 (n, k, h, w, 3), points.npy (n, k, 18, 2). Those of the sharpenings are other
    scenes than the first pool's."""
    part, count, kind, photographs = config.foundation.denoiser, config.foundation.denoiser.pool, {}, None
    if args.part in SHARPENINGS:
        own = getattr(config.foundation, SHARPENINGS[args.part])
        count, kind = own.pool, {"finished": own.finished, "photographed": own.photographed, "first": part.pool}
        if own.photographed:
            photographs = Photographs.load(args.raw / "photographs", args.raw / "mediapipe")
    frames, poses, points = render(args.raw, config, count, pictures=1 + part.targets, photographs=photographs, **kind)
    with atomic_dir(args.out) as folder:
        np.save(folder / "frames.npy", frames)
        np.save(folder / "poses.npy", poses)
        np.save(folder / "points.npy", points)
        write_run(folder, command=f"foundation {args.part}", config=config.resolved("data", "pose"), seed=config.seed, extra={"scenes": len(frames), **kind})
