"""A pose estimator's errors, put into exact key points at stated rates; and such rates measured in what an estimator found."""

import dataclasses

import numpy as np

from tcan.pose.keypoints import INDEX, MIRRORED, Keypoints
from tcan.sections import Errors

ARMS = tuple(INDEX[f"{side}_{joint}"] for side in ("right", "left") for joint in ("shoulder", "elbow", "wrist"))
LEGS = tuple(INDEX[f"{side}_{joint}"] for side in ("right", "left") for joint in ("hip", "knee", "ankle"))
SWAPS = (ARMS, LEGS, ARMS + LEGS)  # what changes places in a frame
BODY = (INDEX["neck"], *ARMS, *LEGS)


def add_errors(keypoints, errors, rng):
    """Key points as an estimator with these errors would find them; estimator "exact+errors".

    errors.swap: the part of the frames in which left and right arms, legs or both change places; errors.jitter: standard deviation of a
    joint's position, in units of the person's height; errors.missing: the part of the joints not found; errors.dropout: the part of the
    frames in which nobody is found. Joints that are missing stay missing. The streams of the four are drawn whole, so that a change of
    one rate leaves the other errors where they are.
    """
    frames = len(keypoints)
    swapped, which = rng.random(frames) < errors.swap, rng.integers(len(SWAPS), size=frames)
    noise = rng.normal(size=keypoints.xy.shape)
    lost = rng.random(keypoints.score.shape) < errors.missing
    dropped = rng.random(frames) < errors.dropout
    doubt = rng.beta(8, 1.5, size=keypoints.score.shape)

    xy, score = keypoints.xy.copy(), keypoints.score.copy()
    for frame in np.flatnonzero(swapped):
        limbs = np.array(SWAPS[which[frame]])
        mirror = np.array(MIRRORED)[limbs]
        xy[frame, limbs], score[frame, limbs] = keypoints.xy[frame, mirror], keypoints.score[frame, mirror]
    if errors.jitter > 0:
        xy += (noise * errors.jitter * person_height(keypoints)).astype(np.float32)
    if max(errors.missing, errors.swap, errors.dropout, errors.jitter) > 0:
        score = np.where(score > 0, doubt, 0).astype(np.float32)
    lost |= dropped[:, None]
    xy[lost], score[lost] = np.nan, 0
    return Keypoints(xy, score, keypoints.size, "exact+errors")


def rates_of(errors):
    """The Errors of {kind: rate}, none of the kinds that aren't named."""
    return Errors(**{kind.name: 0.0 for kind in dataclasses.fields(Errors)} | errors)


def measure_rates(keypoints):
    """The rates of add_errors, as far as they show without the truth: {"missing", "dropout", "swap", "jitter"}.

    missing: joints of the body (without the face, which a turned head hides) not found in frames that have a person. dropout: frames
    without any. swap: frames in which exchanging left and right arms or legs would bring them much closer to their places in the frames
    before and after. jitter: the robust standard deviation of second differences over time, scaled to that of independent noise on each
    frame, over the person's height; true acceleration counts as jitter, so it bounds the noise from above. NaN where it can't be measured.
    """
    found = keypoints.found
    seen = found.any(axis=1)
    missing = 1 - found[seen][:, BODY].mean() if seen.any() else np.nan
    second = keypoints.xy[2:] - 2 * keypoints.xy[1:-1] + keypoints.xy[:-2]
    second = second[np.isfinite(second)]
    jitter = 1.4826 * np.median(np.abs(second)) / np.sqrt(6) / person_height(keypoints) if len(second) else np.nan  # var(a - 2b + c) = 6 var
    return {"missing": float(missing), "dropout": float(1 - seen.mean()), "swap": _swaps(keypoints), "jitter": float(jitter)}


def person_height(keypoints):
    """The person's height over a clip in pixels: the largest vertical extent of the found joints in a frame; NaN if none is found."""
    found = keypoints.found
    y = keypoints.xy[..., 1]
    extent = np.where(found, y, -np.inf).max(axis=1) - np.where(found, y, np.inf).min(axis=1)
    extent = extent[found.any(axis=1)]
    return float(extent.max()) if len(extent) else np.nan


def _swaps(keypoints, ratio=0.5):
    """The part of the frames with a neighbour on both sides whose arms or legs lie within `ratio` of their distance if exchanged."""
    xy = keypoints.xy
    if len(xy) < 3:
        return float("nan")
    between = (xy[:-2] + xy[2:]) / 2
    mirror = np.array(MIRRORED)
    flipped = np.zeros(len(between), bool)
    for limbs in (np.array(ARMS), np.array(LEGS)):
        as_is = np.linalg.norm(xy[1:-1, limbs] - between[:, limbs], axis=-1)
        exchanged = np.linalg.norm(xy[1:-1, mirror[limbs]] - between[:, limbs], axis=-1)
        whole = np.isfinite(as_is + exchanged)
        flipped |= np.where(whole, exchanged, 0).sum(axis=1) < ratio * np.where(whole, as_is, 0).sum(axis=1)
    return float(flipped.mean())
