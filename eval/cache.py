"""Features kept from one evaluation to the next: a second system with the same truth pays for its own frames only.

A file for each clip, side and network. Its name is the digest of all that the features follow from: the frames' own bytes, what is done to
them, the network with its weights, the sources that compute, and the versions of the packages they use. So nothing goes stale, and the folder may be
deleted at any time.
"""

import hashlib
import importlib.metadata
import json
from functools import cache
from pathlib import Path

import numpy as np

from eval.files import atomic_file, sha256_of

SOFTWARE = ("av", "numpy", "opencv-python-headless", "pillow", "torch", "torchvision")
# What a clip's features are computed by, beside all of features/: its runs of frames, decoded, resized, and handed on in chunks.
SOURCES = ("clips.py", "frames.py", "rows.py", "score.py", "torchvision_ops.py", "view.py")


@cache
def code_digest(package=Path(__file__).parent):
    """Hex SHA-256 over the names and contents of the files below the folder `package`, eval's own, that compute features; a process reads them once."""
    paths = [*sorted(package.glob("features/*.py")), *(package / name for name in SOURCES)]
    text = "".join(f"{path.relative_to(package).as_posix()}\0{sha256_of(path)}\n" for path in paths)
    return hashlib.sha256(text.encode()).hexdigest()


class FeatureCache:
    """A folder of features; with folder None, nothing is kept."""

    def __init__(self, folder=None):
        self.folder = Path(folder) if folder else None
        self.hits = self.misses = 0

    def key(self, **parts):
        """The digest of `parts` (plain JSON values), the code and the software."""
        if self.folder is None:
            return None
        parts |= {"code": code_digest(), "software": {name: importlib.metadata.version(name) for name in SOFTWARE}}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def get(self, key, names):
        """{name: array} of `names` under a key; None where there is nothing, or a file that does not read or holds others (it is made anew)."""
        if self.folder is None:
            return None
        try:
            with np.load(self._path(key), allow_pickle=False) as data:
                found = {name: data[name] for name in names}
            self.hits += 1
            return found
        except Exception:      # a damaged archive fails in many ways, and every one is mended by computing again
            self.misses += 1
            return None

    def put(self, key, arrays):
        """Keep {name: array} under a key. The file appears whole or not at all; two that write one key write the same."""
        if self.folder is None:
            return
        with atomic_file(self._path(key)) as stream:
            np.savez(stream, **arrays)

    def _path(self, key):
        return self.folder / key[:2] / f"{key[2:]}.npz"
