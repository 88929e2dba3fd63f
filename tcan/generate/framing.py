"""Pictures of any kind and size, and poses in them, made to fit what the networks take; and back into something to look at."""

import cv2
import numpy as np

from tcan.pose.keypoints import Keypoints

TILE = 256  # pixels: side by side, pictures are enlarged to at least this height


def fit(picture, keypoints, shorter, multiple):
    """A picture, uint8 (h, w, 3), and its `Keypoints`, scaled so that the shorter side is `shorter` pixels, and both sides multiples of `multiple`.

    Nothing is distorted: what a side has over its multiple is cut off at both ends alike. Returns both.
    """
    height, width = picture.shape[:2]
    scale = shorter / min(height, width)
    target = np.array([max(1, round(side * scale / multiple)) * multiple for side in (height, width)])
    scale = max(target / (height, width))  # the smallest that covers the target
    scaled = np.maximum(np.round(np.array([height, width]) * scale).astype(int), target)
    resized = cv2.resize(picture, (int(scaled[1]), int(scaled[0])), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top, left = (scaled - target) // 2
    cut = np.ascontiguousarray(resized[top:top + target[0], left:left + target[1]])
    xy = keypoints.xy * (scaled / (height, width))[::-1] - (left, top)
    return cut, Keypoints(xy.astype(np.float32), keypoints.score, (int(target[0]), int(target[1])), keypoints.estimator)


def centred(keypoints, size):
    """`Keypoints` of frames of another size in frames of `size` (h, w): scaled by the heights, the middle to the middle."""
    scale = size[0] / keypoints.size[0]
    xy = (keypoints.xy - np.array(keypoints.size[::-1]) / 2) * scale + np.array(size[::-1]) / 2
    return Keypoints(xy.astype(np.float32), keypoints.score, tuple(size), keypoints.estimator)


def side_by_side(pictures):
    """Pictures, uint8 (h, w, 3) each of its own size, in a line, of one height: that of the last, times what brings it to TILE."""
    height = pictures[-1].shape[0] * -(-TILE // pictures[-1].shape[0])
    return np.concatenate([_of_height(picture, height) for picture in pictures], axis=1)


def _of_height(picture, height):
    scale = height / picture.shape[0]
    size = max(1, round(picture.shape[1] * scale)), height
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
