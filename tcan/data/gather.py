"""The shards of a set as one: its table of clips, the marker of its key points, and one list of the clips that were left out, with the reason."""

import sys
from pathlib import Path

import pandas as pd

from tcan import provenance
from tcan.data import clips
from tcan.data.left_out import LEFT_OUT, read_left_out, write_left_out
from tcan.data.shards import SHARD, SHARDS, shard_name
from tcan.errors import UserError
from tcan.files import atomic_file


def add_arguments(parser):
    parser.add_argument("--set", required=True, help="a sharded set of params.yaml")
    parser.add_argument("--frames", type=Path, required=True, help="the set's frames, data/SCALE/frames/SET")
    parser.add_argument("--poses", type=Path, required=True, help="the set's key points, data/SCALE/poses/SET")
    parser.add_argument("--leakage", type=Path, help="what `tcan leakage` found: clips that must not be trained on")


def run(args, config):
    count = config.data.sets[args.set].shards if args.set in config.data.sets else 0
    if not count:
        raise UserError(f"--set: expected a set with shards, got {args.set!r}; give one of params.yaml's that has `shards`")
    names = [shard_name(number) for number in range(count)]
    gather(args.frames, args.poses, names, leaked_clips(args.leakage) if args.leakage else [], config)


def gather(frames, poses, names, leaked, config):
    """Write frames/clips.csv, frames/left_out.csv and poses/run.json of the shards `names`. leaked: [(clip, reason)]. Raises UserError where all
    clips are left out."""
    tables, left_out = [], list(leaked)
    for name in names:
        table = clips.read_table(frames / SHARDS / name)
        tables.append(table[clips.COLUMNS].assign(**{SHARD: name}))
        for folder in (frames, poses):
            left_out += read_left_out(folder / SHARDS / name)
    table = pd.concat(tables).sort_values("id").reset_index(drop=True)
    reasons = dict(left_out)
    kept = table[~table.id.isin(reasons)]
    if kept.empty:
        raise UserError(f"{frames}: expected at least one whole clip, all {len(reasons)} were left out; see {frames / LEFT_OUT} and mend the sources")
    write_left_out(frames, sorted(reasons.items()))
    with atomic_file(frames / "clips.csv") as temporary:
        kept.to_csv(temporary, index=False, lineterminator="\n")
    markers = [place / SHARDS / name / "run.json" for name in names for place in (frames, poses)]
    provenance.write_run(poses, command="gather", seed=config.seed, config={"shards": len(names)}, inputs=[frames / "clips.csv", *markers],
                         extra={"clips": len(kept), "frames": int(kept.frames.sum()), "left_out": len(reasons)})
    print(f"{len(kept)} clips, {kept.frames.sum()} frames; {len(reasons)} left out", file=sys.stderr)
