"""What a set does without: one table, left_out.csv, of the clips that were left out and why."""

import sys
from pathlib import Path

import pandas as pd

COLUMNS = ["id", "split", "reason"]
NAME = "left_out.csv"


class LeftOut(Exception):
    """Raised by what makes a clip, with the reason: the set goes on without it."""


def write(folder, rows):
    """Write left_out.csv, sorted by id, from dicts with the keys of COLUMNS; without rows it holds the header alone."""
    pd.DataFrame(rows, columns=COLUMNS).sort_values("id").to_csv(Path(folder) / NAME, index=False, lineterminator="\n")


def gather(folders):
    """The rows of several folders' tables (of a set's shards), as dicts."""
    return [row for folder in folders for row in pd.read_csv(Path(folder) / NAME, dtype=str).to_dict("records")]


def tell(name, rows, total):
    """Print the table for the reader of a log."""
    print(f"{name}: {total - len(rows)} of {total} clips; {len(rows)} left out{':' if rows else ''}", file=sys.stderr)
    width = max((len(row["id"]) for row in rows), default=0)
    for row in sorted(rows, key=lambda row: row["id"]):
        print(f"  {row['id']:{width}}  {row['split']:7}  {row['reason']}", file=sys.stderr)
