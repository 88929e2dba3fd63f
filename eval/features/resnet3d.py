"""3D ResNet-50 (Hara et al. 2018, arXiv 1711.09577) trained on Kinetics-400: the features of FID-VID.

Key names and shapes are those of the public `resnet-50-kinetics.pth`: a checkpoint whose `state_dict` has a `module.` before each
key; shortcut B (a convolution where the shape changes). Windows (n, 3, 16, 112, 112), RGB in 0..255 minus the mean and not
divided, give 2048 features, pooled over space and time.
"""

import torch.nn.functional as F
from torch import nn

from eval.errors import UserError
from eval.features.weights import load_strictly, read_state
from eval.frames import resize_bicubic

SIZE = (112, 112)
MEAN = (114.7748, 107.7354, 99.4750)
BLOCKS, CLASSES, EXPANSION = (3, 4, 6, 3), 400, 4


class Bottleneck(nn.Module):
    def __init__(self, channels, filters, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv3d(channels, filters, 1, bias=False), nn.BatchNorm3d(filters)
        self.conv2, self.bn2 = nn.Conv3d(filters, filters, 3, stride, padding=1, bias=False), nn.BatchNorm3d(filters)
        self.conv3, self.bn3 = nn.Conv3d(filters, filters * EXPANSION, 1, bias=False), nn.BatchNorm3d(filters * EXPANSION)
        self.downsample = None
        if stride != 1 or channels != filters * EXPANSION:
            self.downsample = nn.Sequential(nn.Conv3d(channels, filters * EXPANSION, 1, stride, bias=False),
                                            nn.BatchNorm3d(filters * EXPANSION))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + (x if self.downsample is None else self.downsample(x)))


class ResNet3d(nn.Module):
    """Windows (n, 3, f, h, w) -> {"fid_vid": (n, 2048)}."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv3d(3, 64, 7, (1, 2, 2), padding=3, bias=False), nn.BatchNorm3d(64)
        channels = 64
        for index, count in enumerate(BLOCKS):
            filters, blocks = 64 * 2**index, []
            for block in range(count):
                blocks.append(Bottleneck(channels, filters, 2 if block == 0 and index > 0 else 1))
                channels = filters * EXPANSION
            setattr(self, f"layer{index + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, CLASSES)

    def forward(self, x):
        x = F.max_pool3d(F.relu(self.bn1(self.conv1(x))), 3, 2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return {"fid_vid": x.mean(dim=(2, 3, 4))}


def prepare(pictures):
    x = resize_bicubic(pictures, SIZE)
    return x - x.new_tensor(MEAN).view(3, 1, 1)


def build(path):
    state = read_state(path).get("state_dict")
    if not isinstance(state, dict) or not all(isinstance(key, str) and key.startswith("module.") for key in state):
        raise UserError(f"{path}: expected a checkpoint with `state_dict` and keys that begin with `module.`; give resnet-50-kinetics.pth")
    return load_strictly(ResNet3d(), {key.removeprefix("module."): value for key, value in state.items()}, path)
