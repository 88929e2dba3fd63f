"""The clips of tests/golden/fixture, made of whole numbers alone, so that every machine makes the same pixels.

    python -m tests.golden.make_fixture     writes fixture/gen and fixture/true anew
"""

import shutil
from pathlib import Path

import numpy as np
from tests.golden.made_clips import write

FIXTURE = Path(__file__).parent / "fixture"
SIDE = 32
NUMBERS = {"anna": range(18), "bert": range(17), "carl": (*range(5, 21), 30, 31)}     # carl has a gap: one window of 16, and two frames that are in none


def true_clip(seed, frames):
    """Stripes that lie still, a square that moves and a dark bar that sways: uint8 (frames, SIDE, SIDE, 3)."""
    y, x = np.mgrid[:SIDE, :SIDE]
    out = np.empty((frames, SIDE, SIDE, 3), np.uint8)
    for t in range(frames):
        for channel in range(3):
            out[t, ..., channel] = 60 + 20 * channel + (x * (3 + seed) + y * (5 - channel)) % (64 + 8 * seed)
        top, left = (3 + t * (1 + seed % 2)) % (SIDE - 8), (5 * seed + t) % (SIDE - 8)
        out[t, top:top + 8, left:left + 8] = (210, 180 - 20 * seed, 90 + t)
        bar = 12 + abs(t % 12 - 6)
        out[t, 20:30, bar:bar + 3] = (20, 30, 15)
    return out


def generated_clip(true, seed):
    """The true clip, the mean of a frame and itself moved one pixel right, brighter in red, with one pixel in eight up to 24 grey levels off."""
    rng = np.random.default_rng(seed)
    mixed = (true.astype(np.int64) + np.roll(true, 1, axis=2)) // 2 + np.array([7, 0, -4])
    mixed += (rng.integers(0, 8, (*true.shape[:3], 1)) == 0) * rng.integers(-24, 25, true.shape)
    return np.clip(mixed, 0, 255).astype(np.uint8)


def clips():
    """{"gen": {clip: frames}, "true": {clip: frames}}."""
    true = {name: true_clip(seed, len(numbers)) for seed, (name, numbers) in enumerate(NUMBERS.items())}
    return {"gen": {name: generated_clip(x, seed) for seed, (name, x) in enumerate(true.items())}, "true": true}


def main():
    shutil.rmtree(FIXTURE, ignore_errors=True)
    for side, of_side in clips().items():
        for name, frames in of_side.items():
            write(FIXTURE / side, {name: frames}, numbers=NUMBERS[name])


if __name__ == "__main__":
    main()
