"""The foundation's denoiser: base UNet and pose ControlNet, trained together on rendered people, in four parts, of which the last is
tcan/train/rollouts.py.

- draft: by squared error (diffusion.loss), from nothing. The pose is dropped for some items (so the UNet stands alone) and another picture of the same
  person is offered in self-attention, dropped for some (Stable Diffusion has this ability of following a reference from its billions of pictures);
  attention is taught where to look.
- sharpened: goes on from the draft, on scenes that come out like photographs of all sorts too. Squared error leaves the mean of all that could be there, and
  generation in few steps starts each step from the network's own guess, which it never saw in training. So here an Adversary judges what is predicted,
  each place's error counts by its root too, and a picture of each scene is noised from the network's own guess.
- photographed: the same once more, on scenes of which some are photographed. What is left is the mean of the weights before and after, which loses nothing of
  rendered people and draws photographed ones better than either (Wortsman et al. 2022).
"""

import time
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import save_file

from tcan import diffusion
from tcan.diffusion import scheduler
from tcan.files import atomic_dir
from tcan.imports import sha256_of_code
from tcan.models.attention import ReferenceAttention
from tcan.models.autoencoder import factor
from tcan.models.foundation import as_float16
from tcan.models.patch_autoencoder import PatchAutoencoder
from tcan.provenance import identities, write_run
from tcan.train import loop
from tcan.train.adversary import Adversary, folded
from tcan.train.correspondence import AttentionTeacher
from tcan.train.few_steps import from_own_guess, rooted, spread_timesteps
from tcan.train.muon import Muon
from tcan.train.precision import autocast
from tcan.train.processes import accelerator
from tcan.train.rendered import encoded


@dataclass
class Batch:
    """source (scenes, c, h, w) and clean (b, c, h, w): latents; pose (b, 3, H, W) in 0..1; posed (b,), kept (scenes,): whether pose and reference are
    there; pairs: what AttentionTeacher.loss takes; target: (b,) numbers of scenes, and of pictures in them, that `clean` is of."""

    source: torch.Tensor
    clean: torch.Tensor
    pose: torch.Tensor
    timesteps: torch.Tensor
    noise: torch.Tensor
    posed: torch.Tensor
    kept: torch.Tensor
    pairs: list
    target: tuple


class Scenes:
    """The pool's scenes as latents on the device of `vae`, and batches drawn of them: `targets` pictures of each of the batch's scenes, beside its source."""

    def __init__(self, pool, vae, part):
        self.frames = np.load(pool / "frames.npy", mmap_mode="c")
        self.poses, self.points = (np.load(pool / f"{name}.npy") for name in ("poses", "points"))
        self.latents, self.part = encoded(vae, self.frames), part

    def draw(self, generator):
        """All draws are made on the CPU."""
        part, device = self.part, self.latents.device
        scenes = part.batch // part.targets
        item = torch.randint(len(self.latents), (scenes,), generator=generator)
        order = torch.stack([torch.randperm(self.latents.shape[1], generator=generator) for _ in range(scenes)])
        source, target = self.latents[item, order[:, 0]], (item.repeat_interleave(part.targets), order[:, 1:].flatten())
        clean = self.latents[target]
        pose = torch.from_numpy(self.poses[tuple(index.numpy() for index in target)]).to(device).permute(0, 3, 1, 2).float() / 255
        timesteps = spread_timesteps(part.batch, generator).to(device)
        noise = torch.randn(clean.shape, generator=generator).to(device)
        posed = torch.rand(part.batch, generator=generator) >= part.pose_dropout
        kept = (torch.rand(scenes, generator=generator) >= part.reference_dropout).to(device)
        pairs = [(self.points[scene, first], self.points[scene, other]) if known else None
                 for scene, first, other, known in zip(target[0], order[:, 0].repeat_interleave(part.targets), target[1], posed, strict=True)]
        return Batch(source, clean, pose, timesteps, noise, posed.to(device), kept, pairs, target)

    def pictures(self, batch):
        """uint8 (b, H, W, 3), those of the batch's targets."""
        return self.frames[tuple(index.numpy() for index in batch.target)]


class Networks:
    """Base UNet and ControlNet, what passes between source and target, and the teacher of attention."""

    def __init__(self, unet, controlnet, config, device):
        self.unet, self.controlnet, self.device = unet, controlnet, device
        self.scheduler, self.reference = scheduler(config.diffusion), ReferenceAttention()
        self.teacher = AttentionTeacher(unet, self.reference, self.reference.attach(unet, config.appearance.blocks))
        unet.to(device)
        controlnet.to(device)
        self.prompt = torch.zeros(config.foundation.denoiser.batch, 1, config.foundation.denoiser.cross_attention_dim, device=device)

    def note(self, source):
        """The pass of the sources, which the scenes' pictures share."""
        with autocast(self.device), self.reference.write():
            self.unet(source, torch.zeros(len(source), dtype=torch.long, device=self.device), self.prompt[:len(source)])

    def predict(self, noisy, timesteps, pose, posed, kept):
        prompt, strength = self.prompt[:len(noisy)], posed.float()[:, None, None, None]
        with autocast(self.device), self.reference.read(kept):
            down, mid = self.controlnet(noisy, timesteps, prompt, controlnet_cond=pose, return_dict=False)
            return self.unet(noisy, timesteps, prompt, down_block_additional_residuals=[strength * value for value in down],
                             mid_block_additional_residual=strength * mid).sample.float()

    def weights(self):
        """Copies of all weights, for `keep`."""
        return [value.detach().clone() for value in self._parameters()]

    @torch.no_grad()
    def keep(self, began, share):
        """Make the weights their mean with those of `began`, which have this share in it."""
        for value, before in zip(self._parameters(), began, strict=True):
            value.lerp_(before, share)

    def _parameters(self):
        return [*self.unet.parameters(), *self.controlnet.parameters()]

    def save(self, out, losses, **run):
        with atomic_dir(out) as folder:
            as_float16(self.unet).save_pretrained(folder / "unet")
            as_float16(self.controlnet).save_pretrained(folder / "controlnet")
            self.scheduler.save_pretrained(folder / "scheduler")
            save_file({"empty": self.prompt[:1].half().cpu()}, folder / "prompt.safetensors")
            loop.write_curve(folder, losses)
            write_run(folder, device=self.device, **run)


def draft(args, config, sections):
    from diffusers import ControlNetModel, UNet2DConditionModel

    part, seed, started, processes, code = config.foundation.denoiser, config.seed, time.time(), accelerator(), sha256_of_code(__name__)
    vae = PatchAutoencoder.from_pretrained(args.vae, dtype=torch.float32, local_files_only=True)
    scale, levels = factor(vae), len(part.channels)
    scenes = Scenes(args.pool, vae.to(processes.device), part)
    channels = scenes.latents.shape[2]
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=config.data.size // scale, in_channels=channels, out_channels=channels, block_out_channels=part.channels,
        layers_per_block=part.layers, cross_attention_dim=part.cross_attention_dim, attention_head_dim=part.heads,
        norm_num_groups=_groups(part.channels), down_block_types=("CrossAttnDownBlock2D",) * levels, up_block_types=("CrossAttnUpBlock2D",) * levels)
    controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=[16 * 2 ** level for level in range(scale.bit_length())])
    networks = Networks(unet, controlnet, config, processes.device)

    def loss(step, generator):
        batch = scenes.draw(generator)
        noisy = networks.scheduler.add_noise(batch.clean, batch.noise, batch.timesteps)
        networks.note(batch.source)
        predicted = networks.predict(noisy, batch.timesteps, batch.pose, batch.posed, batch.kept)
        return (diffusion.loss(networks.scheduler, predicted, batch.clean, batch.noise, batch.timesteps)
                + part.teaching * networks.teacher.loss(batch.pairs, config.data.size))

    losses = loop.train({"unet": unet, "controlnet": controlnet}, loss, name="denoiser", config=config.resolved(*sections) | identities(args.pool, args.vae),
                        code=code, seed=seed, steps=part.steps, learning_rate=part.learning_rate, run=args.run, checkpoint_every=100, decay=0.75, ema=part.ema,
                        processes=processes, optimizer=Muon)
    networks.save(args.out, losses, command="foundation draft", config=config.resolved(*sections), seed=seed,
                  inputs=[args.vae], extra=loop.figures(losses, started))


def sharpen(args, config, sections, section):
    """section: of config.foundation, a tcan.sections.Sharpening."""
    part, processes = config.foundation.denoiser, accelerator()
    vae = PatchAutoencoder.from_pretrained(args.vae, dtype=torch.float32, local_files_only=True)
    scenes = Scenes(args.pool, vae.to(processes.device), part)
    last = slice(part.targets - 1, None, part.targets)      # picture of each scene

    def attempt(networks, generator):
        batch = scenes.draw(generator)
        noisy = networks.scheduler.add_noise(batch.clean, batch.noise, batch.timesteps)
        networks.note(batch.source)

        def guess(start, further):
            return networks.predict(start, further, batch.pose[last], batch.posed[last], batch.kept)

        noisy[last] = from_own_guess(networks.scheduler, guess, batch.clean[last], batch.noise[last], batch.timesteps[last], generator)
        networks.teacher.seen = {}      # attention is taught on what is predicted, not on the guess
        made = networks.predict(noisy, batch.timesteps, batch.pose, batch.posed, batch.kept)
        error = rooted(networks.scheduler, made, batch.clean, batch.timesteps)
        return batch, made, error, part.teaching * networks.teacher.loss(batch.pairs, config.data.size)

    go_on(args, config, sections, getattr(config.foundation, section), attempt, name="sharpen", scenes=scenes, processes=processes,
          code=sha256_of_code(__name__), begun=config.resolved(*sections) | identities(args.pool, args.vae, args.start))


def go_on(args, config, sections, own, attempt, *, name, scenes, processes, code, begun):
    """Train args.start's UNet and ControlNet on beside an Adversary; write their mean with what they began as (own.kept) into args.out.

    own: of config.foundation, with steps, learning_rate, ema, adversary and kept. attempt: (Networks, torch.Generator) -> a Batch, the latents made of
    it, their error, beside which the adversary is weighed, and what else to learn from. begun, code: what a checkpoint is of, as of loop.train.
    """
    from diffusers import ControlNetModel, UNet2DConditionModel

    part, seed, started = config.foundation.denoiser, config.seed, time.time()
    torch.manual_seed(seed)     # of the adversary
    unet = UNet2DConditionModel.from_pretrained(args.start / "unet").train()
    controlnet = ControlNetModel.from_pretrained(args.start / "controlnet").train()
    networks = Networks(unet, controlnet, config, processes.device)
    began = networks.weights()
    channels, side = scenes.latents.shape[2:4]
    adversary = Adversary(channels, channels + 3 * (scenes.poses.shape[2] // side) ** 2).to(processes.device)

    def loss(step, generator):
        batch, made, error, beside = attempt(networks, generator)
        context = torch.cat([(batch.source * batch.kept[:, None, None, None]).repeat_interleave(part.targets, dim=0),
                             folded(batch.pose * batch.posed[:, None, None, None], side)], dim=1)
        return error + beside + adversary.beside(error, batch.clean, made, context, unet.conv_out.weight, own.adversary, step, generator)

    losses = loop.train({"unet": unet, "controlnet": controlnet, "adversary": adversary}, loss, name=name, config=begun,
                        code=code, seed=seed, steps=own.steps, learning_rate=own.learning_rate, run=args.run, checkpoint_every=100, decay=0.6, ema=own.ema,
                        processes=processes, optimizer=Muon)
    networks.keep(began, own.kept)
    networks.save(args.out, losses, command=f"foundation {args.part}", config=config.resolved(*sections), seed=seed,
                  inputs=[args.vae, args.start], extra=loop.figures(losses, started))


def _groups(channels):
    """Groups for the normalisations: 8 at most, and a divisor of every width."""
    return int(np.gcd.reduce([8, *channels]))
