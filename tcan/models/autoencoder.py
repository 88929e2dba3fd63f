"""Pictures to latents and back, for either autoencoder: Stable Diffusion's AutoencoderKL, or the PatchAutoencoder that the lite scale trains."""

import numpy as np
import torch

from tcan.models.patch_autoencoder import PatchAutoencoder


def factor(vae):
    """How many pixels of a picture's side fall to one of its latents'."""
    if isinstance(vae, PatchAutoencoder):
        return vae.config.patch_size
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
    latents = [output.latent if isinstance(vae, PatchAutoencoder) else output.latent_dist.mean for output in outputs]
    return torch.cat(latents).contiguous() * vae.config.scaling_factor


def decode(vae, latents, batch=64):
    """Scaled latents (n, c, h', w') -> (n, 3, h, w), about -1..1."""
    return torch.cat([vae.decode(part).sample for part in (latents / vae.config.scaling_factor).split(batch)])
