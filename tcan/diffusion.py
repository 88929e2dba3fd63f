"""The noise schedule and what is predicted: plain functions over a diffusers scheduler."""

import torch
from diffusers import DDIMScheduler
from torch.nn import functional

TRAIN_STEPS = 1000
LARGEST_WEIGHT = 10.0  # without it the steps with next to no noise, where nothing is to be learnt, would outweigh all others


def scheduler(diffusion):
    """A DDIMScheduler for tcan.config.Diffusion, used both to add noise and to sample."""
    return DDIMScheduler(
        num_train_timesteps=TRAIN_STEPS, beta_schedule=diffusion.beta_schedule, beta_start=diffusion.beta_start, beta_end=diffusion.beta_end,
        prediction_type=diffusion.prediction_type, rescale_betas_zero_snr=diffusion.zero_terminal_snr, clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, timestep_spacing="trailing" if diffusion.zero_terminal_snr else "leading")


def clip_noise(shape, kind, generator):
    """Noise for latents of clips (b, f, c, h, w), on the CPU: its own for each frame (`kind` "window"), or one frame's for all ("frame").

    What generation starts from (generate.noise) should be what was trained on: noise that differs from frame to frame is what a motion module
    tells from the picture, and noise that doesn't it takes for the picture.
    """
    batch, frames, *rest = shape
    return torch.randn(batch, 1 if kind == "frame" else frames, *rest, generator=generator).expand(shape)


def loss(noise_scheduler, predicted, latents, noise, timesteps):
    """Mean squared error of what the denoising UNet predicts, for latents (b, ...) noised by `noise` at timesteps (b,).

    epsilon: of the noise. v_prediction: of v = sqrt(a) noise - sqrt(1 - a) latents. sample: of the latents, weighted by 1 / (1 - a), under which it
    is the error of v, but at most by LARGEST_WEIGHT.
    """
    predicted, kind = predicted.float(), noise_scheduler.config.prediction_type
    if kind == "sample":
        signal = noise_scheduler.alphas_cumprod.to(latents.device)[timesteps]
        weight = (1 / (1 - signal)).clamp(max=LARGEST_WEIGHT).reshape(-1, *[1] * (latents.ndim - 1))
        return (weight * (predicted - latents).square()).mean()
    return functional.mse_loss(predicted, noise_scheduler.get_velocity(latents, noise, timesteps) if kind == "v_prediction" else noise)
