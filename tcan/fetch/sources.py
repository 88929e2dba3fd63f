"""The declared sources of data/raw (declared/*.yaml): where each comes from, what is taken out of it, and its fingerprints."""

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import yaml

from tcan.errors import UserError
from tcan.strict import named, parse, unknown

DECLARED = Path(__file__).with_name("declared")
NAMES = re.compile(r"\w+", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}")
REVISION = re.compile(r"[0-9a-f]{7,40}")
NEEDED = {  # what a kind can't do without, and what else it may say
    "https": (set(), {"url"}),
    "huggingface": ({"repository", "repository_type", "revision"}, set()),
    "kaggle": ({"dataset", "version"}, set()),
    "drive": (set(), {"folder"}),
}
PLACES = ("url", "repository", "repository_type", "revision", "dataset", "version", "folder")


@dataclass(frozen=True)
class Member:
    """One file out of a wheel: its path inside, its name in data/raw/<source>/, and the sha256 of its content."""

    path: str
    file: str
    sha256: str


@dataclass(frozen=True)
class Package:
    """A source of kind `package`: a wheel by file name (which fixes package, version, Python and platform), its sha256, and its members."""

    name: str
    kind: str
    wheel: str
    sha256: str
    licence: str
    members: tuple

    terms = None

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

    @property
    def fingerprint(self):
        """Hex sha256 that changes whenever something else would be fetched or taken out of it."""
        members = sorted((member.path, member.file, member.sha256) for member in self.members)
        return hashlib.sha256(json.dumps([self.wheel, self.sha256, members]).encode()).hexdigest()


@dataclass(frozen=True)
class File:
    """One file at a source: `path` there (`.`: a whole Kaggle data set, as one zip; with * or ?: all that a hub lists under such names),
    `file` its name in data/raw/<source>/ (its own where a pattern names many), and its sha256 and size in bytes where they are published.

    url, id: where the file itself is, if not below the source's place (kind https, kind drive).
    """

    path: str
    file: str
    sha256: str | None = None
    size: int | None = field(default=None, metadata={"min": 0})
    url: str | None = None
    id: str | None = None

    @property
    def is_pattern(self):
        return bool(set("*?") & set(self.path))


@dataclass(frozen=True)
class Limits:
    """What an archive may unpack to: number of files, and bytes in all."""

    files: int = field(default=1_000_000, metadata={"min": 1})
    bytes: int = field(default=200_000_000_000, metadata={"min": 1})


@dataclass(frozen=True)
class Archive:
    """The source's files, in their order, are one archive or its parts. keep: globs of the members to write (`*` within a folder's name,
    `**` for any folders); none for all."""

    format: str = field(metadata={"choices": ("zip", "tar", "deb")})
    keep: list[str] = field(default_factory=list)
    limits: Limits = Limits()


@dataclass(frozen=True)
class Hosted:
    """A source that lies with a host: kind https, huggingface, kaggle or drive. Which places a kind has, NEEDED says."""

    name: str
    kind: str = field(metadata={"choices": tuple(NEEDED)})
    licence: str
    files: tuple
    terms: str | None = None
    url: str | None = None
    repository: str | None = None
    repository_type: str | None = field(default=None, metadata={"choices": ("model", "dataset")})
    revision: str | None = None
    dataset: str | None = None
    version: int | None = field(default=None, metadata={"min": 1})
    folder: str | None = None
    archive: Archive | None = None
    about: int | None = field(default=None, metadata={"min": 1})  # bytes of all, roughly, where the files' own sizes aren't published

    @property
    def fingerprint(self):
        """Hex sha256 that changes whenever something else would be fetched or kept."""
        declared = {key: value for key, value in dataclasses.asdict(self).items() if key not in ("licence", "terms", "about")}
        return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()


def load(folder=DECLARED):
    """All declared sources by name, out of every .yaml file of a folder (or one such file)."""
    sources = {}
    for path in sorted(Path(folder).glob("*.yaml")) if Path(folder).is_dir() else [Path(folder)]:
        try:
            entries = yaml.safe_load(path.read_text())
        except yaml.YAMLError as error:
            raise UserError(f"{path}: expected YAML, got {' '.join(str(error).split())}") from error
        for name, entry in _mapping(entries or {}, path.name).items():
            if not isinstance(name, str) or not NAMES.fullmatch(name):
                raise UserError(f"source {name!r}: expected a name of letters, digits and _, since it becomes a folder; rename it in {path.name}")
            if name in sources:
                raise UserError(f"source {name}: expected one declaration, found another in {path.name}; take one away")
            sources[name] = _package(name, entry, path) if _mapping(entry, f"source {name}").get("kind") == "package" else _hosted(name, entry, path)
    return sources


def find(name, folder=DECLARED):
    """The source of that name, or a UserError that lists what there is."""
    return named(load(folder), name, "source")


def _package(name, entry, path):
    where = f"source {name}"
    _needed(where, entry, ("wheel", "sha256", "licence", "members"), path)
    members = [_file(Member, inside, member, f"{where}.members.{inside}", path) for inside, member in _mapping(entry["members"], f"{where}.members").items()]
    _check_names(name, members, path)
    return parse(Package, {**entry, "name": name, "members": tuple(members)}, where)


def _hosted(name, entry, path):
    where = f"source {name}"
    kinds = (*NEEDED, "package")
    if entry.get("kind") not in kinds:
        raise UserError(unknown(entry.get("kind"), kinds, f"{where}.kind") + f"; mend {path.name}")
    needed, further = NEEDED[entry["kind"]]
    _needed(where, entry, ("licence", "files", *sorted(needed)), path)
    if idle := sorted(set(PLACES) & set(entry) - needed - further):
        raise UserError(f"{where}.{idle[0]}: expected no such key of kind {entry['kind']}, got {entry[idle[0]]!r}; mend {path.name}")
    files = [_file(File, inside, file, f"{where}.files.{inside}", path) for inside, file in _mapping(entry["files"], f"{where}.files").items()]
    if not files:
        raise UserError(f"{where}.files: expected at least one file, got none; add it to {path.name}")
    source = parse(Hosted, {**entry, "name": name, "files": tuple(files)}, where)
    _check_names(name, [file for file in files if not file.is_pattern], path)
    for file in files:
        _check_file(source, file, f"{where}.files.{file.path}", path)
    if source.revision and not REVISION.fullmatch(source.revision):
        raise UserError(f"{where}.revision: expected a commit's 40 hexadecimal digits (or at least its first 7), got {source.revision!r}; mend {path.name}")
    for key in ("repository", "dataset"):
        if (value := getattr(source, key)) and not re.fullmatch(r"[\w.-]+/[\w.-]+", value):
            raise UserError(f"{where}.{key}: expected owner/name, got {value!r}; mend {path.name}")
    return source


def _file(kind, inside, value, where, path):
    value = _mapping(value, where)
    if kind is Member:
        _needed(where, value, ("file", "sha256"), path)
    return parse(kind, {"file": PurePosixPath(str(inside)).name, **value, "path": str(inside)}, where)


def _check_file(source, file, where, path):
    if file.is_pattern and (source.kind not in ("huggingface", "drive") or file.sha256 or file.size is not None or file.url or file.id):
        raise UserError(f"{where}: expected a pattern only where a hub lists its files, without sha256, size, url or id; write the names out in {path.name}")
    if source.kind == "drive" and (file.is_pattern or not file.id) and not source.folder:
        raise UserError(f"{where}.id: expected the file's id, or a folder of the source to find it in; add one to {path.name}")
    if source.kind == "https" and not (source.url or file.url):
        raise UserError(f"{where}.url: expected the file's url, or one of the source that it lies below; add one to {path.name}")
    if (file.url and source.kind != "https") or (file.id and source.kind != "drive"):
        raise UserError(f"{where}: expected url in kind https and id in kind drive alone, got kind {source.kind}; mend {path.name}")
    if file.sha256 is not None and not SHA256.fullmatch(file.sha256):
        raise UserError(f"{where}.sha256: expected 64 hexadecimal digits in small letters, got {file.sha256!r}; mend {path.name}")
    if file.path == "." and (source.kind != "kaggle" or source.archive is None or not file.file.endswith(".zip")):
        raise UserError(f"{where}: expected `.` to be a whole Kaggle data set, with `archive` and a file that ends in .zip; mend {path.name}")


def _check_names(name, files, path):
    seen = set()
    for file in files:
        inside = PurePosixPath(file.file)
        if inside.is_absolute() or ".." in inside.parts or not inside.parts or "\\" in file.file or inside.as_posix() == "run.json":
            raise UserError(f"source {name}: expected file names below data/raw/{name}, got {file.file!r}; mend {path}")
        if file.file.casefold() in seen:
            raise UserError(f"source {name}: expected each file name once, got {file.file!r} again; mend {path}")
        seen.add(file.file.casefold())


def _needed(where, entry, keys, path):
    for key in keys:
        if entry.get(key) is None:
            raise UserError(f"{where}.{key}: expected a value, got none; add it to {path.name}")


def _mapping(value, where):
    if not isinstance(value, dict):
        raise UserError(f"{where}: expected a mapping, got {value!r}")
    return dict(value)
