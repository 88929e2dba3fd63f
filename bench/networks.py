"""Networks of Stable Diffusion 1.5's size with random weights, for measurements that need no trained ones."""

import torch

from tcan import models  # noqa: F401
from tcan.models.published import KINDS

TOY = {"block_out_channels": [32, 32, 64, 64]}
SIZES = {
    "sd15": {kind: spec.sizes for kind, spec in KINDS.items()},
    "toy": {  # the same structure, to try the same code on any machine
        "unet": KINDS["unet"].sizes | TOY | {"cross_attention_dim": 32, "attention_head_dim": 2},
        "vae": KINDS["vae"].sizes | TOY,
        "controlnet": KINDS["controlnet"].sizes | TOY | {"cross_attention_dim": 32, "attention_head_dim": 2},
        "mm1": KINDS["mm1"].sizes | TOY | {"motion_num_attention_heads": 2},
        "mm2": KINDS["mm2"].sizes | TOY | {"motion_num_attention_heads": 2},
    },
}


class RandomFoundation:
    """What tcan.models.foundation.Foundation gives, with random weights, made on `device`."""

    def __init__(self, size, device):
        self.sizes, self.device = SIZES[size], torch.device(device)

    def vae(self):
        return self._make("vae")

    def unet(self):
        return self._make("unet")

    def appearance(self):
        return self._make("unet")

    def controlnet(self):
        return self._make("controlnet")

    def motion(self, name):
        return self._make(name)

    def prompt(self):
        return torch.randn(1, 77, self.sizes["unet"]["cross_attention_dim"], device=self.device)

    def _make(self, kind):
        with self.device:
            return KINDS[kind].network.from_config(self.sizes[kind]).eval()
