"""Stage 1 (section 3.1): the appearance UNet and APPA learn from two frames of one video. The denoising UNet and the ControlNet are frozen."""

import time

import torch

from tcan import diffusion
from tcan.diffusion import TRAIN_STEPS, scheduler
from tcan.errors import UserError
from tcan.files import atomic_dir
from tcan.models import lora
from tcan.models.attention import ReferenceAttention
from tcan.models.foundation import Foundation, as_float16
from tcan.provenance import write_run
from tcan.train import loop
from tcan.train.latents import TrainClips

SECTIONS = ("data", "pose", "foundation", "diffusion", "appearance", "stage1")


class Stage1:
    """The networks of stage 1, with exactly the paper's parts set to train."""

    def __init__(self, model, config, foundation):
        """model: tcan.config.Model (its switches appa and train_controlnet count here)."""
        torch.manual_seed(config.seed)  # the LoRA's gaussian A
        self.config, self.model = config, model
        self.appearance = foundation.unet()
        self.unet = foundation.unet().requires_grad_(False)
        self.controlnet = foundation.controlnet().requires_grad_(model.train_controlnet)
        self.prompt = foundation.prompt()
        self.scheduler = scheduler(config.diffusion)
        self.reference = ReferenceAttention()
        for network in (self.appearance, self.unet):
            self.reference.attach(network, config.appearance.blocks)
        if model.appa:
            lora.add(self.unet, config.appearance)
            lora.train_adapter(self.unet)

    @property
    def modules(self):
        """What may hold trained parameters, by name."""
        return {"appearance_unet": self.appearance, "unet": self.unet, "controlnet": self.controlnet}

    def predict(self, source, noisy, timesteps, pose, keep=None):
        """The denoising UNet's output.

        source, noisy: latents (b, c, h, w); timesteps (b,); pose (b, 3, H, W) in 0..1; keep: (b,) bool, which items have the reference.
        """
        prompt = self.prompt.expand(len(noisy), -1, -1)
        with self.reference.write():
            self.appearance(source, 0, prompt)
        down, mid = self.controlnet(noisy, timesteps, prompt, controlnet_cond=pose, return_dict=False)
        with self.reference.read(keep):
            return self.unet(noisy, timesteps, prompt, down_block_additional_residuals=down, mid_block_additional_residual=mid).sample

    def loss(self, source, clean, pose, generator):
        """Denoising loss of `clean` in the pose `pose`, given the source."""
        batch = len(clean)
        timesteps = torch.randint(TRAIN_STEPS, (batch,), generator=generator)
        noise = torch.randn(clean.shape, generator=generator)
        keep = torch.rand(batch, generator=generator) >= self.config.stage1.reference_dropout
        predicted = self.predict(source, self.scheduler.add_noise(clean, noise, timesteps), timesteps, pose, keep)
        return diffusion.loss(self.scheduler, predicted, clean, noise, timesteps)

    def save(self, folder):
        as_float16(self.appearance).save_pretrained(folder / "appearance_unet")
        if self.model.appa:
            lora.save(as_float16(self.unet), folder / "lora")
        if self.model.train_controlnet:
            as_float16(self.controlnet).save_pretrained(folder / "controlnet")


def run(args, config):
    if args.name not in config.stage1_models:
        raise UserError(f"stage1: expected one of {', '.join(config.stage1_models)}, got {args.name!r}")
    model, options, started = config.stage1_models[args.name], config.stage1, time.time()
    clips = TrainClips(args.latents)
    stage = Stage1(model, config, Foundation(args.foundation))

    def loss(step, generator):
        pairs = [draw_pair(clips, options.min_gap, generator) for _ in range(options.batch)]
        source, driving = map(list, zip(*pairs, strict=True))
        return stage.loss(clips.latents[source], clips.latents[driving], clips.pose(driving), generator)

    resolved = {**config.resolved(*SECTIONS), "appa": model.appa, "train_controlnet": model.train_controlnet}
    losses = loop.train(stage.modules, loss, name=f"stage1-{args.name}", config=resolved, seed=config.seed, steps=options.steps,
                        learning_rate=options.learning_rate, run=args.run, checkpoint_every=options.checkpoint_every,
                        gradient_clip=options.gradient_clip, mixed_precision=options.mixed_precision)
    with atomic_dir(args.out) as folder:
        stage.save(folder)
        loop.write_curve(folder, losses)
        write_run(folder, command=f"stage1 {args.name}", config=resolved, seed=config.seed, inputs=[args.latents, args.foundation],
                  extra=loop.figures(losses, started))


def draw_pair(clips, min_gap, generator):
    """(source, driving): two frames of one clip, at least `min_gap` apart, or as far apart as a short clip allows."""
    def integer(low, high):
        return int(torch.randint(low, high, (), generator=generator))

    clip = integer(0, len(clips.lengths))
    length, start = clips.lengths[clip], clips.starts[clip]
    gap = min(min_gap, length - 1)
    first = integer(0, length - gap)
    second = first + integer(gap, length - first)
    pair = (start + first, start + second)
    return pair if integer(0, 2) else pair[::-1]
