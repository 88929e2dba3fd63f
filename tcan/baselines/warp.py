"""The floor that answers the pose without having learnt anything: the source cut into limbs, each moved as its two key points move.

Behind the limbs lies the source with the person painted out. A limb is a capsule about the line between two key points; an affine map takes its two ends in
the source to its two ends in the driving pose: it stretches along the limb and keeps its thickness. The head is turned and shifted only. A limb that a driving
frame lacks stays as it was in the nearest frame that has it, at the end that is there. What the source doesn't show (the back, what was covered) can't appear.
"""

import cv2
import numpy as np

from tcan.pose.keypoints import INDEX

HEAD = (("neck",), ("nose", "right_eye", "left_eye", "right_ear", "left_ear"), 0.75, (-0.1, 0.75))
# Limbs from the back of the picture to its front: name, the two ends (a joint, or the middle of two), radius and overhang at both ends in lengths of the limb.
LIMBS = (
    *((("right_hip",), ("right_knee",), 0.3, (0.1, 0.1)), (("left_hip",), ("left_knee",), 0.3, (0.1, 0.1)),
      (("right_knee",), ("right_ankle",), 0.28, (0.1, 0.35)), (("left_knee",), ("left_ankle",), 0.28, (0.1, 0.35))),
    (("neck",), ("right_hip", "left_hip"), 0.36, (0.05, 0.12)),
    HEAD,
    *((("right_shoulder",), ("right_elbow",), 0.3, (0.15, 0.1)), (("left_shoulder",), ("left_elbow",), 0.3, (0.15, 0.1)),
      (("right_elbow",), ("right_wrist",), 0.28, (0.1, 0.5)), (("left_elbow",), ("left_wrist",), 0.28, (0.1, 0.5))),
)
LEAST, MOST = 0.2, 3.0      # by how much a limb is stretched
SHORTEST = 0.5              # pixels: what is shorter points at the camera and has no direction
FINE = 8                    # masks are drawn this many times larger, then averaged down


def warp_source(case):
    """-> uint8 (f, h, w, 3). A limb of which the source lacks an end stays in the background, where it was."""
    source = case.source.astype(np.float32)
    own = [ends(case.source_points.xy[0], limb) for limb in LIMBS]
    masks = [None if place is None else capsule(*place, limb, source.shape[:2]) for place, limb in zip(own, LIMBS, strict=True)]
    there = [mask for mask in masks if mask is not None]
    person = np.max(there, axis=0) if there else np.zeros(source.shape[:2], np.float32)
    hole = cv2.dilate((person > 0.05).astype(np.uint8), np.ones((3, 3), np.uint8))
    empty = cv2.inpaint(case.source, hole, 3, cv2.INPAINT_TELEA).astype(np.float32)
    targets = zip(*(places(case.points.xy, limb) for limb in LIMBS), strict=True)
    return np.stack([_frame(source, empty, own, masks, each) for each in targets])


def _frame(source, empty, own, masks, targets):
    picture, size = empty.copy(), (source.shape[1], source.shape[0])
    for limb, place, mask, target in zip(LIMBS, own, masks, targets, strict=True):
        if place is None or target is None:
            continue
        matrix = affine(place, target, stiff=limb is HEAD)
        alpha = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LINEAR)[..., None]
        moved = cv2.warpAffine(source, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        picture += alpha * (moved - picture)
    return np.round(picture).clip(0, 255).astype(np.uint8)


def places(xy, limb):
    """The two ends (2, 2) of a limb in each frame of key points (f, 18, 2). Where a frame lacks one, the limb is turned and as long as in the nearest frame
    that has both, from the end that is there on; where it lacks both, it is in that frame's place. None where it has no length, or where no frame has both."""
    each = np.array([_ends(frame, limb) for frame in xy])
    lacking = np.isnan(each).any(axis=-1)
    whole = np.flatnonzero(~lacking.any(axis=1))
    for number in np.flatnonzero(lacking.any(axis=1)) if len(whole) else ():
        nearest = each[whole[np.abs(whole - number).argmin()]]
        first, second = lacking[number]
        each[number] = nearest if first and second else nearest + (each[number][int(first)] - nearest[int(first)])
    return [points if _has_length(points) else None for points in each]


def ends(xy, limb):
    """The two ends (2, 2) of a limb in key points (18, 2); None where a joint is missing or the limb has no length. Of several joints, the middle of
    those that are there."""
    points = _ends(xy, limb)
    return points if _has_length(points) else None


def _ends(xy, limb):
    found = (xy[[INDEX[name] for name in names]] for names in limb[:2])
    there = (points[~np.isnan(points).any(axis=1)] for points in found)
    return np.array([points.mean(axis=0) if len(points) else (np.nan, np.nan) for points in there], np.float64)


def _has_length(points):
    return np.linalg.norm(points[1] - points[0]) >= SHORTEST        # NaN is not larger


def capsule(first, second, limb, shape):
    """The mask of a limb, float32 (h, w) in 0..1."""
    _, _, radius, (before, after) = limb
    along = second - first
    length = np.linalg.norm(along)
    line = (np.array([first - before * along, second + after * along]) + 0.5) * FINE - 0.5
    mask = np.zeros((shape[0] * FINE, shape[1] * FINE), np.uint8)
    cv2.line(mask, *(tuple(np.round(end).astype(int).tolist()) for end in line), 255, max(round(2 * radius * length * FINE), 1))
    return cv2.resize(mask, (shape[1], shape[0]), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def affine(source, target, stiff=False):
    """The matrix (2, 3) that takes the line of the ends `source` (2, 2) to that of the ends `target`, stretched along it by LEAST..MOST and across it not at
    all; stiff: not stretched either. Its first ends meet: what hangs on a joint stays at it."""
    (a, la), (b, lb) = (((points[1] - points[0]) / np.linalg.norm(points[1] - points[0]), np.linalg.norm(points[1] - points[0])) for points in (source, target))
    stretch = 1.0 if stiff else np.clip(lb / la, LEAST, MOST)
    across = np.array([[0.0, -1.0], [1.0, 0.0]])
    matrix = stretch * np.outer(b, a) + np.outer(across @ b, across @ a)
    return np.column_stack([matrix, target[0] - matrix @ source[0]])
