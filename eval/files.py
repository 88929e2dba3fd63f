"""Fingerprints, and files that appear whole or not at all."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from eval.errors import UserError


def sha256_of(path):
    """Hex SHA-256 of a file, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def atomic_file(path):
    """Yield a binary stream; what is written to it stands at `path` when the block ends well, and nothing does otherwise. A link is followed."""
    path = writable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        os.chmod(name, 0o644)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def writable(path):
    """The place that a path leads to, where a file is or may be written. UserError for a folder, a device, or a folder that can't be written."""
    place = Path(path).resolve()
    if place.exists() and not place.is_file():
        raise UserError(f"{path}: expected a file to write, found {'a folder' if place.is_dir() else 'no plain file'}; give the path of a file")
    above = next(folder for folder in place.parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise UserError(f"{path}: expected a folder that can be written, found {above}; give another path")
    return place


def all_writable(paths, read=()):
    """Check, before the work, the files that a command is going to write: each a place of its own, and none of those that it reads."""
    places = [writable(path) for path in paths]
    for number, place in enumerate(places):
        if place in places[:number] or place in [Path(path).resolve() for path in read]:
            raise UserError(f"{paths[number]}: expected a file of its own for each thing to write, got one path twice; give another")


def json_of(value):
    """`value` as bytes of JSON; sorted keys and plain floats, so that equal values give equal bytes."""
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def write_json(path, value):
    """Write `value` as JSON, whole or not at all."""
    write_together({path: json_of(value)})


def write_together(files):
    """Write {path: bytes}: all of them, the first one last, or none where any can't be written."""
    with contextlib.ExitStack() as stack:
        for path, data in files.items():
            stack.enter_context(atomic_file(path)).write(data)


@contextlib.contextmanager
def entries_of(out):
    """Yield a temporary folder beside `out`; its entries take the place of those in `out` when the block ends well. Other files stay."""
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield temporary
        out.mkdir(exist_ok=True)
        for path in sorted(temporary.iterdir()):
            if path.is_dir():
                shutil.rmtree(out / path.name, ignore_errors=True)
            os.replace(path, out / path.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
