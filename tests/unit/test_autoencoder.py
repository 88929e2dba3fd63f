"""Either autoencoder behind one pair of functions."""

import numpy as np
import pytest
import torch

from tcan import models  # noqa: F401
from diffusers import AutoencoderKL

from tcan.models.autoencoder import decode, encode, factor, to_pictures, to_tensor
from tcan.models.patch_autoencoder import PatchAutoencoder


def small(kind):
    torch.manual_seed(0)
    if kind is AutoencoderKL:
        return AutoencoderKL(down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3, block_out_channels=[8, 16, 16],
                             layers_per_block=1, latent_channels=4, norm_num_groups=8, mid_block_add_attention=False, scaling_factor=0.5).eval()
    vae = PatchAutoencoder(patch_size=4, latent_channels=4, channels=8, layers=1, scaling_factor=0.5).eval()
    for parameter in vae.parameters():  # the residuals too, which start as nothing
        torch.nn.init.normal_(parameter, std=0.1)
    return vae


@pytest.mark.parametrize("kind", [AutoencoderKL, PatchAutoencoder])
@torch.no_grad()
def test_shapes_scale_and_batches(kind):
    vae, pictures = small(kind), torch.rand(5, 3, 32, 32) * 2 - 1
    latents = encode(vae, pictures)
    assert factor(vae) == 4 and latents.shape == (5, 4, 8, 8)
    torch.testing.assert_close(encode(vae, pictures, batch=2), latents, rtol=1e-4, atol=1e-5)
    assert decode(vae, latents).shape == pictures.shape
    torch.testing.assert_close(decode(vae, latents, batch=2), decode(vae, latents), rtol=1e-4, atol=1e-5)
    vae.register_to_config(scaling_factor=1.0)
    torch.testing.assert_close(encode(vae, pictures), 2 * latents)


@torch.no_grad()
def test_starts_as_the_principal_components_of_patches():
    """Plain numpy: the best linear code of centred patches, by singular values."""
    pictures = torch.nn.functional.interpolate(torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0)), scale_factor=4, mode="bicubic")
    vae = PatchAutoencoder(patch_size=4, latent_channels=5, channels=8, layers=1)
    vae.start_from(pictures)
    patches = (pictures - pictures.mean((0, 2, 3), keepdim=True)).numpy().reshape(6, 3, 8, 4, 8, 4).transpose(0, 2, 4, 1, 3, 5).reshape(-1, 48)
    _, _, components = np.linalg.svd(patches, full_matrices=False)
    expected = patches - patches @ components[:5].T @ components[:5]
    assert float((vae(pictures).sample - pictures).square().mean()) == pytest.approx(np.square(expected).mean(), rel=1e-3)
    deviations = vae.encode(pictures).latent.std((0, 2, 3))
    assert (deviations[:-1] >= deviations[1:]).all(), "the strongest component first"


@torch.no_grad()
def test_as_many_latents_as_values_lose_nothing():
    pictures = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    vae = PatchAutoencoder(patch_size=2, latent_channels=12, channels=8, layers=1)
    vae.start_from(pictures)
    torch.testing.assert_close(vae(pictures).sample, pictures, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_saved_and_loaded(tmp_path):
    vae, pictures = small(PatchAutoencoder), torch.rand(2, 3, 16, 16)
    vae.save_pretrained(tmp_path)
    torch.testing.assert_close(PatchAutoencoder.from_pretrained(tmp_path)(pictures).sample, vae(pictures).sample)


def test_pictures_there_and_back():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3)).astype(np.uint8)
    tensor = to_tensor(pictures)
    assert tensor.shape == (3, 3, 5, 7) and -1 <= tensor.min() and tensor.max() <= 1
    assert (to_pictures(tensor) == pictures).all()
    assert (to_pictures(tensor * 9) == np.where(pictures > 127, 255, 0)).mean() > 0.9, "clipped, not wrapped"
