"""Sets of many clips that are made one by one, over hours: what is done stays done when the run is killed, and the end is the same to the byte."""

import json
import os
import shutil
from pathlib import Path

from tcan.data.left_out import LeftOut
from tcan.files import atomic_dir, keep_run, write_json
from tcan.progress import Progress


def grow(out, description, ids, make, finish):
    """Make the folder `out`, a folder for each clip; it appears whole, when the last clip is done.

    description: JSON-able, of all that the clips depend on, the code too: clips that an interrupted run of the same description made are kept, others dropped.
    make(id, folder): writes a clip and returns its row, JSON-able; it may raise LeftOut. finish(folder, rows, reasons): writes the set's own files;
    rows: {id: row}; reasons: {id: why it was left out}.
    """
    out = Path(out)
    work = out.with_name(f".{out.name}.part")
    keep_run(work, description)
    whole, records = work / "set", work / "records"
    for folder in (whole, records):
        folder.mkdir(exist_ok=True)
    made = {clip: record for clip in ids if (record := _kept(records / f"{clip}.json", whole / clip))}
    progress = Progress(out.name, len(ids), len(made))
    for clip in ids:
        if clip not in made:
            made[clip] = _made(clip, make, whole / clip)
            write_json(records / f"{clip}.json", made[clip])  # after the frames, so that a clip with a record is whole
            progress.update(len(made), clip)
    for stray in set(os.listdir(whole)) - {clip for clip in ids if "row" in made[clip]}:  # what a kill left half written, there or below
        (shutil.rmtree if (whole / stray).is_dir() else os.unlink)(whole / stray)
    finish(whole, {clip: made[clip]["row"] for clip in ids if "row" in made[clip]}, {clip: made[clip]["left_out"] for clip in ids if "left_out" in made[clip]})
    if out.exists():
        shutil.rmtree(out)
    os.replace(whole, out)
    shutil.rmtree(work)


def _kept(record, folder):
    """A clip's record, or None while the clip isn't done."""
    kept = json.loads(record.read_text()) if record.exists() else {}
    return kept if "left_out" in kept or (kept and folder.is_dir()) else None


def _made(clip, make, folder):
    try:
        with atomic_dir(folder) as temporary:
            return {"row": make(clip, temporary)}
    except LeftOut as reason:
        return {"left_out": str(reason)}
