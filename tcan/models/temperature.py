"""Pose-driven temperature map (section 3.3, equations 3 to 5). Inference only."""

import numpy as np
from scipy.ndimage import distance_transform_edt

from tcan.pose.draw import mask


def temperature_map(pictures, tau):
    """T = tau * D + 1 (equation 5).

    pictures: uint8 (f, h, w, 3), the drawn poses of the frames that share one map (a window, or a clip).
    tau: how hot the map gets far from the body; 0 gives ones, that is no temperature.
    Returns float32 (h, w), at least 1. Without a body anywhere there is no distance to it: T is 1.
    """
    body = mask(pictures)  # equation 3: B
    if not body.any():
        return np.ones(body.shape, np.float32)
    distance = distance_transform_edt(~body)  # exact; OpenCV's differs in its last bits with where the array lies in memory
    half_diagonal = np.hypot(*body.shape) / 2  # equation 4: D, in units of half the image's diagonal
    return (tau * distance / half_diagonal + 1).astype(np.float32)
