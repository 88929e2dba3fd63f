"""What the paper downloads and a machine without a hub must make: autoencoder, base UNet with pose ControlNet, motion modules.

Stand-ins in diffusers' classes and folders (the autoencoder is one of our own on its base classes), so that every rule after them is the paper's
rule. Trained on rendered people of all poses:

- pool: rendered people, a few pictures each of one person in one scene, with their drawn poses.
- autoencoder: from principal components of patches on, L1 over a Laplacian pyramid and squared error, a little noise on the latents.
- denoiser: base UNet and ControlNet together, the pose dropped for some items (so the UNet stands alone) and another picture of the same
  person offered in self-attention, dropped for some (Stable Diffusion has this ability of following a reference from its billions of pictures);
  attention is taught where to look.
- mm1, mm2: motion modules on clips, everything else frozen; mm1 as AnimateDiff v1 (24 positions), mm2 as v2 (32 positions, a mid-block module).

On a GPU where there is one. What is drawn (pictures, noise, timesteps) is drawn on the CPU, so that both devices are trained on the same.
"""

import os
import time

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional

from tcan import diffusion
from tcan.commands.foundation import PARTS
from tcan.diffusion import TRAIN_STEPS, scheduler
from tcan.errors import UserError
from tcan.files import atomic_dir
from tcan.models.attention import ReferenceAttention
from tcan.models.autoencoder import decode, encode, factor, to_tensor
from tcan.models.foundation import Foundation, as_float16
from tcan.provenance import write_run
from tcan.train import loop
from tcan.train.correspondence import AttentionTeacher
from tcan.train.muon import Muon
from tcan.train.precision import autocast
from tcan.train.processes import accelerator

MOTION = {"mm1": {"motion_max_seq_length": 24, "use_motion_mid_block": False}, "mm2": {"motion_max_seq_length": 32, "use_motion_mid_block": True}}
LATENT_NOISE = 0.1  # in units of the latents' own deviation: neighbours in latent space look alike
SECTIONS = ("data", "pose", "foundation", "diffusion", "appearance")


def run(args, config):
    for option in (*PARTS[args.part], *(() if args.part == "pool" else ("run",))):
        if getattr(args, option) is None:
            raise UserError(f"foundation {args.part}: expected --{option}, got none")
    {"pool": _pool, "autoencoder": _autoencoder, "denoiser": _denoiser}.get(args.part, _motion)(args, config)


def _pool(args, config):
    part = config.foundation.denoiser
    frames, poses, points = _render(args.raw, config, part.pool, pictures=1 + part.targets)
    with atomic_dir(args.out) as folder:
        np.save(folder / "frames.npy", frames)
        np.save(folder / "poses.npy", poses)
        np.save(folder / "points.npy", points)
        write_run(folder, command="foundation pool", config=config.resolved("data", "pose"), seed=config.seed, extra={"scenes": len(frames)})


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


def _denoiser(args, config):
    from diffusers import ControlNetModel, UNet2DConditionModel

    part, seed, started, processes = config.foundation.denoiser, config.seed, time.time(), accelerator()
    device = processes.device
    vae = Foundation(args.vae.parent).vae()
    scale = factor(vae)
    frames, poses, points = (np.load(args.pool / f"{name}.npy") for name in ("frames", "poses", "points"))
    latents = _encoded(vae.to(device), frames)
    torch.manual_seed(seed)
    levels = len(part.channels)
    unet = UNet2DConditionModel(
        sample_size=config.data.size // scale, in_channels=latents.shape[2], out_channels=latents.shape[2], block_out_channels=part.channels,
        layers_per_block=part.layers, cross_attention_dim=part.cross_attention_dim, attention_head_dim=part.heads,
        norm_num_groups=_groups(part.channels), down_block_types=("CrossAttnDownBlock2D",) * levels, up_block_types=("CrossAttnUpBlock2D",) * levels)
    controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=[16 * 2 ** level for level in range(scale.bit_length())])
    noise_scheduler = scheduler(config.diffusion)
    reference = ReferenceAttention()
    teacher = AttentionTeacher(unet, reference, reference.attach(unet, config.appearance.blocks))
    unet.to(device)
    controlnet.to(device)
    prompt = torch.zeros(part.batch, 1, part.cross_attention_dim, device=device)

    def loss(step, generator):
        """A batch holds `targets` pictures of each of its scenes, which share the pass of their source."""
        batch, scenes = part.batch, part.batch // part.targets
        item = torch.randint(len(latents), (scenes,), generator=generator)
        order = torch.stack([torch.randperm(latents.shape[1], generator=generator) for _ in range(scenes)])
        source, target = latents[item, order[:, 0]], (item.repeat_interleave(part.targets), order[:, 1:].flatten())
        clean = latents[target]
        pose = torch.from_numpy(poses[tuple(index.numpy() for index in target)]).to(device).permute(0, 3, 1, 2).float() / 255
        timesteps = _timesteps(batch, generator).to(device)
        noise = torch.randn(clean.shape, generator=generator).to(device)
        posed = torch.rand(batch, generator=generator) >= part.pose_dropout
        keep_pose = posed.float()[:, None, None, None].to(device)
        keep_reference = (torch.rand(scenes, generator=generator) >= part.reference_dropout).to(device)
        noisy = noise_scheduler.add_noise(clean, noise, timesteps)
        with autocast(device), reference.write():
            unet(source, torch.zeros(scenes, dtype=torch.long, device=device), prompt[:scenes])
        with autocast(device), reference.read(keep_reference):
            down, mid = controlnet(noisy, timesteps, prompt, controlnet_cond=pose, return_dict=False)
            predicted = unet(noisy, timesteps, prompt, down_block_additional_residuals=[keep_pose * value for value in down],
                             mid_block_additional_residual=keep_pose * mid).sample
        pairs = [(points[scene, first], points[scene, other]) if known else None
                 for scene, first, other, known in zip(target[0], order[:, 0].repeat_interleave(part.targets), target[1], posed, strict=True)]
        return diffusion.loss(noise_scheduler, predicted, clean, noise, timesteps) + part.teaching * teacher.loss(pairs, config.data.size)

    losses = loop.train({"unet": unet, "controlnet": controlnet}, loss, name="denoiser", config=config.resolved(*SECTIONS),
                        seed=seed, steps=part.steps, learning_rate=part.learning_rate, run=args.run, checkpoint_every=100, decay=0.75, ema=part.ema,
                        processes=processes, optimizer=Muon)
    with atomic_dir(args.out) as folder:
        as_float16(unet).save_pretrained(folder / "unet")
        as_float16(controlnet).save_pretrained(folder / "controlnet")
        noise_scheduler.save_pretrained(folder / "scheduler")
        save_file({"empty": prompt[:1].half().cpu()}, folder / "prompt.safetensors")
        loop.write_curve(folder, losses)
        write_run(folder, command="foundation denoiser", config=config.resolved(*SECTIONS), seed=seed, device=device,
                  inputs=[args.vae], extra=loop.figures(losses, started))


def _motion(args, config):
    from diffusers import ControlNetModel, MotionAdapter, UNet2DConditionModel, UNetMotionModel

    part, seed, started, frames_in_clip = config.foundation.motion, config.seed, time.time(), config.stage2.frames
    processes = accelerator()
    device = processes.device
    vae = Foundation(args.vae.parent).vae()
    unet = UNet2DConditionModel.from_pretrained(args.denoiser / "unet").to(device)
    controlnet = ControlNetModel.from_pretrained(args.denoiser / "controlnet").to(device)
    frames, poses, _ = _render(args.raw, config, part.pool, clip_frames=frames_in_clip)
    latents = _encoded(vae.to(device), frames)
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


def _timesteps(count, generator):
    """One out of each `count`-th of all timesteps, in random order: a batch sees all amounts of noise, so its gradient varies less."""
    return ((torch.randperm(count, generator=generator) + torch.rand(count, generator=generator)) * TRAIN_STEPS / count).long().clamp(max=TRAIN_STEPS - 1)


def laplacian_l1(decoded, pictures, levels=3):
    """Mean absolute difference over a Laplacian pyramid, finest level first; edges count as much as areas, so the result stays sharp."""
    difference, total = decoded - pictures, decoded.new_zeros(())
    for _ in range(levels):
        smaller = functional.avg_pool2d(difference, 2)
        total = total + (difference - functional.interpolate(smaller, scale_factor=2, mode="bilinear")).abs().mean()
        difference = smaller
    return total + difference.abs().mean() + (decoded - pictures).abs().mean()


def _render(raw, config, count, **kind):
    """Rendered people and their drawn poses, both uint8 (n, k, h, w, 3), and key points (n, k, 18, 2): `pictures` of each, or clips of `clip_frames`.
    No test motion is used."""
    from tcan.data.motion import load_motions
    from tcan.data.puppets import render_pool
    from tcan.pose.draw import draw
    from tcan.pose.keypoints import Keypoints

    puppets, size, motions = config.data.puppets, config.data.size, load_motions(raw / "pybullet")
    frames, xy = render_pool(count, size, puppets.supersample, config.seed, {name: motions[name] for name in puppets.train_motions},
                             workers=os.cpu_count(), **kind)
    flat = xy.reshape(-1, 18, 2)
    score = (~np.isnan(flat).any(-1)).astype(np.float32)
    return frames, draw(Keypoints(flat, score, (size, size), "exact"), config.pose.canvas, (size, size)).reshape(frames.shape), xy


@torch.no_grad()
def _encoded(vae, frames, batch=1024):
    """uint8 (n, k, h, w, 3) -> scaled latents (n, k, c, h', w'), on the autoencoder's device."""
    flat = frames.reshape(-1, *frames.shape[2:])
    parts = [encode(vae, to_tensor(flat[start:start + batch]).to(vae.device)) for start in range(0, len(flat), batch)]
    return torch.cat(parts).unflatten(0, frames.shape[:2])


def _groups(channels):
    """Groups for the normalisations: 8 at most, and a divisor of every width."""
    return int(np.gcd.reduce([8, *channels]))
