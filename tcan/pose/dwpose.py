"""DWPose (Yang et al. 2023) through ONNX Runtime: YOLOX finds people, RTMPose their 133 points, of which the body's become OpenPose-18.

Sizes, thresholds and the mean of the shoulders for a neck are those of the authors' repository. Two things differ. Their code hands both
networks the picture in one order of colours; here each gets the order it was trained with, as in their training configuration. And where
theirs takes the whole picture for a person if none is detected, here nobody is found.
"""

from pathlib import Path

import cv2
import numpy as np

from tcan.errors import UserError
from tcan.pose.people import People

DETECTOR, POINTS = "yolox_l.onnx", "dw-ll_ucoco_384.onnx"
STRIDES = (8, 16, 32)
BORDER = 114  # grey of the detector's letterbox
PERSON = 0  # of COCO's 80 classes
LEAST_DETECTION, OVERLAP = 0.3, 0.45
PADDING = 1.25  # of a box, before its points are looked for
MEAN, DEVIATION = np.array([123.675, 116.28, 103.53], np.float32), np.array([58.395, 57.12, 57.375], np.float32)  # RGB
BINS = 2  # SimCC: places told apart in a pixel, along each axis
LEAST_SCORE = 0.3

# OpenPose-18 from COCO's points; the neck (None) is the middle of the shoulders.
COCO = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
NECK, SHOULDERS = 1, (2, 5)


class DWPose:
    """Finds the people in pictures. `folder` holds yolox_l.onnx and dw-ll_ucoco_384.onnx; `batch` pictures, or people of one picture, go through
    a network together where its file leaves that number open; device: "cpu" or "cuda"."""

    name = "dwpose"

    def __init__(self, folder, device="cpu", batch=8):
        self._detector, self._points = (_session(Path(folder) / name, device) for name in (DETECTOR, POINTS))
        self.batch = batch

    def people(self, pictures):
        """Yield the People of each picture, uint8 RGB (h, w, 3); no more than a batch of them is held at a time."""
        batch = []
        for picture in pictures:
            batch.append(picture)
            if len(batch) == self.batch:
                yield from self._read(batch)
                batch = []
        if batch:
            yield from self._read(batch)

    def _read(self, pictures):
        for picture, found in zip(pictures, self.boxes(pictures), strict=True):
            size = picture.shape[:2]
            xy, score = self.points(picture, found) if len(found) else (np.zeros((0, 133, 2)), np.zeros((0, 133)))
            xy, score = to_openpose(xy, score)
            seen = (score > 0).any(axis=1)
            xy, score = (xy[seen] / size[::-1]).astype(np.float32), score[seen]
            yield People(xy, score, score.sum(axis=1, dtype=np.float64), size)

    def boxes(self, pictures):
        """The people's boxes of each picture, a list of (p, 4): left, top, right, bottom in pixels, the surest first."""
        side = self._detector.get_inputs()[0].shape[2:]
        inputs, scales = zip(*(letterbox(picture, side) for picture in pictures), strict=True)
        (raw,) = _forward(self._detector, np.stack(inputs), self.batch)
        return [suppress(*decode_detections(each, side), scale) for each, scale in zip(raw, scales, strict=True)]

    def points(self, picture, boxes):
        """The 133 points of each box's person: (p, 133, 2) in pixels of the picture, and their scores (p, 133)."""
        height, width = self._points.get_inputs()[0].shape[2:]
        centers, sizes = regions(boxes, width / height)
        inputs = np.stack([crop(picture, center, size, (height, width)) for center, size in zip(centers, sizes, strict=True)])
        places, score = decode_points(*_forward(self._points, inputs, self.batch))
        return (places / (width, height) - 0.5) * sizes[:, None] + centers[:, None], score


def letterbox(picture, side):
    """A picture at the upper left of a grey one of `side` (height, width), float32 BGR (3, height, width) in 0..255, and its scale in there."""
    scale = min(side[0] / picture.shape[0], side[1] / picture.shape[1])
    height, width = int(picture.shape[0] * scale), int(picture.shape[1] * scale)
    canvas = np.full((*side, 3), BORDER, np.uint8)
    canvas[:height, :width] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return canvas[:, :, ::-1].transpose(2, 0, 1).astype(np.float32), scale


def decode_detections(raw, side):
    """Of YOLOX's output (n, 5 + classes) for an input of `side`: boxes (n, 4) as left, top, right, bottom in its pixels, and the scores (n,)
    that they are a person's. The n cells are those of a grid for each of STRIDES, row by row."""
    cells = [np.stack(np.meshgrid(np.arange(side[1] // stride), np.arange(side[0] // stride)), -1).reshape(-1, 2) for stride in STRIDES]
    stride = np.repeat(STRIDES, [len(grid) for grid in cells])[:, None]
    center = (raw[:, :2] + np.concatenate(cells)) * stride
    half = np.exp(raw[:, 2:4]) * stride / 2
    return np.concatenate([center - half, center + half], axis=1), raw[:, 4] * raw[:, 5 + PERSON]


def suppress(boxes, scores, scale):
    """Boxes (p, 4) in pixels of the picture, which has `scale` in the input, that are sure enough and overlap no surer one, the surest first."""
    sure = scores > LEAST_DETECTION
    order = np.argsort(-scores[sure], kind="stable")
    boxes, kept = boxes[sure][order] / scale, []
    for box in boxes:
        if not any(_overlap(box, other) > OVERLAP for other in kept):
            kept.append(box)
    return np.array(kept).reshape(-1, 4)


def _overlap(one, other):
    """Intersection over union of two boxes, whose last pixels count as YOLOX's authors count them."""
    common = np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]) + 1, 0, None).prod()
    return common / ((one[2:] - one[:2] + 1).prod() + (other[2:] - other[:2] + 1).prod() - common)


def regions(boxes, aspect):
    """Centers and sizes (p, 2), x and y, of the boxes with their PADDING, widened or heightened to width / height = aspect."""
    size = (boxes[:, 2:] - boxes[:, :2]) * PADDING
    width = np.maximum(size[:, 0], size[:, 1] * aspect)
    return (boxes[:, :2] + boxes[:, 2:]) / 2, np.column_stack([width, width / aspect])


def crop(picture, center, size, side):
    """A region of a picture as RTMPose takes it: normalised RGB (3, h, w) float32, (h, w) = side; black outside of the picture."""
    scale = side[1] / size[0]
    matrix = np.array([[scale, 0, side[1] / 2 - scale * center[0]], [0, scale, side[0] / 2 - scale * center[1]]])
    warped = cv2.warpAffine(picture, matrix, (side[1], side[0]), flags=cv2.INTER_LINEAR)
    return ((warped - MEAN) / DEVIATION).transpose(2, 0, 1).astype(np.float32)


def decode_points(across, down):
    """Points (p, k, 2) in pixels of the input, and scores (p, k), of SimCC's distributions over x (p, k, BINS * w) and y (p, k, BINS * h)."""
    places = np.stack([across.argmax(axis=-1), down.argmax(axis=-1)], axis=-1) / BINS
    return places, np.minimum(across.max(axis=-1), down.max(axis=-1))


def to_openpose(points, score):
    """OpenPose-18 of COCO's points (p, 133, 2) and (p, 133): xy (p, 18, 2), NaN where a joint isn't sure, and score (p, 18) float32, 0 there.

    A neck is where both shoulders are sure, as sure as the less sure of them.
    """
    index = [0 if point is None else point for point in COCO]
    xy, score = points[:, index].astype(np.float64), np.minimum(score[:, index], 1).astype(np.float32)
    xy[:, NECK], score[:, NECK] = xy[:, SHOULDERS].mean(axis=1), score[:, SHOULDERS].min(axis=1)
    missing = score <= LEAST_SCORE
    xy[missing], score[missing] = np.nan, 0
    return xy, score


def _session(path, device):
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError("dwpose: expected the package onnxruntime, found none; run `pip install -r requirements.txt`") from error
    if not path.is_file():
        raise UserError(f"{path}: expected DWPose's weights, found no file; put {path.name} of yzd-v/DWPose there")
    provider = "CUDAExecutionProvider" if str(device).startswith("cuda") else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise UserError(f"device: expected an onnxruntime for {device!r}, got one for the CPU; "
                        "run `pip install onnxruntime-gpu` in its place, or pass --device cpu")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:  # the runtime's own classes aren't public
        raise UserError(f"{path}: expected an ONNX model, got another file ({' '.join(str(error).split())[:120]}); fetch it again") from error


def _forward(session, inputs, batch):
    """All outputs of a model for inputs (n, ...), as many at a time as its file allows."""
    (entry,) = session.get_inputs()
    count = entry.shape[0] if isinstance(entry.shape[0], int) else batch
    parts = [session.run(None, {entry.name: inputs[first:first + count]}) for first in range(0, len(inputs), count)]
    return [np.concatenate(each) for each in zip(*parts, strict=True)]
