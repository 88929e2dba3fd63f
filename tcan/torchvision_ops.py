"""Lets torchvision be imported beside a CPU build of torch when torchvision itself was built for CUDA.

A package index may serve torchvision's CUDA build to a machine whose torch is the CPU build. torchvision's C++ operators then don't load, and
its import fails on `operator torchvision::nms does not exist`, and with it every package that imports torchvision (controlnet_aux,
torchmetrics, lpips). With the schemas of the two operators defined, the import works; calling them still fails, and nothing here does.
"""

import importlib.util
import sys
from pathlib import Path

SCHEMAS = ("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor", "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
_library = None  # a torch.library.Library takes its definitions with it when it is collected


def ensure():
    """Call before anything imports torchvision. Does nothing where torchvision loads by itself, or is already loaded."""
    global _library
    import torch

    if "torchvision" in sys.modules or torch.version.cuda is not None or _operators_load(torch):
        return
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in SCHEMAS:
        _library.define(schema)


def _operators_load(torch):
    """Whether torchvision::nms exists, after torchvision's own extension was given the chance to bring it."""
    spec = importlib.util.find_spec("torchvision")
    for folder in spec.submodule_search_locations if spec else ():
        for extension in sorted(Path(folder).glob("_C*.so")) + sorted(Path(folder).glob("_C*.pyd")):
            try:
                torch.ops.load_library(str(extension))
            except (ImportError, OSError):
                pass  # built for another torch
    return hasattr(torch.ops.torchvision, "nms")
