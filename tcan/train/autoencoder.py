"""The foundation's autoencoder: from principal components of patches on, L1 over a Laplacian pyramid and squared error, a little noise on the latents."""

import time

import numpy as np
import torch
from torch.nn import functional

from tcan.files import atomic_dir
from tcan.imports import sha256_of_code
from tcan.models.autoencoder import decode, encode, to_tensor
from tcan.models.foundation import as_float16
from tcan.models.patch_autoencoder import PatchAutoencoder
from tcan.provenance import identities, write_run
from tcan.train import loop
from tcan.train.muon import Muon
from tcan.train.processes import accelerator

LATENT_NOISE = 0.1  # in units of the latents' own deviation: neighbours in latent space look alike


def train(args, config, sections):
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

    losses = loop.train({"vae": vae}, loss, name="autoencoder", config=config.resolved(*sections) | identities(args.pool), code=code, seed=seed,
                        steps=part.steps, learning_rate=part.learning_rate, run=args.run, checkpoint_every=100, decay=0.2, ema=0.99, processes=processes,
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
        write_run(folder, command="foundation autoencoder", config=config.resolved(*sections), seed=seed, device=processes.device,
                  extra={**loop.figures(losses, started), "reconstruction_grey_levels": error})


def laplacian_l1(decoded, pictures, levels=3):
    """Mean absolute difference over a Laplacian pyramid, finest level first; edges count as much as areas, so the result stays sharp."""
    difference, total = decoded - pictures, decoded.new_zeros(())
    for _ in range(levels):
        smaller = functional.avg_pool2d(difference, 2)
        total = total + (difference - functional.interpolate(smaller, scale_factor=2, mode="bilinear")).abs().mean()
        difference = smaller
    return total + difference.abs().mean() + (decoded - pictures).abs().mean()
