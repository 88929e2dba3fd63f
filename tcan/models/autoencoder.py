"""Pictures to latents and back, for either autoencoder: Stable Diffusion's AutoencoderKL, or AutoencoderDC, which the lite scale trains.

AutoencoderDC carries pictures past its convolutions by shuffling pixels (its authors' residual autoencoding). It learnt colours much sooner than
the small AutoencoderKL and AutoencoderTiny that were tried; why these stalled was not established (bench/results/lite-foundation.md).
"""

import numpy as np
import torch
from diffusers import AutoencoderDC


def factor(vae):
    """How many pixels of a picture's side fall to one of its latents'."""
    if isinstance(vae, AutoencoderDC):
        return vae.spatial_compression_ratio
    return 2 ** (len(vae.config.block_out_channels) - 1)


def to_tensor(pictures):
    """uint8 (n, h, w, 3) -> float32 (n, 3, h, w) in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pictures(tensor):
    """(n, 3, h, w) in -1..1 -> uint8 (n, h, w, 3)."""
    return ((tensor.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def encode(vae, tensor, batch=64):
    """(n, 3, h, w) in -1..1 -> scaled latents (n, c, h', w'); the mean where the autoencoder gives a distribution."""
    outputs = [vae.encode(part) for part in tensor.split(batch)]
    latents = [output.latent if isinstance(vae, AutoencoderDC) else output.latent_dist.mean for output in outputs]
    return torch.cat(latents).contiguous() * vae.config.scaling_factor


def decode(vae, latents, batch=64):
    """Scaled latents (n, c, h', w') -> (n, 3, h, w), about -1..1."""
    return torch.cat([vae.decode(part).sample for part in (latents / vae.config.scaling_factor).split(batch)])
