"""What a network learns from that generates in a few steps: its own guesses as a start, and errors of which it needn't take the mean."""

import torch

from tcan.diffusion import LARGEST_WEIGHT, TRAIN_STEPS

GUESSED = 0.5               # of the steps start from the network's own guess
MORE_NOISE = (100, 300)     # timesteps between the guess and what it is noised to: a step of three to ten
SMALL = 1e-3                # below this squared error a place's root is as good as its square


def noised_or_guessed(noise_scheduler, predict, clean, noise, timesteps, generator):
    """Latents (b, ...) noised to timesteps (b,), what a step of training starts from: the truth or, in a share of the steps, `from_own_guess`."""
    if torch.rand((), generator=generator) < GUESSED:
        return from_own_guess(noise_scheduler, predict, clean, noise, timesteps, generator)
    return noise_scheduler.add_noise(clean, noise, timesteps)


def from_own_guess(noise_scheduler, predict, clean, noise, timesteps, generator):
    """Latents (b, ...) noised to timesteps (b,) as generation gets there: by a step of DDIM from what the network makes of `clean` under more noise.

    predict: (noisy latents, timesteps) -> latents. Generation starts every step but the first from such a guess, and not from a noised truth.
    """
    further = torch.randint(MORE_NOISE[0], MORE_NOISE[1] + 1, (len(timesteps),), generator=generator).to(timesteps.device)
    further = (timesteps + further).clamp(max=TRAIN_STEPS - 1)
    start = noise_scheduler.add_noise(clean, noise, further)
    with torch.no_grad():
        guess = predict(start, further)
    signal = noise_scheduler.alphas_cumprod.to(clean.device)
    before, after = (signal[step].reshape(-1, *[1] * (clean.ndim - 1)) for step in (further, timesteps))
    implied = (start - before.sqrt() * guess) / (1 - before).sqrt()
    return after.sqrt() * guess + (1 - after).sqrt() * implied


def rooted(noise_scheduler, predicted, clean, timesteps):
    """tcan.diffusion.loss of latents (b, c, h, w), and beside it the root of each place's mean square, weighted by the root of the weight: where two things
    could be there, its least is at the likelier one and not between them."""
    signal = noise_scheduler.alphas_cumprod.to(predicted.device)[timesteps]
    weight = (1 / (1 - signal)).clamp(max=LARGEST_WEIGHT)[:, None, None]
    squared = (predicted - clean).square().mean(dim=1)
    return (weight * squared).mean() + (weight.sqrt() * (squared + SMALL).sqrt()).mean()


def spread_timesteps(count, generator):
    """One out of each `count`-th of all timesteps, in random order: a batch sees all amounts of noise, so its gradient varies less."""
    return ((torch.randperm(count, generator=generator) + torch.rand(count, generator=generator)) * TRAIN_STEPS / count).long().clamp(max=TRAIN_STEPS - 1)
