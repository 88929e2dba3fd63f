"""One reading per frame out of several, so that a clip's movement is smallest.

An estimator that looks at single pictures may take a front for a back, or one leg for the other, in one frame and not in the next. Bodies
don't do that: among some readings of each frame, and the same with left and right exchanged, the steadiest sequence is the right one.
"""

import numpy as np

from tcan.pose.keypoints import MIRRORED

PRIOR = 0.01  # what an exchange of left and right costs in one frame, as a mean movement of the joints in body heights


def steadiest(readings):
    """Which reading of each frame to take, and whether to exchange left and right in it.

    readings: (f, k, 18, 2), k complete readings of each frame; NaN throughout for one that found nobody. The choice is the shortest path
    (Viterbi) over frames, where a step costs the mean movement of the joints in body heights; PRIOR, paid for each frame that is exchanged,
    lets the labelling of most frames win. Returns (f,) int, -1 where no reading found anybody, and (f,) bool.
    """
    readings = np.asarray(readings, np.float64)
    count = readings.shape[1]
    there = ~np.isnan(readings).any(axis=(2, 3))
    frames = np.flatnonzero(there.any(axis=1))
    choice, exchanged = np.full(len(readings), -1), np.zeros(len(readings), bool)
    if len(frames):
        states = np.nan_to_num(np.concatenate([readings, readings[:, :, list(MIRRORED)]], axis=1)[frames])
        toll = np.where(np.tile(there[frames], 2), np.repeat([0, PRIOR], count), np.inf)
        heights = np.ptp(readings[..., 1], axis=2)[there]
        path = _shortest_path(states, toll, max(float(np.median(heights)), 1e-6))
        choice[frames], exchanged[frames] = path % count, path >= count
    return choice, exchanged


def _shortest_path(states, toll, height):
    """Indices (n,) of the cheapest sequence of states (n, s, 18, 2), where to be in one costs toll (n, s)."""
    cost, origins = toll[0], []
    for before, now, here in zip(states, states[1:], toll[1:], strict=False):
        total = cost[:, None] + np.linalg.norm(before[:, None] - now, axis=-1).mean(axis=-1) / height + here
        origins.append(total.argmin(axis=0))
        cost = total.min(axis=0)
    path = [cost.argmin()]
    for origin in reversed(origins):
        path.append(origin[path[-1]])
    return np.array(path[::-1])
