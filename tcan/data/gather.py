"""The shards of a set as one: its table of clips, the marker of its key points, and one table of the clips that were left out, and why."""

import json
from pathlib import Path

import pandas as pd

from tcan import provenance
from tcan.data import clips, left_out
from tcan.data.shards import SHARD, folders
from tcan.errors import UserError
from tcan.files import atomic_file
from tcan.pose.estimate import LEFT_OUT


def add_arguments(parser):
    parser.add_argument("--set", required=True, help="a sharded set of params.yaml")
    parser.add_argument("--frames", type=Path, required=True, help="the set's frames, data/SCALE/frames/SET")
    parser.add_argument("--poses", type=Path, required=True, help="the set's key points, data/SCALE/poses/SET")
    parser.add_argument("--leakage", type=Path, help="the report of `tcan leakage`: clips that it leaves out are")


def run(args, config):
    count = config.data.sets[args.set].shards if args.set in config.data.sets else 0
    if not count:
        known = [name for name, frame_set in config.data.sets.items() if frame_set.shards]
        raise UserError(f"--set: expected a set with shards ({', '.join(known) or 'none is declared'}), got {args.set!r}")
    gather(args.frames, args.poses, count, _leaking(args.leakage), config.seed)


def gather(frames, poses, shards, leaking, seed):
    """Write frames/clips.csv, frames/left_out.csv and, last, poses/run.json of a set of so many shards. leaking: ids that must not be trained on.

    Raises UserError where nothing is left.
    """
    parts = list(zip(folders(frames, shards), folders(poses, shards), strict=True))
    table = pd.concat([clips.read_table(part)[clips.COLUMNS].assign(**{SHARD: part.name}) for part, _ in parts]).sort_values("id")
    lost = left_out.gather(part for part, _ in parts)
    lost += [{"id": clip, "split": entry["split"], "reason": entry["reason"]} for _, part in parts
             for clip, entry in json.loads((part / LEFT_OUT).read_text()).items()]
    lost += [{"id": clip, "split": "train", "reason": "it shows what a test video shows (leakage.csv)"} for clip in leaking if clip in set(table.id)]
    lost = list({row["id"]: row for row in lost}.values())
    kept = table[~table.id.isin([row["id"] for row in lost])]
    left_out.tell(frames.name, lost, len(kept) + len(lost))
    left_out.write(frames, lost)
    if kept.empty:
        raise UserError(f"{frames}: expected at least one whole clip, all {len(lost)} are left out; see {frames / left_out.NAME}")
    with atomic_file(frames / "clips.csv") as temporary:
        kept.to_csv(temporary, index=False, lineterminator="\n")
    markers = [folder / "run.json" for part in parts for folder in part]
    provenance.write_run(poses, command="gather", seed=seed, config={"shards": shards}, inputs=[frames / "clips.csv", *markers],
                         extra={"clips": len(kept), "frames": int(kept.frames.sum()), "left_out": len(lost)})


def _leaking(path):
    return json.loads(path.read_text())["left_out"] if path else []
