"""The noise schedule and what is predicted: plain functions over a diffusers scheduler."""

from diffusers import DDIMScheduler

TRAIN_STEPS = 1000


def scheduler(diffusion):
    """A DDIMScheduler for tcan.config.Diffusion, used both to add noise and to sample."""
    return DDIMScheduler(
        num_train_timesteps=TRAIN_STEPS, beta_schedule=diffusion.beta_schedule, beta_start=diffusion.beta_start, beta_end=diffusion.beta_end,
        prediction_type=diffusion.prediction_type, rescale_betas_zero_snr=diffusion.zero_terminal_snr, clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, timestep_spacing="trailing" if diffusion.zero_terminal_snr else "leading")


def target(noise_scheduler, latents, noise, timesteps):
    """What the denoising UNet is to predict: the noise, or v = sqrt(a) noise - sqrt(1 - a) latents."""
    if noise_scheduler.config.prediction_type == "v_prediction":
        return noise_scheduler.get_velocity(latents, noise, timesteps)
    return noise
