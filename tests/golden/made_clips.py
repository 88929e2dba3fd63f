"""Small clips and weights that are made, the same each time: what the tests of the metrics run on."""

import csv
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image


def moving(frames=18, size=32, seed=0, width=None):
    """A textured background with a bright and a dark disc on their way over it: uint8 (frames, size, width, 3)."""
    rng, width = np.random.default_rng(seed), width or size
    coarse = rng.uniform(40, 200, (6, 6, 3)).astype(np.float32)
    background = np.stack([np.asarray(Image.fromarray(coarse[..., c]).resize((width, size), Image.BICUBIC)) for c in range(3)], axis=-1)
    y, x = np.mgrid[:size, :width]
    out = np.empty((frames, size, width, 3))
    centre, step = rng.uniform(0.2, 0.8, (2, 2)) * (size, width), rng.uniform(-1.2, 1.2, (2, 2))
    for t in range(frames):
        out[t] = background
        for disc, level in zip(range(2), (235, 20)):
            cy, cx = (centre[disc] + t * step[disc]) % (size, width)
            out[t][(y - cy) ** 2 + (x - cx) ** 2 < (size / 6) ** 2] = level
    return np.clip(out + rng.normal(0, 2, out.shape), 0, 255).astype(np.uint8)


def noisy(frames, amount, seed=0):
    return np.clip(frames + np.random.default_rng(seed).normal(0, amount, frames.shape), 0, 255).astype(np.uint8)


def write(folder, clips, table=None, numbers=None):
    """clips: name -> uint8 (f, h, w, 3), as folder/name/0000.png and on. table: name -> split, as clips.csv."""
    folder = Path(folder)
    for name, frames in clips.items():
        (folder / name).mkdir(parents=True)
        for number, frame in zip(numbers or range(len(frames)), frames):
            Image.fromarray(frame).save(folder / name / f"{number:04d}.png")
    if table:
        with open(folder / "clips.csv", "w", newline="") as stream:
            csv.writer(stream).writerows([("id", "split", "frames"), *((name, split, len(clips[name])) for name, split in table.items())])
    return folder


def fill(module):
    """Fixed pseudo-random weights by key name, of a size that keeps signals alive through many layers. -> the module, in eval mode."""
    state = {}
    for key, value in module.state_dict().items():
        rng = np.random.default_rng(zlib.crc32(key.encode()))
        if key.endswith("num_batches_tracked"):
            state[key] = value
            continue
        if value.dim() > 1:
            drawn = rng.normal(0, (1.6 / value[0].numel()) ** 0.5, value.shape)
        elif key.endswith("running_var"):
            drawn = rng.uniform(0.6, 1.4, value.shape)
        else:       # biases and means are small, scales of a normalisation lie about 1
            drawn = rng.normal(0, 0.1, value.shape) + (key.endswith("weight") and value.mean().item() == 1)
        state[key] = torch.tensor(drawn, dtype=value.dtype)
    module.load_state_dict(state)
    return module.eval().requires_grad_(False)
