"""The networks that training starts from, out of one folder: vae/, denoiser/{unet,controlnet,scheduler,prompt.safetensors}, appearance/, mm1/, mm2/."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from tcan.errors import UserError
from tcan.models import published
from tcan.models.patch_autoencoder import PatchAutoencoder


class Foundation:
    """Loads each network when it is asked for, as float32."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def parts(self, *names):
        """The folders of those of these parts that are there: what a training that reads them stands on, whatever is made beside them."""
        return [self.folder / name for name in names if (self.folder / name).exists()]

    def vae(self):
        """An AutoencoderKL or a PatchAutoencoder, as its config.json says."""
        folder = self._existing("vae")
        if json.loads(self._existing("vae/config.json").read_text())["_class_name"] == PatchAutoencoder.__name__:
            return PatchAutoencoder.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        return published.load("vae", folder)

    def unet(self):
        """The base UNet, for single pictures."""
        return published.load("unet", self._existing("denoiser/unet"))

    def appearance(self):
        """What the appearance UNet starts from: a fine-tune of the base UNet (appearance/, Realistic Vision in the paper) if there is one, else the base."""
        folder = self.folder / "appearance"
        return published.load("unet", folder) if folder.exists() else self.unet()

    def controlnet(self):
        return published.load("controlnet", self._existing("denoiser/controlnet"))

    def motion(self, name):
        """Motion module mm1 or mm2."""
        return published.load(name, self._existing(name))

    def prompt(self):
        """The encoded empty prompt, (1, n, d)."""
        return load_file(self._existing("denoiser/prompt.safetensors"))["empty"].float()

    def _existing(self, name):
        path = self.folder / name
        if not path.exists():
            raise UserError(f"{path}: expected a foundation model, found none; run `snakemake --cores all foundation` or set foundation.source")
        return path


def as_float16(network):
    """The network in half precision, as it is shipped. (nn.Module's own method: diffusers' would warn of layers to keep, of which there are none.)"""
    return torch.nn.Module.half(network)
