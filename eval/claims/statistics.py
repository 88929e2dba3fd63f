"""Is B better than A, over videos and over trainings at once? Intervals and verdicts of the paper's claims.

Both systems are trained under the same seeds and scored on the same videos, so the difference d[seed, video] is taken pair by pair. What is asked for
is its mean over other videos *and* other seeds: both are drawn, crossed, d = mean + seed + video + seed x video. Its variance is the sum of

    videos: of the mean over seeds, as the videos vary (from the videos' own differences, or from the resamples of a distance between sets),
    seeds:  of the mean over videos, as the seeds vary (from the seeds' own differences).

The part of single (seed, video) pairs is in both, so the sum is never too small on average. The interval is Student's t with the degrees of freedom
of Welch and Satterthwaite: near `seeds` - 1 where seeds decide, near `videos` - 1 where videos do.

Not a crossed bootstrap of seeds and videos, the first thing to think of: three seeds have ten resamples that differ, its percentiles are the least and
the most of three values, and all three are of one sign by chance in a quarter of all cases (tests/unit/eval_report/test_claim_statistics.py simulates
both). Needs no torch.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from eval.bootstrap import LEVEL

HOLDS, FAILS, NEITHER = "holds", "does not hold", "not distinguishable"
# How often, in per cent, a metric is said to hold where nothing differs, by what varies, with 3 seeds and 10 videos: by this interval, and by a crossed
# bootstrap. 2.5 are meant. A test simulates both again.
FALSE_HOLDS = {"videos alone": (2.4, 4.3), "seeds alone": (2.5, 13), "both alike": (2.6, 5.7), "seeds ten times as much": (3.5, 11), "single pairs": (0.6, 0.6)}
FALSE_HOLDS_OF_MANY = 3.4        # the most of these by this interval with 50 videos: seeds ten times as much
# The same by this interval with 50 videos, which alone vary: 47 of two motions, 2 of another, 1 of its own; by the part of the variance that is the motion's.
FALSE_HOLDS_OF_MOTIONS = {0.1: 14, 0.2: 20}


@dataclass(frozen=True)
class Effect:
    """B minus A of one metric. a, b: means over seeds; interval: its 95 % interval over videos and seeds (over videos alone with one seed), None for one
    video; agreeing: in how many seeds B is (better, worse); higher: whether more is better; verdict: of `B is better`."""

    a: float
    b: float
    difference: float
    interval: tuple | None
    videos: int
    seeds: int
    agreeing: tuple
    higher: bool
    verdict: str


def effect(a, b, less=None):
    """The Effect of two systems.

    a, b: a list of entries each, one for each seed in the same order; or one alone, of a system that trains nothing, which then stands beside each
    seed of the other. An entry has value, better, weights {video: its weight in the mean} and per_video or replicates (over the same draws of videos).
    less: (a, b) of the same systems and seeds on other videos, whose difference is taken off: how much more the first ones gain. Videos of either kind vary
    by themselves, a seed's systems are the same on both.
    """
    seeds, sign = max(len(a), len(b)), 1 if a[0]["better"] == "higher" else -1
    a, b = (side * seeds if len(side) == 1 else side for side in (a, b))
    each = np.array([two["value"] - one["value"] for one, two in zip(a, b, strict=True)])
    values = [float(np.mean([entry["value"] for entry in side])) for side in (a, b)]
    sets = [(a, b)]
    if less:
        sets.append([side * seeds if len(side) == 1 else side for side in less])
        each -= np.array([two["value"] - one["value"] for one, two in zip(*sets[1], strict=True)])
        values = [value - float(np.mean([entry["value"] for entry in side])) for value, side in zip(values, sets[1])]
    videos = min(len(one[0]["weights"]) for one, _ in sets)
    interval = None
    if videos > 1:
        parts = [(_over_videos(*pair), len(pair[0][0]["weights"]) - 1) for pair in sets] + ([(each.var(ddof=1) / seeds, seeds - 1)] if seeds > 1 else [])
        interval = student(each.mean(), *zip(*parts))
    agreeing = int((sign * each > 0).sum()), int((sign * each < 0).sum())
    return Effect(*values, float(each.mean()), interval, videos, seeds, agreeing, sign > 0, judge(interval, sign))


def student(value, variances, freedoms, level=LEVEL):
    """(low, high) of a value whose variance is a sum of independent estimates, each with its degrees of freedom (Satterthwaite 1946)."""
    variances, freedoms = np.array(variances, np.float64), np.array(freedoms, np.float64)
    total = variances.sum()
    if total == 0:
        return float(value), float(value)
    half = stdtrit(total**2 / (variances**2 / freedoms).sum(), (1 + level) / 2) * np.sqrt(total)
    return float(value - half), float(value + half)


def judge(interval, sign):
    """The verdict on `more is better` (sign 1) or `less is better` (-1): clear only where the whole interval is on one side of 0."""
    if interval is None or interval[0] <= 0 <= interval[1]:
        return NEITHER
    return HOLDS if sign * interval[0] > 0 else FAILS


def together(verdicts):
    """Of several metrics: holds only if each does, does not hold if any is clearly the other way round."""
    verdicts = list(verdicts)
    return FAILS if FAILS in verdicts else HOLDS if verdicts and all(verdict == HOLDS for verdict in verdicts) else NEITHER


def part(entry, clips):
    """An entry of some of its clips alone. None where it has none of them, or is no mean over clips."""
    chosen = {clip: weight for clip, weight in entry["weights"].items() if clip in clips}
    if not chosen or "per_video" not in entry:
        return None
    values = {clip: entry["per_video"][clip] for clip in chosen}
    return {**entry, "weights": chosen, "per_video": values, "value": float(np.average(list(values.values()), weights=list(chosen.values())))}


def change(start, entry):
    """What an entry's metric has changed by from another entry's on the same videos, as an entry."""
    each = ({"per_video": {clip: value - start["per_video"][clip] for clip, value in entry["per_video"].items()}} if "per_video" in entry
            else {"replicates": np.subtract(entry["replicates"], start["replicates"])})
    return {**entry, **each, "value": entry["value"] - start["value"]}


def _over_videos(a, b):
    """The variance of the mean over seeds as the videos vary. Both estimates are those of a resample, which is too small by (videos - 1) / videos."""
    videos = len(a[0]["weights"])
    if "per_video" in a[0]:
        names = sorted(a[0]["weights"])
        share = np.array([a[0]["weights"][name] for name in names], np.float64)
        share /= share.sum()
        each = np.mean([[two["per_video"][name] - one["per_video"][name] for name in names] for one, two in zip(a, b)], axis=0)
        return (share**2 * (each - share @ each)**2).sum() * videos / (videos - 1)
    return np.mean([np.subtract(two["replicates"], one["replicates"]) for one, two in zip(a, b)], axis=0).var(ddof=1) * videos / (videos - 1)
