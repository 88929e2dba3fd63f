"""The foundation's decoder, finished on what its denoiser makes. The encoder, and so every latent, stays as it is.

Latents that are a little wrong decode into a shimmer of a grey level or two where a wall is flat, and into edges a little soft. Squared error hardly minds
either; networks that judge pictures do: a filter that flattens takes a sixth of the FID of the lite scale's pictures (bench/results/lite-foundation.md).
So a few convolutions at the pictures' own size come after the decoder, and all of it learns to decide, from latents as generation leaves them: what counts
is the root of each pixel's error and of the error of its differences to its neighbours, which is least where most pixels are exact.
"""

import time

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from tcan.diffusion import scheduler
from tcan.files import atomic_dir, atomic_file, keep_run, sha256_of_folder
from tcan.imports import sha256_of_code
from tcan.models.autoencoder import decode, encode, to_tensor
from tcan.models.foundation import as_float16
from tcan.models.patch_autoencoder import PatchAutoencoder
from tcan.progress import Progress
from tcan.provenance import write_run
from tcan.seeds import generator
from tcan.train import loop
from tcan.train.autoencoder import laplacian_l1
from tcan.train.denoiser import Networks
from tcan.train.processes import accelerator

TRUE = 0.3      # of the pictures are decoded from their own latents
ROOTED = 3.0    # weight of the roots beside the Laplacian pyramid
SMALL = 1e-3    # of a picture's -1..1: below this error a pixel is as good as exact


def train(args, config, sections):
    from diffusers import ControlNetModel, UNet2DConditionModel

    part, seed, started, processes, code = config.foundation.decoder, config.seed, time.time(), accelerator(), sha256_of_code(__name__)
    device = processes.device
    first = PatchAutoencoder.from_pretrained(args.vae, dtype=torch.float32)
    torch.manual_seed(seed)
    vae = PatchAutoencoder(**{**_options(first), "finishing": part.channels})
    vae.load_state_dict({**vae.state_dict(), **first.state_dict()})
    vae.to(device).requires_grad_(False)
    for module in (vae.decode_patch, vae.decode_residual, vae.finish):
        module.requires_grad_(True)
    networks = Networks(UNet2DConditionModel.from_pretrained(args.denoiser / "unet").eval(),
                        ControlNetModel.from_pretrained(args.denoiser / "controlnet").eval(), config, device)
    keep_run(args.run, {"code": code, "seed": seed, **config.resolved(*sections), "steps": config.generate.steps,
                        "inputs": [sha256_of_folder(folder) for folder in (args.vae, args.denoiser, args.pool)]})
    pictures, clean, made = generated(args.pool, vae, networks, config, args.run / "generated.safetensors")

    def loss(step, generator):
        batch = torch.randint(len(pictures), (part.batch,), generator=generator)
        true = (torch.rand(part.batch, generator=generator) < TRUE)[:, None, None, None]
        sample, target = decode(vae, torch.where(true, clean[batch], made[batch]).to(device)), to_tensor(pictures[batch.numpy()]).to(device)
        return laplacian_l1(sample, target) + ROOTED * roots(sample - target)

    losses = loop.train({"vae": vae}, loss, name="decoder", config=config.resolved(*sections), code=code, seed=seed, steps=part.steps,
                        learning_rate=part.learning_rate, run=args.run, checkpoint_every=500, decay=0.6, ema=0.99, processes=processes)
    sample = to_tensor(pictures[:1024]).to(device)
    with torch.no_grad():
        errors = {name: float((decode(vae, latents[:1024].to(device)).clamp(-1, 1) - sample).abs().mean() * 127.5)
                  for name, latents in (("reconstruction_grey_levels", clean), ("generated_grey_levels", made))}
    print(f"errors in grey levels: {errors}")
    with atomic_dir(args.out) as folder:
        as_float16(vae).save_pretrained(folder)
        loop.write_curve(folder, losses)
        write_run(folder, command="foundation decoder", config=config.resolved(*sections), seed=seed, device=device,
                  inputs=[args.vae, args.denoiser], extra={**loop.figures(losses, started), **errors})


def roots(error):
    """Mean root of a picture's errors (b, 3, h, w) and of their differences to the right and below: the least of it is at exact pixels and exact edges."""
    return sum((part.abs() + SMALL).sqrt().mean() for part in (error, error.diff(dim=-1), error.diff(dim=-2)))


@torch.no_grad()
def generated(pool, vae, networks, config, kept):
    """Pictures (n, h, w, 3) of some of the pool's scenes, their own latents (n, c, h', w') and what generation makes of them from the last of its steps on,
    all but the first at most, where its start has something of the truth still. `kept`: a file in which what was generated is found again."""
    part, device, targets = config.foundation.decoder, networks.device, config.foundation.denoiser.targets
    frames, poses = (np.load(pool / f"{name}.npy", mmap_mode="r") for name in ("frames", "poses"))
    draws = generator(config.seed, "decoder", "generated")
    scenes = torch.randperm(len(frames), generator=draws)[:part.pool].sort().values
    if kept.exists():
        parts = load_file(kept)
        return frames[scenes.numpy(), 1:].reshape(-1, *frames.shape[2:]), parts["clean"], parts["made"]
    steps = scheduler(config.diffusion)
    steps.set_timesteps(config.generate.steps)
    batches = scenes.split(config.foundation.denoiser.batch // targets)
    progress, clean, made = Progress("generated", len(batches)), [], []
    for number, batch in enumerate(batches):
        chosen = frames[batch.numpy()]
        latents = encode(vae, to_tensor(chosen.reshape(-1, *chosen.shape[2:])).to(device)).unflatten(0, chosen.shape[:2])
        networks.note(latents[:, 0].contiguous())
        truth = latents[:, 1:].flatten(0, 1)
        pose = torch.from_numpy(poses[batch.numpy(), 1:].reshape(-1, *poses.shape[2:])).to(device).permute(0, 3, 1, 2).float() / 255
        noise = torch.randn(truth.shape, generator=draws).to(device)
        last = int(torch.randint(1, max(2, len(steps.timesteps)), (), generator=draws))
        guess = steps.add_noise(truth, noise, steps.timesteps[-last].expand(len(truth)))
        for timestep in steps.timesteps[-last:]:
            predicted = networks.predict(guess, timestep.expand(len(guess)).to(device), pose, torch.ones(len(guess), dtype=torch.bool, device=device), None)
            guess = steps.step(predicted, timestep, guess, return_dict=False)[0]
        clean.append(truth.cpu())
        made.append(guess.cpu())
        progress.update(number + 1)
    parts = {"clean": torch.cat(clean), "made": torch.cat(made)}
    with atomic_file(kept) as temporary:
        save_file(parts, temporary)
    return frames[scenes.numpy(), 1:].reshape(-1, *frames.shape[2:]), parts["clean"], parts["made"]


def _options(vae):
    return {key: value for key, value in vae.config.items() if not key.startswith("_")}
