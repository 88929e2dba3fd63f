"""Stage 2 (section 3.2): motion modules in the denoising UNet and, with T-CtrlN, in the ControlNet. These alone are trained."""

import dataclasses
from pathlib import Path

import torch
from diffusers import ControlNetModel, UNet2DConditionModel, UNetMotionModel

from tcan import diffusion
from tcan.diffusion import TRAIN_STEPS, scheduler
from tcan.errors import UserError
from tcan.imports import sha256_of_code
from tcan.models import lora
from tcan.models.attention import ReferenceAttention
from tcan.models.autoencoder import factor
from tcan.models.controlnet import TemporalControlNet, residuals
from tcan.models.foundation import Foundation, as_float16
from tcan.seeds import generator
from tcan.train.adversary import folded, of_pairs, pair_context, pairs
from tcan.train.checkpointing import checkpoint_layers
from tcan.train.few_steps import noised_or_guessed, rooted
from tcan.train.latents import TrainClips
from tcan.train.processes import accelerator
from tcan.train.stage import train_stage
from tcan.train.strips import Strips

SECTIONS = ("data", "pose", "foundation", "diffusion", "appearance", "stage1", "stage2")


class Stage2:
    """The networks of stage 2 on one device, with exactly the paper's parts set to train, and an Adversary where `stage2.adversary` asks for one."""

    def __init__(self, model, config, foundation, stage1, device="cpu"):
        """model: tcan.config.Model; stage1: folder that `tcan stage1` wrote."""
        stage1, self.config, self.device = Path(stage1), config, device
        adapter = foundation.motion(model.motion_module)
        self.appearance = UNet2DConditionModel.from_pretrained(stage1 / "appearance_unet", dtype=torch.float32).requires_grad_(False)
        self.unet = UNetMotionModel.from_unet2d(foundation.unet(), adapter)
        if model.appa:
            lora.load(self.unet, stage1 / "lora")
        controlnet = foundation.controlnet()
        if model.train_controlnet:
            controlnet = ControlNetModel.from_pretrained(stage1 / "controlnet", dtype=torch.float32)
        self.controlnet = TemporalControlNet.from_controlnet(controlnet, adapter) if model.temporal_controlnet else controlnet
        for network in (self.unet, self.controlnet):
            for name, parameter in network.named_parameters():
                parameter.requires_grad_("motion_modules" in name)
        self.scheduler, self.noise = scheduler(config.diffusion), config.stage2.noise
        self.reference = ReferenceAttention()
        for network in (self.appearance, self.unet):
            self.reference.attach(network, config.appearance.blocks)
        torch.manual_seed(config.seed)  # here, so that the adversary of every model starts alike; all else is loaded
        self.adversary = of_pairs(self.unet.config.in_channels, factor(foundation.vae())).to(device) if config.stage2.adversary else None
        self.foundation, self.prompt = foundation, foundation.prompt().to(device)
        for network in (self.appearance, self.unet, self.controlnet):
            network.to(device)
            if config.stage2.gradient_checkpointing:
                checkpoint_layers(network, self.reference)

    @property
    def modules(self):
        """What may hold trained parameters, by name."""
        networks = {"appearance_unet": self.appearance, "unet": self.unet, "controlnet": self.controlnet}
        return networks | ({"adversary": self.adversary} if self.adversary else {})

    def predict(self, source, noisy, timesteps, pose):
        """The denoising UNet's output: source latents (b, c, h, w); noisy latents (b, f, c, h, w); timesteps (b,); pose (b, f, 3, H, W) in 0..1."""
        batch, frames = noisy.shape[:2]
        prompt = self.prompt.expand(batch * frames, -1, -1)
        with torch.no_grad(), self.reference.write():
            self.appearance(source, 0, prompt[:batch])
        down, mid = residuals(self.controlnet, noisy.flatten(0, 1), timesteps.repeat_interleave(frames), prompt, pose.flatten(0, 1), frames)
        with self.reference.read():
            return self.unet(noisy.transpose(1, 2), timesteps, prompt, down_block_additional_residuals=down,
                             mid_block_additional_residual=mid).sample.transpose(1, 2)

    def loss(self, source, clean, pose, generator, step=0):
        """Denoising loss of clips: source (b, c, h, w); clean (b, f, c, h, w); pose (b, f, 3, H, W) in 0..1; with an adversary, what it teaches and learns
        (step: of the training) beside it."""
        timesteps = torch.randint(TRAIN_STEPS, (len(clean),), generator=generator).to(self.device)
        noise = diffusion.clip_noise(clean.shape, self.noise, generator).to(self.device)
        source, clean, pose = (tensor.to(self.device) for tensor in (source, clean, pose))
        if self.adversary:
            return self.judged(source, clean, pose, timesteps, noise, generator, step)
        predicted = self.predict(source, self.scheduler.add_noise(clean, noise, timesteps), timesteps, pose)
        return diffusion.loss(self.scheduler, predicted, clean, noise, timesteps)

    def judged(self, source, clean, pose, timesteps, noise, generator, step):
        """The loss with an adversary, as the lite foundation's motion modules learn (tcan/train/motion_modules.py); arguments as in `loss`, on the device."""
        def predict(noisy, timesteps):
            return self.predict(source, noisy, timesteps, pose).float()

        made = predict(noised_or_guessed(self.scheduler, predict, clean, noise, timesteps, generator), timesteps)
        batch, frames = clean.shape[:2]
        error = rooted(self.scheduler, made.flatten(0, 1), clean.flatten(0, 1), timesteps.repeat_interleave(frames))
        context = pair_context(source, folded(pose.flatten(0, 1), clean.shape[-1]).unflatten(0, (batch, frames)))
        options = self.config.stage2
        return error + self.adversary.beside(error, pairs(clean), pairs(made), context, made, options.adversary, step, generator,
                                             warm_up=max(1, options.steps // 3))

    def save(self, folder):
        """Write a folder that TCANPipeline.from_pretrained reads."""
        from tcan.generate.pipeline import TCANPipeline

        networks = dict(vae=self.foundation.vae(), unet=self.unet, appearance_unet=self.appearance, controlnet=self.controlnet)
        TCANPipeline(**{name: as_float16(network) for name, network in networks.items()}, scheduler=self.scheduler, prompt=self.prompt.half(),
                     reference_blocks=self.config.appearance.blocks, pose_canvas=self.config.pose.canvas).save_pretrained(folder)


def run(args, config):
    code = sha256_of_code(__name__, without=("tcan/generate/",))    # imported for the names of a pipeline's parts alone
    model, options = config.model(args.name), config.second_stage(args.name)
    config = dataclasses.replace(config.seeded(model.seed), stage2=options)
    clips = TrainClips(args.latents, config.pose.canvas, options.errors, config.seed)
    processes, foundation = accelerator(options.mixed_precision), Foundation(args.foundation)
    if short := [length for length in clips.lengths if length < options.frames]:
        raise UserError(f"{args.latents}: expected clips of at least stage2.frames ({options.frames}), got one of {min(short)}; "
                        "make clips longer or stage2.frames smaller")
    if options.frames > (longest := foundation.motion(model.motion_module).config.motion_max_seq_length):
        raise UserError(f"stage2.frames: expected at most the {longest} positions of {model.motion_module}, got {options.frames}; make it smaller")
    stage = Stage2(model, config, foundation, args.stage1, processes.device)

    def loss(step, generator):
        source, windows = zip(*(draw_window(clips.lengths, options.frames, generator) for _ in range(options.batch)), strict=True)
        clean, pose = (torch.stack([read(window) for window in windows]) for read in (clips.latents, clips.pose))
        return stage.loss(clips.latents(source), clean, pose, generator, step)

    def sample(step):
        source, window = draw_window(clips.lengths, options.frames, generator(config.seed, "sample"))
        given, pose = clips.latents([source]).to(stage.device), clips.pose(window)[None].to(stage.device)
        strip.write(step, clips, [source] * len(window), window,
                    lambda noisy, timestep: stage.predict(given, noisy[None], timestep[:1], pose)[0])

    strip = Strips(args.run / "samples", foundation, config, processes.device)
    train_stage(stage, loss, sample, strip, processes, args, config, name=f"stage2 {args.name}", options=options,
                inputs=[args.latents, *foundation.parts("vae", "denoiser", model.motion_module), args.stage1],
                resolved={**config.resolved(*SECTIONS), "model": vars(model)}, code=code)


def draw_window(lengths, frames, generator):
    """(source, window): the first place of a clip, as in the authors' code, and the places (clip, frame) of `frames` consecutive frames of it."""
    clip = int(torch.randint(len(lengths), (), generator=generator))
    first = int(torch.randint(lengths[clip] - frames + 1, (), generator=generator))
    return (clip, 0), [(clip, frame) for frame in range(first, first + frames)]
