"""TCAN: Animating Human Images with Temporally Consistent Pose Guidance (ECCV 2024), made reproducible."""

import importlib

PUBLIC = {"TCANPipeline": "tcan.generate.pipeline", "TemporalControlNet": "tcan.models.controlnet",
          "PatchAutoencoder": "tcan.models.patch_autoencoder"}


def __getattr__(name):
    """Import the public classes when they are asked for: most commands need no torch. diffusers finds them here when it loads a folder."""
    if name in PUBLIC:
        importlib.import_module("tcan.models")  # makes torchvision's operators whole before diffusers is imported
        return getattr(importlib.import_module(PUBLIC[name]), name)
    raise AttributeError(f"module 'tcan' has no attribute {name!r}")
