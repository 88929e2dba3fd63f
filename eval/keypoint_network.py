"""Finds OpenPose's 18 key points of a rendered person in a frame, by the network that `tcan keypoint_network` trains.

It is a `UNet2DModel` of diffusers: patches of p x p pixels as channels in (RGB in -1..1), as channels out (18 maps); the softmax of a map
over the picture is the distribution of a joint's place. p stands in its numbers of channels, 3 p^2 and 18 p^2.
"""

import math
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from eval import torchvision_ops
from eval.errors import UserError
from eval.files import sha256_of

torchvision_ops.declare()

WEIGHTS = "diffusion_pytorch_model.safetensors"
BATCH = 32
REACH = 3       # pixels about the likeliest one, over which the place is averaged: finer than a pixel, and never between two places


def load(folder):
    """-> (the network in float32, sha256 of its weights). Raises UserError for a folder that holds another network, or none."""
    from diffusers import UNet2DModel

    folder = Path(folder)
    if not (folder / WEIGHTS).is_file():
        raise UserError(f"{folder}: expected the key-point network's folder, found no {WEIGHTS} in it; run `tcan keypoint_network` first")
    try:
        network, report = UNet2DModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True, output_loading_info=True)
    except Exception as error:      # diffusers, json and safetensors refuse bad content in many ways
        raise UserError(f"{folder}: expected the key-point network, it can't be loaded ({' '.join(str(error).split())[:120]}); "
                        "run `tcan keypoint_network` again") from error
    patch = math.isqrt(network.config.in_channels // 3)
    if (network.config.in_channels, network.config.out_channels) != (3 * patch**2, 18 * patch**2) or any(report[key] for key in report):
        raise UserError(f"{folder}: expected a network from RGB to 18 maps with all its weights, got {network.config.in_channels} channels in, "
                        f"{network.config.out_channels} out; give the folder that `tcan keypoint_network` wrote")
    return network.eval().requires_grad_(False), sha256_of(folder / WEIGHTS)


def find(network, frames):
    """uint8 frames (n, h, w, 3) -> key points (n, 18, 2) in pixels (the centre of the first pixel is 0), float64.

    Every joint is found in every frame: a hidden one where the network guesses it. The sides of a frame must be multiples of the network's
    largest step.
    """
    patch = math.isqrt(network.config.in_channels // 3)
    step = patch * 2 ** (len(network.config.block_out_channels) - 1)
    if any(side % step for side in frames.shape[1:3]):
        raise UserError(f"key-point network: expected frames with sides of a multiple of {step}, got {frames.shape[2]}x{frames.shape[1]} pixels; "
                        "train one for this size")
    found = []
    with torch.inference_mode():
        for part in torch.from_numpy(frames).split(BATCH):
            pictures = part.permute(0, 3, 1, 2).float() / 127.5 - 1
            maps = functional.pixel_shuffle(network(functional.pixel_unshuffle(pictures, patch), 0).sample, patch)
            found.append(places(maps).numpy())
    return np.concatenate(found)


def places(maps):
    """Logits (n, k, h, w) -> the mean place about the likeliest pixel, (n, k, 2) as (x, y), float64."""
    height, width = maps.shape[2:]
    peak = maps.flatten(2).argmax(dim=-1)
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    near = ((rows - (peak // width)[..., None, None]).abs() <= REACH) & ((columns - (peak % width)[..., None, None]).abs() <= REACH)
    weight = maps.double().masked_fill(~near, -torch.inf).flatten(2).softmax(dim=-1).unflatten(2, (height, width))
    return torch.stack([(weight * columns).sum(dim=(2, 3)), (weight * rows).sum(dim=(2, 3))], dim=-1)
