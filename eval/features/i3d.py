"""I3D (Carreira and Zisserman 2017, arXiv 1705.07750), RGB, trained on Kinetics-400: the features of FVD.

Key names and shapes are those of the public `i3d_pretrained_400.pt`. Windows (n, 3, 16, 224, 224) with pixels as x / 127.5 - 1
give 400 logits, averaged over time. Convolutions and poolings pad as TensorFlow's SAME does, with zeros.
"""

import torch
import torch.nn.functional as F
from torch import nn

from eval.features.weights import load_strictly, read_state
from eval.frames import resize_bicubic

SIZE, CLASSES = (224, 224), 400
MIXED = {   # name: input channels, and the filters of its branches (1x1; 1x1, 3x3; 1x1, 3x3; pool, 1x1)
    "Mixed_3b": (192, (64, 96, 128, 16, 32, 32)), "Mixed_3c": (256, (128, 128, 192, 32, 96, 64)),
    "Mixed_4b": (480, (192, 96, 208, 16, 48, 64)), "Mixed_4c": (512, (160, 112, 224, 24, 64, 64)),
    "Mixed_4d": (512, (128, 128, 256, 24, 64, 64)), "Mixed_4e": (512, (112, 144, 288, 32, 64, 64)),
    "Mixed_4f": (528, (256, 160, 320, 32, 128, 128)), "Mixed_5b": (832, (256, 160, 320, 32, 128, 128)),
    "Mixed_5c": (832, (384, 192, 384, 48, 128, 128)),
}


def pad_same(x, kernel, stride):
    """Zeros around the last three axes so that an output has ceil(size / stride) places; the odd one goes to the end."""
    pads = []
    for size, k, s in zip(x.shape[:1:-1], kernel[::-1], stride[::-1]):
        total = max((-(-size // s) - 1) * s + k - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


def pool_same(x, kernel, stride):
    return F.max_pool3d(pad_same(x, kernel, stride), kernel, stride)


class Unit3D(nn.Module):
    """Convolution, batch normalisation and ReLU; the logits have a bias instead of both."""

    def __init__(self, channels, filters, kernel=1, stride=1, logits=False):
        super().__init__()
        self.conv3d = nn.Conv3d(channels, filters, kernel, stride, bias=logits)
        self.bn = None if logits else nn.BatchNorm3d(filters, eps=1e-3)

    def forward(self, x):
        x = self.conv3d(pad_same(x, self.conv3d.kernel_size, self.conv3d.stride))
        return x if self.bn is None else F.relu(self.bn(x))


class Inception(nn.Module):
    def __init__(self, channels, filters):
        super().__init__()
        a, b, c, d, e, f = filters
        self.b0 = Unit3D(channels, a)
        self.b1a, self.b1b = Unit3D(channels, b), Unit3D(b, c, 3)
        self.b2a, self.b2b = Unit3D(channels, d), Unit3D(d, e, 3)
        self.b3b = Unit3D(channels, f)

    def forward(self, x):
        pooled = pool_same(x, (3, 3, 3), (1, 1, 1))
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], dim=1)


class I3D(nn.Module):
    """Windows (n, 3, f, 224, 224) -> {"fvd": (n, 400)}."""

    def __init__(self):
        super().__init__()
        self.Conv3d_1a_7x7 = Unit3D(3, 64, 7, 2)
        self.Conv3d_2b_1x1 = Unit3D(64, 64)
        self.Conv3d_2c_3x3 = Unit3D(64, 192, 3)
        for name, (channels, filters) in MIXED.items():
            setattr(self, name, Inception(channels, filters))
        self.logits = Unit3D(1024, CLASSES, logits=True)

    def forward(self, x):
        x = pool_same(self.Conv3d_1a_7x7(x), (1, 3, 3), (1, 2, 2))
        x = pool_same(self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x)), (1, 3, 3), (1, 2, 2))
        x = pool_same(self.Mixed_3c(self.Mixed_3b(x)), (3, 3, 3), (2, 2, 2))
        x = self.Mixed_4f(self.Mixed_4e(self.Mixed_4d(self.Mixed_4c(self.Mixed_4b(x)))))
        x = self.Mixed_5c(self.Mixed_5b(pool_same(x, (2, 2, 2), (2, 2, 2))))
        x = self.logits(F.avg_pool3d(x, (2, 7, 7), 1))
        return {"fvd": x.flatten(3).squeeze(-1).mean(dim=2)}


def prepare(pictures):
    return resize_bicubic(pictures, SIZE) / 127.5 - 1


def build(path):
    return load_strictly(I3D(), read_state(path), path)
