"""Left and right, made consistent over a clip: an estimator that looks at one frame at a time may take a front for a back."""

import numpy as np

from tcan.pose.keypoints import MIRRORED, Keypoints

PRIOR = 0.01  # what it costs to overrule the estimator in one frame, as a mean movement of the joints in body heights


def mend(keypoints):
    """The same key points with left and right exchanged in the frames where that makes the clip's movement smallest.

    Nobody turns about between two frames, so a body whose sides change places in one is an error. The choice per frame is a shortest path
    (Viterbi) over {as estimated, exchanged}: the cost is the mean movement of the joints plus PRIOR for each frame that is exchanged, so
    that the labelling of most frames wins. Returns the key points and the frames that were exchanged, (f,) bool.
    """
    frames = np.flatnonzero(keypoints.found.any(axis=1))
    exchanged = np.zeros(len(keypoints), bool)
    if len(frames) > 1:
        exchanged[frames] = _shortest_path(keypoints.xy[frames].astype(np.float64))
    order = np.where(exchanged[:, None], MIRRORED, np.arange(18))
    xy, score = np.take_along_axis(keypoints.xy, order[..., None], axis=1), np.take_along_axis(keypoints.score, order, axis=1)
    return Keypoints(xy, score, keypoints.size, keypoints.estimator), exchanged


def _shortest_path(xy):
    """Which of the frames (n, 18, 2) to exchange, (n,) bool."""
    height = max(float(np.median(np.nanmax(xy[..., 1], axis=1) - np.nanmin(xy[..., 1], axis=1))), 1.0)
    labellings = np.stack([xy, xy[:, list(MIRRORED)]])
    cost, origins = np.array([0, PRIOR]), []
    for frame in range(1, len(xy)):
        steps = np.array([[_movement(labellings[before, frame - 1], labellings[now, frame]) / height for now in (0, 1)] for before in (0, 1)])
        total = cost[:, None] + steps + [0, PRIOR]
        origins.append(total.argmin(axis=0))
        cost = total.min(axis=0)
    path = [int(cost.argmin())]
    for origin in reversed(origins):
        path.append(int(origin[path[-1]]))
    return np.array(path[::-1], bool)


def _movement(before, now):
    """Mean distance of the joints that both frames have, 0 if they share none."""
    distance = np.linalg.norm(before - now, axis=-1)
    return float(np.nanmean(distance)) if np.isfinite(distance).any() else 0.0
