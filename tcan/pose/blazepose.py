"""BlazePose (Bazarevsky et al. 2020) through LiteRT: MediaPipe's detector and landmark graphs, without MediaPipe.

The numbers are those of MediaPipe's pose_detection_cpu and pose_landmark_cpu graphs. Every picture stands alone: nothing is tracked or
smoothed over time, so the order and the number of frames never change a result.
"""

from pathlib import Path

import cv2
import numpy as np

from tcan.errors import UserError

DETECTOR, LANDMARKS = "pose_detection.tflite", "pose_landmark_full.tflite"
DETECTOR_SIDE, LANDMARK_SIDE = 224, 256
ANCHOR_GRIDS = ((28, 2), (14, 2), (7, 6))  # strides 8, 16 and three times 32, two anchors a cell in each layer
LEAST_DETECTION, LEAST_PRESENCE = 0.5, 0.5
OVERLAP = 0.3  # boxes of one person: intersection over union above this
ROI_SCALE = 1.25
HIPS, REACH = 0, 1  # of a detection's four points: the middle of the hips, and a point on the circle around the whole body

# OpenPose-18 from BlazePose's 33 points; the neck (None) is the middle of the shoulders.
OPENPOSE = (0, None, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)
NECK, SHOULDERS = 1, (2, 5)
LEAST_VISIBILITY = 0.5


class BlazePose:
    """Finds one person in a picture. `folder` holds the two .tflite files (source mediapipe)."""

    name = "blazepose"

    def __init__(self, folder, threads=1):
        self._detector = _interpreter(Path(folder) / DETECTOR, threads)
        self._landmarks = _interpreter(Path(folder) / LANDMARKS, threads)
        self._anchors = anchors()

    def __call__(self, picture):
        """Key points of the surest person in a picture, uint8 RGB (h, w, 3): xy (18, 2) in its pixels, NaN where missing, and score (18,)."""
        found = self.detect(picture)
        if found is None:
            return np.full((18, 2), np.nan, np.float32), np.zeros(18, np.float32)
        points, visibility, presence = self.landmarks(picture, region(found))
        # A second look through the region that the landmarks themselves span; MediaPipe does the same from one frame to the next.
        if presence >= LEAST_PRESENCE:
            points, visibility, presence = self.landmarks(picture, region(points[33:35]))
        if presence < LEAST_PRESENCE:
            return np.full((18, 2), np.nan, np.float32), np.zeros(18, np.float32)
        return to_openpose(points, visibility)

    def detect(self, picture):
        """The surest person's alignment points (4, 2) in pixels of the picture, or None."""
        height, width = picture.shape[:2]
        scale = DETECTOR_SIDE / max(height, width)
        # letterbox: the picture in the middle of a black square
        shift = np.array([(DETECTOR_SIDE - scale * width) / 2, (DETECTOR_SIDE - scale * height) / 2])
        square = _warp(picture, np.array([[scale, 0, shift[0]], [0, scale, shift[1]]]), DETECTOR_SIDE)
        raw, logits = _invoke(self._detector, square.astype(np.float32) / 127.5 - 1)
        best = suppress(*decode_detections(raw[0], logits[0, :, 0], self._anchors))
        return None if best is None else (best[4:].reshape(4, 2) * DETECTOR_SIDE - shift) / scale

    def landmarks(self, picture, roi):
        """39 points (39, 2) in pixels of the picture, their visibility (39,) in 0..1, and the person's presence, through a `region`."""
        center, side, angle = roi
        cosine, sine = np.cos(angle), np.sin(angle)
        turn = np.array([[cosine, -sine], [sine, cosine]])  # from the region's axes to the picture's
        inverse = turn.T * LANDMARK_SIDE / side
        crop = _warp(picture, np.column_stack([inverse, LANDMARK_SIDE / 2 - inverse @ center]), LANDMARK_SIDE)
        outputs = _invoke(self._landmarks, crop.astype(np.float32) / 255)
        points = outputs[0].reshape(39, 5)
        visibility = np.minimum(_sigmoid(points[:, 3]), _sigmoid(points[:, 4]))  # seen, and inside the picture
        return (points[:, :2] / LANDMARK_SIDE - 0.5) * side @ turn.T + center, visibility, float(outputs[1].item())


def anchors():
    """Centres of the detector's 2254 anchors (n, 2), in units of its input; all have size 1."""
    layers = []
    for cells, count in ANCHOR_GRIDS:
        y, x = np.mgrid[:cells, :cells]
        layers.append(np.repeat((np.stack([x, y], -1).reshape(-1, 2) + 0.5) / cells, count, axis=0))
    return np.concatenate(layers)


def decode_detections(raw, logits, anchors):
    """Boxes and points of all anchors: (n, 12) as center x, y, width, height and four points x, y, in units of the input; scores (n,)."""
    decoded = raw.astype(np.float64) / DETECTOR_SIDE
    decoded[:, :2] += anchors
    decoded[:, 4:] += np.tile(anchors, 4)
    return decoded, _sigmoid(np.clip(logits.astype(np.float64), -100, 100))


def suppress(detections, scores):
    """The surest detection (12,), averaged by score with those that overlap it (MediaPipe's weighted suppression); None if none is sure."""
    sure = scores >= LEAST_DETECTION
    if not sure.any():
        return None
    detections, scores = detections[sure], scores[sure]
    low, high = detections[:, :2] - detections[:, 2:4] / 2, detections[:, :2] + detections[:, 2:4] / 2
    best = scores.argmax()
    common = np.clip(np.minimum(high, high[best]) - np.maximum(low, low[best]), 0, None).prod(axis=1)
    area = np.clip(high - low, 0, None).prod(axis=1)
    same = common > OVERLAP * (area + area[best] - common)
    same[best] = True
    return np.average(detections[same], axis=0, weights=scores[same])


def region(points):
    """The rotated square around a person, (center (2,), side, angle): from the middle of the hips towards the head is up."""
    center, reach = points[HIPS], points[REACH] - points[HIPS]
    return center, max(2 * ROI_SCALE * float(np.hypot(*reach)), 1.0), float(np.pi / 2 + np.arctan2(reach[1], reach[0]))


def to_openpose(points, visibility):
    """OpenPose-18 from BlazePose's points: xy (18, 2) float32, NaN where visibility is below the threshold, and score (18,) float32."""
    index = [0 if point is None else point for point in OPENPOSE]
    xy, score = points[index].astype(np.float32), visibility[index].astype(np.float32)
    xy[NECK], score[NECK] = xy[list(SHOULDERS)].mean(axis=0), score[list(SHOULDERS)].min()
    missing = score < LEAST_VISIBILITY
    xy[missing], score[missing] = np.nan, 0
    return xy, score


def _interpreter(path, threads):
    from ai_edge_litert.interpreter import Interpreter

    try:
        model = Interpreter(str(path), num_threads=threads)
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: expected a TFLite model, got {' '.join(str(error).split())}; run `tcan fetch mediapipe` again") from error
    model.allocate_tensors()
    return model


def _invoke(model, picture):
    model.set_tensor(model.get_input_details()[0]["index"], picture[None])
    model.invoke()
    return [model.get_tensor(output["index"]) for output in model.get_output_details()]


def _warp(picture, matrix, side):
    """A side x side picture under an affine map (2, 3), antialiased where it shrinks: area-averaged by a whole factor first."""
    factor = int(1 / max(np.sqrt(abs(np.linalg.det(matrix[:, :2]))), 1e-6))
    if factor > 1:
        height, width = -(-picture.shape[0] // factor), -(-picture.shape[1] // factor)
        # the picture is padded so that each small pixel is the mean of factor x factor pixels and the map stays exact
        padded = cv2.copyMakeBorder(picture, 0, height * factor - picture.shape[0], 0, width * factor - picture.shape[1], cv2.BORDER_REPLICATE)
        picture = cv2.resize(padded, (width, height), interpolation=cv2.INTER_AREA)
        matrix = matrix * [[factor, factor, 1]]
    # points are measured from the corner of the first pixel, warpAffine measures from its center
    shift = np.array([0.5, 0.5])
    offset = matrix[:, 2] + matrix[:, :2] @ shift - shift
    return cv2.warpAffine(picture, np.column_stack([matrix[:, :2], offset]), (side, side), flags=cv2.INTER_LINEAR)


def _sigmoid(values):
    return 1 / (1 + np.exp(-values))
