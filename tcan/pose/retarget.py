"""Pose retargeting (section 4.2, appendix C, Algorithm 1): driving key points, moved to the proportions of the source's character.

Where Algorithm 1 as printed can't be meant, the text is followed:
1. all ratios are source / driving; the printed neck-nose ratio is the inverse, under which a distance would not come to match the source's;
2. a limb is the difference of its two ends, child minus parent; printed is the difference of one point with itself;
3. what moves is the child, `kp1`; printed is the parent, `kp2`;
4. a limb's ratio is that of the child's limb; printed is the parent's;
5. missing joints stay missing, and what hangs on one hangs on its nearest ancestor that is there; the algorithm says nothing of them.
   A limb that can't be measured, since an end is missing or its length is zero, takes the ratio of the whole body.
6. a limb's ratio stays within a factor LARGEST of the whole body's: a limb that points at the camera in the first frame looks far too short
   there, and the algorithm would draw it out in all others.
"""

import numpy as np

from tcan.pose.keypoints import INDEX, LIMBS, NAMES, Keypoints

ROOT = INDEX["neck"]
LARGEST = 3.0
LONG = 0.9  # quantile of a limb's lengths over a clip: the longest but for what an estimator gets wrong
SHORTEST = 1e-3  # of the frame's height: below it a limb has no length


def retarget(driving, source, lengths="first"):
    """Driving `Keypoints` (f frames) in the proportions and at the place of the source's, `Keypoints` of one frame; pixels of its frame.

    Each limb is scaled by its length in the source over its length in the driving clip's first frame (the first that has it). The neck stands
    at the source's neck in that frame and moves on by the driving displacement times the whole body's ratio. Pixels are taken for square,
    so frames of different sizes and aspect ratios need nothing more. Same proportions at the same place: nothing changes.

    lengths: of the driving limbs, `first` (Algorithm 1: in the first frame); `clip`: as long as they get over the clip, where a limb that points at the
    camera in the first frame is not taken for short; or `true`: the `limbs` of both, where they are known.
    """
    if len(source) != 1:
        raise ValueError(f"expected a source of one frame, got {len(source)}")
    ratios, whole = true_ratios(driving, source) if lengths == "true" else limb_ratios(driving, source, lengths)
    there, target = _anchors(driving, source)
    xy, found = driving.xy.astype(np.float64), driving.found
    # `reach` is where each joint is in the driving frames, `placed` where it comes to be; a missing joint has those of its parent.
    reach, placed = np.empty_like(xy), np.empty_like(xy)
    reach[:, ROOT] = np.where(found[:, ROOT, None], xy[:, ROOT], there)
    placed[:, ROOT] = target + whole * (reach[:, ROOT] - there)
    for (parent, child), ratio in zip(LIMBS, ratios, strict=True):
        scale = np.where(found[:, parent], ratio, whole)[:, None]
        reach[:, child] = np.where(found[:, child, None], xy[:, child], reach[:, parent])
        placed[:, child] = placed[:, parent] + scale * (reach[:, child] - reach[:, parent])
    moved = np.where(found[..., None], placed, np.nan).astype(np.float32)
    return Keypoints(moved, driving.score, source.size, driving.estimator)


def limb_ratios(driving, source, lengths="first"):
    """Source over driving length of each of LIMBS, (17,), and of the whole body (the sum of the limbs that both have). lengths: as of `retarget`."""
    target = _lengths(source)
    given = _longest(driving) if lengths == "clip" else _lengths(driving)
    both = (target > 0) & (given > 0)
    whole = target[both].sum() / given[both].sum() if both.any() else source.size[0] / driving.size[0]
    ratios = np.full(len(LIMBS), whole)
    ratios[both] = np.clip(target[both] / given[both], whole / LARGEST, whole * LARGEST)
    return ratios, float(whole)


def true_ratios(driving, source):
    """As `limb_ratios`, of the true lengths of limbs. Raises ValueError where these aren't known."""
    if driving.limbs is None or source.limbs is None:
        raise ValueError("expected the true lengths of the limbs of both, got key points without")
    first, target = driving.limbs.astype(np.float64), source.limbs.astype(np.float64)
    return target / first, float(target.sum() / first.sum())


def _lengths(keypoints):
    """Lengths of LIMBS in the first frame that has them, (17,); 0 where none has, or where it is next to nothing."""
    parents, children = np.array(LIMBS).T
    found = keypoints.found[:, parents] & keypoints.found[:, children]
    first = found.argmax(axis=0)
    limbs = np.arange(len(LIMBS))
    ends = keypoints.xy.astype(np.float64)
    lengths = np.linalg.norm(ends[first, children] - ends[first, parents], axis=-1)
    return np.where(found[first, limbs] & (lengths > SHORTEST * keypoints.size[0]), lengths, 0.0)


def _longest(keypoints):
    """Lengths of LIMBS over the clip, (17,): in each the LONG of the frames that have it, 0 where none has, or where it is next to nothing."""
    parents, children = np.array(LIMBS).T
    lengths = np.linalg.norm(keypoints.xy[:, children] - keypoints.xy[:, parents], axis=-1).astype(np.float64)
    found = ~np.isnan(lengths)
    longest = np.array([np.quantile(limb[there], LONG) if there.any() else 0.0 for limb, there in zip(lengths.T, found.T)])
    return np.where(longest > SHORTEST * keypoints.size[0], longest, 0.0)


def _anchors(driving, source):
    """A point (2,) of the driving clip's first frame and the point (2,) of the source's frame that it goes to: the necks.

    Without a neck in one of them, the middle of the joints that both have; without any, the middle of the frames.
    """
    for joints in ([ROOT], range(len(NAMES))):
        common = [joint for joint in joints if driving.found[:, joint].any() and source.found[0, joint]]
        if common:
            first = driving.found[:, common].argmax(axis=0)
            return driving.xy[first, common].astype(np.float64).mean(axis=0), source.xy[0, common].astype(np.float64).mean(axis=0)
    return np.array(driving.size[::-1]) / 2, np.array(source.size[::-1]) / 2
