"""Measures where the truth is known: what a rendered person should have done, and where.

Key points are OpenPose's 18, (f, 18, 2) in pixels, NaN where missing; `driving` are those that the person should take, `found` those that a
network found again in the frames. Lengths are in units of the person's height in the picture (`height`), so that frames of any size compare.
"""

import cv2
import numpy as np

NECK, HIPS, FEET, TRUNK, LEGS, FACE = 1, [8, 11], [10, 13], [2, 5, 8, 11], [8, 9, 10, 11, 12, 13], [0, 14, 15, 16, 17]
ARMS = ((2, 3, 4), (5, 6, 7))       # shoulder, elbow, wrist
PAIRS = (ARMS, ((8, 9, 10), (11, 12, 13)), ((14, 16), (15, 17)))       # right and left
LIMBS = ((2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (11, 12), (12, 13))       # upper and lower arms, thighs and shins
WITHIN = 0.1        # of the height: a joint as far from its place as a forearm is long, or nearer
SHORTEST = 0.05     # of the height: a shorter limb points at the camera, and its length in the picture says nothing

# The figure's mask, found on rendered people: next to nothing that moves in their clips is outside. Radii and lengths in units of the person's height.
ARM, BODY, LEG, SHADOW = 0.085, 0.11, 0.13, 0.3     # radii about the joints; SHADOW: how far it lies beyond the feet
BEYOND = 0.6                        # a forearm goes on for the hand, in units of the forearm
HEAD, CROWN = 1.4, 0.7              # radius of the head, and how far it reaches up for hair, in units of its distance from the neck
CIRCLE, BITS = np.stack([np.cos(np.arange(16) * np.pi / 8), np.sin(np.arange(16) * np.pi / 8)], axis=-1), 4


def within_frame(xy, size):
    """Key points (f, 18, 2) without those that lie outside the frame of `size` (h, w), which nobody can see: NaN."""
    outside = (xy < -0.5).any(axis=-1) | (xy > np.array(size[::-1]) - 0.5).any(axis=-1)       # NaN is neither
    return np.where(outside[..., None], np.nan, xy)


def height(driving):
    """The largest vertical extent of the joints of a frame over the clip, in pixels."""
    there = driving[~np.isnan(driving).all(axis=(1, 2))]
    if not len(there):
        return np.nan
    return float((np.nanmax(there[..., 1], axis=1) - np.nanmin(there[..., 1], axis=1)).max())


def keypoint_distances(found, driving, unit=None):
    """Distance of each joint from where it should be, in units of the height, (f, 18); NaN where the truth has none. unit: the height in pixels, if it
    is known better than from `driving`; so below."""
    return np.linalg.norm(found - driving, axis=-1) / (unit or height(driving))


def keypoint_error(found, driving, unit=None):
    """Mean over frames and joints that the truth has of the distance from it, in percent of the height."""
    return 100 * float(np.nanmean(keypoint_distances(found, driving, unit)))


def keypoints_within(found, driving, unit=None):
    """Percent of the joints that the truth has that are found within WITHIN of the height: what a few wild ones don't move."""
    distances = keypoint_distances(found, driving, unit)
    return 100 * float((distances[~np.isnan(distances)] <= WITHIN).mean())


def either_side(found, driving):
    """`found` with left and right exchanged, of the arms, the legs and the face apart, in the frames in which that brings them nearer to `driving`.

    In pictures of 64 pixels a network tells the sides of a person in profile or from behind wrong even where the frames are true, and a limb in its
    place counts for more here than its side.
    """
    found = found.copy()
    for right, left in PAIRS:
        joints, mirror = [*right, *left], [*left, *right]
        as_is, exchanged = (np.nansum(np.linalg.norm(found[:, order] - driving[:, joints], axis=-1), axis=1) for order in (joints, mirror))
        wrong = exchanged < as_is
        found[np.ix_(wrong, joints)] = found[np.ix_(wrong, mirror)]
    return found


def limb_ratio_error(found, driving, unit=None):
    """Mean over limbs of |median over frames of log((limb / torso as found) / (limb / torso as it should be))|: 0.1 is limbs a tenth too long or short.

    Proportions are a body's, not a frame's: the median over the clip leaves out what the network gets wrong in single frames. The torso reaches from the
    neck to the middle of the hips. None where no frame shows a limb of more than SHORTEST of the height.
    """
    shortest = SHORTEST * (unit or height(driving))
    limbs, torso = _lengths(driving)
    measured, measured_torso = _lengths(found)
    usable = (limbs > shortest) & (torso > shortest)[:, None]       # NaN is not larger
    # a limb found without length would be infinitely wrong: it counts as one of a fifth of the shortest
    measured, measured_torso = (np.maximum(length, shortest / 5) for length in (measured, measured_torso))
    ratios = np.log(measured / measured_torso[:, None]) - np.log(np.where(usable, limbs, 1) / np.where(usable, torso[:, None], 1))
    errors = [abs(np.median(ratio[seen])) for ratio, seen in zip(ratios.T, usable.T) if seen.any()]
    return float(np.mean(errors)) if errors else None


def _lengths(xy):
    """Lengths of LIMBS, (f, 8), and of the torso, (f,), in pixels."""
    start, end = np.array(LIMBS).T
    return np.linalg.norm(xy[:, start] - xy[:, end], axis=-1), np.linalg.norm(xy[:, NECK] - xy[:, HIPS].mean(axis=1), axis=-1)


def figure_mask(driving, size, shadow=True, unit=None):
    """Where the figure is, generously: bool (f, h, w). Hulls of the trunk and of the legs (of a skirt), arms with hands, the head with what stands
    on it, and the ground at the feet with its shadow.

    size: (h, w). A joint that is missing in a frame stands where it stood in the nearest frame that has it. unit: the person's height in pixels.
    """
    unit, xy = unit or height(driving), _filled(driving)
    heads, reach = _heads(driving, xy)
    ground = np.nanmax(xy[:, FEET, 1])
    masks = np.zeros((len(xy), *size), np.uint8)
    for mask, joints, head in zip(masks, xy, heads):
        _fill(mask, joints[TRUNK], BODY * unit)
        _fill(mask, joints[LEGS], LEG * unit)
        for shoulder, elbow, wrist in ARMS:
            _fill(mask, joints[[shoulder, elbow]], ARM * unit)
            _fill(mask, [joints[elbow], joints[wrist] + BEYOND * (joints[wrist] - joints[elbow])], ARM * unit)
        _fill(mask, [joints[NECK], head], ARM * unit)
        up = _direction(np.stack([head - joints[NECK], joints[NECK] - joints[HIPS].mean(axis=0)]))       # of the head, and of the trunk where it is bowed
        _fill(mask, [head, *(head + CROWN * reach * up)], HEAD * reach)
        if shadow:
            feet, across = joints[FEET], np.array([*joints[HIPS, 0], *joints[FEET, 0], head[0]])
            left, right = np.nanmin(across), np.nanmax(across)
            flat = np.array([1, 0.5]) * ((right - left) / 2 + SHADOW * unit)
            _fill(mask, [((left + right) / 2, np.nanmax(feet[:, 1])), ((left + right) / 2, ground)], flat)
    return masks.astype(bool)


def _fill(mask, centres, radius):
    """Set the convex hull of discs about centres (n, 2) in mask (h, w); radius in pixels, or (2,) of ellipses. A centre that is missing is left out."""
    centres = np.asarray(centres)
    points = (centres[~np.isnan(centres).any(axis=1)][:, None] + radius * CIRCLE).reshape(-1, 1, 2)
    if len(points):
        cv2.fillConvexPoly(mask, cv2.convexHull(np.round(points * 2**BITS).astype(np.int32)), 1, shift=BITS)


def _filled(xy):
    """The joints (f, 18, 2) with each missing one where it stood in the nearest frame that has it; NaN for one that no frame has."""
    xy, frames = xy.astype(np.float64), np.arange(len(xy))
    for joint in range(xy.shape[1]):
        there = np.flatnonzero(~np.isnan(xy[:, joint]).any(axis=1))
        if len(there):
            xy[:, joint] = xy[there[np.abs(frames[:, None] - there).argmin(axis=1)], joint]
    return xy


def _heads(driving, filled):
    """Middle of the head, (f, 2): of the box about the face's joints and the ears, or, where none is seen, above the neck; and the clip's largest
    distance from the neck to it, in pixels."""
    heads, neck = np.full((len(driving), 2), np.nan), filled[:, NECK]
    for index, joints in enumerate(driving[:, FACE]):
        seen = joints[~np.isnan(joints).any(axis=1)]
        if len(seen):
            heads[index] = (seen.min(axis=0) + seen.max(axis=0)) / 2
    distances = np.linalg.norm(heads - neck, axis=1)
    reach = 0.2 * height(driving) if np.isnan(distances).all() else float(np.nanmax(distances))
    above = neck + reach * _direction(neck - filled[:, HIPS].mean(axis=1))
    return np.where(np.isnan(heads), above, heads), reach


def _direction(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def background_flicker(frames, mask):
    """Temporal standard deviation of what should stand still, in grey levels: sqrt of the mean over pixels and colours of the unbiased variance
    over the frames in which the figure doesn't cover the pixel. A pixel counts if that is so in 2 frames or more; None where none is.

    frames: uint8 (f, h, w, 3); mask: bool (f, h, w), the figure. It assumes a camera that stands still.
    """
    outside = ~mask[..., None]
    count = outside.sum(axis=0)
    mean = (frames * outside).sum(axis=0) / np.maximum(count, 1)
    squares = (((frames - mean) ** 2) * outside).sum(axis=0)
    seen = count[..., 0] >= 2
    if not seen.any():
        return None
    return float(np.sqrt((squares[seen] / (count[seen] - 1)).mean()))


def figure_boxes(masks):
    """The square about the figure in each mask (f, h, w), moved into the frame: [(left, top, side)]; the whole frame where there is no figure."""
    boxes, (height, width) = [], masks.shape[1:]
    for mask in masks:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            rows, columns = np.arange(height), np.arange(width)
        side = min(max(np.ptp(rows), np.ptp(columns)) + 1, height, width)
        left, top = ((ends[0] + ends[-1] + 1 - side) // 2 for ends in (columns, rows))
        boxes.append((int(np.clip(left, 0, width - side)), int(np.clip(top, 0, height - side)), int(side)))
    return boxes


def identity_distance(features, source):
    """Mean over frames of 1 - cosine of the angle between features of the figure's box, (f, d), and those of the source picture's, (d,)."""
    features, source = features.astype(np.float64), source.astype(np.float64)
    return float((1 - features @ source / (np.linalg.norm(features, axis=1) * np.linalg.norm(source))).mean())
