"""The poses of a split as numbers: those that a row is driven by, or those that its people should take, for what the evaluation measures and draws."""

import dataclasses
from pathlib import Path

from tcan.sections import Row
from tcan.files import atomic_dir
from tcan.generate.cases import SPLITS, cases_of
from tcan.pose import keypoints
from tcan.provenance import write_run

TRUTH = Row(title="truth", tables=[], poses="exact")


def add_arguments(parser):
    parser.add_argument("--split", choices=SPLITS, required=True)
    parser.add_argument("--row", help="a row of params.yaml, whose poses are written as it is given them (default: the truth, exact where it is known)")
    parser.add_argument("--data", type=Path, required=True, help="data/<scale>")
    parser.add_argument("--out", type=Path, required=True, help="folder to make: CASE.npz, the driving key points, and CASE.source.npz, the source's")


def run(args, config):
    row = config.row(args.row) if args.row else TRUTH
    options = config.generation(args.row) if args.row else config.generate
    with atomic_dir(args.out) as folder:
        for case in cases_of(args.split, args.data, config, row, options):
            keypoints.save(case.points, folder / f"{case.name}.npz")
            keypoints.save(case.source_points, folder / f"{case.name}.source.npz")
        resolved = {**config.resolved("data", "pose"), "row": dataclasses.asdict(row), "pairing": options.pairing}
        write_run(folder, command=f"driving {args.split}", config=resolved, seed=config.seed)
