"""EfficientNet-Lite0 (Tan and Le 2019, arXiv 1905.11946; Lite: no squeeze-and-excitation, ReLU6): a stand-in for FID's Inception.

Trained on ImageNet. Features: the 1280 channels of the last convolution, averaged over space, before the classifier. The layers
have the names of the public PyTorch weights, which came from TensorFlow: padding as TensorFlow's SAME, pixels as (x - 127) / 128.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from eval.features.weights import load_strictly, read_state

# kernel, stride, expansion, output channels, blocks: table 1 of the paper; the stem and the head are not scaled in Lite
STAGES = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1))
STEM, HEAD, CLASSES = 32, 1280, 1000
PAIRS = (("_conv_stem", "_bn0"), ("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"), ("_conv_head", "_bn1"))
# It was trained at 224. Frames of 64 hold nothing that 128 does not show, it names photographs brought down to 64 alike at both,
# and it runs three times faster.
SIZE = (128, 128)


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding: the output has ceil(size / stride), the odd pixel goes right and below."""

    def forward(self, x):
        pads = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1]):     # width first, as F.pad wants
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads) if any(pads) else x)


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    """Mobile inverted bottleneck: expand, filter each channel by itself, project; added to its input where the shapes agree."""

    def __init__(self, channels, kernel, stride, expansion, filters):
        super().__init__()
        inner = channels * expansion
        self.shortcut = stride == 1 and channels == filters
        if expansion != 1:
            self._expand_conv, self._bn0 = SameConv(channels, inner, 1, bias=False), norm(inner)
        self._depthwise_conv, self._bn1 = SameConv(inner, inner, kernel, stride, groups=inner, bias=False), norm(inner)
        self._project_conv, self._bn2 = SameConv(inner, filters, 1, bias=False), norm(filters)

    def forward(self, x):
        y = x
        if hasattr(self, "_expand_conv"):
            y = F.relu6(self._bn0(self._expand_conv(y)), inplace=True)
        y = F.relu6(self._bn1(self._depthwise_conv(y)), inplace=True)
        y = self._bn2(self._project_conv(y))
        return x + y if self.shortcut else y


class EfficientNetLite0(nn.Module):
    """Pictures (n, 3, h, w) -> {"fid": (n, 1280)}."""

    def __init__(self):
        super().__init__()
        self._conv_stem, self._bn0 = SameConv(3, STEM, 3, 2, bias=False), norm(STEM)
        blocks, channels = [], STEM
        for kernel, stride, expansion, filters, count in STAGES:
            for index in range(count):
                blocks.append(Block(channels, kernel, stride if index == 0 else 1, expansion, filters))
                channels = filters
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = SameConv(channels, HEAD, 1, bias=False), norm(HEAD)
        self._fc = nn.Linear(HEAD, CLASSES)

    def fuse(self):
        """Put each batch normalisation into the convolution before it: the same function, half the passes over memory."""
        for module in [self, *self._blocks]:
            for convolution, norm in PAIRS:
                if hasattr(module, convolution):
                    setattr(module, convolution, fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm)))
                    setattr(module, norm, nn.Identity())
        return self

    def forward(self, x):
        x = F.relu6(self._bn0(self._conv_stem(x)), inplace=True)
        for block in self._blocks:
            x = block(x)
        return {"fid": F.relu6(self._bn1(self._conv_head(x)), inplace=True).mean(dim=(2, 3))}


def prepare(pictures, resize):
    return ((resize(pictures, SIZE) - 127) / 128).contiguous(memory_format=torch.channels_last)


def build(path):
    network = load_strictly(EfficientNetLite0(), read_state(path), path)
    return network.fuse().to(memory_format=torch.channels_last)
