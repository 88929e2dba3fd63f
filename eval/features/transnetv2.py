"""TransNetV2 (Soucek and Lokoc 2020, arXiv 2008.04838): a stand-in for the video networks of FID-VID and FVD.

A network of separable, dilated 3D convolutions, trained to find cuts in films, so that it looks at how frames follow one
another. Its trunk is taken (three stages at 27, 13 and 6 rows), without the heads that compare 101 frames. The layers have the
names of the public weights. It was trained on 16:9 films at 48x27; here a frame becomes 27x27, so that a square frame keeps its
shape, and pixels are in 0..1.

It gives features frame by frame and is meant for long shots, so a run of consecutive frames passes once, and a window of 16 is
pooled from its frames' features (each saw the frames around it, also those beyond the window). Two kinds of pooling:
  fid_vid (256): the last stage's channels averaged over space and time, the way the 3D ResNet's are. What the clip looks like.
  fvd (512): the same 256, and the mean size of their change from one frame to the next, 0 in a frozen clip. What it looks like,
    and how it moves.
"""

import torch
import torch.nn.functional as F
from torch import nn

from eval.features.weights import load_strictly, read_state
from eval.frames import resize_bicubic

SIZE = (27, 27)
FILTERS = (16, 32, 64)
DILATIONS = (1, 2, 4, 8)
REACH = 2 * len(FILTERS) * DILATIONS[-1]    # frames before and after one that its features see: two cells a stage, the widest dilation each
PIECE = 256                                 # frames of a run that pass at once, so that memory doesn't grow with its length
HEADS = ("frame_sim_layer.", "color_hist_layer.", "fc1.", "cls_layer1.", "cls_layer2.")


class Separable(nn.Module):
    """A convolution over space, then one over time with a dilation. The public names call the pair `layers`.

    Beyond the ends of a run its first and last maps go on, as in a long shot: its authors repeat 25 frames there. With zeros
    instead, each end would look like a cut, and a frozen clip would seem to move.
    """

    def __init__(self, channels, filters, dilation):
        super().__init__()
        self.layers = nn.ModuleList([
            nn.Conv3d(channels, 2 * filters, (1, 3, 3), padding=(0, 1, 1), bias=False),
            nn.Conv3d(2 * filters, filters, (3, 1, 1), dilation=(dilation, 1, 1), bias=False)])
        self.dilation = dilation

    def forward(self, x):
        x = F.pad(self.layers[0](x), (0, 0, 0, 0, self.dilation, self.dilation), mode="replicate")
        return self.layers[1](x)


class Cell(nn.Module):
    """Four separable convolutions of growing dilation side by side, and a batch normalisation."""

    def __init__(self, channels, filters):
        super().__init__()
        for dilation in DILATIONS:
            setattr(self, f"Conv3D_{dilation}", Separable(channels, filters, dilation))
        self.bn = nn.BatchNorm3d(4 * filters, eps=1e-3)

    def forward(self, x):
        return self.bn(torch.cat([getattr(self, f"Conv3D_{dilation}")(x) for dilation in DILATIONS], dim=1))


class Stage(nn.Module):
    """Two cells with a shortcut around the second, halved in space at the end."""

    def __init__(self, channels, filters):
        super().__init__()
        self.DDCNN = nn.ModuleList([Cell(channels, filters), Cell(4 * filters, filters)])

    def forward(self, x):
        first = F.relu(self.DDCNN[0](x))
        return F.avg_pool3d(F.relu(self.DDCNN[1](first)) + first, (1, 2, 2))


class Trunk(nn.Module):
    """A stretch of a run of frames (1, 3, t, 27, 27) in 0..1 -> {"frames": (last - first, 256)}, the features of its frames first..last."""

    reach, piece = REACH, PIECE

    def __init__(self):
        super().__init__()
        inputs = (3, *(4 * filters for filters in FILTERS))
        self.SDDCNN = nn.ModuleList([Stage(channels, filters) for channels, filters in zip(inputs, FILTERS)])

    def forward(self, x, first, last):
        for stage in self.SDDCNN:
            x = stage(x)
        return {"frames": x.mean(dim=(3, 4))[0].T[first:last]}


def pooled(frames, length):
    """Features of a run's frames (t, 256) -> those of its windows, {"fid_vid": (t - length + 1, 256), "fvd": (t - length + 1, 512)}."""
    look = frames.unfold(0, length, 1).mean(dim=-1)
    change = frames.diff(dim=0).abs().unfold(0, length - 1, 1).mean(dim=-1)
    return {"fid_vid": look, "fvd": torch.cat([look, change], dim=1)}


def prepare(pictures):
    return resize_bicubic(pictures, SIZE) / 255


def build(path):
    state = {key: value for key, value in read_state(path).items() if not key.startswith(HEADS)}
    return load_strictly(Trunk(), state, path)
