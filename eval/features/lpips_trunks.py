"""The trunks of LPIPS: torchvision's VGG-16 and AlexNet, with torchvision's key names, cut after their last convolutions."""

import torch
from torch import nn

from eval.features.weights import load_strictly, read_state

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)      # of LPIPS: ImageNet's mean and deviation for pixels in -1..1
VGG16 = (64, 64, "tap", "pool", 128, 128, "tap", "pool", 256, 256, 256, "tap", "pool", 512, 512, 512, "tap", "pool", 512, 512, 512, "tap")
ALEXNET = ((64, 11, 4, 2), (192, 5, 1, 2), (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1))       # filters, kernel, stride, padding


class Trunk(nn.Module):
    """RGB (n, 3, h, w), meant in -1..1 -> the feature maps after the layers `taps`. `normalise`: pixels -> what the weights want."""

    def __init__(self, layers, taps, normalise):
        super().__init__()
        self.features, self.taps, self.normalise = nn.Sequential(*layers), taps, normalise

    def forward(self, x):
        x, maps = self.normalise(x).contiguous(memory_format=torch.channels_last), []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.taps:
                maps.append(x)
        return maps


def imagenet(x):
    """(x - shift) / scale, LPIPS's scaling layer."""
    return (x - x.new_tensor(SHIFT).view(3, 1, 1)) / x.new_tensor(SCALE).view(3, 1, 1)


def vgg16_trunk(normalise=imagenet):
    """VGG-16 with taps at relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3."""
    layers, taps, channels = [], [], 3
    for entry in VGG16:
        if entry == "tap":
            taps.append(len(layers) - 1)
        elif entry == "pool":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, entry, 3, padding=1), nn.ReLU(inplace=True)]
            channels = entry
    return Trunk(layers, taps, normalise)


def alexnet_trunk():
    """AlexNet with taps after each of its five ReLUs."""
    layers, taps, channels = [], [], 3
    for index, (filters, kernel, stride, padding) in enumerate(ALEXNET):
        if index in (1, 2):
            layers.append(nn.MaxPool2d(3, 2))
        layers += [nn.Conv2d(channels, filters, kernel, stride, padding), nn.ReLU(inplace=True)]
        taps.append(len(layers) - 1)
        channels = filters
    return Trunk(layers, taps, imagenet)


def vgg16(path):
    """The trunk and the name of its heads, from torchvision's vgg16-397923af.pth."""
    return _load(vgg16_trunk(), path), "vgg"


def alexnet(path):
    """The trunk and the name of its heads, from torchvision's alexnet-owt-7be5be79.pth."""
    return _load(alexnet_trunk(), path), "alex"


def _load(trunk, path):
    state = {key: value for key, value in read_state(path).items() if not key.startswith("classifier.")}
    return load_strictly(trunk, state, path)
