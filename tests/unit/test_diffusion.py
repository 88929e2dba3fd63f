"""The denoising loss under each kind of prediction."""

import dataclasses

import pytest
import torch

from tcan import diffusion
from tcan.config import load
from tests.conftest import ROOT


def made(kind):
    """(scheduler, latents, noise, timesteps, noisy latents, what a perfect prediction is)."""
    noise_scheduler = diffusion.scheduler(dataclasses.replace(load(ROOT / "params.yaml").diffusion, prediction_type=kind))
    generator = torch.Generator().manual_seed(0)
    latents, noise = torch.randn(6, 2, 3, 3, generator=generator), torch.randn(6, 2, 3, 3, generator=generator)
    timesteps = torch.tensor([250, 400, 500, 700, 900, 999])
    perfect = {"epsilon": noise, "v_prediction": noise_scheduler.get_velocity(latents, noise, timesteps), "sample": latents}[kind]
    return noise_scheduler, latents, noise, timesteps, noise_scheduler.add_noise(latents, noise, timesteps), perfect


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_is_zero_for_the_truth_alone(kind):
    noise_scheduler, latents, noise, timesteps, _, perfect = made(kind)
    assert float(diffusion.loss(noise_scheduler, perfect, latents, noise, timesteps)) == 0
    assert float(diffusion.loss(noise_scheduler, perfect + 0.1, latents, noise, timesteps)) > 0.009


def test_of_the_sample_is_that_of_v():
    """With x = sqrt(a) x0 + sqrt(1 - a) e, a guess of x0 is a guess of v = (sqrt(a) x - x0) / sqrt(1 - a)."""
    noise_scheduler, latents, noise, timesteps, noisy, _ = made("sample")
    of_v = made("v_prediction")[0]
    guess = latents + torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))
    a = noise_scheduler.alphas_cumprod[timesteps].reshape(-1, 1, 1, 1)
    v = (a.sqrt() * noisy - guess) / (1 - a).sqrt()
    assert (1 / (1 - a)).max() < diffusion.LARGEST_WEIGHT, "timesteps at which the weight isn't cut"
    torch.testing.assert_close(diffusion.loss(noise_scheduler, guess, latents, noise, timesteps), diffusion.loss(of_v, v, latents, noise, timesteps),
                               rtol=1e-4, atol=1e-5)


def test_weight_is_cut_where_there_is_no_noise():
    noise_scheduler, latents, noise, *_ = made("sample")
    timesteps = torch.zeros(6, dtype=torch.long)
    assert float(diffusion.loss(noise_scheduler, latents + 1, latents, noise, timesteps)) == pytest.approx(diffusion.LARGEST_WEIGHT)


def test_of_clips_weighs_each_clip_by_its_timestep():
    noise_scheduler, latents, noise, timesteps, _, _ = made("sample")
    clips, guess = latents.unflatten(0, (6, 1)).expand(-1, 4, -1, -1, -1), latents + 0.3
    many = diffusion.loss(noise_scheduler, guess.unflatten(0, (6, 1)).expand(-1, 4, -1, -1, -1), clips, clips, timesteps)
    torch.testing.assert_close(many, diffusion.loss(noise_scheduler, guess, latents, noise, timesteps))


def test_a_clips_noise_is_each_frames_own_or_one_frames():
    def noise(kind):
        return diffusion.clip_noise((2, 5, 3, 4, 4), kind, torch.Generator().manual_seed(0))

    own, shared = noise("window"), noise("frame")
    assert own.shape == shared.shape == (2, 5, 3, 4, 4)
    assert torch.equal(shared, shared[:, :1].expand_as(shared)) and not torch.equal(shared[0], shared[1]), "each clip has its own"
    assert len({tuple(frame.flatten().tolist()) for frame in own.flatten(0, 1)}) == 10
