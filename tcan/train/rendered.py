"""Rendered people for the foundation's trainings, their drawn poses and their latents."""

import os

import numpy as np
import torch

from tcan.models.autoencoder import encode, to_tensor


def render(raw, config, count, **kind):
    """Rendered people and their drawn poses, both uint8 (n, k, h, w, 3), and key points (n, k, 18, 2): `pictures` of each, or clips of `clip_frames`.
    No test motion is used."""
    from tcan.data.motion import SOURCE, load_motions
    from tcan.data.puppets import render_pool
    from tcan.pose.draw import draw
    from tcan.pose.keypoints import Keypoints

    puppets, size, motions = config.data.puppets, config.data.size, load_motions(raw / SOURCE)
    frames, xy = render_pool(count, size, puppets.supersample, config.seed, {name: motions[name] for name in puppets.train_motions},
                             workers=os.cpu_count(), **kind)
    flat = xy.reshape(-1, 18, 2)
    score = (~np.isnan(flat).any(-1)).astype(np.float32)
    return frames, draw(Keypoints(flat, score, (size, size), "exact"), config.pose.canvas, (size, size)).reshape(frames.shape), xy


@torch.no_grad()
def encoded(vae, frames, batch=1024):
    """uint8 (n, k, h, w, 3) -> scaled latents (n, k, c, h', w'), on the autoencoder's device."""
    flat = frames.reshape(-1, *frames.shape[2:])
    parts = [encode(vae, to_tensor(flat[start:start + batch]).to(vae.device)) for start in range(0, len(flat), batch)]
    return torch.cat(parts).unflatten(0, frames.shape[:2])
