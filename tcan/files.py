"""Files that appear whole or not at all, and their fingerprints."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from pathlib import Path


def sha256_of(path):
    """Hex SHA-256 of a file, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sha256_of_folder(folder, pattern="**/*"):
    """Hex SHA-256 over the relative names and contents of a folder's files, in sorted order; `run.json` is left out."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).glob(pattern)):
        if path.is_file() and path.name != "run.json":
            digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256_of(path)}\n".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def atomic_file(path):
    """Yield a temporary path beside `path`; it takes the place of `path` when the block ends well, and goes when it doesn't."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_dir(path):
    """Yield a temporary folder beside `path`; it replaces `path` when the block ends well, and goes when it doesn't."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    left = re.compile(rf"\.{re.escape(path.name)}\.\w{{8}}")
    for stray in path.parent.iterdir():     # of a run that was killed
        if left.fullmatch(stray.name):
            shutil.rmtree(stray, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path, value):
    """Write `value` as JSON with sorted keys, so that equal values give equal bytes."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def keep_run(folder, description):
    """Keep what an interrupted run of the same description left in `folder`; drop what is there of another.

    description: JSON-able, of all that the kept files depend on; the code too (tcan.imports.sha256_of_code), unless they are downloads.
    """
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()
    marker = Path(folder) / "run_of.json"
    if Path(folder).exists() and _read(marker) != {"sha256": digest}:
        shutil.rmtree(folder)
    write_json(marker, {"sha256": digest})


def _read(path):
    """A JSON file's value; None where there is none, or where a full disk or a power failure left it empty."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
