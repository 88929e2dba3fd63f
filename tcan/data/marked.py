"""Key points of drawn characters as somebody marked them: the annotations of the Bizarre Pose data set, or a JSON file made by hand.

By hand:
    {"1234567": {"size": [600, 800],
                 "keypoints": {"nose": [301.5, 120], "left_shoulder": [340, 220], ..., "left_ear": null}}}
A key is a picture's id; `size` is its [width, height] in pixels, turned upright; a key point is [x, y] from the left upper corner, null or absent where it
is not to be seen. Names are OpenPose's (tcan/pose/keypoints.py: NAMES), left and right the character's own. `neck` may be absent: it is then the middle of
the shoulders, as in the annotations.

The data set's raw/annotations.json: {id: {"size": [height, width], "keypoints": {name: [y, x]}, ...}}, rows first, with 25 names: COCO's 17 written as
shoulder_left, and eight more that OpenPose doesn't have.
"""

import json
import math

import numpy as np

from tcan.errors import UserError
from tcan.pose.keypoints import INDEX, NAMES
from tcan.strict import unknown

ANNOTATED = {name: "_".join(reversed(name.split("_"))) for name in NAMES if name != "neck"}  # left_hip: hip_left


def by_hand(path):
    """{id: ((width, height), {name: (x, y)})} of a file made by hand, checked. Raises UserError that names the id and the key point."""
    return {name: _checked(f"{path}: {name}", entry) for name, entry in _json(path).items()}


def annotated(path):
    """{id: ((width, height), {name: (x, y)})} of the data set's annotations; a pose is read where it is asked for."""
    return _Annotations(path, _json(path))


class _Annotations(dict):
    """Thousands of entries, of which a few are looked at."""

    def __init__(self, path, entries):
        super().__init__(entries)
        self.path = path

    def __getitem__(self, name):
        entry = super().__getitem__(name)
        try:
            (height, width), found = entry["size"], entry["keypoints"]
            points = {ours: [found[theirs][1], found[theirs][0]] for ours, theirs in ANNOTATED.items() if found.get(theirs)}
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise UserError(f"{self.path}: {name}: expected size [height, width] and keypoints {{name: [y, x]}}, got something else ({error!r}); "
                            "fetch the data set again or give the key points by hand, data.bizarre.keypoints") from error
        return _checked(f"{self.path}: {name}", {"size": [width, height], "keypoints": points}, inside=False)


def openpose18(points, top, left, scale):
    """Points of `by_hand` or `annotated` as xy, float32 (18, 2), in the padded and resized frame; NaN where missing."""
    xy = np.full((18, 2), np.nan, np.float32)
    for name, (x, y) in points.items():
        xy[INDEX[name]] = (x + left) * scale, (y + top) * scale
    if "neck" not in points:
        xy[INDEX["neck"]] = (xy[INDEX["left_shoulder"]] + xy[INDEX["right_shoulder"]]) / 2
    return xy


def _checked(where, entry, inside=True):
    if not isinstance(entry, dict) or set(entry) != {"size", "keypoints"} or not isinstance(entry["keypoints"], dict):
        raise UserError(f"{where}: expected {{\"size\": [width, height], \"keypoints\": {{name: [x, y]}}}}, got {str(entry)[:80]}; mend the file")
    size, points = entry["size"], {}
    if not _pair(size) or min(size) < 1:
        raise UserError(f"{where}: expected size [width, height] in pixels, got {size!r}; mend the file")
    for name, point in entry["keypoints"].items():
        if name not in NAMES:
            raise UserError(f"{unknown(name, NAMES, where)}; mend the file")
        if point is None:
            continue
        if not _pair(point) or inside and not (0 <= point[0] <= size[0] and 0 <= point[1] <= size[1]):
            raise UserError(f"{where}: {name}: expected [x, y] within {size[0]} x {size[1]} pixels, or null, got {point!r}; mend the file")
        points[name] = tuple(map(float, point))
    if "neck" not in points and not {"left_shoulder", "right_shoulder"} <= set(points):
        raise UserError(f"{where}: expected both shoulders, or neck, got {', '.join(points) or 'no key points'}; a pose is hung up by its neck, mark it")
    return tuple(size), points


def _pair(value):
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(
        isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number) for number in value)


def _json(path):
    try:
        with open(path) as stream:
            entries = json.load(stream)
    except FileNotFoundError as error:
        raise UserError(f"{path}: expected key points of characters, found no file; fetch the Bizarre Pose data set or mend data.bizarre.keypoints") from error
    except ValueError as error:
        raise UserError(f"{path}: expected JSON, got {' '.join(str(error).split())[:100]}; mend or fetch the file") from error
    if not isinstance(entries, dict):
        raise UserError(f"{path}: expected a JSON object with an entry for each picture's id, got {type(entries).__name__}; mend the file")
    return entries
