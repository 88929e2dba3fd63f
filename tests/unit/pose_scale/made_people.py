"""People of known joints, and the maps that a perfect OpenPose network would give for pictures of them."""

import numpy as np

from tcan.pose.keypoints import INDEX
from tcan.pose.part_affinity import LIMBS

STANDING = {  # from the left and from the top, of a person of height 1
    "nose": (0.15, 0.10), "neck": (0.15, 0.20), "right_shoulder": (0.06, 0.21), "right_elbow": (0.02, 0.36), "right_wrist": (0.00, 0.50),
    "left_shoulder": (0.24, 0.21), "left_elbow": (0.28, 0.36), "left_wrist": (0.30, 0.50), "right_hip": (0.09, 0.52), "right_knee": (0.09, 0.74),
    "right_ankle": (0.09, 0.97), "left_hip": (0.21, 0.52), "left_knee": (0.21, 0.74), "left_ankle": (0.21, 0.97), "right_eye": (0.13, 0.08),
    "left_eye": (0.17, 0.08), "right_ear": (0.10, 0.09), "left_ear": (0.20, 0.09)}


def person(left, top, height, turn=0.0):
    """Joints (18, 2) of somebody who stands with the arms turned by `turn` radians; left, top and height in any unit."""
    joints = np.zeros((18, 2))
    for name, place in STANDING.items():
        joints[INDEX[name]] = place
    for side, sign in (("right", 1), ("left", -1)):
        shoulder = joints[INDEX[f"{side}_shoulder"]].copy()
        cosine, sine = np.cos(sign * turn), np.sin(sign * turn)
        for joint in ("elbow", "wrist"):
            place = joints[INDEX[f"{side}_{joint}"]] - shoulder
            joints[INDEX[f"{side}_{joint}"]] = shoulder + (cosine * place[0] - sine * place[1], sine * place[0] + cosine * place[1])
    return joints * height + (left, top)


def maps(people, height, width, spread=0.9, noise=0.0, seed=0):
    """Heat (19, h, w) and fields (38, h, w), float32, of people's joints (18, 2) in units of the picture, NaN where one isn't seen."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    heat, fields, count = np.zeros((19, height, width)), np.zeros((38, height, width)), np.zeros((38, height, width))
    for joints in people:
        places = joints * (width, height) - 0.5
        for part, place in enumerate(places):
            if not np.isnan(place).any():
                heat[part] = np.maximum(heat[part], np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * spread ** 2)))
        for first, second, channel in LIMBS:
            way = places[second] - places[first]
            length = np.hypot(*way)
            if not np.isfinite(length) or length < 1e-6:
                continue
            along = ((x - places[first][0]) * way[0] + (y - places[first][1]) * way[1]) / length
            beside = np.abs((x - places[first][0]) * way[1] - (y - places[first][1]) * way[0]) / length
            inside = (along >= -1) & (along <= length + 1) & (beside <= 1)
            for axis in (0, 1):
                fields[channel + axis] += np.where(inside, way[axis] / length, 0)
                count[channel + axis] += inside
    fields /= np.maximum(count, 1)
    heat[18] = 1 - heat[:18].max(axis=0)
    random = np.random.default_rng(seed)
    return tuple((values + noise * random.standard_normal(values.shape)).astype(np.float32) for values in (heat, fields))


def network(scenes):
    """A network for Body or OpenPose that gives scene n's (heat, fields) for a picture whose first pixel is of the value n."""
    import torch

    class Scenes(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.anything = torch.nn.Parameter(torch.zeros(1))  # Body asks for a parameter's device

        def forward(self, pictures):
            numbers = ((pictures[:, 0, 0, 0] + 0.5) * 256).round().int().tolist()
            heat, fields = zip(*(scenes[number] for number in numbers), strict=True)
            return torch.from_numpy(np.stack(fields)), torch.from_numpy(np.stack(heat))

    return Scenes()


def pictures(count, height=512, width=512):
    """Pictures for `network`: the n-th is of the value n throughout."""
    return [np.full((height, width, 3), number, np.uint8) for number in range(count)]
