"""Stage 2 (section 3.2): motion modules in the denoising UNet and, with T-CtrlN, in the ControlNet. These alone are trained."""

import time
from pathlib import Path

import torch
from diffusers import ControlNetModel, UNet2DConditionModel, UNetMotionModel

from tcan import diffusion
from tcan.diffusion import TRAIN_STEPS, scheduler
from tcan.errors import UserError
from tcan.files import atomic_dir
from tcan.models import lora
from tcan.models.attention import ReferenceAttention
from tcan.models.controlnet import TemporalControlNet, residuals
from tcan.models.foundation import Foundation, as_float16
from tcan.provenance import write_run
from tcan.train import loop
from tcan.train.latents import TrainClips

SECTIONS = ("data", "pose", "foundation", "diffusion", "appearance", "stage1", "stage2")


class Stage2:
    """The networks of stage 2, with exactly the paper's parts set to train."""

    def __init__(self, model, config, foundation, stage1):
        """model: tcan.config.Model; stage1: folder that `tcan stage1` wrote."""
        stage1, self.config = Path(stage1), config
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
        self.vae, self.prompt = foundation.vae(), foundation.prompt()
        self.scheduler = scheduler(config.diffusion)
        self.reference = ReferenceAttention()
        for network in (self.appearance, self.unet):
            self.reference.attach(network, config.appearance.blocks)

    @property
    def modules(self):
        """What may hold trained parameters, by name."""
        return {"appearance_unet": self.appearance, "unet": self.unet, "controlnet": self.controlnet}

    def loss(self, source, clean, pose, generator):
        """Denoising loss of clips: source (b, c, h, w); clean (b, f, c, h, w); pose (b, f, 3, H, W) in 0..1."""
        batch, frames = clean.shape[:2]
        timesteps = torch.randint(TRAIN_STEPS, (batch,), generator=generator)
        noise = torch.randn(clean.shape, generator=generator)
        noisy = self.scheduler.add_noise(clean, noise, timesteps)
        prompt = self.prompt.expand(batch * frames, -1, -1)
        with torch.no_grad(), self.reference.write():
            self.appearance(source, 0, prompt[:batch])
        down, mid = residuals(self.controlnet, noisy.flatten(0, 1), timesteps.repeat_interleave(frames), prompt, pose.flatten(0, 1), frames)
        with self.reference.read():
            predicted = self.unet(noisy.transpose(1, 2), timesteps, prompt, down_block_additional_residuals=down,
                                  mid_block_additional_residual=mid).sample.transpose(1, 2)
        return diffusion.loss(self.scheduler, predicted, clean, noise, timesteps)

    def save(self, folder):
        """Write a folder that TCANPipeline.from_pretrained reads."""
        from tcan.generate.pipeline import TCANPipeline

        networks = dict(vae=self.vae, unet=self.unet, appearance_unet=self.appearance, controlnet=self.controlnet)
        TCANPipeline(**{name: as_float16(network) for name, network in networks.items()}, scheduler=self.scheduler, prompt=self.prompt.half(),
                     reference_blocks=self.config.appearance.blocks).save_pretrained(folder)


def run(args, config):
    model, options, started = config.model(args.name), config.stage2, time.time()
    clips = TrainClips(args.latents)
    if short := [length for length in clips.lengths if length < options.frames]:
        raise UserError(f"{args.latents}: expected clips of at least stage2.frames ({options.frames}), got one of {min(short)}; "
                        "make clips longer or stage2.frames smaller")
    stage = Stage2(model, config, Foundation(args.foundation), args.stage1)

    def loss(step, generator):
        source, window = zip(*(draw_window(clips, options.frames, generator) for _ in range(options.batch)), strict=True)
        index = torch.tensor(window)
        pose = clips.pose(index.flatten()).unflatten(0, index.shape)
        return stage.loss(clips.latents[list(source)], clips.latents[index], pose, generator)

    resolved = {**config.resolved(*SECTIONS), "model": {name: getattr(model, name) for name in model.__dataclass_fields__}}
    losses = loop.train(stage.modules, loss, name=f"stage2-{args.name}", config=resolved, seed=config.seed, steps=options.steps,
                        learning_rate=options.learning_rate, run=args.run, checkpoint_every=options.checkpoint_every,
                        gradient_clip=options.gradient_clip, mixed_precision=options.mixed_precision)
    with atomic_dir(args.out) as folder:
        stage.save(folder)
        loop.write_curve(folder, losses)
        write_run(folder, command=f"stage2 {args.name}", config=resolved, seed=config.seed, inputs=[args.latents, args.foundation, args.stage1],
                  extra=loop.figures(losses, started))


def draw_window(clips, frames, generator):
    """(source, window): the first frame of a clip, as in the authors' code, and `frames` consecutive frames of it."""
    clip = int(torch.randint(len(clips.lengths), (), generator=generator))
    first = int(torch.randint(clips.lengths[clip] - frames + 1, (), generator=generator))
    start = clips.starts[clip]
    return start, list(range(start + first, start + first + frames))
