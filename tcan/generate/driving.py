"""The poses of a split as numbers: those that a row is driven by, or those that its people should take, for what the evaluation measures and draws."""

import dataclasses
from pathlib import Path

from tcan.sections import Row
from tcan.files import atomic_dir
from tcan.generate.cases import SPLITS, cases_of, resized
from tcan.pose import keypoints
from tcan.pose.retarget import retarget
from tcan.provenance import write_run

TRUTH = Row(title="truth", tables=[], poses="exact")


def add_arguments(parser):
    parser.add_argument("--split", choices=SPLITS, required=True)
    parser.add_argument("--row", help="a row of params.yaml, whose poses are written as it is given them (default: the truth, exact where it is known)")
    parser.add_argument("--data", type=Path, required=True, help="data/<scale>")
    parser.add_argument("--out", type=Path, required=True, help="folder to make: CASE.npz, the driving key points, and CASE.source.npz, the source's; of the "
                        "truth on the bizarre split also CASE.as_driven.npz, not retargeted, CASE.first_lengths.npz and CASE.clip_lengths.npz, retargeted by "
                        "either way to take the driving limbs' lengths, and CASE.true_limbs.npz where a renderer knows them")


def run(args, config):
    row = config.row(args.row) if args.row else TRUTH
    options = config.generation(args.row) if args.row else config.generate
    with atomic_dir(args.out) as folder:
        for case in cases_of(args.split, args.data, config, row, options):
            keypoints.save(case.points, folder / f"{case.name}.npz")
            keypoints.save(case.source_points, folder / f"{case.name}.source.npz")
            if not args.row and case.driver is not None:
                _save_others(case, folder)
        resolved = {**config.resolved("data", "pose"), "row": dataclasses.asdict(row), "pairing": options.pairing,
                    "limb_lengths": options.limb_lengths}
        write_run(folder, command=f"driving {args.split}", config=resolved, seed=config.seed)


def _save_others(case, folder):
    """The driving poses of rows that don't retarget, or do it otherwise, and those that a body of the source's true limbs would take."""
    keypoints.save(resized(case.driver, case.source_points.size), folder / f"{case.name}.as_driven.npz")
    for lengths in ("first", "clip"):
        keypoints.save(retarget(case.driver, case.source_points, lengths), folder / f"{case.name}.{lengths}_lengths.npz")
    if case.driver.limbs is not None and case.source_points.limbs is not None:
        keypoints.save(retarget(case.driver, case.source_points, "true"), folder / f"{case.name}.true_limbs.npz")
