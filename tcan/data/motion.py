"""Human motion: motion capture in DeepMimic's format and random poses, both through one forward kinematics to 3D joints.

The files are pybullet's `humanoid3d_*.txt` (Peng et al., DeepMimic, 2018): JSON, a frame is a duration in seconds, the root's position
and then rotations, quaternions as (w, x, y, z) and hinges as one angle, in the order of FIELDS. Units are metres; a body at rest stands
upright along +y, faces +x and has its right hand at +z.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tcan.errors import UserError

SOURCE = "pybullet"     # of the motions, a folder of data/raw
FIELDS = (("duration", 1), ("position", 3), ("root", 4), ("chest", 4), ("neck", 4),
          ("right_hip", 4), ("right_knee", 1), ("right_ankle", 4), ("right_shoulder", 4), ("right_elbow", 1),
          ("left_hip", 4), ("left_knee", 1), ("left_ankle", 4), ("left_shoulder", 4), ("left_elbow", 1))
WIDTH = sum(width for _, width in FIELDS)

HEAD_RADII = (0.098, 0.116, 0.090)  # semi-axes of the head along its front, up and right
NECK_LENGTH = 0.045

# joint: (parent, offset in the frame of the parent's rotation). The first twelve are pybullet's humanoid.urdf (drawn there four times as
# large); below them what it lacks: a head with a face, toes and heels, finger tips.
SKELETON = {
    "pelvis": (None, (0, 0, 0)),
    "chest": ("pelvis", (0, 0.236151, 0)),
    "neck": ("chest", (0, 0.223894, 0)),
    **{f"{side}_{joint}": (parent.format(side), (x, y, sign * z)) for side, sign in (("right", 1), ("left", -1)) for joint, parent, x, y, z in (
        ("shoulder", "chest", -0.02405, 0.2035, 0.18311), ("elbow", "{}_shoulder", 0, -0.274788, 0), ("wrist", "{}_elbow", 0, -0.258947, 0),
        ("hand", "{}_wrist", 0, -0.085, 0), ("hip", "pelvis", 0, 0, 0.084887), ("knee", "{}_hip", 0, -0.421546, 0),
        ("ankle", "{}_knee", 0, -0.40987, 0), ("heel", "{}_ankle", -0.035, -0.035, 0), ("toe", "{}_ankle", 0.135, -0.04, 0))},
    "head": ("neck", (0.012, NECK_LENGTH + HEAD_RADII[1], 0)),
    "crown": ("head", (0, HEAD_RADII[1], 0)),
    "nose": ("head", (HEAD_RADII[0] * 1.04, -0.018, 0)),
    "right_eye": ("head", (HEAD_RADII[0] * 0.9, 0.008, 0.037)),
    "left_eye": ("head", (HEAD_RADII[0] * 0.9, 0.008, -0.037)),
    "right_ear": ("head", (0, -0.008, HEAD_RADII[2])),
    "left_ear": ("head", (0, -0.008, -HEAD_RADII[2])),
}
JOINTS = tuple(SKELETON)
JOINT = {name: index for index, name in enumerate(JOINTS)}
PARENT = np.array([JOINT[parent] if parent else -1 for parent, _ in SKELETON.values()])
MIRRORED = np.array([JOINT[name.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")] for name in JOINTS])
HINGES = ("right_knee", "right_elbow", "left_knee", "left_elbow")  # turn about z alone
BALLS = ("chest", "neck", "right_hip", "right_ankle", "right_shoulder", "left_hip", "left_ankle", "left_shoulder")


@dataclass(frozen=True)
class Motion:
    """A named motion: joints (t, len(JOINTS), 3) in metres, y up, at `fps` frames a second."""

    name: str
    fps: float
    joints: np.ndarray

    def __len__(self):
        return len(self.joints)


def load_motions(folder):
    """All `humanoid3d_*.txt` of a folder as {"walk": Motion, ...}, sorted by name. Raises UserError where there is none."""
    motions = {path.stem.removeprefix("humanoid3d_"): load_motion(path) for path in sorted(Path(folder).glob("humanoid3d_*.txt"))}
    if not motions:
        raise UserError(f"{folder}: expected motions as humanoid3d_*.txt, found none; run `tcan fetch pybullet` first")
    return motions


def load_motion(path):
    """One motion file; the first frame's duration holds for the whole file. Raises UserError for a file that is something else."""
    try:
        frames = np.asarray(json.loads(Path(path).read_text())["Frames"], np.float64)
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{path}: expected a motion in DeepMimic's JSON format, got {error!r}; fetch it again") from error
    if frames.ndim != 2 or frames.shape[1] != WIDTH or len(frames) < 2:
        raise UserError(f"{path}: expected at least 2 frames of {WIDTH} numbers, got an array {frames.shape}; fetch it again")
    ends = np.cumsum([width for _, width in FIELDS])
    field = {name: frames[:, end - width:end] for (name, width), end in zip(FIELDS, ends, strict=True)}
    rotations = {name: quaternion_matrix(field[name]) for name in ("root", *BALLS)}
    rotations |= {name: turn("z", field[name][:, 0]) for name in HINGES}
    return Motion(Path(path).stem.removeprefix("humanoid3d_"), 1 / frames[0, 0], forward_kinematics(field["position"], rotations))


def forward_kinematics(position, rotations):
    """Joints (t, len(JOINTS), 3) of a root position (t, 3) and local rotations {"root" or a joint's name: (t, 3, 3)}; others don't turn."""
    t = len(position)
    joints, frames = np.empty((t, len(JOINTS), 3)), {}
    for index, (name, (parent, offset)) in enumerate(SKELETON.items()):
        if parent is None:
            joints[:, index], frames[name] = position, rotations["root"]
            continue
        joints[:, index] = joints[:, JOINT[parent]] + frames[parent] @ np.asarray(offset, np.float64)
        frames[name] = frames[parent] @ rotations[name] if name in rotations else frames[parent]
    return joints


def rest_pose():
    """Joints (1, len(JOINTS), 3) of the skeleton upright, arms hanging."""
    return forward_kinematics(np.zeros((1, 3)), {"root": np.eye(3)[None]})


def standing_pose(arms=0.45, legs=0.12):
    """Joints (1, len(JOINTS), 3) of someone who stands and faces +x; the arms and legs are apart by these angles in radians, each side."""
    rotations = {"root": np.eye(3)[None]}
    for side, sign in (("right", -1), ("left", 1)):
        rotations[f"{side}_shoulder"] = turn("x", np.array([sign * arms]))
        rotations[f"{side}_hip"] = turn("x", np.array([sign * legs]))
        rotations[f"{side}_elbow"] = turn("z", np.array([0.25]))
    return on_ground(forward_kinematics(np.zeros((1, 3)), rotations))


def resample(motion, fps):
    """The motion at another frame rate, linearly interpolated between its frames."""
    steps = int(np.floor((len(motion) - 1) / motion.fps * fps + 1e-9)) + 1
    at = np.minimum(np.arange(steps) * motion.fps / fps, len(motion) - 1)
    low = np.minimum(at.astype(int), len(motion) - 2)
    part = (at - low)[:, None, None]
    return Motion(motion.name, float(fps), motion.joints[low] * (1 - part) + motion.joints[low + 1] * part)


def excerpt(motion, length, start=0):
    """Joints (length, len(JOINTS), 3) from frame `start`. A motion that ends as it began goes round and travels on; another runs back and forth."""
    last = len(motion) - 1
    at = start + np.arange(length)
    step = (motion.joints[-1, 0] - motion.joints[0, 0]) * (1, 0, 1)
    if np.abs(motion.joints[-1] - step - motion.joints[0]).max() < 0.25:
        return motion.joints[at % last] + (at // last)[:, None, None] * step
    return motion.joints[last - np.abs(at % (2 * last) - last)]


def on_ground(joints, height=0.0):
    """Joints (t, J, 3) shifted in each frame so that the lowest stands `height` above the ground y = 0."""
    shifted = joints.copy()
    shifted[..., 1] += np.asarray(height - joints[..., 1].min(axis=1))[:, None]
    return shifted


def turned(joints, angle):
    """Joints (..., 3) turned about the vertical by an angle in radians."""
    return joints @ turn("y", np.array([angle]))[0].T


def mirrored(joints):
    """Joints (..., len(JOINTS), 3) as in a mirror: the right hand does what the left hand did."""
    return joints[..., MIRRORED, :] * (1, 1, -1)


def facing(joints):
    """The direction (radians about the vertical, 0 = +x) that the body faces, averaged over the frames of joints (t, J, 3)."""
    right = sum(joints[:, JOINT[f"right_{part}"]] - joints[:, JOINT[f"left_{part}"]] for part in ("shoulder", "hip")).mean(axis=0)
    return np.arctan2(right[0], right[2])


def random_pose(rng):
    """Joints (1, len(JOINTS), 3) of a broad random human pose on the ground: arms and legs anywhere a person can bring them, the body
    mostly upright and turned within 100 degrees of +x, now and then bent, jumping or head over heels."""
    height = rng.uniform(0.1, 0.45) if rng.random() < 0.12 else 0.0
    return on_ground(forward_kinematics(np.zeros((1, 3)), _random_rotations(rng)), height)


def random_motion(rng, length, fps):
    """Joints (length, len(JOINTS), 3) of someone who goes smoothly from one random pose to the next, about two a second."""
    gap = max(round(fps * rng.uniform(0.35, 0.7)), 2)
    keys = [_random_rotations(rng, upright=True) for _ in range(length // gap + 2)]
    at = np.arange(length) / gap
    low = at.astype(int)
    part = (at - low)[:, None, None]
    part = part * part * (3 - 2 * part)
    rotations = {}
    for name in keys[0]:
        stack = np.concatenate([key[name] for key in keys])
        u, _, vt = np.linalg.svd(stack[low] * (1 - part) + stack[low + 1] * part)
        u[..., -1] *= np.sign(np.linalg.det(u @ vt))[:, None]
        rotations[name] = u @ vt
    return on_ground(forward_kinematics(np.zeros((length, 3)), rotations))


def _random_rotations(rng, upright=False):
    """Rotations for `forward_kinematics` of one random pose; `upright` leaves out the bodies that are upside down or turned away."""
    tame = rng.random() < 0.25  # quiet stances are what a source image shows most often
    spread = 0.35 if tame else 1.0
    yaw = rng.normal(0, 0.35) if rng.random() < 0.6 else rng.uniform(-1.75, 1.75)
    wild = rng.random() < 0.07 and not upright
    if rng.random() < 0.06 and not upright:
        yaw += np.pi
    lean = rng.uniform(-np.pi, np.pi, 2) if wild else rng.normal(0, 0.18, 2) * spread
    rotations = {"root": euler(yaw, lean[0], lean[1]),
                 "chest": euler(*(rng.normal(0, 0.22, 3) * spread)),
                 "neck": euler(rng.normal(0, 0.35), rng.normal(0, 0.15), rng.normal(0, 0.15))}
    stance = "stand" if tame else rng.choice(["stand", "step", "kick", "squat", "free"], p=[0.25, 0.3, 0.1, 0.1, 0.25])
    squat = rng.uniform(0.3, 1.3)
    lifted = rng.choice(["right", "left"])
    for side, sign in (("right", 1), ("left", -1)):
        arm = _arm_direction(rng, sign, tame)
        rotations[f"{side}_shoulder"] = _from_down(arm) @ turn("y", rng.uniform(-1.4, 1.4, 1) * spread)
        rotations[f"{side}_elbow"] = turn("z", np.array([rng.beta(1.1, 2.0) * (1.0 if tame else 2.4)]))
        flexion, apart, knee = _leg(rng, stance, squat, side == lifted)
        rotations[f"{side}_hip"] = turn("x", np.array([-sign * apart])) @ turn("z", np.array([flexion])) @ turn("y", rng.normal(0, 0.2, 1))
        rotations[f"{side}_knee"] = turn("z", np.array([-knee]))
        rotations[f"{side}_ankle"] = turn("z", np.array([np.clip(knee - flexion, -0.6, 0.5) + rng.normal(0, 0.15)]))
    return rotations


def _arm_direction(rng, sign, tame):
    """Unit vector of an upper arm in the chest's frame, sign +1 for the right arm: not through the trunk, not far behind the back."""
    if tame or rng.random() < 0.2:
        apart = abs(rng.normal(0.25, 0.25))
        return np.array([np.sin(rng.normal(0, 0.3)), -np.cos(apart), sign * np.sin(apart)])
    while True:
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        if direction[2] * sign > -0.25 and direction[0] > -0.55:
            return direction


def _leg(rng, stance, squat, lifted):
    """Hip flexion, hip abduction and knee flexion in radians."""
    if stance == "stand":
        return rng.normal(0.03, 0.1), rng.uniform(0.0, 0.25), abs(rng.normal(0, 0.12))
    if stance == "step":
        flexion = rng.uniform(-0.6, 1.0)
        return flexion, rng.uniform(0, 0.35), max(0, rng.uniform(0, 1.2) + 0.3 * flexion)
    if stance == "kick" and lifted:
        return rng.uniform(0.6, 2.0), rng.uniform(0, 0.9), rng.uniform(0, 0.9)
    if stance == "squat":
        return squat + rng.normal(0, 0.1), rng.uniform(0.05, 0.6), squat * rng.uniform(1.3, 1.8)
    if stance == "free":
        return rng.uniform(-0.6, 1.7), rng.uniform(-0.1, 1.0), rng.uniform(0, 2.0)
    return rng.normal(0, 0.15), rng.uniform(0, 0.2), abs(rng.normal(0, 0.2))


def _from_down(direction):
    """The least rotation (1, 3, 3) that takes an arm that hangs, (0, -1, 0), to `direction`."""
    down = np.array([0.0, -1.0, 0.0])
    axis, cosine = np.cross(down, direction / np.linalg.norm(direction)), -direction[1] / np.linalg.norm(direction)
    if cosine < -1 + 1e-9:
        return turn("x", np.array([np.pi]))
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return (np.eye(3) + cross + cross @ cross / (1 + cosine))[None]


def quaternion_matrix(quaternion):
    """Rotation matrices (t, 3, 3) of quaternions (t, 4) as (w, x, y, z), of any length but 0."""
    w, x, y, z = (quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)).T
    return np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
                     2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
                     2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=-1).reshape(-1, 3, 3)


def turn(axis, angle):
    """Rotation matrices (t, 3, 3) about "x", "y" or "z" by angles (t,) in radians."""
    index = "xyz".index(axis)
    a, b = (index + 1) % 3, (index + 2) % 3
    matrix = np.zeros((len(angle), 3, 3))
    matrix[:, index, index] = 1
    matrix[:, a, a] = matrix[:, b, b] = np.cos(angle)
    matrix[:, b, a] = np.sin(angle)
    matrix[:, a, b] = -matrix[:, b, a]
    return matrix


def euler(yaw, pitch, roll):
    """Rotation (1, 3, 3): roll about x, then pitch about z, then yaw about y."""
    return turn("y", np.array([yaw])) @ turn("z", np.array([pitch])) @ turn("x", np.array([roll]))
