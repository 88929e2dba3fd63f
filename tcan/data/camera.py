"""A fixed camera with a weak perspective, and how it is placed so that a whole motion stays in the frame."""

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

    def axes(self):
        """Rows: image right, image down, away from the camera, as world vectors (3, 3)."""
        ca, sa, ce, se = np.cos(self.azimuth), np.sin(self.azimuth), np.cos(self.elevation), np.sin(self.elevation)
        away = -np.array([ca * ce, se, -sa * ce])
        right = np.array([-sa, 0.0, -ca])
        return np.stack([right, np.cross(away, right), away])

    def project(self, points):
        """World points (..., 3) -> frame coordinates (..., 2) in 0..1, depth (...) in metres from the centre, scale (...) in frame sides a metre."""
        seen = (np.asarray(points) - (0.0, 1.0, 0.0)) @ self.axes().T
        scale = self.scale * self.distance / np.maximum(self.distance + seen[..., 2], 0.3 * self.distance)
        return np.asarray(self.origin) + seen[..., :2] * scale[..., None], seen[..., 2], scale


def place_camera(joints, height, fill, azimuth, elevation, shift=0.0):
    """A camera, and the joints (t, J, 3) with their travel over the ground cut where it would leave the frame.

    height: of the person upright, in metres; fill: the part of the frame's height this takes if the motion leaves room; shift: of the
    person's centre, -1 (as far left as it fits) .. 1.
    """
    extra = 0.045 * height  # the crown's hair and the soles lie beyond the joints
    low, high = MARGIN, 1 - MARGIN
    centred = joints - joints[:, JOINT["pelvis"]].mean(axis=0) * (1, 0, 1)
    travel = _travel(centred)
    for keep in (1.0, 0.6, 0.3, 0.0):
        moved = centred - travel * (1 - keep)
        camera = Camera(azimuth, elevation, 5.0 * height, fill / height)
        xy, _, _ = camera.project(moved)
        if np.ptp(xy[..., 0]) <= high - low - 2 * extra * camera.scale:
            break
    span = np.ptp(xy.reshape(-1, 2), axis=0) + 2 * extra * camera.scale
    shrink = min(1.0, ((high - low) / span).min())
    camera = Camera(azimuth, elevation, 5.0 * height, camera.scale * shrink, (0.0, 0.0))
    xy, _, _ = camera.project(moved)
    least, most = xy.reshape(-1, 2).min(axis=0) - extra * camera.scale, xy.reshape(-1, 2).max(axis=0) + extra * camera.scale
    room = (high - low) - (most - least)
    across = low - least[0] + room[0] * (0.5 + 0.5 * shift)
    down = low - least[1] + room[1] * 0.75  # more wall above the head than floor below the feet
    return Camera(azimuth, elevation, camera.distance, camera.scale, (float(across), float(down))), moved


def _travel(joints):
    """(t, 1, 3): where the pelvis goes over the ground, from its mean."""
    pelvis = joints[:, JOINT["pelvis"]] * (1, 0, 1)
    return (pelvis - pelvis.mean(axis=0))[:, None]
