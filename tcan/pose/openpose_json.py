"""OpenPose's own files, one a frame: NAME_000000000012_keypoints.json, as its program writes them with --write_json.

The number before `_keypoints` is that of the frame. For a clip cut out of a video (sampling.json) it counts the video's frames, and the points
are in the video's pixels; for any other it is the number in the name of the clip's own picture, 0012.png, and so are the pixels.
"""

import json
import re
from pathlib import Path

import numpy as np

from tcan.errors import UserError
from tcan.pose.people import People, nobody

NAME = re.compile(r"(?:^|_)(\d+)_keypoints\.json$")
KEY = "pose_keypoints_2d"
LAYOUTS = {  # numbers a person -> OpenPose-18's joints among them
    54: tuple(range(18)),  # COCO
    75: (*range(8), *range(9, 19)),  # BODY_25: its eighth is the middle of the hips, and its last six are feet
}


class OpenPoseJSON:
    """Reads the people of a clip's frames from `folder`, which holds a folder of JSON files for each clip, by its id."""

    name = "openpose_json"

    def __init__(self, folder):
        self.folder = Path(folder)

    def people(self, clip, numbers, size, crops=None):
        """Yield the People of each frame of a clip.

        clip: its id; numbers: the frames' numbers in the files' names; size: (height, width) of the picture that the points are read in; crops:
        (left, top, side) of each frame in pixels of the files, if they are of a larger picture. A frame without a file has nobody.
        Raises UserError where no frame has a file, and for a file that is something else.
        """
        files = self._files(clip)
        if not files.keys() & set(numbers):
            raise UserError(f"{self.folder / clip}: expected OpenPose's files for the frames {min(numbers)} to {max(numbers)}, got {len(files)} for others; "
                            "run OpenPose on the clip's frames, with --write_json this folder")
        for number, crop in zip(numbers, crops or [None] * len(numbers), strict=True):
            yield _people(files[number], size, crop) if number in files else nobody(size)

    def _files(self, clip):
        found = {}
        for path in sorted((self.folder / clip).glob("*_keypoints.json")):
            match = NAME.search(path.name)
            if match is None:
                raise UserError(f"{path}: expected a name that ends in _NUMBER_keypoints.json, got {path.name}; rename or remove it")
            if (number := int(match[1])) in found:
                raise UserError(f"{path}: expected one file for frame {number}, got {found[number].name} too; keep one of them")
            found[number] = path
        if not found:
            raise UserError(f"{self.folder / clip}: expected OpenPose's files of this clip (*_keypoints.json), found none; "
                            "run OpenPose with --write_json this folder")
        return found


def _people(path, size, crop):
    points = np.array([_joints(person, path) for person in _persons(path)], np.float64).reshape(-1, 18, 3)
    there = points[..., 2] > 0
    points = points[there.any(axis=1)]
    if not len(points):
        return nobody(size)
    xy, score = points[..., :2], points[..., 2]
    left, top, side = crop or (0, 0, None)
    frame = np.array([side, side] if side else size[::-1], np.float64)
    if crop is None:
        _in_pixels_of(xy[score > 0], size, path)
    xy = (xy - [left, top]) / frame
    missing = score <= 0
    xy[missing] = np.nan
    score = np.where(missing, 0, np.minimum(score, 1)).astype(np.float32)
    return People(xy.astype(np.float32), score, score.sum(axis=1, dtype=np.float64), tuple(size))


def _persons(path):
    try:
        people = json.loads(path.read_text())["people"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: expected OpenPose's JSON with `people`, got another file ({type(error).__name__}: {error}); write it again") from error
    if not isinstance(people, list):
        raise UserError(f"{path}: expected a list of people, got {type(people).__name__}; write it again")
    return people


def _joints(person, path):
    """OpenPose-18's x, y and score, (18, 3), of one entry of `people`."""
    values = person.get(KEY) if isinstance(person, dict) else None
    if not isinstance(values, list) or len(values) not in LAYOUTS:
        got = f"{len(values)} numbers" if isinstance(values, list) else "none"
        raise UserError(f"{path}: expected {KEY} of {' or '.join(map(str, LAYOUTS))} numbers (COCO, BODY_25), got {got}; run OpenPose with one of these models")
    if not all(type(value) in (int, float) and np.isfinite(value) for value in values):
        raise UserError(f"{path}: expected {KEY} as finite numbers, got others; write it again")
    return np.array(values, np.float64).reshape(-1, 3)[list(LAYOUTS[len(values)])]


def _in_pixels_of(xy, size, path):
    """Refuse points that aren't in pixels of pictures of `size`, (height, width)."""
    limit = np.array(size[::-1])
    if (xy < 0).any() or (xy > limit).any() or (xy <= 1).all():
        raise UserError(f"{path}: expected points in pixels of frames of {limit[0]} x {limit[1]}, got some from {xy.min():g} to {xy.max():g}; "
                        "run OpenPose on these frames, with --keypoint_scale 0")
