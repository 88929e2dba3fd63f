"""What is generated: a source picture and the key points that drive it, for every clip of a split."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tcan.data import clips
from tcan.errors import UserError
from tcan.pose import keypoints
from tcan.pose.keypoints import Keypoints

POSES = ("estimated", "exact")


@dataclass(frozen=True)
class Case:
    """source: uint8 RGB (h, w, 3); source_points: its `Keypoints` (1 frame); points: what drives it, in the source's pixels; truth: the folder of
    the true frames, None where there are none."""

    name: str
    source: np.ndarray
    source_points: Keypoints
    points: Keypoints
    truth: Path | None = None


def test_cases(data, config, poses="estimated"):
    """Every test clip: the source is its first frame, and all its frames are driven. poses: `exact` takes the renderer's key points where there are any."""
    cases = []
    for clip in clips.find(data, config.data.sets, "test").itertuples():
        points = keypoints.load(_poses(clip, data, poses))
        cases.append(Case(clip.id, clips.read_clip(clip.folder, first=1)[0], points.frames(slice(1)), points, Path(clip.folder)))
    return cases


def bizarre_cases(data, config, pairing, poses="estimated"):
    """Characters of odd proportions, driven by the test videos (section 4.2) through retargeting: `character__clip`, without truth."""
    from tcan.pose.retarget import retarget

    characters = list(clips.find(data, config.data.sets, "bizarre").itertuples())
    driving = list(clips.find(data, config.data.sets, "test").itertuples())
    if not driving:
        raise UserError(f"{data}: expected test videos to drive the characters, found none; check the splits in params.yaml")
    if pairing == "product":
        chosen = [(character, clip) for character in characters for clip in driving]
    else:
        chosen = [(character, driving[index % len(driving)]) for index, character in enumerate(characters)]
    cases = []
    for character, clip in chosen:
        own = keypoints.load(_poses(character, data, poses))
        cases.append(Case(f"{character.id}__{clip.id}", clips.read_clip(character.folder)[0], own, retarget(keypoints.load(_poses(clip, data, poses)), own)))
    return cases


def _poses(clip, data, poses):
    """The file of a clip's key points: the estimator's, or the renderer's where `exact` is asked for and the clip was rendered."""
    exact = Path(data) / "exact" / Path(clip.poses).parent.name / f"{clip.id}.npz"
    return exact if poses == "exact" and exact.exists() else clip.poses
