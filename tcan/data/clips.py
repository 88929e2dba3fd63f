"""A set of clips on disk: `clips.csv` and a folder of numbered PNGs for each clip.

A large set is made in shards, each a set of its own below `shards/`. Its table, written when all shards are there, names each clip's shard.
"""

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tcan.data.shards import SHARD, SHARDS
from tcan.errors import UserError

COLUMNS = ["id", "split", "source", "fps", "frames", "height", "width", "sha256"]


def write_clip(folder, frames, numbers=None):
    """Write frames, uint8 RGB (h, w, 3) each, taken one by one, as folder/0000.png and on; return the sha256 over their pixels.

    numbers: the frames' own numbers, ascending, as many as there are frames, where the names are to show the gaps of a video; default 0, 1, 2, ...
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    digits = 4 if numbers is None else max(4, len(str(numbers[-1])))  # of one width, so that names sort as numbers do
    named = enumerate(frames) if numbers is None else zip(numbers, frames, strict=True)
    for number, frame in named:
        Image.fromarray(frame, "RGB").save(folder / f"{number:0{digits}d}.png", compress_level=6)
        digest.update(np.ascontiguousarray(frame).tobytes())
    return digest.hexdigest()


def numbers(folder):
    """The frame numbers of a clip, ascending, as its PNG names show them."""
    return [int(path.stem) for path in frame_paths(folder)]


def frame_paths(folder):
    """The PNG files of a clip in the order of their numbers."""
    paths = sorted(Path(folder).glob("*.png"))
    if not paths:
        raise UserError(f"{folder}: expected a clip as numbered PNG files, found none; run `tcan frames` or `tcan puppets` again")
    return paths


def stream_clip(folder):
    """Yield the frames of a clip in the order of their numbers, uint8 RGB (h, w, 3), for clips that needn't be held whole."""
    for path in frame_paths(folder):
        yield np.asarray(Image.open(path).convert("RGB"))


def read_clip(folder, first=None):
    """Frames of a clip in the order of their numbers, uint8 RGB (f, h, w, 3); only the `first` ones if given."""
    return np.stack(list(itertools.islice(stream_clip(folder), first)))


def write_table(folder, rows):
    """Write clips.csv from dicts with the keys of COLUMNS, sorted by id."""
    pd.DataFrame(rows, columns=COLUMNS).sort_values("id").to_csv(Path(folder) / "clips.csv", index=False, lineterminator="\n")


def read_table(folder):
    """The clip table of a set, a DataFrame with COLUMNS and the columns `folder`, the path of each clip, and `shard`, "" where the set has none."""
    path = Path(folder) / "clips.csv"
    try:
        table = pd.read_csv(path, dtype={"id": str, "split": str, "source": str, SHARD: str})
    except FileNotFoundError as error:
        raise UserError(f"{path}: expected a table of clips, found no file; run `tcan frames` or `tcan puppets` first") from error
    if missing := set(COLUMNS) - set(table.columns):
        raise UserError(f"{path}: expected the columns {COLUMNS}, {sorted(missing)} are missing; make the set again")
    shards = table[SHARD] if SHARD in table else [""] * len(table)
    return table.assign(folder=[str(_below(folder, shard) / clip) for clip, shard in zip(table["id"], shards, strict=True)], **{SHARD: shards})


def _below(folder, shard):
    return Path(folder) / SHARDS / shard if shard else Path(folder)


def find(data, sets, *splits):
    """All clips of the splits over all sets below `data` (data/<scale>), with columns `folder` and `poses` (the key-point file)."""
    tables = []
    for name in sets:
        table = read_table(Path(data) / "frames" / name)
        tables.append(table.assign(poses=[str(_below(Path(data) / "poses" / name, clip.shard) / f"{clip.id}.npz") for clip in table.itertuples()]))
    clips = pd.concat(tables).query("split in @splits").sort_values("id").reset_index(drop=True)
    if clips["id"].duplicated().any():
        raise UserError(f"{data}: clip ids must be unique over sets, {clips['id'][clips['id'].duplicated()].tolist()} are not; rename them in params.yaml")
    return clips
