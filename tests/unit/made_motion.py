"""A motion file in DeepMimic's format, made up, so that the tests need no package of motion capture."""

import json

import numpy as np

from tcan.data.motion import FIELDS


def write_motion(path, frames=40, duration=1 / 30, swing=0.8, travel=0.0, loops=True):
    """Someone who swings arms and legs and walks `travel` metres; `loops`: the last frame's pose is the first's."""
    rows = []
    for part in np.linspace(0, 1, frames):
        angle = swing * np.sin(part * (2 * np.pi if loops else np.pi / 2))
        half = {"right_hip": angle / 2, "left_hip": -angle / 2, "right_shoulder": -angle / 2, "left_shoulder": angle / 2}
        row = []
        for name, width in FIELDS:
            if width == 1:
                row.append(duration if name == "duration" else -0.3 if "knee" in name else 0.4)
            elif width == 3:
                row += [travel * part, 0.88, 0.0]
            else:
                row += [np.cos(half.get(name, 0.0)), 0.0, 0.0, np.sin(half.get(name, 0.0))]
        rows.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"Loop": "wrap", "Frames": rows}))
    return path
