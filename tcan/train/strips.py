"""Sample strips of a training under way: what the networks make of frames of the train split, sampled with no guidance."""

import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tcan import diffusion, seeds
from tcan.files import atomic_file
from tcan.models.autoencoder import decode, to_pictures

SAMPLES = 8  # pairs of frames in a strip of stage 1
STEPS = 10


class Strips:
    """Writes folder/<step>.png: sources, drawn poses, true frames (through the autoencoder) and sampled frames, a line each."""

    def __init__(self, folder, foundation, config, device):
        self.folder, self.foundation, self.config, self.device = Path(folder), foundation, config, device
        self.vae = None

    @torch.no_grad()
    def write(self, step, clips, source, driving, predict):
        """source, driving: places of `clips`; predict: (noisy latents (n, c, h, w), timesteps (n,)) -> the network's output."""
        self.vae = self.vae or self.foundation.vae().to(self.device)
        true = clips.latents(driving)
        noise = diffusion.clip_noise((1, *true.shape), self.config.generate.noise, seeds.generator(self.config.seed, "sample noise"))[0]
        sampled = _sampled(predict, diffusion.scheduler(self.config.diffusion), noise.to(self.device))
        lines = [self._pictures(clips.latents(source)), clips.pictures(driving), self._pictures(true), self._pictures(sampled)]
        with atomic_file(self.folder / f"{step:06d}.png") as path:
            Image.fromarray(np.concatenate([np.concatenate(list(line), axis=1) for line in lines])).save(path)

    def keep(self, folder):
        """Copy the strips written so far, and by the runs this one goes on from, into a model's folder."""
        if self.folder.exists():
            shutil.copytree(self.folder, Path(folder) / "samples")

    def _pictures(self, latents):
        return to_pictures(decode(self.vae, latents.to(self.device).float(), batch=4))


def _sampled(predict, scheduler, latents):
    """What STEPS steps make of noise."""
    scheduler.set_timesteps(STEPS, device=latents.device)
    for timestep in scheduler.timesteps:
        latents = scheduler.step(predict(latents, timestep.expand(len(latents))).float(), timestep, latents, return_dict=False)[0]
    return latents
