"""Either autoencoder behind one pair of functions."""

import numpy as np
import pytest
import torch

from tcan import models  # noqa: F401
from diffusers import AutoencoderDC, AutoencoderKL

from tcan.models.autoencoder import decode, encode, factor, to_pictures, to_tensor


def small(kind):
    torch.manual_seed(0)
    if kind is AutoencoderKL:
        return AutoencoderKL(down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3, block_out_channels=[8, 16, 16],
                             layers_per_block=1, latent_channels=4, norm_num_groups=8, mid_block_add_attention=False, scaling_factor=0.5).eval()
    plain = ((),) * 3
    return AutoencoderDC(latent_channels=4, encoder_block_types="ResBlock", decoder_block_types="ResBlock", encoder_block_out_channels=(8, 16, 16),
                         decoder_block_out_channels=(8, 16, 16), encoder_layers_per_block=(1, 1, 1), decoder_layers_per_block=(1, 1, 1),
                         encoder_qkv_multiscales=plain, decoder_qkv_multiscales=plain, downsample_block_type="Conv",
                         upsample_block_type="interpolate", scaling_factor=0.5).eval()


@pytest.mark.parametrize("kind", [AutoencoderKL, AutoencoderDC])
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


def test_pictures_there_and_back():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3)).astype(np.uint8)
    tensor = to_tensor(pictures)
    assert tensor.shape == (3, 3, 5, 7) and -1 <= tensor.min() and tensor.max() <= 1
    assert (to_pictures(tensor) == pictures).all()
    assert (to_pictures(tensor * 9) == np.where(pictures > 127, 255, 0)).mean() > 0.9, "clipped, not wrapped"
