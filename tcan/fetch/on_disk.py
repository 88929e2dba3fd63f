"""A source that the user has on disk: looked at, linked into data/raw/<source>, never copied and never altered."""

import dataclasses
import os
from pathlib import Path

from tcan import provenance
from tcan.errors import UserError
from tcan.fetch.archives import glob
from tcan.fetch.sources import Package
from tcan.files import atomic_dir, sha256_of


def link(source, folder, out, *, seed, pins):
    """Make `out` a folder of links to what `folder` holds, with a run.json of its own.

    What is declared has to be there: each file with its size and sha256 (published, or pinned in `pins`, a tcan.fetch.pins.Pins, which pins the rest);
    of an archive, unpacked, at least one file for each of its `keep`. Raises UserError otherwise, and leaves `out` as it was.
    """
    folder, out = Path(folder).expanduser().absolute(), Path(out)
    if not folder.is_dir():
        raise UserError(f"source {source.name}: expected a folder at {folder}, found none; mend `sources` in params.yaml")
    if folder.resolve() == out.absolute() or folder.resolve().is_relative_to(out.absolute()):
        raise UserError(f"source {source.name}: expected your own folder, got {folder} in this project's data/raw; move it out of there")
    figures = _expect_unpacked(source, folder) if getattr(source, "archive", None) else _expect_files(source, folder, pins)
    with atomic_dir(out) as made:
        for entry in sorted(folder.iterdir()):
            if entry.name != "run.json":
                (made / entry.name).symlink_to(entry)
        provenance.write_run(made, command=f"fetch {source.name}", config=dataclasses.asdict(source), seed=seed, extra={"disk": str(folder), **figures})


def _expect_files(source, folder, pins):
    """Figures {files, bytes, found: {name: {size, sha256}}} of the declared files, each compared with its declaration or its pin."""
    found = {}
    for declared in source.members if isinstance(source, Package) else source.files:
        names = [declared.file]
        if getattr(declared, "is_pattern", False):
            matches = glob(Path(declared.path).name).fullmatch
            names = sorted(path.name for path in folder.iterdir() if path.is_file() and matches(path.name))
        if not names or not all((folder / name).is_file() for name in names):
            raise UserError(f"source {source.name}: expected {declared.file} in {folder}, found none; mend `sources` in params.yaml, or fetch it")
        for name in names:
            size, sha256 = (folder / name).stat().st_size, sha256_of(folder / name)
            if declared.sha256 is None:
                pins.keep(source.name, name, size, sha256)
            elif declared.sha256 != sha256:
                raise UserError(f"source {source.name}: expected {folder / name} to have sha256 {declared.sha256}, got {sha256}; "
                                "it is another version, fetch it instead")
            found[name] = {"size": size, "sha256": sha256}
    return {"files": len(found), "bytes": sum(file["size"] for file in found.values()), "found": found}


def _expect_unpacked(source, folder):
    """Figures {files, bytes} of what the archive's `keep` names; its packed parts' sha256 say nothing here."""
    patterns = {pattern: glob(pattern) for pattern in source.archive.keep or ["**"]}
    missing, count, size = set(patterns), 0, 0
    for above, _, names in os.walk(folder):
        for name in names:
            path = Path(above, name)
            matched = {pattern for pattern, expression in patterns.items() if expression.fullmatch(path.relative_to(folder).as_posix())}
            missing -= matched
            if matched:
                count, size = count + 1, size + path.stat().st_size
    if missing:
        raise UserError(f"source {source.name}: expected files that match {', '.join(sorted(missing))} in {folder}, found none; "
                        "give the folder that holds the archive unpacked")
    return {"files": count, "bytes": size}
