"""A discriminator of latents: what a mean over all that could be there (blur, fog where the source's person stood) lacks is told from the truth by looking.

Squared error is least at the mean of all pictures that fit, and a small network in a few steps has little chance to choose one of them. A discriminator
that sees the pose and the source makes it choose (Isola et al. 2017; Sauer et al. 2023 of diffusion in few steps). It is trained in one pass with the
network, in one optimiser, and is thrown away afterwards.
"""

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

SHAKE = 0.1     # standard deviation of what is added to latents (whose own is about 1) to hold the discriminator's slope down


class Adversary(nn.Module):
    """Logits of how true latents (b, c, h, w) look, cell by cell, given the source's latents and the pose's drawing, at two scales."""

    def __init__(self, latent_channels, side, pose_side, width=96):
        """side, pose_side: of the latents and of the poses' drawings; pose_side is a multiple of side."""
        super().__init__()
        self.fold = pose_side // side
        self.enter = nn.Conv2d(2 * latent_channels + 3 * self.fold ** 2, width, 1)
        self.fine = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(3))
        self.shrink = nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)
        self.coarse = nn.ModuleList(nn.Conv2d(2 * width, 2 * width, 3, padding=1) for _ in range(2))
        self.judge_fine, self.judge_coarse = nn.Conv2d(width, 1, 3, padding=1), nn.Conv2d(2 * width, 1, 3, padding=1)

    def forward(self, latents, source, pose):
        x = self.enter(torch.cat([latents, source, functional.pixel_unshuffle(pose, self.fold)], dim=1))
        for layer in self.fine:
            x = x + layer(functional.leaky_relu(x, 0.2))
        x = functional.leaky_relu(x, 0.2)
        fine = self.judge_fine(x)
        x = self.shrink(x)
        for layer in self.coarse:
            x = x + layer(functional.leaky_relu(x, 0.2))
        coarse = self.judge_coarse(functional.leaky_relu(x, 0.2))
        return torch.cat([fine.flatten(1), coarse.flatten(1)], dim=1).float()

    def losses(self, true, made, source, pose, generator):
        """-> two scalars: the discriminator's own loss, which reaches it alone, and the one that teaches the network that made `made`, which reaches it alone.

        Relativistic (of a true and a made picture with one source and pose, the true one should look truer: Jolicoeur-Martineau 2019), with the squared
        change of the logits under a little noise, which stands for the squared slope at true and made pictures (R1 and R2; Huang et al. 2024, Lin et al. 2025).
        """
        def shaken(latents):
            return latents + SHAKE * torch.randn(latents.shape, generator=generator).to(latents.device)

        fake = made.detach()
        on_true, on_fake = self(true, source, pose), self(fake, source, pose)
        own = functional.softplus(on_fake - on_true).mean()
        slope = (self(shaken(true), source, pose) - on_true).square().mean() + (self(shaken(fake), source, pose) - on_fake).square().mean()
        frozen = {name: value.detach() for name, value in self.named_parameters()}
        fooled = functional.softplus(on_true.detach() - functional_call(self, frozen, (made, source, pose))).mean()
        return own + slope, fooled


def balanced(loss, other, parameter, weight):
    """The factor of `other` beside `loss` with which its gradient at `parameter` is `weight` times as long (Esser et al. 2021)."""
    own, = torch.autograd.grad(loss, parameter, retain_graph=True)
    others, = torch.autograd.grad(other, parameter, retain_graph=True)
    return weight * own.norm() / (others.norm() + 1e-6)
