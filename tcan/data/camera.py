"""A fixed camera with a weak perspective, and how it is placed so that a whole motion stays in the frame."""

import functools
from dataclasses import dataclass

import numpy as np

from tcan.data.motion import JOINT

MARGIN = 0.035  # of the frame's side that joints keep from its edges: the body has some thickness beyond them


@dataclass(frozen=True)
class Camera:
    """azimuth and elevation in radians (at azimuth 0 it looks at the face of someone who faces +x), distance in metres from the point
    (0, 1, 0), scale in frame sides a metre there, origin: where in the frame (0..1, 0..1) that point lies."""

    azimuth: float
    elevation: float
    distance: float
    scale: float
    origin: tuple = (0.5, 0.5)

    @functools.cached_property
    def axes(self):
        """Rows: image right, image down, away from the camera, as world vectors (3, 3)."""
        ca, sa, ce, se = np.cos(self.azimuth), np.sin(self.azimuth), np.cos(self.elevation), np.sin(self.elevation)
        away = -np.array([ca * ce, se, -sa * ce])
        right = np.array([-sa, 0.0, -ca])
        return np.stack([right, np.cross(away, right), away])

    def project(self, points):
        """World points (..., 3) -> frame coordinates (..., 2) in 0..1, depth (...) in metres from the centre, scale (...) in frame sides a metre."""
        seen = (np.asarray(points) - (0.0, 1.0, 0.0)) @ self.axes.T
        scale = self.scale * self.distance / np.maximum(self.distance + seen[..., 2], 0.3 * self.distance)
        return np.asarray(self.origin) + seen[..., :2] * scale[..., None], seen[..., 2], scale


def place_camera(joints, height, fill, azimuth, elevation, shift=0.0, headroom=0.0):
    """A camera, and the joints (t, J, 3) with their travel over the ground cut where it would leave the frame or come too near.

    height: of the person upright, in metres; fill: the part of the frame's height this takes if the motion leaves room; shift: of the
    person's centre, -1 (as far left as it fits) .. 1; headroom: metres to keep free above the crown.
    """
    camera = Camera(azimuth, elevation, 5.0 * height, fill / height, (0.0, 0.0))
    extra = 0.045 * height  # hair and soles lie beyond the joints
    high, low = np.array([extra, extra]), np.array([extra, extra + headroom])  # x, y
    right, away = camera.axes[0], np.cross(camera.axes[0], (0, 1, 0))
    pelvis = joints[:, JOINT["pelvis"]]
    travel = pelvis - pelvis.mean(axis=0)
    across, deep = travel @ right, travel @ away
    still = joints - pelvis.mean(axis=0) * (1, 0, 1) - (across[:, None] * right + deep[:, None] * away)[:, None]
    deep = deep * min(1.0, 0.5 * height / max(np.ptp(deep), 1e-9))
    for keep in (1.0, 0.6, 0.3, 0.0):
        moved = still + (keep * across[:, None] * right + deep[:, None] * away)[:, None]
        xy = camera.project(moved)[0].reshape(-1, 2)
        span = np.ptp(xy, axis=0) + (low + high) * camera.scale
        if span[0] <= 1 - 2 * MARGIN:
            break
    shrink = min(1.0, ((1 - 2 * MARGIN) / span).min())
    room = 1 - 2 * MARGIN - span * shrink
    # more wall above the head than floor below the feet
    origin = MARGIN + room * (0.5 + 0.5 * shift, 0.88) - (xy.min(axis=0) - low * camera.scale) * shrink
    return Camera(azimuth, elevation, camera.distance, camera.scale * shrink, tuple(origin.tolist())), moved
