"""PatchAutoencoder: the autoencoder that the lite scale trains. It starts as the best linear code of patches and learns the rest."""

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, EncoderOutput
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import nn
from torch.nn import functional


class PatchAutoencoder(ModelMixin, ConfigMixin):
    """Pictures (n, 3, h, w) in -1..1 to latents (n, latent_channels, h / patch_size, w / patch_size) and back.

    Either way is a linear map of each patch plus a residual network at the latents' size, `layers` residual blocks of `channels` wide, whose last
    convolution starts at zero. `start_from` sets the linear maps to the principal components of patches; training goes on from there.
    `finishing`: channels of four convolutions at the pictures' own size, which are added to what is decoded (0: none; tcan/train/decoder.py).
    Encode and decode return what diffusers' deterministic autoencoders return: `.latent`, `.sample`.
    """

    @register_to_config
    def __init__(self, patch_size: int = 4, latent_channels: int = 12, channels: int = 64, layers: int = 3, finishing: int = 0,
                 scaling_factor: float = 1.0):
        super().__init__()
        values = 3 * patch_size ** 2
        self.encode_patch = nn.Conv2d(3, latent_channels, patch_size, stride=patch_size)
        self.encode_residual = _residual(values, channels, layers, latent_channels)
        self.decode_patch = nn.ConvTranspose2d(latent_channels, 3, patch_size, stride=patch_size)
        self.decode_residual = _residual(latent_channels, channels, layers, values)
        self.finish = _finish(finishing) if finishing else None

    @torch.no_grad()
    def start_from(self, pictures):
        """Set the linear maps to the principal components of the patches of `pictures` (n, 3, h, w).

        Each component is divided by the square root of its deviation: halfway between keeping the pixels' scale, under which a denoiser would hardly
        see the fine detail, and giving all components one scale, under which detail would count as much as light and dark.
        """
        size, count = self.config.patch_size, self.config.latent_channels
        values = 3 * size ** 2
        colour = pictures.mean((0, 2, 3))
        patches = functional.unfold(pictures - colour[:, None, None], size, stride=size).transpose(1, 2).flatten(0, 1).double()
        variances, components = torch.linalg.eigh(patches.T @ patches / len(patches))
        components = components[:, -count:].flip(1).T  # (count, 3 * size * size), the strongest first
        irregular = torch.arange(1, values + 1, dtype=torch.double).sqrt().frac()  # no component is at right angles to it, as one is to all ones
        components = components * torch.where(components @ irregular < 0, -1.0, 1.0)[:, None]  # of either sign, one: the same on every machine
        scale = variances[-count:].flip(0).clamp_min(1e-8).sqrt().sqrt()[:, None]
        shape = (count, 3, size, size)
        self.encode_patch.weight.copy_((components / scale).reshape(shape))
        self.encode_patch.bias.copy_(-(self.encode_patch.weight.sum((2, 3)) @ colour))
        self.decode_patch.weight.copy_((components * scale).reshape(shape))
        self.decode_patch.bias.copy_(colour)

    @apply_forward_hook  # model offload moves the weights when one of these is called
    def encode(self, pictures):
        return EncoderOutput(latent=self.encode_patch(pictures) + self.encode_residual(functional.pixel_unshuffle(pictures, self.config.patch_size)))

    @apply_forward_hook
    def decode(self, latents):
        pictures = self.decode_patch(latents) + functional.pixel_shuffle(self.decode_residual(latents), self.config.patch_size)
        return DecoderOutput(sample=pictures + self.finish(pictures) if self.finish else pictures)

    def forward(self, pictures):
        return self.decode(self.encode(pictures).latent)


class Block(nn.Module):
    """x + f(x), two convolutions; no normalisation, so that colours keep their values."""

    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, hidden):
        return hidden + self.second(functional.silu(self.first(functional.silu(hidden))))


def _residual(inputs, channels, layers, outputs):
    return nn.Sequential(nn.Conv2d(inputs, channels, 3, padding=1), *(Block(channels) for _ in range(layers)), nn.SiLU(), _from_zero(channels, outputs))


def _finish(channels):
    inner = [nn.Conv2d(3, channels, 3, padding=1), *(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))]
    return nn.Sequential(*(layer for convolution in inner for layer in (convolution, nn.SiLU())), _from_zero(channels, 3))


def _from_zero(inputs, outputs):
    """A convolution that gives nothing at first."""
    last = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return last
