"""What the paper downloads and a machine without a hub must make: autoencoder, base UNet with pose ControlNet, motion modules.

Stand-ins in diffusers' classes and folders (the autoencoder is one of our own on its base classes), so that every rule after them is the paper's
rule. Trained on rendered people of all poses:

- pool: rendered people, a few pictures each of one person in one scene, with their drawn poses.
- autoencoder: from principal components of patches on, L1 over a Laplacian pyramid and squared error, a little noise on the latents.
- draft and denoiser: base UNet and ControlNet together, in two parts (tcan/train/denoiser.py), the second on a pool of its own, finished_pool.
- mm1, mm2: motion modules on clips, everything else frozen; mm1 as AnimateDiff v1 (24 positions), mm2 as v2 (32 positions, a mid-block module).

On a GPU where there is one. What is drawn (pictures, noise, timesteps) is drawn on the CPU, so that both devices are trained on the same.
"""

import time

import numpy as np
import torch
from torch.nn import functional

from tcan import diffusion
from tcan.commands.foundation import PARTS
from tcan.diffusion import TRAIN_STEPS, scheduler
from tcan.errors import UserError
from tcan.files import atomic_dir
from tcan.models.attention import ReferenceAttention
from tcan.models.autoencoder import decode, encode, to_tensor
from tcan.models.foundation import Foundation, as_float16
from tcan.provenance import write_run
from tcan.train import denoiser, loop
from tcan.train.muon import Muon
from tcan.train.precision import autocast
from tcan.train.processes import accelerator
from tcan.train.rendered import encoded, render

MOTION = {"mm1": {"motion_max_seq_length": 24, "use_motion_mid_block": False}, "mm2": {"motion_max_seq_length": 32, "use_motion_mid_block": True}}
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
            _motion(args, config)


def _pool(args, config):
    part, own = config.foundation.denoiser, config.foundation.sharpening
    kind = {"finished": own.finished, "first": part.pool} if args.part == "finished_pool" else {}
    frames, poses, points = render(args.raw, config, own.pool if kind else part.pool, pictures=1 + part.targets, **kind)
    with atomic_dir(args.out) as folder:
        np.save(folder / "frames.npy", frames)
        np.save(folder / "poses.npy", poses)
        np.save(folder / "points.npy", points)
        write_run(folder, command=f"foundation {args.part}", config=config.resolved("data", "pose"), seed=config.seed, extra={"scenes": len(frames)})


def _autoencoder(args, config):
    from tcan.models.patch_autoencoder import PatchAutoencoder

    part, seed, started, processes = config.foundation.autoencoder, config.seed, time.time(), accelerator()
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

    losses = loop.train({"vae": vae}, loss, name="autoencoder", config=config.resolved(*SECTIONS), seed=seed, steps=part.steps,
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


def _motion(args, config):
    from diffusers import ControlNetModel, MotionAdapter, UNet2DConditionModel, UNetMotionModel

    part, seed, started, frames_in_clip = config.foundation.motion, config.seed, time.time(), config.stage2.frames
    processes = accelerator()
    device = processes.device
    vae = Foundation(args.vae.parent).vae()
    unet = UNet2DConditionModel.from_pretrained(args.denoiser / "unet").to(device)
    controlnet = ControlNetModel.from_pretrained(args.denoiser / "controlnet").to(device)
    frames, poses, _ = render(args.raw, config, part.pool, clip_frames=frames_in_clip)
    latents = encoded(vae.to(device), frames)
    torch.manual_seed(seed)
    adapter = MotionAdapter(block_out_channels=unet.config.block_out_channels, motion_layers_per_block=unet.config.layers_per_block,
                            motion_norm_num_groups=unet.config.norm_num_groups, motion_num_attention_heads=config.foundation.denoiser.heads,
                            motion_transformer_layers_per_block=part.layers, **MOTION[args.part])
    for block in (*adapter.down_blocks, *adapter.up_blocks, *([adapter.mid_block] if adapter.mid_block else [])):
        for module in block.motion_modules:  # at first each frame is what the base UNet makes of it
            torch.nn.init.zeros_(module.proj_out.weight)
            torch.nn.init.zeros_(module.proj_out.bias)
    video = UNetMotionModel.from_unet2d(unet, adapter).to(device)
    video.requires_grad_(False)
    controlnet.requires_grad_(False)
    for name, parameter in video.named_parameters():
        parameter.requires_grad_("motion_modules" in name)
    reference = ReferenceAttention()
    reference.attach(video, config.appearance.blocks)
    reference.attach(unet, config.appearance.blocks)
    noise_scheduler = scheduler(config.diffusion)
    prompt = torch.zeros(part.batch * frames_in_clip, 1, unet.config.cross_attention_dim, device=device)

    def loss(step, generator):
        item = torch.randint(len(latents), (part.batch,), generator=generator)
        clean = latents[item]
        pose = torch.from_numpy(poses[item.numpy()]).to(device).flatten(0, 1).permute(0, 3, 1, 2).float() / 255
        timesteps = torch.randint(TRAIN_STEPS, (part.batch,), generator=generator).to(device)
        noise = diffusion.clip_noise(clean.shape, part.noise, generator).to(device)
        noisy = noise_scheduler.add_noise(clean, noise, timesteps)
        with torch.no_grad(), autocast(device):
            with reference.write():
                unet(clean[:, 0], torch.zeros(part.batch, dtype=torch.long, device=device), prompt[:part.batch])
            down, mid = controlnet(noisy.flatten(0, 1), timesteps.repeat_interleave(frames_in_clip), prompt, controlnet_cond=pose, return_dict=False)
        with autocast(device), reference.read():
            predicted = video(noisy.transpose(1, 2), timesteps, prompt, down_block_additional_residuals=down, mid_block_additional_residual=mid).sample
        return diffusion.loss(noise_scheduler, predicted.transpose(1, 2), clean, noise, timesteps)

    losses = loop.train({"video": video}, loss, name=args.part, config=config.resolved(*SECTIONS), seed=seed,
                        steps=part.steps, learning_rate=part.learning_rate, run=args.run, checkpoint_every=50, decay=0.2, processes=processes, optimizer=Muon)
    with atomic_dir(args.out) as folder:
        adapter.load_state_dict({key: value for key, value in video.state_dict().items() if "motion_modules" in key})
        as_float16(adapter).save_pretrained(folder)
        loop.write_curve(folder, losses)
        write_run(folder, command=f"foundation {args.part}", config=config.resolved(*SECTIONS), seed=seed, device=device,
                  inputs=[args.vae, args.denoiser], extra=loop.figures(losses, started))


def laplacian_l1(decoded, pictures, levels=3):
    """Mean absolute difference over a Laplacian pyramid, finest level first; edges count as much as areas, so the result stays sharp."""
    difference, total = decoded - pictures, decoded.new_zeros(())
    for _ in range(levels):
        smaller = functional.avg_pool2d(difference, 2)
        total = total + (difference - functional.interpolate(smaller, scale_factor=2, mode="bilinear")).abs().mean()
        difference = smaller
    return total + difference.abs().mean() + (decoded - pictures).abs().mean()
