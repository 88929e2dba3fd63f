"""Key points of a set's clips, one file a clip, whatever finds them."""

import sys
from pathlib import Path

import numpy as np

from tcan import provenance, seeds
from tcan.data import clips, frames
from tcan.errors import UserError
from tcan.files import atomic_dir
from tcan.pose import keypoints as files
from tcan.pose.keypoints import Keypoints


def add_arguments(parser):
    parser.add_argument("--set", required=True, help="a set of params.yaml; it names its estimator")
    parser.add_argument("--frames", type=Path, required=True, help="the set's frames, data/SCALE/frames/SET")
    parser.add_argument("--out", type=Path, required=True, help="folder to make, data/SCALE/poses/SET")
    parser.add_argument("--raw", type=Path, help="fetched sources, data/raw: the estimator's weights, and videos to look at in full resolution")
    parser.add_argument("--exact", type=Path, help="true key points of a rendered set, data/SCALE/exact/SET")


def run(args, config):
    if args.set not in config.data.sets:
        raise UserError(f"--set: expected one of {', '.join(config.data.sets)}, got {args.set!r}")
    kind = config.data.sets[args.set].estimator
    estimate = ESTIMATORS[kind](args, config)
    table = clips.read_table(args.frames)
    with atomic_dir(args.out) as folder:
        figures = {}
        for clip in table.itertuples():
            found = estimate(clip)
            if len(found) != clip.frames:
                raise UserError(f"{clip.id}: expected key points of {clip.frames} frames, got {len(found)}; make the set's frames again")
            if not found.found.any():
                raise UserError(f"{clip.id}: expected a person in at least one of {clip.frames} frames, {kind} found none; "
                                "mend the clip's crop in params.yaml or drop the clip")
            files.save(found, folder / f"{clip.id}.npz")
            figures[clip.id] = {"frames": len(found), "frames_found": int(found.found.any(axis=1).sum()),
                                "joints_found": round(float(found.found.mean()), 4)}
            print(f"{clip.id}: {figures[clip.id]}", file=sys.stderr)
        errors = config.resolved("data")["data"]["errors"] if kind == "exact+errors" else None
        provenance.write_run(folder, command=f"poses {args.set}", seed=config.seed, inputs=[args.frames], extra=figures,
                             config={"estimator": kind, "errors": errors})


def _blazepose(args, config):
    from tcan.pose.blazepose import BlazePose

    look = BlazePose(_raw(args) / "mediapipe")
    return lambda clip: look_at(clip, look, args.raw)


def _openpose(args, config):
    from tcan.pose.openpose import OpenPose

    look = OpenPose(_raw(args) / "annotators")
    return lambda clip: look_at(clip, look, args.raw)


def _exact(args, config):
    from tcan.pose.corrupt import add_errors

    if args.exact is None:
        raise UserError("--exact: expected the folder of true key points for the estimator exact+errors, got none")

    def estimate(clip):
        exact = files.load(args.exact / f"{clip.id}.npz")
        if clip.split == "bizarre":  # one picture each, whose key points are authored, not estimated
            return exact
        return add_errors(exact, config.data.errors, seeds.rng(config.seed, "errors", clip.id))

    return estimate


# estimator -> what makes, of the arguments and the configuration, a function from a row of clips.csv to Keypoints
ESTIMATORS = {"blazepose": _blazepose, "openpose": _openpose, "exact+errors": _exact}


def look_at(clip, look, raw):
    """Key points of a clip in pixels of its frames.

    The estimator `look` sees a video's own pixels, since it needs more of them than a frame may have, and the frames themselves for clips
    that come from no video.
    """
    sampling = frames.read_sampling(clip.folder)
    xy, score = look(frames.pictures(sampling, raw) if sampling else clips.read_clip(clip.folder))
    return Keypoints(xy * np.array([clip.width, clip.height], np.float32), score, (clip.height, clip.width), look.name)


def _raw(args):
    if args.raw is None:
        raise UserError("--raw: expected the folder of fetched sources for this estimator's weights, got none; pass --raw data/raw")
    return args.raw
