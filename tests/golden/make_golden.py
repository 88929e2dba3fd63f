"""golden.json: the values of the fixture by the plain implementation, with networks whose weights are fixed pseudo-random numbers by key name.

    python -m tests.golden.make_golden      writes it anew, a minute

`small`: every clip, small networks. `published`: one clip, the architectures of I3D, the 3D ResNet-50, FID's Inception and LPIPS's VGG-16.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

from tests.golden import lpips_reference, plain_evaluate, plain_networks
from tests.golden.filled import inception, published_states, small_states

FOLDER = Path(__file__).parent
GOLDEN, FIXTURE = FOLDER / "golden.json", FOLDER / "fixture"
COMMAND = "python -m tests.golden.make_golden"
PUBLISHED_CLIP = "bert"
MEAN = (114.7748, 107.7354, 99.4750)


def small_networks():
    """Those of made_networks, in calls of torch's functions."""
    states = small_states()

    def convolutions(x, convolve, names, state, stride):
        for name, step in zip(names, stride):
            x = F.relu(convolve(x, state[f"{name}.weight"], state[f"{name}.bias"], stride=step))
            yield x

    def lpips(a, b):
        total = 0
        for x, y, head in zip(*(convolutions(side * 2, F.conv2d, ("features.0", "features.2"), states["lpips"], (1, 2)) for side in (a, b)), states["heads"]):
            x, y = (maps / (maps.square().sum(dim=1, keepdim=True).sqrt() + 1e-10) for maps in (x, y))
            total = total + ((x - y) ** 2 * head.view(1, -1, 1, 1)).sum(dim=1, keepdim=True).mean(dim=(2, 3))
        return total

    def video(pool):
        return 20, (1 / 128, 0), lambda x: pool(*convolutions(x, F.conv3d, ("layers.0",), states["video"], (2,)))

    return {"lpips": lpips, "fid": (24, lambda x: list(convolutions(x, F.conv2d, ("layers.0", "layers.2"), states["fid"], (2, 2)))[-1].mean(dim=(2, 3))),
            "fid_vid": video(lambda maps: maps.mean(dim=(2, 3, 4))), "fvd": video(lambda maps: maps.amax(dim=(3, 4)).mean(dim=2))}


def published_networks():
    states = published_states()
    lpips, pictures = lpips_reference.package("vgg", states["lpips"]), inception(states["fid"])
    return {"lpips": lambda a, b: lpips(a, b).flatten(1), "fid": (299, lambda x: pictures(x)[0].flatten(1)),
            "fid_vid": (112, (1, [-level for level in MEAN]), lambda x: plain_networks.resnet3d(states["fid_vid"], x)),
            "fvd": (224, (1 / 127.5, -1), lambda x: plain_networks.i3d(states["fvd"], x))}


def small():
    return plain_evaluate.evaluate(FIXTURE / "gen", FIXTURE / "true", small_networks())


def published():
    return plain_evaluate.evaluate(FIXTURE / "gen" / PUBLISHED_CLIP, FIXTURE / "true" / PUBLISHED_CLIP, published_networks())


def main():
    torch.set_num_threads(1)
    GOLDEN.write_text(json.dumps({"command": COMMAND, "small": small(), "published": published()}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
