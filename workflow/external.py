"""Frames that no rule makes (`external` in params.yaml): whether they are there, and a fingerprint by which Snakemake sees that they changed."""

import hashlib
import json
import os
from pathlib import Path

from tcan.errors import UserError
from tcan.files import sha256_of, write_json

MEMORY = Path(".snakemake/external.json")


def folders(external):
    """{name: folder} of Config.external. Raises UserError for a folder that isn't there or holds no file."""
    found = {}
    for name, entry in external.items():
        folder = found[name] = Path(entry.frames)
        if not folder.is_dir() or not _files(folder):
            there = "an empty folder" if folder.is_dir() else "a file" if folder.exists() else "nothing"
            raise UserError(f"external.{name}.frames: expected a folder of generated frames at {folder}, found {there}; "
                            f"put the frames there, or take external.{name} out of params.yaml")
    return found


def fingerprint(folder, memory=MEMORY):
    """Hex SHA-256 over names and contents of the files that an evaluation of `folder` reads: a file's time alone changes nothing.

    Thousands of frames are read once. After that only those are whose size or times have changed since (`memory` keeps them, as git's index does),
    so that a plan costs no more than a look at the folder.
    """
    remembered, place, now = _read(memory), str(folder.resolve()), {}
    known = remembered.get(place, {})
    for name, stat in _files(folder).items():
        seen = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        now[name] = known[name] if known.get(name, [])[:3] == seen else [*seen, sha256_of(folder / name)]
    if now != known:
        write_json(memory, {**remembered, place: now})
    return hashlib.sha256("".join(f"{now[name][3]}  {name}\n" for name in sorted(now)).encode()).hexdigest()


def _files(folder):
    """{relative name: os.stat_result} of the files of a folder and of the folders in it, as deep as the evaluation looks; hidden ones are left out."""
    found = {}
    for entry in _visible(folder):
        for inner in _visible(entry) if entry.is_dir() else [entry]:
            if inner.is_file():
                found[os.path.relpath(inner, folder)] = inner.stat()
    return found


def _visible(folder):
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]


def _read(memory):
    """What is remembered; nothing where the file isn't there or isn't whole, and then every frame is read again."""
    try:
        return json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}
