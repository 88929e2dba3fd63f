"""FID's Inception-v3, 2048 features: pytorch-fid's network with its TensorFlow quirks, filled from a file that was fetched.

The frames come resized to 299x299 (eval.frames; bilinear as pytorch-fid, or antialiased as clean-fid) and go in as 2 x / 255 - 1.
clean-fid's own copy of the network takes (x - 128) / 128, which differs by half a grey level; here one network serves both.
"""

import torch

from eval import torchvision_ops
from eval.errors import UserError
from eval.features.weights import read_state

SIZE = (299, 299)


class Pooled(torch.nn.Module):
    """Pictures (n, 3, 299, 299) in 0..1 -> {"fid": (n, 2048)}."""

    def __init__(self, inception):
        super().__init__()
        self.inception = inception

    def forward(self, x):
        return {"fid": self.inception(x)[0].flatten(1)}


def prepare(pictures, resize):
    return resize(pictures, SIZE) / 255


def build(path):
    torchvision_ops.declare()
    from pytorch_fid import inception as package

    state = read_state(path)
    fetch = package.load_state_dict_from_url        # its constructor downloads the weights: it is handed the verified file instead
    package.load_state_dict_from_url = lambda url, progress=True: state
    try:
        network = package.InceptionV3((3,), resize_input=False, normalize_input=True)
    except RuntimeError as error:
        raise UserError(f"{path}: expected the layers of FID's Inception, got others; give pt_inception-2015-12-05-6726825d.pth") from error
    finally:
        package.load_state_dict_from_url = fetch
    return Pooled(network).eval()
