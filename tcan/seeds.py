"""Random streams that depend on what they are for, never on the order of calls."""

import hashlib

import numpy as np


def derive(seed, purpose, *indices):
    """A 63-bit integer made of the base seed, a purpose and any indices, the same on every machine."""
    text = "/".join([str(seed), purpose, *map(str, indices)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def rng(seed, purpose, *indices):
    """A numpy Generator for (seed, purpose, indices)."""
    return np.random.default_rng(derive(seed, purpose, *indices))


def generator(seed, purpose, *indices):
    """A CPU torch.Generator for (seed, purpose, indices)."""
    import torch

    return torch.Generator().manual_seed(derive(seed, purpose, *indices))
