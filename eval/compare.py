"""Two systems scored on the same videos: by how much do they differ, and could it be the choice of videos?

Both are resampled over the same videos at once, so what makes a video hard for both cancels, which it doesn't between two intervals set
side by side. Needs no torch.
"""

from dataclasses import dataclass

import numpy as np

from eval import bootstrap, protocol
from eval.errors import UserError

FORMAT = 2      # of metrics.json, as eval.score writes it
STORED = "frames come from"     # in the warnings of metrics.json: whose frames were stored with a loss
A, B, NEITHER = "a is better", "b is better", "not distinguishable"


@dataclass(frozen=True)
class Difference:
    """b minus a of one metric. interval: its 95 % interval over videos, None for one video. better: in how many videos (a, b) is better,
    None for a distance between sets, which no single video has. verdict: A, B or NEITHER, the last where the interval holds 0 or there is none.
    higher: whether more is better."""

    a: float
    b: float
    difference: float
    interval: tuple | None
    videos: int
    better: tuple | None
    verdict: str
    higher: bool


def difference(a, b, frames, seed):
    """The Difference of two entries of a metric, as metrics.json has them, of systems that `comparable` has found to be so.

    frames: {video: number of frames}; seed: of the bootstrap of both.
    """
    value, sign = b["value"] - a["value"], 1 if a["better"] == "higher" else -1
    better = replicates = None
    if "per_video" in a:
        names = sorted(frames)
        sizes, each = np.array([frames[name] for name in names], np.float64), np.array([b["per_video"][name] - a["per_video"][name] for name in names])
        counts = bootstrap.draws(len(names), bootstrap.MEANS, seed)
        replicates = counts @ (sizes * each) / (counts @ sizes) if len(names) > 1 else None
        better = int((sign * each < 0).sum()), int((sign * each > 0).sum())
    elif a["replicates"] is not None:
        replicates = np.array(b["replicates"]) - np.array(a["replicates"])
    interval = None if replicates is None else tuple(bootstrap.interval(value, replicates))
    clear = interval is not None and (interval[0] > 0 or interval[1] < 0)
    verdict = NEITHER if not clear else B if sign * value > 0 else A
    return Difference(a["value"], b["value"], value, interval, len(frames), better, verdict, sign > 0)


def compare(a, b):
    """{protocol: {metric: Difference}} of two results of eval.evaluate, for what both have. Raises UserError where they can't be compared."""
    for result in (a, b):
        if result.get("format") != FORMAT:
            raise UserError(f"compare: expected results of format {FORMAT}, got {result.get('format')}; score it again")
    found = {}
    shared, known = a["protocols"].keys() & b["protocols"].keys(), list(protocol.PROTOCOLS)
    for label in sorted(shared, key=lambda label: (known.index(protocol.get(label).label.partition("@")[0]), label)):
        comparable(a, b, label)
        mine, other = (result["protocols"][label]["metrics"] for result in (a, b))
        order = [metric.name for metric in protocol.get(label).metrics]
        found[label] = {key: difference(mine[key], other[key], a["frames"]["per_video"], a["bootstrap"]["seed"])
                        for key in sorted(mine.keys() & other.keys(), key=lambda key: order.index(key.partition("[")[0]))}
    if not any(found.values()):
        raise UserError("compare: expected a protocol and a metric that both have, found none; score both alike")
    return found


def alone(a, b):
    """{a, b: ["protocol metric", ...]} of what only one of two results has, so that nothing can be said of it."""
    mine, other = ({f"{label} {key}" for label, body in result["protocols"].items() for key in body["metrics"]} for result in (a, b))
    return {"a": sorted(mine - other), "b": sorted(other - mine)}


def storage(a, b):
    """A sentence where the two results' frames were stored in different ways, of which at least one loses detail; else None."""
    mine, other = ({warning.partition(":")[0] for warning in result.get("warnings", ()) if STORED in warning} for result in (a, b))
    if mine != other:
        return (f"stored differently (a: {', '.join(sorted(mine)) or 'without a loss'}; b: {', '.join(sorted(other)) or 'without a loss'}): "
                "the differences measure the storage too; store both alike and score again")
    return None


def comparable(a, b, label):
    """Raise a UserError if two results were not taken on the same frames, by the same networks, sizes, version and draws."""
    bodies = a["protocols"][label], b["protocols"][label]
    metrics = {key.partition("[")[0] for key in bodies[0]["metrics"].keys() & bodies[1]["metrics"].keys()}
    used = {metric.role for metric in protocol.get(label).metrics if metric.role and metric.name in metrics}
    roles = sorted(used | (set(a["networks"]) & set(b["networks"])))
    for what, mine, other in (
            ("true frames", a["frames"]["sha256"]["true"], b["frames"]["sha256"]["true"]),
            ("videos", a["frames"]["per_video"], b["frames"]["per_video"]),
            ("version of the protocol", bodies[0]["version"], bodies[1]["version"]),
            ("frame size", bodies[0]["size"], bodies[1]["size"]),
            ("networks", *({role: result["networks"].get(role) for role in roles} for result in (a, b))),
            ("bootstrap", a["bootstrap"], b["bootstrap"])):
        if mine != other:
            raise UserError(f"compare, {label}: expected two systems scored on the same {what}, got others ({_unlike(mine, other)}); "
                            "score both again alike")


def _unlike(mine, other):
    """Where two values part, in words: the first key, where they are dicts."""
    if not (isinstance(mine, dict) and isinstance(other, dict)):
        return f"{'nothing' if mine is None else mine} and {'nothing' if other is None else other}"
    key = next(key for key in sorted({*mine, *other}) if mine.get(key) != other.get(key))
    return f"{key}: {_unlike(mine.get(key), other.get(key))}"
