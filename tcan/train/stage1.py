"""Stage 1 (section 3.1): the appearance UNet and APPA learn from two frames of one video. The denoising UNet and the ControlNet are frozen.

The paper's loss is the denoising loss (`stage1.adversary: 0`). At the lite scale, where the foundation has learnt to decide between what could be there
(tcan/train/denoiser.py), that loss alone would teach the appearance UNet to blur again: there stage 1 learns as the foundation does, from the roots of
errors, its own guesses and an Adversary, which is thrown away.
"""

import torch

from tcan import diffusion
from tcan.diffusion import TRAIN_STEPS, scheduler
from tcan.errors import UserError
from tcan.imports import sha256_of_code
from tcan.models import lora
from tcan.models.attention import ReferenceAttention
from tcan.models.autoencoder import factor
from tcan.models.foundation import Foundation, as_float16
from tcan.seeds import generator
from tcan.train.adversary import Adversary, folded
from tcan.train.checkpointing import checkpoint_layers
from tcan.train.few_steps import noised_or_guessed, rooted
from tcan.train.latents import TrainClips
from tcan.train.processes import accelerator
from tcan.train.stage import train_stage
from tcan.train.strips import SAMPLES, Strips

SECTIONS = ("data", "pose", "foundation", "diffusion", "appearance", "stage1")


class Stage1:
    """The networks of stage 1 on one device, with exactly the paper's parts set to train, and an Adversary where `stage1.adversary` asks for one."""

    def __init__(self, model, config, foundation, device="cpu"):
        """model: tcan.config.Model (its switches appa and train_controlnet count here)."""
        torch.manual_seed(config.seed)  # the LoRA's gaussian A
        self.config, self.model, self.device = config, model, device
        self.appearance = foundation.appearance()
        self.unet = foundation.unet().requires_grad_(False)
        self.controlnet = foundation.controlnet().requires_grad_(model.train_controlnet)
        self.scheduler = scheduler(config.diffusion)
        self.reference = ReferenceAttention()
        for network in (self.appearance, self.unet):
            self.reference.attach(network, config.appearance.blocks)
        if model.appa:
            lora.add(self.unet, config.appearance)
            lora.train_adapter(self.unet)
        self.prompt = foundation.prompt().to(device)
        for network in (self.appearance, self.unet, self.controlnet):
            network.to(device)
            if config.stage1.gradient_checkpointing:
                checkpoint_layers(network, self.reference)
        self.adversary = None
        if config.stage1.adversary:
            torch.manual_seed(config.seed)  # again, so that the adversary of every model starts alike, with adapters or without
            channels = self.unet.config.in_channels
            self.adversary = Adversary(channels, channels + 3 * factor(foundation.vae()) ** 2).to(device)

    @property
    def modules(self):
        """What may hold trained parameters, by name."""
        networks = {"appearance_unet": self.appearance, "unet": self.unet, "controlnet": self.controlnet}
        return networks | ({"adversary": self.adversary} if self.adversary else {})

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

    def loss(self, source, clean, pose, generator, step=0):
        """Denoising loss of `clean` in the pose `pose`, given the source; with an adversary, what it teaches and learns (step: of the training) beside it."""
        batch = len(clean)
        timesteps = torch.randint(TRAIN_STEPS, (batch,), generator=generator).to(self.device)
        noise = torch.randn(clean.shape, generator=generator).to(self.device)
        keep = (torch.rand(batch, generator=generator) >= self.config.stage1.reference_dropout).to(self.device)
        source, clean, pose = (tensor.to(self.device) for tensor in (source, clean, pose))
        if self.adversary:
            return self.judged(source, clean, pose, timesteps, noise, keep, generator, step)
        predicted = self.predict(source, self.scheduler.add_noise(clean, noise, timesteps), timesteps, pose, keep)
        return diffusion.loss(self.scheduler, predicted, clean, noise, timesteps)

    def judged(self, source, clean, pose, timesteps, noise, keep, generator, step):
        """The loss with an adversary, as the lite foundation's denoiser learns: the root of each place's error, from noised truth or (in a share of the steps)
        from what the network itself guessed, and what the adversary learns and teaches beside it. Arguments as in `loss`, on the device; keep as in `predict`.
        """
        def predict(noisy, timesteps):
            return self.predict(source, noisy, timesteps, pose, keep).float()

        made = predict(noised_or_guessed(self.scheduler, predict, clean, noise, timesteps, generator), timesteps)
        error = rooted(self.scheduler, made, clean, timesteps)
        context = torch.cat([source * keep[:, None, None, None], folded(pose, clean.shape[-1])], dim=1)
        options = self.config.stage1
        return error + self.adversary.beside(error, clean, made, context, made, options.adversary, step, generator, warm_up=max(1, options.steps // 3))

    def save(self, folder):
        as_float16(self.appearance).save_pretrained(folder / "appearance_unet")
        if self.model.appa:
            lora.save(as_float16(self.unet), folder / "lora")
        if self.model.train_controlnet:
            as_float16(self.controlnet).save_pretrained(folder / "controlnet")


def run(args, config):
    if args.name not in config.stage1_models:
        raise UserError(f"stage1: expected one of {', '.join(config.stage1_models)}, got {args.name!r}")
    model, options, code = config.stage1_models[args.name], config.stage1, sha256_of_code(__name__)
    config = config.seeded(model.seed)
    clips, processes, foundation = TrainClips(args.latents, config.pose.canvas), accelerator(options.mixed_precision), Foundation(args.foundation)
    stage = Stage1(model, config, foundation, processes.device)

    def loss(step, generator):
        source, driving = zip(*(draw_pair(clips.lengths, options.min_gap, generator) for _ in range(options.batch)), strict=True)
        return stage.loss(clips.latents(source), clips.latents(driving), clips.pose(driving), generator, step)

    def sample(step):
        source, driving = zip(*(draw_pair(clips.lengths, options.min_gap, generator(config.seed, "sample", number)) for number in range(SAMPLES)), strict=True)
        given, pose = clips.latents(source).to(stage.device), clips.pose(driving).to(stage.device)
        strip.write(step, clips, source, driving, lambda noisy, timestep: stage.predict(given, noisy, timestep, pose))

    strip = Strips(args.run / "samples", foundation, config, processes.device)
    train_stage(stage, loss, sample, strip, processes, args, config, name=f"stage1 {args.name}", options=options,
                inputs=[args.latents, *foundation.parts("vae", "denoiser", "appearance")],
                resolved={**config.resolved(*SECTIONS), "appa": model.appa, "train_controlnet": model.train_controlnet}, code=code)


def draw_pair(lengths, min_gap, generator):
    """(source, driving): places (clip, frame) in one of the clips of these lengths, at least `min_gap` apart, or as far as a short clip allows."""
    def integer(low, high):
        return int(torch.randint(low, high, (), generator=generator))

    clip = integer(0, len(lengths))
    gap = min(min_gap, lengths[clip] - 1)
    first = integer(0, lengths[clip] - gap)
    second = first + integer(gap, lengths[clip] - first)
    pair = ((clip, first), (clip, second))
    return pair if integer(0, 2) else pair[::-1]
