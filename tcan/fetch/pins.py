"""data/sources.lock.yaml: size and sha256 of what has none published, as it was first seen. A later difference stops the fetch."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from filelock import FileLock

from tcan.errors import UserError
from tcan.files import atomic_file

HEADER = "# Written by `tcan fetch`: size and sha256 of files whose source publishes none, as first seen. Keep it in version control.\n"


@dataclass(frozen=True)
class Pin:
    """size in bytes, sha256 in hexadecimal digits."""

    size: int
    sha256: str


class Pins:
    """The lock file. Several fetches may use it at once: each reads and writes it whole, under a lock of the file system's."""

    def __init__(self, path):
        self.path = Path(path)

    def find(self, source, file):
        """The Pin of a source's file, or None."""
        return self._read().get(source, {}).get(file)

    def check(self, source, file, size, sha256):
        """Compare a file (either value may be None, unknown) with its pin, if there is one."""
        self._compare(self.find(source, file), source, file, size, sha256)

    def keep(self, source, file, size, sha256):
        """Pin a file on first sight; later, a UserError if it differs."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_name(f".{self.path.name}.lock")):
            pins = self._read()
            if pinned := pins.get(source, {}).get(file):
                return self._compare(pinned, source, file, size, sha256)
            pins.setdefault(source, {})[file] = Pin(size, sha256)
            self._write(pins)
        print(f"{source}: {file} is seen for the first time: {size} bytes, sha256 {sha256}, pinned in {self.path}", file=sys.stderr, flush=True)

    def _compare(self, pinned, source, file, size, sha256):
        if pinned and ((size is not None and size != pinned.size) or (sha256 is not None and sha256 != pinned.sha256)):
            raise UserError(f"source {source}: expected {file} as first seen ({pinned.size} bytes, sha256 {pinned.sha256}), got "
                            f"{size if size is not None else 'unknown'} bytes, sha256 {sha256 or 'not published'}; find out what changed at the source, "
                            f"and if you trust it, take {file} out of {self.path} and run the same command again")

    def _read(self):
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return {}
        try:
            return {source: {file: Pin(int(pin["size"]), str(pin["sha256"])) for file, pin in files.items()}
                    for source, files in (yaml.safe_load(text) or {}).items()}
        except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"{self.path}: expected sources, each with files and their size and sha256, got something else ({type(error).__name__}); "
                            "bring it back from version control") from error

    def _write(self, pins):
        table = {source: {file: {"sha256": pin.sha256, "size": pin.size} for file, pin in sorted(files.items())} for source, files in sorted(pins.items())}
        text = HEADER + yaml.safe_dump(table, sort_keys=True, width=1000)
        with atomic_file(self.path) as temporary, open(temporary, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
