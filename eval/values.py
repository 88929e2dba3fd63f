"""From what was measured on frames and windows to a metric's value, its n, its interval and the resamples it comes from."""

import numpy as np

from eval import bootstrap
from eval.frechet import FrechetResamples, KernelSums, frechet_distance

DIGITS = 7      # of the replicates in the result: more than an interval over videos can have


def numbers(metric, view, memo, seed):
    """value, n, videos, interval, and per_video (means over frames) or dimension and replicates (distances between sets).

    memo: what metrics share that agree on all of it but the name.
    """
    if metric.kind == "pixel":
        return mean(view.get("pixel", metric.measure), seed)
    if metric.kind == "lpips":
        return mean(view.get("lpips", metric.role, metric.measure), seed)
    key = (view.size, metric.kind, metric.role, metric.resize or metric.windows)
    if key not in memo:
        (made, sizes), (truth, _) = (view.features(*key[2:], side) for side in (0, 1))
        memo[key] = distance(metric.kind, made, truth, sizes, seed)
    return memo[key]


def mean(values, seed):
    """Of a value for each frame, {clip: (n,)}: the mean over all frames; resampled over clips."""
    sizes, sums = (np.array([function(v) for v in values.values()], np.float64) for function in (len, np.sum))
    value, counts = sums.sum() / sizes.sum(), bootstrap.draws(len(values), bootstrap.MEANS, seed)
    return {"value": float(value), "n": int(sizes.sum()), "videos": len(values),
            "interval": bootstrap.interval(value, counts @ sums / (counts @ sizes)) if len(values) > 1 else None,
            "per_video": {clip: float(v.mean()) for clip, v in values.items()}}


def distance(kind, x, y, sizes, seed):
    """Of features (n, d) of each side, clip after clip (sizes: of the clips): their Frechet or kernel distance; resampled over clips."""
    resample = (FrechetResamples if kind == "frechet" else KernelSums)(x, y, sizes)
    value = frechet_distance(x, y) if kind == "frechet" else resample(np.ones(len(sizes)))
    replicates = [resample(counts) for counts in bootstrap.draws(len(sizes), bootstrap.DISTANCES, seed)] if len(sizes) > 1 else None
    return {"value": value, "n": len(x), "dimension": x.shape[1], "videos": len(sizes),
            "interval": bootstrap.interval(value, replicates) if replicates else None,
            "replicates": [float(f"{replicate:.{DIGITS}g}") for replicate in replicates] if replicates else None}
