"""How far retargeted poses are from a body's true proportions, before any network: rendered pairs of a character and a driving clip of the bizarre split.

    snakemake data/lite/driving/bizarre/run.json && python bench/retarget.py --driving data/lite/driving/bizarre

The error is eval.measures' limb-ratio error against the poses that a body of the character's true limbs would take in the driving motion (`true_limbs`), of
joints within the frame; beside it the part of the joints that lie outside.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from eval import measures
from eval.files import write_json
from eval.measure_command import AIMS, read_driving


def errors(driving, name, aim):
    """(limb-ratio error, part of the joints outside the frame) of one way to drive a case."""
    given, true, source = (read_driving(driving / f"{name}.{what}.npz") for what in (aim, "true_limbs", "source"))
    seen = measures.within_frame(given.xy, given.size)
    there = ~np.isnan(given.xy).any(axis=-1)
    outside = float((np.isnan(seen).any(axis=-1) & there).sum() / there.sum())
    return measures.limb_ratio_error(seen, np.where(np.isnan(seen), np.nan, true.xy), measures.height(source.xy)), outside


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--driving", type=Path, default=Path("data/lite/driving/bizarre"), help="as `tcan driving --split bizarre` writes it")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    names = sorted(path.name.removesuffix(".true_limbs.npz") for path in args.driving.glob("*.true_limbs.npz"))
    if not names:
        parser.error(f"{args.driving}: expected CASE.true_limbs.npz, found none; make it with snakemake {args.driving}/run.json")
    cases = {name: {aim: dict(zip(("error", "outside"), errors(args.driving, name, aim))) for aim in AIMS} for name in names}
    mean = {aim: {what: float(np.mean([case[aim][what] for case in cases.values()])) for what in ("error", "outside")} for aim in AIMS}
    print(json.dumps({"mean": mean, "cases": cases}, indent=1))
    if args.out:
        write_json(args.out, {"mean": mean, "cases": cases})


if __name__ == "__main__":
    main()
