"""What a system would score that had but one fault: frames put together from the truth and from what is wrong with the rest.

    snakemake --cores all outputs/lite/autoencoder/test/run.json outputs/lite/base/test/run.json
    python bench/faults.py                                      the lite scale's test clips; prints a table (half a minute a line)
    python bench/faults.py --generated FOLDER [FOLDER ...]      person and background of other frames, clip by clip as a row's

The person is the hull of the key points (exact ones where they are known) and 4 pixels around it.
"""

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch

from tcan import models  # noqa: F401
from tcan.models.autoencoder import to_tensor
from tcan.models.patch_autoencoder import PatchAutoencoder
from tcan.pose import keypoints

from eval import evaluate

SETS, PROTOCOL = ("human", "puppets"), "disco-1"
NETWORKS = {"lpips": "hed-vgg16", "fid": "efficientnet-lite0"}
MARGIN = 4          # pixels
CHANNELS = (12, 16, 24, 32)
BLURS = (1.0, 1.5)  # standard deviations, pixels


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/lite"))
    parser.add_argument("--weights", type=Path, default=Path("data/raw"))
    parser.add_argument("--autoencoder", type=Path, default=Path("outputs/lite/autoencoder/test"))
    parser.add_argument("--generated", type=Path, nargs="+", default=[Path("outputs/lite/base/test")])
    args = parser.parse_args()
    clips = sorted(path.name for path in args.autoencoder.iterdir() if path.is_dir())
    truth = {name: pictures(next(args.data.glob(f"frames/*/{name}"))) for name in clips}
    persons = {name: person(args.data, name, truth[name].shape[:3]) for name in clips}
    print(f"{len(clips)} clips, the person is {np.mean([mask.mean() for mask in persons.values()]):.0%} of a frame\n")
    print("| frames | error, grey levels | FID | LPIPS |\n|---|--:|--:|--:|", flush=True)
    coded = {name: pictures(args.autoencoder / name) for name in clips}
    for what, made in variants(truth, persons, {"the autoencoder's": coded} | {str(path): {name: pictures(path / name) for name in clips}
                                                                                for path in args.generated}):
        error = np.mean([np.abs(made[name].astype(float) - truth[name]).mean() for name in clips])
        metrics = score(made, args)
        print(f"| {what} | {error:.1f} | {metrics['FID[efficientnet-lite0]']['value']:.0f} | {metrics['LPIPS[hed-vgg16]']['value']:.3f} |", flush=True)


def variants(truth, persons, others):
    """(description, clip -> frames), one for each line."""
    everything = np.concatenate(list(truth.values()))
    for count in CHANNELS:
        linear = PatchAutoencoder(4, count, channels=8, layers=1)
        linear.start_from(to_tensor(everything))
        yield f"{count} principal components of 4 x 4 patches", {name: through(linear, frames) for name, frames in truth.items()}
    for sigma in BLURS:
        blurred = {name: np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames]) for name, frames in truth.items()}
        yield f"background exact, person blurred by {sigma:g} pixels", joined(persons, blurred, truth)
    for label, frames in others.items():
        yield f"background exact, person of {label} frames", joined(persons, frames, truth)
        yield f"person exact, background of {label} frames", joined(persons, truth, frames)
        yield f"all of {label} frames", frames


def joined(persons, inside, outside):
    return {name: np.where(mask[..., None], inside[name], outside[name]) for name, mask in persons.items()}


@torch.no_grad()
def through(autoencoder, frames):
    decoded = autoencoder(to_tensor(frames)).sample.clamp(-1, 1)
    return ((decoded + 1) * 127.5).round().permute(0, 2, 3, 1).numpy().astype(np.uint8)


def pictures(folder):
    """A folder's PNGs, uint8 (n, h, w, 3)."""
    return np.stack([cv2.imread(str(path))[..., ::-1] for path in sorted(folder.glob("*.png"))])


def person(data, name, shape):
    """bool (n, h, w)."""
    known = [path for kind in ("exact", "poses") for path in data.glob(f"{kind}/*/{name}.npz")][0]
    masks = np.zeros(shape, np.uint8)
    for mask, xy in zip(masks, keypoints.load(known).xy, strict=True):
        found = xy[~np.isnan(xy).any(axis=1)]
        if len(found):
            cv2.fillConvexPoly(mask, cv2.convexHull(found.round().astype(np.int32)), 1)
            mask[:] = cv2.dilate(mask, np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), np.uint8))
    return masks.astype(bool)


def score(made, args):
    with tempfile.TemporaryDirectory() as folder:
        for name, frames in made.items():
            Path(folder, name).mkdir()
            for number, frame in enumerate(frames):
                cv2.imwrite(f"{folder}/{name}/{number:04d}.png", frame[..., ::-1])
        result = evaluate(folder, [args.data / "frames" / kind for kind in SETS], [PROTOCOL], NETWORKS, args.weights, split="test")
    return result["protocols"][PROTOCOL]["metrics"]


if __name__ == "__main__":
    main()
