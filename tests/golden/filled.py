"""Weights that are made, by key name, for the networks of the golden values: state dicts, and the networks of eval/ filled with them."""

import torch

from eval import torchvision_ops

torchvision_ops.declare()

from pytorch_fid import inception as package  # noqa: E402

from eval.features import i3d, resnet3d  # noqa: E402
from eval.features import inception as inception_module  # noqa: E402
from eval.features.extractor import Extractor  # noqa: E402
from eval.features.lpips_trunks import vgg16_trunk  # noqa: E402
from eval.perceptual import Lpips, heads  # noqa: E402
from tests.golden import made_networks  # noqa: E402
from tests.golden.made_clips import fill  # noqa: E402


def small_states():
    """State dicts of made_networks' three, and the heads of its LPIPS."""
    networks = made_networks.small_networks()
    return {"lpips": networks["lpips"].trunk.state_dict(), "heads": list(networks["lpips"].heads), "fid": networks["fid"].network.state_dict(),
            "video": networks["fvd"].network.state_dict()}


def published_states():
    """role -> state dict of the protocols' own networks."""
    return {"lpips": fill(vgg16_trunk()).state_dict(), "fid": inception_state(), "fid_vid": fill(resnet3d.ResNet3d()).state_dict(),
            "fvd": fill(i3d.I3D()).state_dict()}


def published_networks(folder):
    """role -> eval's networks with those weights; folder: where Inception's file is written, which it is built from."""
    torch.save(inception_state(), folder / "inception.pth")
    return {"lpips": Lpips("vgg16", fill(vgg16_trunk()), heads("vgg")[0]).eval(),
            "fid": Extractor("inception", {"fid": 2048}, inception_module.prepare, inception_module.build(folder / "inception.pth")),
            "fid_vid": Extractor("resnet3d", {"fid_vid": 2048}, resnet3d.prepare, fill(resnet3d.ResNet3d())),
            "fvd": Extractor("i3d", {"fvd": 400}, i3d.prepare, fill(i3d.I3D()))}


def inception(state):
    """pytorch-fid's network, which wants to download its weights, with a state dict in their place."""
    return _without_download(lambda made: state)[0].eval()


def inception_state():
    return _without_download(lambda made: fill(made).state_dict())[1].state_dict()


def _without_download(state_of):
    """(pytorch-fid's InceptionV3, the whole network that it is cut from). state_of: what stands in for the download, given that network."""
    kept = package.load_state_dict_from_url, package._inception_v3
    made = []
    package._inception_v3 = lambda *words, **named: made.append(kept[1](*words, **named)) or made[-1]
    package.load_state_dict_from_url = lambda url, progress=True: state_of(made[-1])
    try:
        return package.InceptionV3((3,), resize_input=False, normalize_input=True), made[-1]
    finally:
        package.load_state_dict_from_url, package._inception_v3 = kept
