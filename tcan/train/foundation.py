"""What the paper downloads and a machine without a hub must make: autoencoder, base UNet with pose ControlNet, motion modules.

Stand-ins in diffusers' classes and folders (the autoencoder is one of our own on its base classes), so that every rule after them is the paper's
rule. Trained on rendered people in all poses, and on photographed ones where params.yaml says so:

- pool: rendered people, a few pictures each of one person in one scene, with their drawn poses; in finished_pool photographed ones too.
- autoencoder: from principal components of patches on, L1 over a Laplacian pyramid and squared error, a little noise on the latents.
- draft and denoiser: base UNet and ControlNet together, in two parts (tcan/train/denoiser.py), the second on a pool of its own, finished_pool.
- mm1, mm2: motion modules on clips, everything else frozen (tcan/train/motion_modules.py).

On a GPU where there is one. What is drawn (pictures, noise, timesteps) is drawn on the CPU, so that both devices are trained on the same.
"""

import time

import numpy as np
import torch
from torch.nn import functional

from tcan.commands.foundation import PARTS
from tcan.data.photographs import Photographs
from tcan.errors import UserError
from tcan.files import atomic_dir
from tcan.imports import sha256_of_code
from tcan.models.autoencoder import decode, encode, to_tensor
from tcan.models.foundation import as_float16
from tcan.provenance import write_run
from tcan.train import denoiser, loop, motion_modules
from tcan.train.muon import Muon
from tcan.train.processes import accelerator
from tcan.train.rendered import render

LATENT_NOISE = 0.1  # in units of the latents' own deviation: neighbours in latent space look alike
SECTIONS = ("data", "pose", "foundation", "diffusion", "appearance")


def run(args, config):
    for option in (*PARTS[args.part], *(() if args.part.endswith("pool") else ("run",))):
        if getattr(args, option) is None:
            raise UserError(f"foundation {args.part}: expected --{option}, got none")
    match args.part:
        case "pool" | "finished_pool":
            _pool(args, config)
        case "autoencoder":
            _autoencoder(args, config)
        case "draft":
            denoiser.draft(args, config, SECTIONS)
        case "denoiser":
            denoiser.sharpen(args, config, SECTIONS)
        case _:
            motion_modules.train(args, config, SECTIONS)


def _pool(args, config):
    part, own = config.foundation.denoiser, config.foundation.sharpening
    kind, photographs = {}, None
    if args.part == "finished_pool":
        kind = {"finished": own.finished, "photographed": own.photographed, "first": part.pool}
        if own.photographed:
            photographs = Photographs.load(args.raw / "photographs", args.raw / "mediapipe")
    frames, poses, points = render(args.raw, config, own.pool if kind else part.pool, pictures=1 + part.targets, photographs=photographs, **kind)
    with atomic_dir(args.out) as folder:
        np.save(folder / "frames.npy", frames)
        np.save(folder / "poses.npy", poses)
        np.save(folder / "points.npy", points)
        write_run(folder, command=f"foundation {args.part}", config=config.resolved("data", "pose"), seed=config.seed, extra={"scenes": len(frames), **kind})


def _autoencoder(args, config):
    from tcan.models.patch_autoencoder import PatchAutoencoder

    part, seed, started, processes, code = config.foundation.autoencoder, config.seed, time.time(), accelerator(), sha256_of_code(__name__)
    torch.manual_seed(seed)
    vae = PatchAutoencoder(part.patch, config.foundation.latent_channels, part.channels, part.layers)
    frames = np.load(args.pool / "frames.npy")
    frames = frames.reshape(-1, *frames.shape[2:])
    sample = to_tensor(frames[:: max(1, len(frames) // 512)])
    vae.start_from(sample)
    vae.to(processes.device)

    def loss(step, generator):
        pictures = to_tensor(frames[torch.randint(len(frames), (part.batch,), generator=generator).numpy()]).to(processes.device)
        latents = encode(vae, pictures)
        noise = torch.randn(latents.shape, generator=generator).to(processes.device)
        decoded = decode(vae, latents + LATENT_NOISE * latents.std().detach() * noise)
        return laplacian_l1(decoded, pictures) + 4 * functional.mse_loss(decoded, pictures)

    losses = loop.train({"vae": vae}, loss, name="autoencoder", config=config.resolved(*SECTIONS), code=code, seed=seed, steps=part.steps,
                        learning_rate=part.learning_rate, run=args.run, checkpoint_every=100, decay=0.2, ema=0.99, processes=processes,
                        optimizer=Muon)
    sample = sample.to(processes.device)
    with torch.no_grad():
        latents = encode(vae, sample)
        error = float((decode(vae, latents).clamp(-1, 1) - sample).abs().mean() * 127.5)
    vae.register_to_config(scaling_factor=float(1 / latents.std()))
    print(f"reconstruction error {error:.2f} grey levels")
    with atomic_dir(args.out) as folder:
        as_float16(vae).save_pretrained(folder)
        loop.write_curve(folder, losses)
        write_run(folder, command="foundation autoencoder", config=config.resolved(*SECTIONS), seed=seed, device=processes.device,
                  extra={**loop.figures(losses, started), "reconstruction_grey_levels": error})


def laplacian_l1(decoded, pictures, levels=3):
    """Mean absolute difference over a Laplacian pyramid, finest level first; edges count as much as areas, so the result stays sharp."""
    difference, total = decoded - pictures, decoded.new_zeros(())
    for _ in range(levels):
        smaller = functional.avg_pool2d(difference, 2)
        total = total + (difference - functional.interpolate(smaller, scale_factor=2, mode="bilinear")).abs().mean()
        difference = smaller
    return total + difference.abs().mean() + (decoded - pictures).abs().mean()
