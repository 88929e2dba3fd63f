"""`tcan-eval measure GENERATED`: measures where the truth is known (eval.measures), as JSON, beside the protocols' metrics."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from eval.errors import UserError

MEASURES = {    # name: (unit, what is better)
    "keypoint-error": ("% of the person's height", "lower"),
    "keypoints-within-10%": ("% of the joints", "higher"),
    "limb-ratio-error": ("|log ratio|", "lower"),
    "proportion-error": ("|log ratio|", "lower"),
    "identity-distance": ("1 - cosine", "lower"),
    "background-flicker": ("grey levels", "lower"),
}
TRUE = {"test": ("test",), "held_out": ("test", "further")}     # splits whose true frames are known, and the splits of clips.csv that they are of
OF_BIZARRE = "proportion-error"      # on the test split the poses are the character's own, and it would be limb-ratio-error again
AIMS = ("as_driven", "first_lengths", "clip_lengths")   # CASE.AIM.npz: the driving person's own key points, and both ways to retarget them
BESIDE = ("source", "true_limbs", *AIMS)    # CASE.WHAT.npz: also the source's key points, and those that a body of the source's true limbs would take
NETWORK = "efficientnet-lite0"      # whose features tell persons apart, as well as a network for ImageNet's classes does


@dataclass(frozen=True)
class Case:
    """A generated clip: its frames, those it should have been (None on the bizarre split), the source picture, and the files of key points."""

    name: str
    generated: Path
    true: Path | None
    source: Path
    driving: Path

    def beside(self, what):
        """The path of other key points of the case, one of BESIDE."""
        return self.driving.with_name(f"{self.name}.{what}.npz")


@dataclass(frozen=True)
class Driving:
    """Key points (f, 18, 2) that the person should take in frames of `size` (h, w), and whether they are exact."""

    xy: object
    size: tuple
    exact: bool


def add_arguments(parser):
    parser.add_argument("generated", metavar="GENERATED", type=Path, help="a folder of frames 0000.png and on for each case of the split")
    parser.add_argument("--split", required=True, choices=(*TRUE, "bizarre"))
    parser.add_argument("--data", type=Path, required=True, help="data/SCALE: the true frames and the source pictures")
    parser.add_argument("--driving", type=Path, required=True, help="folder of key points, as `tcan driving` writes it: CASE.npz, CASE.source.npz; of split "
                        "bizarre, where they are known, CASE.true_limbs.npz")
    parser.add_argument("--aim", choices=AIMS, help="of split bizarre: the key points that the persons should take are CASE.AIM.npz (default: CASE.npz)")
    parser.add_argument("--network", type=Path, required=True, help="folder of the key-point network")
    parser.add_argument("--weights", type=Path, default=Path("data/raw"), help="folder of the networks' weights (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")


def run(args):
    """Measure, write the file, and print the values as JSON on stdout."""
    from eval.files import all_writable, write_json

    all_writable([args.out])
    result = measure(args.generated, args.split, args.data, args.driving, args.network, args.weights, args.aim)
    write_json(args.out, result)
    print(json.dumps({name: entry["value"] for name, entry in result["measures"].items()}, indent=1))


def measure(generated, split, data, driving, network, weights, aim=None):
    """The measures of every case of a split. -> what `measures.SPLIT.json` holds. aim: one of AIMS, on the bizarre split, if not the poses as retargeted.

    A measure's value is the mean over clips of `per_video`; `truth` (not of the bizarre split) is the same of the true frames: the error of the measure itself.
    """
    from eval import features, keypoint_network
    from eval.frames import Stills, digest_of

    if aim and split != "bizarre":
        raise UserError(f"--aim: expected split bizarre, where a person is driven by another's poses, got {split}; leave it out")
    cases = find_cases(Path(generated), split, Path(data), Path(driving), aim)
    finder, digest = keypoint_network.load(network)
    extractor, pins = features.load(NETWORK, weights)
    values, truth, counts, sums = {}, {}, {}, []
    for number, case in enumerate(cases):
        print(f"measure: {number + 1}/{len(cases)} {case.name}", file=sys.stderr, flush=True)
        goal, start, true_limbs = _poses(case)
        source = read_frames([case.source], start.size)[0]
        for found, folder in ((values, case.generated), (truth, case.true)):
            if folder is not None:
                frames = read_frames(frame_files(folder, len(goal.xy)), goal.size)
                found[case.name] = measure_clip(frames, goal, source, start, finder, extractor, true_limbs)
        counts[case.name] = len(goal.xy)
        sums += Stills(tuple(frame_files(case.generated, len(goal.xy)))).sums(case.name)
    measures = {name: {"unit": unit, "better": better, **_collected(name, values), **({"truth": _collected(name, truth)} if truth else {})}
                for name, (unit, better) in MEASURES.items() if split == "bizarre" or name != OF_BIZARRE}
    return {"format": 1, "split": split, "measures": measures, "network": digest, "weights": pins,
            "frames": {"per_video": counts, "sha256": digest_of(sums)}}


def _poses(case):
    """Of a case the Driving that the person should take, that of its source, and that of its true limbs, or None.

    Of the true limbs there are the joints that lie within the frame whatever pose a row was given (AIMS), so that all rows are measured by the same ones.
    """
    import numpy as np

    from eval.measures import within_frame

    aim, start = read_driving(case.driving), read_driving(case.beside("source"))
    if len(start.xy) != 1:
        raise UserError(f"{case.beside('source')}: expected the key points of one source picture, got {len(start.xy)} frames; make the file again")
    path = case.beside("true_limbs")
    if not path.exists():
        return aim, start, None
    poses = {path: read_driving(path) for path in (path, *map(case.beside, AIMS))}
    for path, pose in poses.items():
        if (pose.xy.shape, pose.size) != (aim.xy.shape, aim.size):
            raise UserError(f"{path}: expected {len(aim.xy)} frames of {aim.size[1]}x{aim.size[0]} like {case.driving.name}, got {len(pose.xy)} of "
                            f"{pose.size[1]}x{pose.size[0]}; make the driving again")
    true_limbs, *given = (within_frame(pose.xy, pose.size) for pose in poses.values())
    hidden = np.isnan(given).any(axis=(0, -1))
    return aim, start, Driving(np.where(hidden[..., None], np.nan, true_limbs), aim.size, aim.exact)


def measure_clip(frames, aim, source, start, finder, extractor, true_limbs=None):
    """{measure: value} of one clip. Without exact key points there is none of joints and limbs; a clip of one frame has no flicker.

    frames: uint8 (f, h, w, 3); aim, start: the Driving of the clip and of its source picture, uint8 (h, w, 3); finder: a key-point network; true_limbs:
    the Driving of a body with the source's true limbs, within the frame. Joints outside the frame have no place to be found at.
    """
    import numpy as np

    from eval import keypoint_network, measures

    values, xy = {}, measures.within_frame(aim.xy, aim.size)
    unit = float(np.nanmax([measures.height(part) for part in (start.xy, xy)]))
    if aim.exact:
        found = measures.either_side(keypoint_network.find(finder, frames), xy)
        values |= {"keypoint-error": measures.keypoint_error(found, xy, unit), "keypoints-within-10%": measures.keypoints_within(found, xy, unit),
                   "limb-ratio-error": measures.limb_ratio_error(found, xy, unit)}
        if true_limbs is not None:
            tall = float(np.nanmax([measures.height(part) for part in (start.xy, true_limbs.xy)]))
            values["proportion-error"] = measures.limb_ratio_error(found, true_limbs.xy, tall)
    boxes = measures.figure_boxes(measures.figure_mask(aim.xy, aim.size, shadow=False, unit=unit))
    box = measures.figure_boxes(measures.figure_mask(start.xy, start.size, shadow=False))
    values["identity-distance"] = measures.identity_distance(_features(extractor, frames, boxes), _features(extractor, source[None], box)[0])
    values["background-flicker"] = measures.background_flicker(frames, measures.figure_mask(aim.xy, aim.size, unit=unit))
    return {name: value for name, value in values.items() if value is not None}


def _features(extractor, frames, boxes):
    """Features (n, d) of a box of each frame."""
    import numpy as np

    from eval.frames import resize_bicubic

    crops = (frame[None, top:top + side, left:left + side] for frame, (left, top, side) in zip(frames, boxes, strict=True))
    return np.concatenate([extractor.pictures(np.ascontiguousarray(crop), resize_bicubic)["fid"] for crop in crops])


def _collected(name, values):
    """A measure's mean over the clips that have it, and its value of each; None where no clip does."""
    per_video = {clip: found[name] for clip, found in values.items() if name in found}
    return {"value": sum(per_video.values()) / len(per_video) if per_video else None, "per_video": per_video}


def find_cases(generated, split, data, driving, aim=None):
    """The cases of a split, sorted by name; aim: as of `measure`. Raises UserError for a case that was not generated, or one that is none of the split's."""
    from eval.strips import find_clips

    clips = {clip.id: clip for clip in find_clips(data, *TRUE.get(split, (split,)))}
    if not clips:
        raise UserError(f"{data}: expected clips of split {split} in frames/*/clips.csv, found none; make the data first")
    if split in TRUE:
        cases = [Case(name, generated / name, clip.folder, clip.folder / "0000.png", driving / f"{name}.npz") for name, clip in clips.items()]
    else:
        cases = []
        for path in driving.glob("*.npz"):
            if not (name := path.stem).endswith(tuple(f".{what}" for what in BESIDE)):
                if (character := name.partition("__")[0]) not in clips:
                    raise UserError(f"{path}: expected a case CHARACTER__CLIP with a character of split bizarre, found no {character}; make the driving again")
                cases.append(Case(name, generated / name, None, clips[character].folder / "0000.png", driving / f"{name}{f'.{aim}' if aim else ''}.npz"))
    names = {case.name for case in cases}
    if not names:
        raise UserError(f"{driving}: expected key points CASE.npz of split {split}, found none; make the driving first")
    there = {path.name for path in generated.iterdir() if path.is_dir()} if generated.is_dir() else set()
    if wrong := sorted(names ^ there):
        raise UserError(f"{generated}: expected a folder of frames for each of the {len(names)} cases of split {split} and no other, "
                        f"{'missing' if wrong[0] in names else 'over'}: {wrong[0]}; generate the same cases")
    return sorted(cases, key=lambda case: case.name)


def frame_files(folder, count):
    """The paths of frames 0000.png and on, `count` of them and no more."""
    wanted = [f"{number:04d}.png" for number in range(count)]
    if wrong := sorted(set(wanted) ^ {path.name for path in folder.glob("*.png")}):
        raise UserError(f"{folder}: expected frames 0000.png to {wanted[-1]} and no other, {'missing' if wrong[0] in wanted else 'over'}: {wrong[0]}; "
                        "make the clip again")
    return [folder / name for name in wanted]


def read_frames(paths, size):
    """uint8 RGB (n, h, w, 3) of picture files that are all of `size` (h, w)."""
    import numpy as np

    from eval.frames import read

    frames = [read(path) for path in paths]
    for path, frame in zip(paths, frames):
        if frame.shape[:2] != size:
            raise UserError(f"{path}: expected {size[1]}x{size[0]} pixels like its key points, got {frame.shape[1]}x{frame.shape[0]}; "
                            "bring frames and key points to one size")
    return np.stack(frames)


def read_driving(path):
    """The Driving of an .npz with xy, size and estimator. Raises UserError for another file, and for one in which nobody is found."""
    import zipfile

    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as data:
            driving = Driving(data["xy"].astype(np.float64), tuple(int(side) for side in data["size"]), str(data["estimator"]) == "exact")
        if driving.xy.ndim != 3 or driving.xy.shape[1:] != (18, 2) or not len(driving.xy) or len(driving.size) != 2:
            raise ValueError(f"xy of shape {driving.xy.shape}, size of {len(driving.size)} numbers")
        if np.isinf(driving.xy).any():
            raise ValueError("a joint at infinity")
    except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: expected key points (.npz with xy (f, 18, 2), size, estimator), got {error}; make the driving again") from error
    if np.isnan(driving.xy).any(axis=-1).all():
        raise UserError(f"{path}: expected the key points of a person, found nobody in any frame; leave the clip out")
    return driving
