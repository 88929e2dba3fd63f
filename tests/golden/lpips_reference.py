"""The `lpips` package's network, without the classifier that its constructor would make (and, pretrained, download)."""

import torch

from eval import torchvision_ops

torchvision_ops.declare()

import lpips  # noqa: E402
from lpips import pretrained_networks  # noqa: E402
from torchvision import models  # noqa: E402


def package(name, trunk):
    """lpips.LPIPS version 0.1 with the state dict `trunk` in torchvision's names, and the heads of the package."""
    class Bare:     # torchvision's function makes 120 million weights of a classifier that is then thrown away
        def __init__(self, pretrained):
            self.features = Bare.layers()

    Bare.layers = {"vgg": lambda: models.vgg.make_layers(models.vgg.cfgs["D"]), "alex": lambda: models.AlexNet(num_classes=1).features}[name]
    kept = pretrained_networks.tv
    pretrained_networks.tv = type("Torchvision", (), {"vgg16": Bare, "alexnet": Bare})
    try:
        network = lpips.LPIPS(net=name, version="0.1", pnet_rand=True, verbose=False)
    finally:
        pretrained_networks.tv = kept
    with torch.no_grad():
        for index, layer in _layers(network.net):
            for kind in ("weight", "bias"):
                if hasattr(layer, kind):
                    getattr(layer, kind).copy_(trunk[f"features.{index}.{kind}"])
    return network.eval()


def _layers(trunk):
    for child in trunk.children():
        yield from child.named_children()
