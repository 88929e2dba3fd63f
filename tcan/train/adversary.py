"""A discriminator of latents: what a mean over all that could be there (blur, fog where the source's person stood) lacks is told from the truth by looking.

Squared error is least at the mean of all pictures that fit, and a small network in a few steps has little chance to choose one of them. A discriminator
that sees the pose and the source makes it choose (Isola et al. 2017; Sauer et al. 2023 of diffusion in few steps). It is trained in one pass with the
network, in one optimiser, and is thrown away afterwards.
"""

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from tcan.train.precision import autocast

SHAKE = 0.1     # standard deviation of what is added to latents (whose own is about 1) to hold the discriminator's slope down
WARM_UP = 200   # steps over which its weight rises, from a discriminator that knows nothing yet


class Adversary(nn.Module):
    """Logits of how true latents (b, channels, h, w) look beside what they were made from (b, context, h, w), place by place, at two scales."""

    def __init__(self, channels, context, width=96):
        super().__init__()
        self.enter = nn.Conv2d(channels + context, width, 1)
        self.fine = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(3))
        self.shrink = nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)
        self.coarse = nn.ModuleList(nn.Conv2d(2 * width, 2 * width, 3, padding=1) for _ in range(2))
        self.judge_fine, self.judge_coarse = nn.Conv2d(width, 1, 3, padding=1), nn.Conv2d(2 * width, 1, 3, padding=1)

    def forward(self, latents, context):
        x = self.enter(torch.cat([latents, context], dim=1))
        for layer in self.fine:
            x = x + layer(functional.leaky_relu(x, 0.2))
        x = functional.leaky_relu(x, 0.2)
        fine = self.judge_fine(x)
        x = self.shrink(x)
        for layer in self.coarse:
            x = x + layer(functional.leaky_relu(x, 0.2))
        coarse = self.judge_coarse(functional.leaky_relu(x, 0.2))
        return torch.cat([fine.flatten(1), coarse.flatten(1)], dim=1).float()

    def losses(self, true, made, context, generator):
        """-> two scalars: the discriminator's own loss, which reaches it alone, and the one that teaches the network that made `made`, which reaches it alone.

        Relativistic (of a true and a made picture with one source and pose, the true one should look truer: Jolicoeur-Martineau 2019), with the squared
        change of the logits under a little noise, which stands for the squared slope at true and made pictures (R1 and R2; Huang et al. 2024, Lin et al. 2025).
        """
        def shaken(latents):
            return latents + SHAKE * torch.randn(latents.shape, generator=generator).to(latents.device)

        with autocast(true.device):
            fake = made.detach()
            on_true, on_fake = self(true, context), self(fake, context)
            slope = (self(shaken(true), context) - on_true).square().mean() + (self(shaken(fake), context) - on_fake).square().mean()
            frozen = {name: value.detach() for name, value in self.named_parameters()}
            fooled = functional_call(self, frozen, (made, context))
        return functional.softplus(on_fake - on_true).mean() + slope, functional.softplus(on_true.detach() - fooled).mean()

    def beside(self, error, true, made, context, at, weight, step, generator, warm_up=WARM_UP):
        """What to add to the error of what was made: the discriminator's own loss, and the network's, whose gradient at `at` is `weight` times as long as the
        error's after the first `warm_up` steps. `at`: a parameter in the network's last layer, or `made` where that layer isn't trained."""
        judging, fooling = self.losses(true, made, context, generator)
        return judging + balanced(error, fooling, at, weight * min(1, (step + 1) / warm_up)) * fooling


def of_pairs(channels, fold):
    """An Adversary of `pairs` of latents of so many channels, beside their `pair_context`; fold: how many pixels of a pose a place of the latents spans."""
    return Adversary(2 * channels, channels + 6 * fold ** 2, width=64)


def pairs(clips):
    """Each frame and the next of clips (b, f, c, h, w), one after the other: (b * (f - 1), 2 * c, h, w)."""
    return torch.cat([clips[:, :-1], clips[:, 1:]], dim=2).flatten(0, 1)


def pair_context(source, drawn):
    """What `pairs` were made from: the source (b, c, h, w) and both folded poses, of (b, f, ., h, w)."""
    return torch.cat([source[:, None].expand(-1, drawn.shape[1] - 1, -1, -1, -1), drawn[:, :-1], drawn[:, 1:]], dim=2).flatten(0, 1)


def folded(pose, side):
    """Drawn poses (b, 3, H, W) at the latents' size (b, 3 * fold ** 2, side, side)."""
    return functional.pixel_unshuffle(pose, pose.shape[-1] // side)


def balanced(loss, other, at, weight):
    """The factor of `other` beside `loss` with which its gradient at `at` is `weight` times as long (Esser et al. 2021)."""
    own, = torch.autograd.grad(loss, at, retain_graph=True)
    others, = torch.autograd.grad(other, at, retain_graph=True)
    return weight * own.norm() / (others.norm() + 1e-6)
