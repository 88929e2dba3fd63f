"""A made world for the report: clips of a moving stick figure with its key points, generated frames, metrics, parameters."""

import json

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from eval import bootstrap, strips, tables
from eval.protocol import PROTOCOLS

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


NETWORKS = {"LPIPS": "hed-vgg16", "FID": "efficientnet-lite0", "KID": "efficientnet-lite0",
            "FID-VID": "transnetv2", "FVD": "transnetv2", "KVD": "transnetv2"}
SYSTEMS = {"base": tables.System("base", (2,)), "appa": tables.System("APPA", (2,)),
           "tcan_mm1": tables.System("TCAN (w/ mm1)", (1, 2, 3)), "unfrozen": tables.System("unfrozen", (2,)),
           "copy": tables.System("floor", (1, 2, 3), tables.FLOOR)}
TYPICAL = {"L1": 5.5 / 4096, "L1-grey": 5.5, "SSIM": 0.74, "PSNR": 21, "LPIPS": 0.29, "FID": 29, "KID": 0.02, "FID-VID": 19, "FVD": 154, "KVD": 0.3}
CLIPS = tuple(sorted(("real_walk", "puppet_01", "puppet_02", "puppet_03", "puppet_04", "puppet_05")))
COMMON = np.random.default_rng(0).normal(1, 0.2, bootstrap.DISTANCES)       # what the draw of the videos does to every system's distances alike


def metrics(factor, clips=CLIPS, size=64, noise=0.0, seed=0):
    """A metrics.json as a dict: typical values, those of `lower is better` times `factor`, equally in each video.

    noise: of each video's value and each resample's distance, relative and apart for each `seed`, so that systems are no longer told apart.
    """
    rng, protocols = np.random.default_rng(seed), {}
    for label in ("disco-1", "corrected-1"):
        entries = {}
        for metric in PROTOCOLS[label].metrics:
            base = metric.name.partition("-disjoint")[0]
            value = TYPICAL.get(base, 0.02) * (factor if metric.better == "lower" else 2 - factor)
            if base in NETWORKS or metric.role is None:
                if metric.kind in ("pixel", "lpips"):
                    spread = 0.9 + 0.1 * np.arange(len(clips))
                    each = value * (spread / spread.mean() + noise * rng.permutation(np.linspace(-1, 1, len(clips))))
                    more = {"per_video": dict(zip(clips, each.tolist()))}
                else:
                    replicates = value * (COMMON + noise * rng.normal(size=len(COMMON)))
                    more = {"dimension": 1280, "replicates": replicates.tolist() if len(clips) > 1 else None}
                key = f"{metric.name}[{NETWORKS[base]}]" if metric.role else metric.name
                entries[key] = {"kind": metric.kind, "unit": metric.unit, "better": metric.better, "value": value, "n": 39 if metric.windows else 84,
                                "videos": len(clips), "interval": [value * 0.95, value * 1.05] if len(clips) > 1 else None, **more}
        protocols[label] = {"id": label[:-2], "version": 1, "size": [size, size], "metrics": entries, "left_out": {}}
    return {"format": 2, "protocols": protocols, "warnings": [],
            "networks": {"fid": {"name": "efficientnet-lite0", "published": False, "weights": {}}},
            "bootstrap": {"level": 0.95, "over": "videos", "seed": 0, "resamples": {"means": 1000, "distances": 200}},
            "frames": {"count": 14 * len(clips), "videos": len(clips), "per_video": dict.fromkeys(clips, 14), "size": [size, size],
                       "generated_size": [size, size], "sha256": {"generated": f"{factor}", "true": "1" * 64}}}


def write_metrics(results, factors, **changes):
    for row, factor in factors.items():
        (results / row).mkdir(parents=True, exist_ok=True)
        (results / row / "metrics.json").write_text(json.dumps(metrics(factor, **changes), sort_keys=True))


PARAMS = """
scale: lite
scales: {lite: {}, smoke: {extends: lite}}
rows:
  base:     {title: "no APPA / no T-CtrlN / no PTM", model: base_mm1, tables: [2]}
  appa:     {title: "APPA", model: appa_mm1, tables: [2]}
  tcan_mm1: {title: "TCAN (w/ mm1)", model: m, tables: [1, 2, 3]}
  tcan_mm2: {title: "TCAN (w/ mm2)", model: m, tables: [1]}
  unfrozen: {title: "ControlNet | trained <b>", model: u, tables: [2]}
  copy:     {title: "copy the source frame (floor)", baseline: copy, tables: [1, 2, 3]}
"""
