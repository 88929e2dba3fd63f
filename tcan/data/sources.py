"""The declared sources of data/raw (sources.yaml): where each comes from, what is taken out of it, and its fingerprints."""

import difflib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from tcan.errors import UserError

DECLARED = Path(__file__).with_name("sources.yaml")


@dataclass(frozen=True)
class Member:
    """One file of a source: its path inside the archive, its name in data/raw/<source>/, and the sha256 of its content."""

    path: str
    file: str
    sha256: str


@dataclass(frozen=True)
class Source:
    """A source of kind `package`: a wheel by file name (which fixes package, version, Python and platform), its sha256, and its members."""

    name: str
    kind: str
    wheel: str
    sha256: str
    licence: str
    members: tuple

    def _part(self, index):
        return self.wheel.removesuffix(".whl").split("-")[index]

    @property
    def requirement(self):
        """What pip is asked for, `package==version`."""
        return f"{self._part(0)}=={self._part(1)}"

    @property
    def tags(self):
        """(python, abi, platforms) of the wheel, such as ("cp311", "cp311", ["manylinux_2_28_x86_64"])."""
        return self._part(-3).split(".")[-1], self._part(-2), self._part(-1).split(".")


def load(path=DECLARED):
    """All declared sources by name."""
    sources = {}
    for name, entry in yaml.safe_load(Path(path).read_text()).items():
        members = tuple(Member(inside, **member) for inside, member in entry.pop("members").items())
        for member in members:
            inside = PurePosixPath(member.file)
            if inside.is_absolute() or ".." in inside.parts:
                raise UserError(f"source {name}: expected file names below data/raw/{name}, got {member.file!r}; mend {path}")
        sources[name] = Source(name=name, members=members, **entry)
    return sources


def find(name, path=DECLARED):
    """The source of that name, or a UserError that lists what there is."""
    sources = load(path)
    if name not in sources:
        close = difflib.get_close_matches(name, sources, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UserError(f"source: expected one of {', '.join(sources)}, got {name!r}{hint}")
    return sources[name]
