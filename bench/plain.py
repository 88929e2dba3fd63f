"""The plain way: the method as a reader of the paper would write it down, for comparison. It gives what the package gives.

- the appearance UNet runs again for every window and every step (in training: for every frame of a clip),
- every attention makes its whole map: explicit logits, their softmax, and the product with the values; the temporal ones are equation 5 as it reads,
- pictures are decoded frame by frame (in training: frames are encoded in every step, instead of once before).

Everything else is the same: windows, noise, schedule, precision, and one ControlNet and two UNet passes to a guided prediction.
"""

import numpy as np
import torch
from tcan import models  # noqa: F401
from diffusers.models.attention_processor import Attention, AttnProcessor
from torch import nn

from tcan.generate.pipeline import TCANPipeline
from tcan.models.attention import ReferenceProcessor, TemperatureProcessor
from tcan.models.autoencoder import decode, encode, to_pictures, to_tensor
from tcan.models.controlnet import residuals


class PlainPipeline(TCANPipeline):
    """TCANPipeline the plain way. Call `materialise` on each of its networks once they are loaded."""

    def _note_source(self, source, device, dtype):
        self.source = encode(self.vae, to_tensor(source[None]).to(device, dtype))

    def _predict(self, latents, timestep, poses, guidance_scale, heat):
        with self.reference.write():
            self.appearance_unet(self.source, 0, self.prompt.to(self.source))
        frames = latents.shape[2]
        prompt = self.prompt.to(latents).expand(frames, -1, -1)
        pose = torch.from_numpy(poses).to(latents.device).permute(0, 3, 1, 2).to(latents.dtype) / 255
        self.temperature.clear()
        if heat is not None:
            self.temperature.set(heat, len(self.unet.config.block_out_channels))
        down, mid = residuals(self.controlnet, latents[0].transpose(0, 1), timestep, prompt, pose, frames)
        given = dict(down_block_additional_residuals=down, mid_block_additional_residual=mid)
        with self.reference.read():
            conditional = self.unet(latents, timestep, prompt, **given).sample
        if guidance_scale == 1:
            return conditional
        unconditional = self.unet(latents, timestep, prompt, **given).sample
        return unconditional + guidance_scale * (conditional - unconditional)

    def _decode(self, latents, output_type):
        if output_type != "np":
            raise ValueError(f"expected output_type np, got {output_type}")
        return np.concatenate([to_pictures(decode(self.vae, latents[:, :, frame])) for frame in range(latents.shape[2])])


class PerFrame(nn.Module):
    """An appearance UNet that runs once for every one of `frames` frames, on the same source."""

    def __init__(self, network, frames):
        super().__init__()
        self.network, self.frames = network, frames

    def forward(self, source, timestep, prompt):
        return self.network(source.repeat_interleave(self.frames, 0), timestep, prompt.repeat_interleave(self.frames, 0))


def materialise(network):
    """Let every attention of a network make its map."""
    for module in network.modules():
        if isinstance(module, Attention):
            processor = module.processor
            if isinstance(processor, ReferenceProcessor):
                module.set_processor(PlainReference(processor.reference, processor.name))
            elif isinstance(processor, TemperatureProcessor):
                module.set_processor(PlainTemperature(processor.temperature))
            else:
                module.set_processor(AttnProcessor())


class PlainReference(ReferenceProcessor):
    """Equation 1: softmax(Q K^T / sqrt(d)) V with K = W_K [z, z_a], V = W_V [z, z_a]."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        reference, context, kept = self.reference, hidden_states, None
        if reference.mode == "write":
            reference.features[self.name] = hidden_states
        elif reference.mode == "read":
            features = reference.features[self.name]
            frames = len(hidden_states) // len(features)
            context = torch.cat([hidden_states, features.repeat_interleave(frames, dim=0)], dim=1)
            kept = None if reference.keep is None else reference.keep.repeat_interleave(frames)
        query, key, value = heads(attn, attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
        logits = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        if kept is not None:
            logits[~kept, :, :, hidden_states.shape[1]:] = -torch.inf
        return joined(attn, logits.softmax(-1) @ value)


class PlainTemperature(TemperatureProcessor):
    """Equation 5: softmax(Q K^T / (T sqrt(d))) V."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        query, key, value = heads(attn, attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states))
        temperature = self.temperature.rows(len(hidden_states))
        temperature = 1 if temperature is None else temperature.to(query)[:, None, None, None]
        logits = query @ key.transpose(-1, -2) / (temperature * query.shape[-1] ** 0.5)
        return joined(attn, logits.softmax(-1) @ value)


def heads(attn, *tensors):
    """(b, n, c) -> (b, heads, n, d), each."""
    return [tensor.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for tensor in tensors]


def joined(attn, attended):
    """(b, heads, n, d) -> (b, n, c), through the attention's last projection."""
    return attn.to_out[1](attn.to_out[0](attended.transpose(1, 2).flatten(2))) / attn.rescale_output_factor
