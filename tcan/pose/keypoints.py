"""OpenPose's 18 key points as numbers. A pose is drawn from them only when a picture is needed: a lossy picture has no exact black."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tcan.errors import UserError
from tcan.files import atomic_file

NAMES = ("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist", "right_hip",
         "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear")
INDEX = {name: index for index, name in enumerate(NAMES)}
MIRRORED = tuple(INDEX[name.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")] for name in NAMES)
PARENTS = {  # child: parent, parents before their children
    **dict.fromkeys(("nose", "right_shoulder", "left_shoulder", "right_hip", "left_hip"), "neck"),
    **{f"{side}_{child}": f"{side}_{parent}" for side in ("right", "left")
       for child, parent in (("elbow", "shoulder"), ("wrist", "elbow"), ("knee", "hip"), ("ankle", "knee"))},
    **{f"{side}_eye": "nose" for side in ("right", "left")}, **{f"{side}_ear": f"{side}_eye" for side in ("right", "left")},
}
LIMBS = tuple((INDEX[parent], INDEX[child]) for child, parent in PARENTS.items())  # 17 of them, from the neck outwards


@dataclass(frozen=True)
class Keypoints:
    """Key points of a clip: xy (f, 18, 2) float32 in pixels of a frame of `size` = (height, width), NaN where a joint is missing;
    score (f, 18) float32 in 0..1, 0 where it is missing; estimator: what found them; people (f,) int64: how many people each frame has, of
    whom these are one, or None where the estimator doesn't say; limbs (17,) float32: of a rendered person the true lengths of
    LIMBS in pixels, as in a limb that doesn't point at the camera, or None where they aren't known."""

    xy: np.ndarray
    score: np.ndarray
    size: tuple
    estimator: str
    people: np.ndarray | None = None
    limbs: np.ndarray | None = None

    def __post_init__(self):
        if self.xy.ndim != 3 or self.xy.shape[1:] != (18, 2) or self.score.shape != self.xy.shape[:2]:
            raise ValueError(f"expected xy (f, 18, 2) and score (f, 18), got {self.xy.shape} and {self.score.shape}")

    @property
    def found(self):
        """(f, 18) bool: which joints are there."""
        return ~np.isnan(self.xy).any(axis=-1)

    def __len__(self):
        return len(self.xy)

    def frames(self, index):
        """The key points of some frames (a slice or an index array)."""
        return Keypoints(self.xy[index], self.score[index], self.size, self.estimator, None if self.people is None else self.people[index],
                         self.limbs)


def save(keypoints, path):
    """Write key points as an .npz without pickles."""
    known = {} if keypoints.people is None else {"people": keypoints.people.astype(np.int64)}
    known |= {} if keypoints.limbs is None else {"limbs": keypoints.limbs.astype(np.float32)}
    with atomic_file(Path(path)) as temporary:
        np.savez(temporary, xy=keypoints.xy.astype(np.float32), score=keypoints.score.astype(np.float32),
                 size=np.asarray(keypoints.size, np.int64), estimator=np.asarray(keypoints.estimator), **known)


def load(path):
    """Read what `save` wrote. Raises UserError for a file that is something else."""
    try:
        with np.load(path, allow_pickle=False) as data:
            return Keypoints(data["xy"], data["score"], tuple(int(side) for side in data["size"]), str(data["estimator"]),
                             *(data[name] if name in data else None for name in ("people", "limbs")))
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{path}: expected key points (.npz with xy, score, size, estimator), got {error}; run `tcan poses` again") from error
