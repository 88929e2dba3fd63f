"""Weight files: found, verified against their pin, read without running code, and loaded key by key."""

import hashlib
import warnings
from pathlib import Path

import torch

from eval.errors import UserError
from eval.files import sha256_of


def verify(path, pin):
    """Hex SHA-256 of a weight file that agrees with its pin.

    pin: `sha256:` and the digest, or its first digits where that is all that is published; `git:` and the id of the file as a
    git blob; None where nothing is published.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: expected a weight file, found none; fetch it, or name another network (docs/metrics.md, Networks)")
    digest = sha256_of(path)
    kind, _, wanted = (pin or "sha256:").partition(":")
    found = digest if kind == "sha256" else _git_blob(path)
    if not found.startswith(wanted):
        raise UserError(f"{path}: expected weights with {kind} {wanted}, got {found}; fetch the file again")
    return digest


def _git_blob(path):
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def read_state(path):
    """The state dict of a PyTorch file, tensors only: a file that wants to run code is refused."""
    try:
        with warnings.catch_warnings(action="ignore"):      # torch's, of the pickle's age, before it refuses it
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:      # what is no such file fails in many ways: unpickling, unzipping, running off a stack
        raise UserError(f"{path}: expected a PyTorch file of tensors and nothing else, got {type(error).__name__}; fetch it again") from error
    if not isinstance(state, dict):
        raise UserError(f"{path}: expected a state dict, got {type(state).__name__}; give the published file")
    return state


def load_strictly(module, state, path):
    """Fill a module from a state dict whose keys and shapes are exactly its own. -> the module, in eval mode, without gradients."""
    try:
        module.load_state_dict(state, strict=True)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise UserError(f"{path}: expected the layers of {type(module).__module__.rpartition('.')[2]}, got others ({first[:160]}); "
                        "give the published file") from error
    return module.eval().requires_grad_(False)
