"""A hosted source from its declaration to data/raw/<source>: downloaded, pinned, unpacked, and in its place in one step."""

import contextlib
import dataclasses
import json
import os
import shutil
import sys
from pathlib import Path

from filelock import FileLock, Timeout

from tcan import provenance
from tcan.errors import UserError
from tcan.fetch import hosts
from tcan.fetch.archives import Part, unpack
from tcan.fetch.connections import Policy
from tcan.fetch.download import Fetched, download_all
from tcan.files import keep_run, sha256_of_folder, write_json


def fetch(source, out, *, seed, pins, policy=Policy(), parallel=4):  # noqa: B008 (frozen)
    """Fill the folder `out` with what a Hosted source declares, and a run.json; nothing to do where that is there already.

    pins: a tcan.fetch.pins.Pins; parallel: files at a time. Until all is whole, it lies in `.<name>.parts` beside `out`, from where the next call of an
    interrupted one goes on; `out` is replaced in one step. Raises UserError that names the source for all that can go wrong outside.
    """
    out = Path(out)
    work = out.with_name(f".{out.name}.parts")
    with _alone(out):
        if (state := _state(source, out)) is None:
            found = [_pinned(source, pins, download) for download in hosts.downloads(source, policy)]
            keep_run(work, [[download.identity, download.file] for download in found])
            bring = _bring_archive if source.archive else _bring_files
            fetched, figures = bring(source, found, work, pins, policy, parallel)
            state = {"fingerprint": source.fingerprint, "fetched": {name: dataclasses.asdict(file) for name, file in fetched.items()}, "figures": figures}
            _finish(source, work / "files", out, state, seed)
        else:
            for file in state["fetched"].values():
                _pin(source, pins, Fetched(**file))
            if not (out / "run.json").exists():
                _write_run(source, out, state, seed)
        shutil.rmtree(work, ignore_errors=True)


def expect_acknowledged(source, acknowledged):
    """Say the source's licence; a UserError if it has terms that the user hasn't said to accept."""
    print(f"{source.name}: licence {source.licence}", file=sys.stderr)
    if source.terms and source.name not in acknowledged:
        raise UserError(f"source {source.name}: expected its terms to be accepted (licence: {source.licence}; terms: {source.terms}), they aren't yet; "
                        f"read them, then add {source.name} to `acknowledged` in params.yaml or pass --acknowledged {source.name}")


# --- the two ways -----------------------------------------------------------------------------------------------------

def _bring_files(source, found, work, pins, policy, parallel):
    fetched = download_all(f"source {source.name}", found, work / "files", work / "downloads", policy=policy, parallel=parallel,
                           arrived=lambda file: _pin(source, pins, file))
    _drop_others(work / "files", fetched)
    return fetched, {"files": len(fetched), "bytes": sum(file.size for file in fetched.values())}


def _bring_archive(source, found, work, pins, policy, parallel):
    """Parts that were consumed, once all that begins in them was on disk, aren't fetched again, unless something else is to be kept of them now."""
    notes, files, archive = work / "unpacking.json", work / "files", dataclasses.asdict(source.archive)
    noted = json.loads(notes.read_text()) if notes.exists() and files.is_dir() else {}
    if noted.get("archive") != archive:
        shutil.rmtree(files, ignore_errors=True)
        noted = {"consumed": {}}
    consumed = {name: Fetched(**file) for name, file in noted["consumed"].items()}
    fetched = consumed | download_all(
        f"source {source.name}", [download for download in found if download.file not in consumed], work / "archive", work / "downloads",
        policy=policy, parallel=parallel, arrived=lambda file: _pin(source, pins, file))

    def note():
        write_json(notes, {"archive": archive, "consumed": {name: dataclasses.asdict(file) for name, file in consumed.items()}})

    def consume(part):
        if part.path.exists():
            consumed[part.path.name] = fetched[part.path.name]
            note()
            part.path.unlink()

    note()
    parts = [Part(work / "archive" / download.file, fetched[download.file].size) for download in found]
    count, size = unpack(f"source {source.name}", source.archive, parts, files, consume)
    return fetched, {"files": count, "bytes": size}


def _drop_others(folder, wanted):
    """Take away what the folder holds beside the files wanted, such as the run.json of a call that was cut off at its very end."""
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in wanted:
            path.unlink()


# --- what is there ----------------------------------------------------------------------------------------------------

def _state(source, out):
    """What the call that filled `out` noted, if it was of this very declaration and all is as it was; else None."""
    try:
        state = json.loads(_note(out).read_text())
    except (FileNotFoundError, ValueError):
        return None
    there = state["fingerprint"] == source.fingerprint and out.is_dir() and sha256_of_folder(out) == state["sha256"]
    return state if there else None


def _note(out):
    return out.with_name(f".{out.name}.fetched.json")  # outside the folder: Snakemake takes run.json away before it reruns a rule


def _finish(source, files, out, state, seed):
    _write_run(source, files, state, seed)
    write_json(_note(out), {**state, "sha256": json.loads((files / "run.json").read_text())["sha256"]})
    if out.is_symlink():
        raise UserError(f"source {source.name}: expected {out} to be a folder of this project's, it is a link to {os.readlink(out)}; take the link away")
    if out.exists():
        shutil.rmtree(out)
    os.replace(files, out)


def _write_run(source, folder, state, seed):
    provenance.write_run(folder, command=f"fetch {source.name}", config=dataclasses.asdict(source), seed=seed,
                         extra={**state["figures"], "fetched": state["fetched"]})


@contextlib.contextmanager
def _alone(out):
    """Within the block, no other process fetches into `out`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out.with_name(f".{out.name}.lock"), timeout=0):
            yield
    except Timeout as error:
        raise UserError(f"{out}: expected no other fetch into it, one is running; wait for it, or end it and run the same command again") from error


# --- pins -------------------------------------------------------------------------------------------------------------

def _published(source, file):
    return any(declared.file == file and declared.sha256 and not declared.is_pattern for declared in source.files)


def _pinned(source, pins, download):
    """The Download with size and sha256 as first seen, where the declaration has no sha256. Raises UserError if the hub lists others."""
    if _published(source, download.file) or not (pin := pins.find(source.name, download.file)):
        return download
    pins.check(source.name, download.file, download.size, download.sha256)
    return dataclasses.replace(download, size=pin.size, sha256=pin.sha256)


def _pin(source, pins, file):
    if not _published(source, file.file):
        pins.keep(source.name, file.file, file.size, file.sha256)
