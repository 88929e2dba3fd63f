"""What is generated: a source picture and the key points that drive it, for every clip of a split."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tcan.data import clips
from tcan.errors import UserError
from tcan.pose import keypoints
from tcan.pose.corrupt import add_errors, rates_of
from tcan.pose.keypoints import Keypoints
from tcan.sections import GENERATED
from tcan.seeds import rng

SPLITS = tuple(GENERATED)


@dataclass(frozen=True)
class Case:
    """source: uint8 RGB (h, w, 3); source_points: its `Keypoints` (1 frame); points: what drives it, in the source's pixels; truth: the folder of
    the true frames, None where there are none; numbers: the frames' own numbers, None for 0, 1, 2, ...; driver: on the bizarre split what the
    points were made of, in the driving clip's pixels"""

    name: str
    source: np.ndarray
    source_points: Keypoints
    points: Keypoints
    truth: Path | None = None
    numbers: list | None = None
    driver: Keypoints | None = None

    @property
    def sha256(self):
        """Of what the frames are generated from."""
        parts = (self.source, *(array for points in (self.source_points, self.points) for array in (points.xy, points.score)))
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def cases_of(split, data, config, row, options):
    """The Cases of a split, as a Row drives them; options: its `generate`."""
    return bizarre_cases(data, config, row, options) if split == "bizarre" else test_cases(data, config, row, GENERATED[split])


def test_cases(data, config, row, splits=("test",)):
    """Every clip of the splits: the source is its first frame, and all its frames are driven by the row's `poses` with its `errors`."""
    cases = []
    for clip in clips.find(data, config.data.sets_for(*splits), *splits).itertuples():
        points = _poses(clip, data, row.poses)
        source, driving = clips.read_clip(clip.folder, first=1)[0], _wrong(points, row, config.seed, clip.id)
        cases.append(Case(clip.id, source, points.frames(slice(1)), driving, Path(clip.folder), clips.numbers(clip.folder)))
    return cases


def bizarre_cases(data, config, row, options):
    """Characters of odd proportions, driven by the test videos (section 4.2): `character__clip`, without truth. The poses are retargeted to the
    character's proportions, or with `row.retarget` false only brought to the size of its frame."""
    from tcan.pose.retarget import retarget

    characters = list(clips.find(data, config.data.sets_for("bizarre"), "bizarre").itertuples())
    driving = list(clips.find(data, config.data.sets_for("test"), "test").itertuples())
    if not driving:
        raise UserError(f"{data}: expected test videos to drive the characters, found none; check the splits in params.yaml")
    if options.pairing == "product":
        chosen = [(character, clip) for character in characters for clip in driving]
    else:
        chosen = [(character, driving[index % len(driving)]) for index, character in enumerate(characters)]
    cases = []
    for character, clip in chosen:
        own, driving = _poses(character, data, row.poses), _wrong(_poses(clip, data, row.poses), row, config.seed, clip.id)
        points = retarget(driving, own, options.limb_lengths) if row.retarget else resized(driving, own.size)
        cases.append(Case(f"{character.id}__{clip.id}", clips.read_clip(character.folder)[0], own, points, driver=driving))
    return cases


def _poses(clip, data, poses):
    """A clip's key points: the estimator's, or the renderer's where `exact` is asked for and the clip was rendered."""
    exact = Path(data) / "exact" / Path(clip.poses).parent.name / f"{clip.id}.npz"
    return keypoints.load(exact if poses == "exact" and exact.exists() else clip.poses)


def _wrong(points, row, seed, clip):
    """Key points with the row's errors. Their stream is the scale's and the clip's alone: all rows at a rate see the same errors."""
    if not row.errors:
        return points
    return add_errors(points, rates_of(row.errors), rng(seed, "claimed_errors", clip))


def resized(points, size):
    return Keypoints((points.xy * (size[0] / points.size[0])).astype(np.float32), points.score, size, points.estimator)
