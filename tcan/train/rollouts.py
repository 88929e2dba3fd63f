"""The foundation's denoiser, along generation's own steps: from pure noise, as a row is sampled, judged by the pictures that come out.

A sharpening starts from the truth under some noise, or from the network's guess of that; generation starts from noise alone and goes from guess to guess,
so by its last steps it is where the network was never trained (Huang et al. 2025 of video models). Here each training step runs generation to one
of its steps, without a gradient, and what is predicted there is decoded and compared with the picture: by the Laplacian pyramid and the roots that the
decoder learns from, in latents, and by an Adversary, without which the figures would come out in the mean of where they could be.
"""

import dataclasses

import numpy as np
import torch

from tcan.imports import sha256_of_code
from tcan.models.autoencoder import decode, to_tensor
from tcan.models.patch_autoencoder import PatchAutoencoder
from tcan.provenance import identities
from tcan.train.autoencoder import laplacian_l1
from tcan.train.decoder import ROOTED, roots
from tcan.train.denoiser import Batch, Scenes, go_on
from tcan.train.few_steps import SMALL
from tcan.train.processes import accelerator

IN_LATENTS = 0.3    # weight of the error in latents beside the pictures'


def train(args, config, sections):
    """args.pool and args.photographed: the scenes, each of half a batch; args.vae: the autoencoder with its decoder finished."""
    steps, processes = config.generate.steps, accelerator()
    vae = PatchAutoencoder.from_pretrained(args.vae, dtype=torch.float32, local_files_only=True).requires_grad_(False).to(processes.device)
    pools = both(args.pool, args.photographed, vae, config.foundation.denoiser)

    def attempt(networks, generator):
        networks.scheduler.set_timesteps(steps)
        batch, pictures = draw(pools, generator)
        made = rollout(networks, batch, int(torch.randint(steps, (), generator=generator)))
        return batch, made, picture_error(vae, made, to_tensor(pictures).to(made.device)) + IN_LATENTS * latent_error(made, batch.clean), 0

    go_on(args, config, sections, config.foundation.rollouts, attempt, name="rollouts", scenes=pools[0], processes=processes, code=sha256_of_code(__name__),
          begun={**config.resolved(*sections), "steps": steps} | identities(args.pool, args.photographed, args.vae, args.start))


def both(first, second, vae, part):
    """The Scenes of two pools, which share a batch of `part`, the first with what can't be halved."""
    scenes = part.batch // part.targets
    counts = {first: scenes - scenes // 2, second: scenes // 2}
    return [Scenes(pool, vae, dataclasses.replace(part, batch=count * part.targets)) for pool, count in counts.items() if count]


def draw(pools, generator):
    """-> a Batch of all pools (`pairs` and `target`, which are of one pool, left out), and its pictures, uint8 (b, H, W, 3)."""
    batches = [scenes.draw(generator) for scenes in pools]
    together = {name: torch.cat([getattr(batch, name) for batch in batches]) for name in ("source", "clean", "pose", "timesteps", "noise", "posed", "kept")}
    return Batch(**together, pairs=[], target=()), np.concatenate([scenes.pictures(batch) for scenes, batch in zip(pools, batches, strict=True)])


def rollout(networks, batch, steps):
    """What the networks predict, (b, c, h, w), after so many of generation's steps from the batch's noise on; a gradient reaches this prediction alone."""
    scheduler, latents = networks.scheduler, batch.noise

    def predict(timestep):
        return networks.predict(latents, timestep.expand(len(latents)).to(latents.device), batch.pose, batch.posed, batch.kept)

    networks.note(batch.source)
    with torch.no_grad():
        for timestep in scheduler.timesteps[:steps]:
            latents = scheduler.step(predict(timestep), timestep, latents, return_dict=False)[0]
    networks.teacher.seen = {}      # attention isn't taught here: nothing of it is kept
    return predict(scheduler.timesteps[steps])


def picture_error(vae, latents, pictures):
    """Of decoded latents (b, c, h', w') from pictures (b, 3, h, w) in -1..1: as the finished decoder's (tcan/train/decoder.py)."""
    decoded = decode(vae, latents)
    return laplacian_l1(decoded, pictures) + ROOTED * roots(decoded - pictures)


def latent_error(made, clean):
    """Mean square, and mean root of each place's mean square, of latents (b, c, h, w)."""
    squared = (made - clean).square().mean(dim=1)
    return squared.mean() + (squared + SMALL).sqrt().mean()
