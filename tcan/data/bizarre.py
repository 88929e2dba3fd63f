"""Ten characters of the Bizarre Pose data set (Chen & Zwicker 2022) as frames: a clip of one frame each, padded to a square in white.

The paper's ten pictures are not published, so they are the user's by their ids, or drawn by seed and written down (drawn.json in the set). The pictures
are third parties' art: nothing of them may be passed on; the data set's authors filtered them by tags alone, so look at what was drawn.

    bizarre_pose_dataset/raw/images/<id>.png, bizarre_pose_dataset/raw/annotations.json, or these below any folder of data/raw/bizarre
"""

from pathlib import Path

import numpy as np

from tcan import provenance, seeds
from tcan.data import clips, marked
from tcan.data.pictures import offsets, read_picture, squared
from tcan.data.tiktok_layout import PICTURES
from tcan.errors import UserError
from tcan.files import atomic_dir, write_json
from tcan.pose import keypoints
from tcan.pose.keypoints import Keypoints
from tcan.strict import unknown

SOURCE = "bizarre"
WHITE = (255, 255, 255)
DRAWN = "drawn.json"


def add_arguments(parser):
    parser.add_argument("--set", required=True, help="a set of kind `bizarre` in params.yaml")
    parser.add_argument("--raw", type=Path, required=True, help="folder of fetched sources, data/raw")
    parser.add_argument("--out", type=Path, required=True, help="folder to make, data/SCALE/frames/SET")
    parser.add_argument("--exact", type=Path, help="folder of the marked key points to make, data/SCALE/exact/SET; none where an estimator finds them")


def run(args, config):
    if args.set not in config.data.sets or config.data.sets[args.set].kind != "bizarre":
        known = [known for known, spec in config.data.sets.items() if spec.kind == "bizarre"]
        raise UserError(f"--set: expected a set of kind bizarre ({', '.join(known) or 'none is declared'}), got {args.set!r}")
    make_set(config.data.bizarre, config.data.size, config.seed, args.raw / SOURCE, args.out, args.exact)


def make_set(options, size, seed, raw, out, exact=None):
    """Write the characters' frames (clips bizarre_<id> of split `bizarre`, 0000.png), clips.csv, drawn.json and run.json into `out`, and into `exact`, if
    given, their key points as somebody marked them.

    options: the section data.bizarre (images, draw, keypoints). Raises UserError for pictures or key points that aren't there.
    """
    folder, pictures = _pictures(raw)
    poses = _poses(options, folder) if exact else None
    chosen = _chosen(options, seed, sorted(pictures if poses is None else set(pictures) & set(poses)), raw)
    config = {"size": size, **vars(options), "images": chosen["images"]}
    record = {"command": "bizarre", "seed": seed, "config": config, "inputs": [path for path in [Path(raw) / "run.json"] if path.exists()]}
    rows = []
    with atomic_dir(out) as frames_folder:
        points = {}
        for name in chosen["images"]:
            picture, clip = read_picture(pictures[name]), f"bizarre_{name}"
            if poses is not None:
                points[clip] = _points(poses[name], picture, size, name, "by hand" if options.keypoints else "annotations")
            digest = clips.write_clip(frames_folder / clip, [squared(picture, size, "pad", WHITE)])
            rows.append({"id": clip, "split": "bizarre", "source": SOURCE, "fps": 1.0, "frames": 1, "height": size, "width": size, "sha256": digest})
        clips.write_table(frames_folder, rows)
        write_json(frames_folder / DRAWN, chosen)
        provenance.write_run(frames_folder, **record)
        if exact:
            with atomic_dir(exact) as exact_folder:
                for clip, found in points.items():
                    keypoints.save(found, exact_folder / f"{clip}.npz")
                provenance.write_run(exact_folder, **record)


def _pictures(raw):
    """(the folder raw of the data set, {id: path} of its pictures)."""
    raw = Path(raw)
    places = [folder for pattern in ("images", "*/images", "*/*/images") for folder in sorted(raw.glob(pattern)) if folder.is_dir()]
    if not places:
        raise UserError(f"{raw}: expected bizarre_pose_dataset/raw/images, found none; run `tcan fetch bizarre`, or name the folder under sources.bizarre")
    held = {path.stem: path for path in sorted(places[0].iterdir()) if path.suffix.lower() in PICTURES and not path.name.startswith(".")}
    return places[0].parent, held


def _poses(options, folder):
    return marked.by_hand(options.keypoints) if options.keypoints else marked.annotated(folder / "annotations.json")


def _chosen(options, seed, known, raw):
    """What drawn.json says: the ids, and by which rule they were chosen."""
    if options.images:
        for name in options.images:
            if name not in known:
                raise UserError(f"data.bizarre.images: expected ids of pictures with key points in {raw} ({len(known)} of them), got {name!r}"
                                f"{unknown(name, known, '').rpartition(repr(name))[2] if known else ''}")
        if len(set(options.images)) < len(options.images):
            raise UserError(f"data.bizarre.images: expected each id once, got {', '.join(options.images)}")
        return {"images": list(options.images), "rule": "named in params.yaml"}
    if len(known) < options.draw:
        raise UserError(f"data.bizarre.draw: expected at least {options.draw} pictures with key points in {raw}, found {len(known)}; lower it or fetch again")
    picks = seeds.rng(seed, "bizarre_images").choice(len(known), options.draw, replace=False)
    return {"images": [known[pick] for pick in sorted(picks)], "seed": seed, "of": len(known),
            "rule": "numpy's default generator, seeded by tcan.seeds (seed, 'bizarre_images'): choice(of, draw, replace=False) from the sorted ids"}


def _points(entry, picture, size, name, by):
    (width, height), points = entry
    if picture.shape[:2] != (height, width):
        raise UserError(f"{name}: expected a picture of {width} x {height} pixels, as its key points say, got {picture.shape[1]} x {picture.shape[0]}; "
                        "mark its key points in this picture (data.bizarre.keypoints) or fetch it again")
    xy = marked.openpose18(points, *offsets(height, width), size / max(height, width))
    xy[((xy < 0) | (xy > size)).any(axis=1)] = np.nan  # outside of the frame
    return Keypoints(xy[None], (~np.isnan(xy[None]).any(axis=-1)).astype(np.float32), (size, size), by)
