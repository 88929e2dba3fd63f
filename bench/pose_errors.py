"""What the estimator gets wrong on the real clips: the rates that params.yaml puts into rendered clips' poses (`data.errors`).

    snakemake --cores all fetch && python bench/pose_errors.py

Missing joints are counted on the clips' own frames. The others are of consecutive frames, all that a clip spans, since swaps and jitter show against a
frame's neighbours. Of something that was never seen, (0 + 1) / (frames + 2) is the rate to expect.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from eval.files import write_json
from tcan import config as configuration
from tcan.data import frames
from tcan.pose.blazepose import BlazePose
from tcan.pose.corrupt import measure_rates
from tcan.pose.keypoints import Keypoints


def look(video, count, raw, estimator):
    """Key points of `count` frames of a declared video, in the crop's pixels."""
    last = video.start + (count - 1) * video.stride
    sampling = {"source": video.source, "file": video.file, "indices": list(range(video.start, last + 1, video.stride)),
                "crops": frames.crops(video.crop, count)}
    xy, score = estimator(frames.pictures(sampling, raw))
    return Keypoints(xy * np.float32(video.crop[2]), score, (video.crop[2],) * 2, estimator.name)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--raw", type=Path, default=Path("data/raw"))
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    data, estimator = configuration.load("params.yaml", "lite").data, BlazePose(args.raw / "mediapipe")
    clips = {}
    for name, video in data.videos.items():
        own = look(video, data.clip_frames, args.raw, estimator)
        spanned = (data.clip_frames - 1) * video.stride + 1
        every = look(replace(video, stride=1), spanned, args.raw, estimator)
        rates, seen = measure_rates(every), own.found.any(axis=1)
        clips[name] = {"joints": int(own.found[seen].size), "missing": int((~own.found[seen]).sum()), "frames": spanned,
                       "without_anybody": int((~every.found.any(axis=1)).sum()), "swapped": round(rates["swap"] * (spanned - 2)), "jitter": rates["jitter"]}
    total = {what: sum(clip[what] for clip in clips.values()) for what in ("joints", "missing", "frames", "without_anybody", "swapped")}
    result = {"clips": clips, "total": total, "largest_jitter": max(clip["jitter"] for clip in clips.values())}
    print(json.dumps(result, indent=1))
    if args.out:
        write_json(args.out, result)


if __name__ == "__main__":
    main()
