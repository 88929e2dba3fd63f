"""The foundation's motion modules, on rendered clips, everything else frozen: mm1 as AnimateDiff v1 (24 positions), mm2 as v2 (32 positions, a mid-block
module).

As the denoiser is (tcan/train/denoiser.py), they are judged by an Adversary, here of each frame and the next, and half of the clips are noised from the
network's own guess: what flickers in a guess they see in training too. By squared error alone they would blur again what the denoiser has learnt to decide.
"""

import time

import torch

from tcan import diffusion
from tcan.data import motion
from tcan.diffusion import TRAIN_STEPS, scheduler
from tcan.files import atomic_dir
from tcan.imports import sha256_of_code
from tcan.models.attention import ReferenceAttention
from tcan.models.foundation import as_float16
from tcan.models.patch_autoencoder import PatchAutoencoder
from tcan.provenance import identities, write_run
from tcan.train import loop
from tcan.train.adversary import folded, of_pairs, pair_context, pairs
from tcan.train.few_steps import noised_or_guessed, rooted
from tcan.train.muon import Muon
from tcan.train.precision import autocast
from tcan.train.processes import accelerator
from tcan.train.rendered import encoded, render

KINDS = {"mm1": {"motion_max_seq_length": 24, "use_motion_mid_block": False}, "mm2": {"motion_max_seq_length": 32, "use_motion_mid_block": True}}


def train(args, config, sections):
    from diffusers import ControlNetModel, MotionAdapter, UNet2DConditionModel, UNetMotionModel

    part, seed, started, length = config.foundation.motion, config.seed, time.time(), config.stage2.frames
    processes, code = accelerator(), sha256_of_code(__name__)
    device = processes.device
    vae = PatchAutoencoder.from_pretrained(args.vae, dtype=torch.float32, local_files_only=True)
    unet = UNet2DConditionModel.from_pretrained(args.denoiser / "unet").to(device)
    controlnet = ControlNetModel.from_pretrained(args.denoiser / "controlnet").to(device)
    frames, poses, _ = render(args.raw, config, part.pool, clip_frames=length)
    latents = encoded(vae.to(device), frames)
    torch.manual_seed(seed)
    adapter = MotionAdapter(block_out_channels=unet.config.block_out_channels, motion_layers_per_block=unet.config.layers_per_block,
                            motion_norm_num_groups=unet.config.norm_num_groups, motion_num_attention_heads=config.foundation.denoiser.heads,
                            motion_transformer_layers_per_block=part.layers, **KINDS[args.part])
    for block in (*adapter.down_blocks, *adapter.up_blocks, *([adapter.mid_block] if adapter.mid_block else [])):
        for module in block.motion_modules:  # at first each frame is what the base UNet makes of it
            torch.nn.init.zeros_(module.proj_out.weight)
            torch.nn.init.zeros_(module.proj_out.bias)
    video = UNetMotionModel.from_unet2d(unet, adapter).to(device)
    video.requires_grad_(False)
    controlnet.requires_grad_(False)
    for name, parameter in video.named_parameters():
        parameter.requires_grad_("motion_modules" in name)
    last_layer = video.up_blocks[-1].motion_modules[-1].proj_out.weight
    reference = ReferenceAttention()
    reference.attach(video, config.appearance.blocks)
    reference.attach(unet, config.appearance.blocks)
    noise_scheduler = scheduler(config.diffusion)
    prompt = torch.zeros(part.batch * length, 1, unet.config.cross_attention_dim, device=device)
    side = latents.shape[3]
    adversary = of_pairs(latents.shape[2], poses.shape[2] // side).to(device)

    def predict(noisy, timesteps, pose):
        """Latents (b, f, c, h, w) of clips noised to timesteps (b,), in poses (b * f, 3, H, W)."""
        with torch.no_grad(), autocast(device):
            down, mid = controlnet(noisy.flatten(0, 1), timesteps.repeat_interleave(length), prompt, controlnet_cond=pose, return_dict=False)
        with autocast(device), reference.read():
            return video(noisy.transpose(1, 2), timesteps, prompt, down_block_additional_residuals=down,
                         mid_block_additional_residual=mid).sample.transpose(1, 2).float()

    def loss(step, generator):
        item = torch.randint(len(latents), (part.batch,), generator=generator)
        clean = latents[item]
        pose = torch.from_numpy(poses[item.numpy()]).to(device).flatten(0, 1).permute(0, 3, 1, 2).float() / 255
        timesteps = torch.randint(TRAIN_STEPS, (part.batch,), generator=generator).to(device)
        noise = diffusion.clip_noise(clean.shape, part.noise, generator).to(device)
        with torch.no_grad(), autocast(device), reference.write():
            unet(clean[:, 0], torch.zeros(part.batch, dtype=torch.long, device=device), prompt[:part.batch])
        noisy = noised_or_guessed(noise_scheduler, lambda start, further: predict(start, further, pose), clean, noise, timesteps, generator)
        made = predict(noisy, timesteps, pose)
        error = rooted(noise_scheduler, made.flatten(0, 1), clean.flatten(0, 1), timesteps.repeat_interleave(length))
        context = pair_context(clean[:, 0], folded(pose, side).unflatten(0, (part.batch, length)))
        return error + adversary.beside(error, pairs(clean), pairs(made), context, last_layer, part.adversary, step, generator)

    begun = {**config.resolved(*sections), "frames": length, **identities(args.vae, args.denoiser, args.raw / motion.SOURCE)}
    losses = loop.train({"video": video, "adversary": adversary}, loss, name=args.part, config=begun, code=code, seed=seed, steps=part.steps,
                        learning_rate=part.learning_rate, run=args.run, checkpoint_every=50, decay=0.2, processes=processes, optimizer=Muon)
    with atomic_dir(args.out) as folder:
        adapter.load_state_dict({key: value for key, value in video.state_dict().items() if "motion_modules" in key})
        as_float16(adapter).save_pretrained(folder)
        loop.write_curve(folder, losses)
        write_run(folder, command=f"foundation {args.part}", config=config.resolved(*sections), seed=seed, device=device,
                  inputs=[args.vae, args.denoiser], extra=loop.figures(losses, started))
