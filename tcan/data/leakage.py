"""Is a test video among the train clips? By id, and by what its frames look like.

A frame's hash: 255 bits, the signs (against their median) of the lowest 16 x 16 coefficients of a cosine transform of the frame in 64 x 64 grey pixels,
without the mean. Recompression, another size and a crop of 2 % turn few of them. Two frames are alike if at most RADIUS bits differ. Of a train clip 16
frames are hashed, at equal distances from the first to the last, as they are and mirrored; of a test video every second frame, so that a copy that is
shifted in time finds its frame. A clip leaks if at least 3 of its frames (or all, if it has fewer) are alike to frames of one test video. Frames of
nearly one colour, as in a fade, say nothing and are left out.

False alarms: unrelated bits differ in 64 of 255 or fewer with probability P(Binomial(255, 1/2) <= 64) = 4e-16, so that of the 2 x 10^7 comparisons of
this set (330 clips x 16 frames x 2 x 2,000 frames of tests) 1e-8 are expected to be alike by chance, and a leak takes three. Frames of one genre are not
unrelated (a person in the middle, a wall behind); measured on real people's videos (three of them, 96 frames): recompressed 18 bits at most, 2 % cropped
36, 5 % cropped 54, but different videos 108 at least, though two of them show the same scene from two sides. One person twice before the same wall, as
another recording, may lie between: `leakage.json` names the nearest pair that isn't a leak, with its distance, to be looked at.
"""

import concurrent.futures
import csv
import os
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy import fft, stats

from tcan.data import clips
from tcan.data.shards import folders
from tcan.data.tiktok_layout import normal
from tcan.errors import UserError
from tcan.files import atomic_file, write_json

SIDE, LOW = 64, 16          # pixels of the picture that is hashed; coefficients kept in each direction
BITS = LOW * LOW - 1
RADIUS = 64                 # of BITS: frames that differ in no more are alike
SAMPLES = 16                # frames of a train clip
EVERY = 2                   # of the frames of a test video
ALIKE = 3                   # frames of a train clip that make it a leak
FLAT = 4.0                  # standard deviation in grey levels, below which a frame shows nothing
COLUMNS = ["train", "test", "alike", "of", "distance", "mirrored"]


def add_arguments(parser):
    parser.add_argument("--data", type=Path, required=True, help="data/SCALE: the frames of its sets of kind `tiktok` are looked at, shard by shard")
    parser.add_argument("--out", type=Path, required=True, help="report to write, a .json; the pairs of leaking clips go into a .csv beside it")


def run(args, config):
    sets = {name: frame_set for name, frame_set in config.data.sets.items() if frame_set.kind == "tiktok"}
    places = [place for name, frame_set in sets.items() for place in folders(args.data / "frames" / name, frame_set.shards)]
    if not places:
        raise UserError("leakage: expected a scale with sets of kind tiktok, got none; pass --scale paper")
    table = pd.concat([clips.read_table(place) for place in places])
    check(table, args.out, config.data.tiktok.leakage)


def check(table, out, leakage):
    """Write the report on a table of clips (`clips.read_table`); return the train ids that leak. leakage: stop, a UserError if there are any, or drop.

    The .csv of the pairs is written in any case, the .json only where the pipeline goes on: it holds, as `left_out`, what it goes on without.
    """
    train, test = (table.query("split == @split").sort_values("id") for split in ("train", "test"))
    if not len(test):
        raise UserError("leakage: expected test videos to look for, found none; declare a set of them in data.sets")
    by_id = sorted(set(map(normal, train.id)) & set(map(normal, test.id)))
    pairs, nearest = compare(_hashes(train, _sampled), _hashes(test, _dense))
    leaking = sorted({pair["train"] for pair in pairs} | {clip for clip in train.id if normal(clip) in by_id})
    with atomic_file(Path(out).with_suffix(".csv")) as temporary, open(temporary, "w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(pairs)
    found = f"{len(leaking)} of {len(train)} train clips are among the {len(test)} test videos"
    if leaking and leakage == "stop":
        told = [f"{pair['train']} = {pair['test']}{' mirrored' if pair['mirrored'] else ''} ({pair['alike']} of {pair['of']} frames)" for pair in pairs]
        told += [f"{clip} (by id)" for clip in leaking if normal(clip) in by_id]
        raise UserError(f"leakage: expected no test video among the train clips, {found}: {', '.join(told[:5])}{' ...' if told[5:] else ''}; look at "
                        f"{Path(out).with_suffix('.csv')}, and leave these clips out with data.tiktok.leakage: drop")
    verdict = f"{found}{'; left out: ' + ', '.join(leaking) if leaking else ''}"
    write_json(out, {"verdict": verdict, "left_out": leaking, "by_id": by_id, "pairs": pairs, "nearest_that_is_no_leak": nearest,
                     "train_clips": len(train), "test_videos": len(test), "bits": BITS, "radius": RADIUS, "frames_alike": ALIKE,
                     "chance_of_unrelated_frames": float(stats.binom.cdf(RADIUS, BITS, 0.5))})
    print(f"leakage: {verdict}")
    return leaking


def compare(train, test):
    """What leaks of {clip: hashes of frames (n, 2, bytes), as they are and mirrored} into {video: hashes (m, 2, bytes)}.

    Returns the leaking pairs as dicts with the keys COLUMNS, worst first, and the nearest pair beside them, or None.
    """
    pairs, others = [], []
    for clip, hashes in train.items():
        for video, known in test.items():
            if not len(hashes) or not len(known):
                continue
            distances = [np.bitwise_count(hashes[:, None, way] ^ known[None, :, 0]).sum(-1, dtype=np.int32).min(axis=1) for way in (0, 1)]
            alike = [int((distance <= RADIUS).sum()) for distance in distances]
            way = max((0, 1), key=lambda way: (alike[way], -distances[way].min()))
            pair = {"train": clip, "test": video, "alike": alike[way], "of": len(hashes), "distance": int(distances[way].min()), "mirrored": bool(way)}
            (pairs if alike[way] >= min(ALIKE, len(hashes)) else others).append(pair)
    pairs.sort(key=lambda pair: (-pair["alike"], pair["distance"], pair["train"], pair["test"]))
    return pairs, min(others, key=lambda pair: (pair["distance"], pair["train"], pair["test"]), default=None)


def frame_hash(picture):
    """The hash of a grey picture, uint8 (h, w), and that of its mirror image: uint8 (2, 32); None for one of nearly one colour."""
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    if small.std() < FLAT:
        return None
    low = fft.dctn(np.stack([small, small[:, ::-1]]), axes=(1, 2))[:, :LOW, :LOW].reshape(2, -1)[:, 1:]
    return np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1)


def _sampled(paths):
    return [paths[index] for index in np.unique(np.linspace(0, len(paths) - 1, SAMPLES).round().astype(int))]


def _dense(paths):
    return paths[::EVERY]


def _hashes(table, chosen):
    """{clip: hashes of its chosen frames, uint8 (n, 2, 32)}; frames are read by as many threads as there are cores."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        frames = {clip.id: pool.map(_read, chosen(sorted(Path(clip.folder).glob("*.png")))) for clip in table.itertuples()}
        found = {clip: [hashed for hashed in hashes if hashed is not None] for clip, hashes in frames.items()}
    return {clip: np.stack(hashes) if hashes else np.zeros((0, 2, 32), np.uint8) for clip, hashes in found.items()}


def _read(path):
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise UserError(f"{path}: expected a frame, it can't be read; make the set's frames again")
    return frame_hash(picture)
