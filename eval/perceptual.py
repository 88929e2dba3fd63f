"""LPIPS (Zhang et al. 2018, arXiv 1801.03924), version 0.1: its heads from the `lpips` package on a trunk of eval.features.

The published trunks are torchvision's VGG-16 and AlexNet; another VGG-16 may stand in. The package itself is not called: its
constructor makes and fetches a whole classifier, and imports torchvision, for the 30 lines below (a test holds the two equal).
"""

import importlib.util
from pathlib import Path

import numpy as np
import torch
from torch import nn

from eval.errors import UserError
from eval.features.weights import verify

RANGES = {"0..1": (1 / 255, 0.0), "-1..1": (1 / 127.5, -1.0)}      # scale and shift of uint8 pixels: what DisCo feeds, what is meant
HEADS = {   # head -> sha256 of weights/v0.1/<head>.pth in the `lpips` package
    "vgg": "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
    "alex": "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
}


SMALLEST = {"vgg": 16, "alex": 31}      # pixels a side of which the trunk's last layer still sees one
PIXELS_AT_ONCE = 2**16      # of a batch on a CPU: the maps of several large frames leave its caches, and of one small frame it would wait for the weights


class Lpips(nn.Module):
    """trunk: RGB (n, 3, h, w) in the range that LPIPS is fed with -> a list of feature maps (n, c, h', w'); heads: a (c,) each.
    smallest: pixels a side that the trunk needs."""

    def __init__(self, name, trunk, heads, smallest=1):
        super().__init__()
        self.name = name
        self.smallest = smallest
        self.trunk = trunk
        self.heads = nn.ParameterList([nn.Parameter(head, requires_grad=False) for head in heads])

    def forward(self, a, b):
        """Distance of each pair, (n,): mean over space of the weighted squared difference of unit feature vectors, summed over layers."""
        total = 0
        for x, y, head in zip(self.trunk(a), self.trunk(b), self.heads):
            squared = (_unit(x) - _unit(y)) ** 2
            total = total + torch.einsum("nchw,c->nhw", squared, head).mean(dim=(1, 2))
        return total

    def frames(self, generated, true, fed):
        """Distance of each pair of uint8 frames (n, h, w, 3), float64 (n,); fed: a key of RANGES."""
        scale, shift = RANGES[fed]
        if min(true.shape[1:3]) < self.smallest:
            raise UserError(f"LPIPS: expected frames of at least {self.smallest}x{self.smallest} pixels, got {true.shape[2]}x{true.shape[1]}; give larger ones")
        device = self.heads[0].device
        at_once = max(1, PIXELS_AT_ONCE // (true.shape[1] * true.shape[2])) if device.type == "cpu" else len(generated)
        found = [np.empty(0)]
        with torch.inference_mode():
            for pair in zip(*(torch.from_numpy(x).split(at_once) for x in (generated, true)), strict=True):
                a, b = (x.to(device).permute(0, 3, 1, 2).float() * scale + shift for x in pair)
                found.append(self(a, b).double().cpu().numpy())
        return np.concatenate(found)


def _unit(x):
    return x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)


def heads(name):
    """The head weights of `vgg` or `alex`: a list of (c,) tensors, and {file: sha256}."""
    path = Path(importlib.util.find_spec("lpips").origin).parent / "weights" / "v0.1" / f"{name}.pth"
    digest = verify(path, f"sha256:{HEADS[name]}")
    state = torch.load(path, map_location="cpu", weights_only=True)
    return [state[key].flatten() for key in sorted(state)], {f"lpips/v0.1/{name}.pth": digest}
