"""Fingerprints, and files that appear whole or not at all."""

import contextlib
import hashlib
import json
import os
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


@contextlib.contextmanager
def atomic_file(path):
    """Yield a binary stream; what is written to it stands at `path` when the block ends well, and nothing does otherwise."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        os.chmod(name, 0o644)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def write_json(path, value):
    """Write `value` as JSON, whole or not at all; sorted keys and plain floats, so that equal values give equal bytes."""
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"
    with atomic_file(path) as stream:
        stream.write(text.encode())


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
