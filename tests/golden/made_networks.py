"""Small networks with fixed weights for every role: fast, and any size of frame will do."""

import torch

from eval import frames
from eval.features.extractor import Extractor
from eval.features.lpips_trunks import Trunk
from eval.perceptual import Lpips
from tests.golden.made_clips import fill


class Pictures(torch.nn.Module):
    """A small network for pictures of any size."""

    def __init__(self, channels=12):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2), torch.nn.ReLU(), torch.nn.Conv2d(8, channels, 3, 2), torch.nn.ReLU())

    def forward(self, x):
        return {"fid": self.layers(x).mean(dim=(2, 3))}


class Clips(torch.nn.Module):
    """A small network for windows that serves two roles with different features."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Conv3d(3, 10, 3, 2), torch.nn.ReLU())

    def forward(self, x):
        maps = self.layers(x)
        return {"fid_vid": maps.mean(dim=(2, 3, 4)), "fvd": maps.amax(dim=(3, 4)).mean(dim=2)}


def small_networks():
    trunk = Trunk([torch.nn.Conv2d(3, 6, 3), torch.nn.ReLU(), torch.nn.Conv2d(6, 8, 3, 2), torch.nn.ReLU()], [1, 3], lambda x: x * 2)
    heads = [torch.linspace(0.1, 0.5, 6), torch.linspace(0.2, 0.9, 8)]
    pictures = Extractor("small", {"fid": 12}, lambda x, resize: resize(x, (24, 24)) / 255, fill(Pictures()))
    clips = Extractor("small3d", {"fid_vid": 10, "fvd": 10}, lambda x: frames.resize_bicubic(x, (20, 20)) / 128, fill(Clips()))
    return {"lpips": Lpips("tiny", fill(trunk), heads), "fid": pictures, "fid_vid": clips, "fvd": clips}
