"""`run.json` beside every artefact: what made it, of what, with which versions."""

import hashlib
import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path

from tcan.files import sha256_of, sha256_of_folder, write_json

MADE = [f":(top,exclude){path}" for path in ("results", "reports", "dvc.lock")]  # tracked, and written anew by a run
PACKAGES = ("torch", "diffusers", "peft", "transformers", "controlnet-aux", "decord", "numpy", "scipy", "pandas", "opencv-python-headless")


def write_run(folder, *, command, config, seed, inputs=(), device="cpu", extra=None):
    """Write `folder/run.json`, the last file of a folder: it holds the fingerprint of all the others, so that it changes whenever they do.

    command: the subcommand's name and subject; config: the part of the resolved configuration that the artefact depends on (JSON-able);
    inputs: files or folders whose sha256 is recorded; extra: figures of the run (losses, counts).
    """
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
    write_json(Path(folder) / "run.json", {
        "command": command, "config": config, "config_sha256": digest, "seed": seed, "device": str(device),
        "code": _git(), "python": platform.python_version(), "packages": _versions(),
        "inputs": {Path(path).as_posix(): sha256_of_folder(path) if Path(path).is_dir() else sha256_of(path) for path in inputs},
        "sha256": sha256_of_folder(folder),
        **({"figures": extra} if extra else {}),
    })


def identity(folder):
    """The sha256 of an artefact's files: what its run.json says, and where it has none (or isn't finished), that of what is there."""
    try:
        return json.loads((Path(folder) / "run.json").read_text())["sha256"]
    except (OSError, ValueError, KeyError):
        return sha256_of_folder(folder)


def identities(*folders):
    """What half a training was begun on, for the configuration of its checkpoint: on other inputs it isn't gone on with."""
    return {"inputs": [identity(folder) for folder in folders]}


def _versions():
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def _git():
    """Revision, and whether anything but what rules make differs from it; None outside a repository."""
    def run(*arguments):
        return subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=Path(__file__).parent, check=True).stdout.strip()
    try:
        return {"revision": run("rev-parse", "HEAD"), "dirty": bool(run("status", "--porcelain", "--untracked-files=no", "--", ":/", *MADE))}
    except (OSError, subprocess.CalledProcessError):
        return None
