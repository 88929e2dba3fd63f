"""BlazePose (Bazarevsky et al. 2020) through LiteRT: MediaPipe's detector and landmark graphs, without MediaPipe.

The numbers are those of MediaPipe's pose_detection_cpu and pose_landmark_cpu graphs. Where MediaPipe follows a person from frame to frame,
each picture is read several times here, on its own, and the steadiest sequence of readings is taken (tcan.pose.tracking).
"""

from pathlib import Path

import cv2
import numpy as np

from tcan.errors import UserError
from tcan.pose.keypoints import MIRRORED
from tcan.pose.tracking import steadiest

DETECTOR, LANDMARKS = "pose_detection.tflite", "pose_landmark_full.tflite"
DETECTOR_SIDE, LANDMARK_SIDE = 224, 256
ANCHOR_GRIDS = ((28, 2), (14, 2), (7, 6))  # strides 8, 16 and three times 32, two anchors a cell in each layer
LEAST_DETECTION, LEAST_PRESENCE = 0.5, 0.5
OVERLAP = 0.3  # boxes of one person: intersection over union above this
ROI_SCALE = 1.25
HIPS, REACH = 0, 1  # of a detection's four points: the middle of the hips, and a point on the circle around the whole body
REGION = slice(33, 35)  # the same two points among the 39 landmarks

# OpenPose-18 from BlazePose's 33 points; the neck (None) is the middle of the shoulders.
OPENPOSE = (0, None, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)
NECK, SHOULDERS = 1, (2, 5)
LEAST_VISIBILITY = 0.3  # MediaPipe draws from 0.5, but limbs hidden behind the body, at 0.3 to 0.5, were seen to be placed well
AGREEMENT = 0.03  # of the picture's side
LOOKS = 3  # through the detector's region, then twice through the region that the landmarks themselves span


class BlazePose:
    """Finds one person in the pictures of a clip. `folder` holds the two .tflite files (source mediapipe)."""

    name = "blazepose"

    def __init__(self, folder, threads=1):
        self._detector = _interpreter(Path(folder) / DETECTOR, threads)
        self._landmarks = _interpreter(Path(folder) / LANDMARKS, threads)
        self._anchors = anchors()

    def __call__(self, pictures):
        """Key points of a clip's pictures, uint8 RGB (h, w, 3) each: xy (f, 18, 2) in units of a picture's width and height, NaN where
        missing, and score (f, 18)."""
        readings, seen = map(np.stack, zip(*(self.readings(picture) for picture in pictures), strict=True))
        choice, exchanged = steadiest(readings)
        order = np.where(exchanged[:, None], MIRRORED, np.arange(18))[:, None]
        readings, seen = np.take_along_axis(readings, order[..., None], axis=2), np.take_along_axis(seen, order, axis=2)
        xy = readings[np.arange(len(choice)), choice]
        # a joint is seen as well as the best of the readings that agree on its place sees it
        agree = np.linalg.norm(readings - xy[:, None], axis=-1) < AGREEMENT
        score = np.where(agree, seen, 0).max(axis=1)
        missing = (score < LEAST_VISIBILITY) | (choice < 0)[:, None]
        xy[missing], score[missing] = np.nan, 0
        return xy, score

    def readings(self, picture):
        """Key points of the surest person, read from the picture and from its mirror image, LOOKS times each: xy (2 LOOKS, 18, 2) in units
        of the picture's sides, NaN throughout for a reading that found nobody, and the joints' visibility (2 LOOKS, 18)."""
        xy, score = np.full((2 * LOOKS, 18, 2), np.nan, np.float32), np.zeros((2 * LOOKS, 18), np.float32)
        sides = np.array(picture.shape[1::-1], np.float64)
        for first, view in ((0, picture), (LOOKS, np.ascontiguousarray(picture[:, ::-1]))):
            points = self.detect(view)
            for look in range(first, first + LOOKS if points is not None else first):
                points, visibility, presence = self.landmarks(view, region(points))
                if presence < LEAST_PRESENCE:
                    break
                xy[look], score[look] = to_openpose(points / sides, visibility)
                points = points[REGION]
        xy[LOOKS:, :, 0] = 1 - xy[LOOKS:, :, 0]
        xy[LOOKS:], score[LOOKS:] = xy[LOOKS:, list(MIRRORED)], score[LOOKS:, list(MIRRORED)]
        return xy, score

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
    """OpenPose-18 from BlazePose's points: xy (18, 2) and visibility (18,), nothing left out."""
    index = [0 if point is None else point for point in OPENPOSE]
    xy, score = points[index].astype(np.float32), visibility[index].astype(np.float32)
    xy[NECK], score[NECK] = xy[list(SHOULDERS)].mean(axis=0), score[list(SHOULDERS)].min()
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
