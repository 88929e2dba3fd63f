"""Pictures of poses, drawn from numbers by controlnet_aux, whose drawings the pose ControlNet was trained on."""

import functools
import warnings

import cv2
import numpy as np

from tcan import torchvision_ops
from tcan.errors import UserError


def draw(keypoints, canvas, size):
    """Draw `Keypoints` of f frames: uint8 RGB (f, h, w, 3), the background exactly 0.

    canvas: pixels of the shorter side at which sticks (8 wide) and joints (9 across) are drawn; size: (h, w), or one number for a square, to
    which the drawing is averaged down by area. Missing joints, and limbs that want one, are not drawn; joints outside the frame are cut off.
    """
    height, width = (size, size) if isinstance(size, int) else size
    scale = canvas / min(height, width)
    if scale < 1:
        raise UserError(f"pose.canvas: expected at least the shorter side of a frame ({min(height, width)}), got {canvas}; raise it in params.yaml")
    paint, joint = _controlnet_aux()
    blank = np.zeros((round(height * scale), round(width * scale), 3), np.uint8)
    places = keypoints.xy.astype(np.float64) / keypoints.size[::-1]
    pictures = np.zeros((len(keypoints), height, width, 3), np.uint8)
    for picture, frame, found in zip(pictures, places, keypoints.found, strict=True):
        body = [joint(x=x, y=y) if there else None for (x, y), there in zip(frame.tolist(), found, strict=True)]
        picture[:] = cv2.resize(paint(blank.copy(), body), (width, height), interpolation=cv2.INTER_AREA)
    return pictures


def mask(pictures):
    """B of eq. 3: (h, w) bool, the pixels where the drawn pose of any frame, (f, h, w, 3), is not black."""
    return np.asarray(pictures).any(axis=(0, 3))


@functools.cache
def _controlnet_aux():
    """(draw_bodypose, Keypoint). The package imports all its detectors; what they warn of is not about poses."""
    torchvision_ops.ensure()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from controlnet_aux.open_pose.body import Keypoint
        from controlnet_aux.open_pose.util import draw_bodypose
    return draw_bodypose, Keypoint
