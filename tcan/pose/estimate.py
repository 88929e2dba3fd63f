"""Key points of a set's clips, one file a clip, whatever finds them."""

import shutil
import sys
from pathlib import Path

import numpy as np

from tcan import provenance, seeds
from tcan.data import clips, frames
from tcan.device import best
from tcan.errors import UserError
from tcan.files import atomic_dir, keep_run, sha256_of, sha256_of_folder, write_json
from tcan.imports import sha256_of_code
from tcan.pose import keypoints as files
from tcan.pose.keypoints import Keypoints
from tcan.pose.people import RULES, pick

LEFT_OUT = "left_out.json"


def add_arguments(parser):
    parser.add_argument("--set", required=True, help="a set of params.yaml; it names its estimator")
    parser.add_argument("--frames", type=Path, required=True, help="the set's frames, data/SCALE/frames/SET, or one of their shards")
    parser.add_argument("--out", type=Path, required=True, help="folder to make, data/SCALE/poses/SET, or the shard of the same name")
    parser.add_argument("--raw", type=Path, help="fetched sources, data/raw: the estimator's weights, and videos to look at in full resolution")
    parser.add_argument("--exact", type=Path, help="true key points of a rendered set, data/SCALE/exact/SET")
    parser.add_argument("--run", type=Path, help="folder for the clips that are done: after an interruption the same command goes on from there")
    parser.add_argument("--leave-out", action="store_true",
                        help=f"list train clips in which nobody is found in {LEFT_OUT} and leave them out; of other clips, and without it, that is an error")
    parser.add_argument("--person", choices=RULES, default="steadiest", help="which of several people in a picture (default: %(default)s)")
    parser.add_argument("--device", help="where OpenPose and DWPose run: cpu, cuda (default: cuda if there is one)")
    parser.add_argument("--batch", type=int, default=8, help="pictures that go through OpenPose or DWPose together (default: %(default)s)")


def run(args, config):
    if args.set not in config.data.sets:
        raise UserError(f"--set: expected one of {', '.join(config.data.sets)}, got {args.set!r}")
    if args.batch < 1:
        raise UserError(f"--batch: expected at least 1, got {args.batch}")
    kind = config.data.sets[args.set].estimator
    args.device = args.device or (best() if kind in NETWORKS else "cpu")
    estimate = ESTIMATORS[kind](args, config)
    table = clips.read_table(args.frames)
    errors = config.resolved("data")["data"]["errors"] if kind == "exact+errors" else None
    made_by = {"estimator": kind, "errors": errors, **_settings(kind, args, table)}
    if args.run:
        keep_run(args.run, {"code": sha256_of_code(__name__), **made_by, "seed": config.seed, "device": args.device,
                            "clips": [table["id"].tolist(), table["sha256"].tolist()]})
    found, figures, left_out = {}, {}, {}
    for clip in table.itertuples():
        points = _once(clip, estimate, args.run)
        if points.found.any():
            found[clip.id], figures[clip.id] = points, _figures(points)
            print(f"{clip.id}: {figures[clip.id]}", file=sys.stderr)
        elif args.leave_out and clip.split == "train":
            left_out[clip.id] = {"split": clip.split, "frames": len(points), "reason": f"{kind} found nobody in any frame"}
            print(f"{clip.id}: left out, {left_out[clip.id]['reason']}", file=sys.stderr)
        else:
            raise UserError(f"{clip.id}: expected a person in at least one of {clip.frames} frames, {kind} found none; "
                            "mend the clip's crop in params.yaml or drop the clip")
    with atomic_dir(args.out) as folder:
        for clip, points in found.items():
            files.save(points, folder / f"{clip}.npz")
        if args.leave_out:
            write_json(folder / LEFT_OUT, left_out)
        provenance.write_run(folder, command=f"poses {args.set}", seed=config.seed, inputs=[args.frames], extra=figures, config=made_by,
                             device=args.device if kind in NETWORKS else "cpu")
    if args.run:
        shutil.rmtree(args.run)


def _once(clip, estimate, kept):
    """A clip's Keypoints: what an earlier run of the same kind left in the folder `kept`, if there is one, or an estimate that is put there."""
    path = kept / f"{clip.id}.npz" if kept else None
    if path and path.exists():
        return files.load(path)
    found = estimate(clip)
    if len(found) != clip.frames:
        raise UserError(f"{clip.id}: expected key points of {clip.frames} frames, got {len(found)}; make the set's frames again")
    if path:
        files.save(found, path)
    return found


def _figures(found):
    figures = {"frames": len(found), "frames_found": int(found.found.any(axis=1).sum()), "joints_found": round(float(found.found.mean()), 4)}
    return figures if found.people is None else {**figures, "most_people": int(found.people.max())}


def _blazepose(args, config):
    from tcan.pose.blazepose import BlazePose

    look = BlazePose(_raw(args) / "mediapipe")
    return lambda clip: look_at(clip, look, args.raw)


def _openpose(args, config):
    from tcan.pose.openpose import OpenPose

    look = OpenPose(_raw(args) / "annotators", args.device, args.batch)
    return lambda clip: one_of(clip, look.people(pictures(clip, args.raw)), args.person, look.name)


def _dwpose(args, config):
    from tcan.pose.dwpose import DWPose

    look = DWPose(_raw(args) / "dwpose", args.device, args.batch)
    return lambda clip: one_of(clip, look.people(pictures(clip, args.raw)), args.person, look.name)


def _openpose_json(args, config):
    from tcan.pose.openpose_json import OpenPoseJSON

    look = OpenPoseJSON(_raw(args) / "openpose_json")

    def estimate(clip):
        sampling = frames.read_sampling(clip.folder)
        numbers = sampling["indices"] if sampling else [int(path.stem) for path in clips.frame_paths(clip.folder)]
        people = look.people(clip.id, numbers, (clip.height, clip.width), sampling and sampling["crops"])
        return one_of(clip, people, args.person, look.name)

    return estimate


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
ESTIMATORS = {"blazepose": _blazepose, "openpose": _openpose, "dwpose": _dwpose, "openpose_json": _openpose_json, "exact+errors": _exact}
# the folder below data/raw of those that run on --device, and their weights
NETWORKS = {"openpose": ("annotators", ("body_pose_model.pth",)), "dwpose": ("dwpose", ("yolox_l.onnx", "dw-ll_ucoco_384.onnx"))}


def pictures(clip, raw):
    """Yield what an estimator looks at: a video's own pixels, since it needs more of them than a frame may have, or the frames themselves for
    clips that come from no video."""
    sampling = frames.read_sampling(clip.folder)
    return frames.pictures(sampling, raw) if sampling else clips.stream_clip(clip.folder)


def look_at(clip, look, raw):
    """Key points of a clip in pixels of its frames, by an estimator that finds one person in a clip's pictures."""
    xy, score = look(pictures(clip, raw))
    return _keypoints(clip, xy, score, look.name)


def one_of(clip, people, rule, estimator):
    """Key points, in pixels of a clip's frames, of the one person whom `rule` picks from all the People of its frames."""
    xy, score, count = pick(list(people), rule)
    return _keypoints(clip, xy, score, estimator, count)


def _keypoints(clip, xy, score, estimator, people=None):
    return Keypoints(xy * np.array([clip.width, clip.height], np.float32), score, (clip.height, clip.width), estimator, people)


def _settings(kind, args, table):
    """What an estimator's results depend on beside the frames and the errors put in, JSON-able."""
    if kind in NETWORKS:
        folder, names = NETWORKS[kind]
        return {"person": args.person, "batch": args.batch, "weights": {name: sha256_of(args.raw / folder / name) for name in names}}
    if kind == "blazepose":
        return {"weights": provenance.identity(args.raw / "mediapipe")} if args.raw else {}
    if kind == "exact+errors":
        return {"exact": provenance.identity(args.exact)}
    if kind == "openpose_json":
        return {"person": args.person, "files": {clip: sha256_of_folder(args.raw / kind / clip) for clip in table["id"]}}
    return {}


def _raw(args):
    if args.raw is None:
        raise UserError("--raw: expected the folder of fetched sources for this estimator's weights, got none; pass --raw data/raw")
    return args.raw
