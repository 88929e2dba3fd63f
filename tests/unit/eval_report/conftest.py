"""A made world for the report: clips of a moving stick figure with its key points, generated frames."""

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from eval import strips

STANDING = np.array([[.5, .2], [.5, .3], [.42, .3], [.36, .42], [.34, .54], [.58, .3], [.64, .42], [.66, .54], [.45, .55], [.44, .72], [.43, .9],
                     [.55, .55], [.56, .72], [.57, .9], [.48, .18], [.52, .18], [.46, .19], [.54, .19]])


def figure_clip(index, frames, size):
    """Key points (f, 18, 2) in pixels, and frames uint8 (f, size, size, 3), of a figure that waves before a coloured ground."""
    points = np.repeat(STANDING[None], frames, axis=0)
    for frame in range(frames):
        swing = 0.16 * np.sin(frame / 3 + index)
        points[frame, [4, 7], 1] -= abs(swing) * 1.6
        points[frame, [3, 6], 1] -= abs(swing)
        points[frame, :, 0] += 0.5 * swing
    points = points * size
    ground = np.random.default_rng(index).uniform(90, 230, (4, 4, 3)).astype(np.uint8)
    pictures = []
    for frame in range(frames):
        picture = cv2.resize(ground, (size, size), interpolation=cv2.INTER_CUBIC)
        for start, end in strips.LIMBS:
            cv2.line(picture, *(points[frame, joint].astype(int).tolist() for joint in (start, end)), (30 * index % 255, 60, 90), max(1, size // 16))
        cv2.circle(picture, points[frame, 0].astype(int).tolist(), size // 9, (240, 200, 170), -1)
        pictures.append(picture)
    return points, np.stack(pictures)


def write_frames(folder, pictures):
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number:04d}.png")


def write_world(root, rows, frames=9, size=16):
    """data/, outputs/ of the made world below root: two sets, three test clips, two characters."""
    index, clips = 0, {}
    for name, members in {"human": [("real_walk", "test")],
                          "puppets": [("puppet_01", "test"), ("puppet_02", "test"), ("chibi_01", "bizarre"), ("chibi_02", "bizarre")]}.items():
        table = []
        for clip, split in members:
            index += 1
            points, pictures = figure_clip(index, frames, size)
            points[2, 4] = np.nan
            write_frames(root / "data" / "frames" / name / clip, pictures)
            (root / "data" / "poses" / name).mkdir(parents=True, exist_ok=True)
            np.savez(root / "data" / "poses" / name / f"{clip}.npz", xy=points.astype(np.float32), score=np.ones((frames, 18), np.float32),
                     size=np.asarray([size, size]), estimator=np.asarray("made"))
            table.append({"id": clip, "split": split, "source": name, "fps": 25.0, "frames": frames, "height": size, "width": size, "sha256": "0"})
            clips[clip] = pictures
        pd.DataFrame(table).to_csv(root / "data" / "frames" / name / "clips.csv", index=False)
    for number, row in enumerate(rows):
        blurred = {clip: np.stack([cv2.blur(picture, (1 + size // 16 * number, 1 + size // 16)) for picture in pictures])
                   for clip, pictures in clips.items()}
        for clip in ("real_walk", "puppet_01", "puppet_02"):
            write_frames(root / "outputs" / row / "test" / clip, blurred[clip])
        for character, driving in (("chibi_01", "puppet_01"), ("chibi_02", "puppet_02")):
            write_frames(root / "outputs" / row / "bizarre" / f"{character}__{driving}", blurred[character])


@pytest.fixture
def world(tmp_path):
    write_world(tmp_path, ("base", "tcan_mm1"))
    return tmp_path
