"""Lets torchvision be imported beside a torch that it was not built for.

A package index may serve a torchvision that is built for CUDA. Beside a CPU build of torch its C++ operators do not load, and its import then
stops at `operator torchvision::nms does not exist`, and with it torchmetrics and pytorch_fid. Declaring the schemas of the two
operators that it registers shapes for is enough: all but nms, deform_conv2d and torchvision.io works. Where torchvision's
operators load by themselves, nothing is declared.
"""

import importlib.util
from pathlib import Path

import torch

SCHEMAS = ("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
           "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
_libraries = []     # a torch.library.Library takes its declarations with it when it is collected


def declare():
    """Declare torchvision's operators where they are missing. Call it before torchvision is first imported."""
    if torch.version.cuda is not None or hasattr(torch.ops.torchvision, "nms"):
        return
    folder = Path(importlib.util.find_spec("torchvision").origin).parent
    try:
        for library in folder.glob("_C*.so"):
            torch.ops.load_library(library)
    except OSError:
        declared = torch.library.Library("torchvision", "DEF")
        for schema in SCHEMAS:
            declared.define(schema)
        _libraries.append(declared)
