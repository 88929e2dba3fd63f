"""What a sharpening leaves: the mean of the weights that it began with and of those that it came to."""

import argparse
import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tcan import models  # noqa: F401
from tcan.models.autoencoder import to_tensor
from tcan.models.patch_autoencoder import PatchAutoencoder
from tcan.train import foundation

SCENES, SIDE = 4, 32


@pytest.fixture
def sharpened(tmp_path, foundation_folder, smoke):
    """`tcan foundation photographed` from the toy denoiser on, of whose weights so much is kept -> {name: tensor} of UNet and ControlNet."""
    random = np.random.default_rng(0)
    pool = tmp_path / "pool"
    pool.mkdir()
    for name in ("frames", "poses"):
        np.save(pool / f"{name}.npy", random.integers(0, 256, (SCENES, 3, SIDE, SIDE, 3)).astype(np.uint8))
    np.save(pool / "points.npy", random.uniform(0, SIDE, (SCENES, 3, 18, 2)))
    vae = PatchAutoencoder(patch_size=4, latent_channels=4, channels=8, layers=1)
    vae.start_from(to_tensor(np.load(pool / "frames.npy").reshape(-1, SIDE, SIDE, 3)))
    vae.save_pretrained(tmp_path / "vae")

    def run(kept):
        section = dataclasses.replace(smoke.foundation.photographs, learning_rate=0.1, kept=kept)
        args = argparse.Namespace(part="photographed", pool=pool, vae=tmp_path / "vae", start=foundation_folder / "denoiser", run=tmp_path / f"run{kept}",
                                  out=tmp_path / f"out{kept}")
        foundation.run(args, dataclasses.replace(smoke, foundation=dataclasses.replace(smoke.foundation, photographs=section)))
        return weights(args.out)
    return run


def weights(folder):
    return {f"{name}.{key}": value.float() for name in ("unet", "controlnet")
            for key, value in load_file(folder / name / "diffusion_pytorch_model.safetensors").items()}


def test_it_leaves_the_mean_of_before_and_after(sharpened, foundation_folder):
    before, after, mean, start = weights(foundation_folder / "denoiser"), sharpened(0), sharpened(0.25), sharpened(1)
    assert sum(bool((after[key] - before[key]).abs().max() > 0.02) for key in before) > len(before) / 3
    for key in before:
        torch.testing.assert_close(start[key], before[key], rtol=1e-3, atol=1e-3)                # but for half precision
        torch.testing.assert_close(mean[key], 0.25 * before[key] + 0.75 * after[key], rtol=2e-3, atol=2e-3)
