"""How the foundation's trainings draw and compute."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import DDIMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from tcan import models  # noqa: F401
from tcan.diffusion import TRAIN_STEPS
from tcan.train import precision
from tcan.train.denoiser import Batch, from_own_guess, rooted, spread_timesteps


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 64), st.integers(0, 2**31))
def test_a_batch_sees_all_amounts_of_noise(count, seed):
    drawn = spread_timesteps(count, torch.Generator().manual_seed(seed))
    assert drawn.dtype == torch.long and 0 <= drawn.min() and drawn.max() < TRAIN_STEPS
    for part, timestep in enumerate(sorted(drawn.tolist())):
        assert part * TRAIN_STEPS / count - 1 < timestep < (part + 1) * TRAIN_STEPS / count + 1e-3      # rounded down to a whole timestep


def test_over_many_batches_every_timestep_is_drawn_alike():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([spread_timesteps(16, generator) for _ in range(4000)])
    counts = torch.histc(drawn.double(), bins=20, min=0, max=TRAIN_STEPS)
    assert (counts / counts.mean() - 1).abs().max() < 0.08
    assert (drawn.double().mean(0) / TRAIN_STEPS - 0.5).abs().max() < 0.03           # each place of the batch, too


@pytest.mark.parametrize(("has", "kind"), [(True, torch.bfloat16), (False, torch.float32)])
def test_bfloat16_is_taken_where_the_processor_has_it(monkeypatch, has, kind):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has})
    layer, device = torch.nn.Linear(4, 4), torch.device("cpu")
    assert precision.fast(device) == kind and precision.fast(torch.device("cuda")) == torch.bfloat16
    with precision.autocast(device):
        assert layer(torch.ones(1, 4)).dtype == kind


def batch_of(count=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    clean, noise = torch.randn(2, count, 4, 8, 8, generator=generator)
    timesteps = torch.tensor([0, 150, 400, 640, 930, 999])[:count]
    there = torch.ones(count, dtype=torch.bool)
    return Batch(clean[::2], clean, torch.rand(count, 3, 32, 32), timesteps, noise, there, there[::2], [])


class Guessing:
    """Networks that predict what they are told to."""

    def __init__(self, guess):
        self.guess, self.asked = guess, None
        self.scheduler = DDIMScheduler(1000, 0.00085, 0.012, "scaled_linear", rescale_betas_zero_snr=True, prediction_type="sample", clip_sample=False)
        self.teacher = SimpleNamespace(seen={"old": 1})

    def predict(self, noisy, timesteps, pose, posed, kept):
        self.asked = timesteps
        return self.guess


def test_from_a_true_guess_a_picture_is_noised_as_ever():
    batch, chosen = batch_of(), slice(1, None, 2)
    networks = Guessing(batch.clean[chosen])
    noisy = from_own_guess(networks, batch, chosen, torch.Generator().manual_seed(1))
    expected = networks.scheduler.add_noise(batch.clean[chosen], batch.noise[chosen], batch.timesteps[chosen])
    assert torch.allclose(noisy, expected, atol=1e-4)
    assert (networks.asked > batch.timesteps[chosen]).tolist() == [True, True, False] and networks.asked.max() == 999      # nothing is noisier than the last
    assert not networks.teacher.seen    # attention is taught on what is predicted, not on the guess


def test_from_a_guess_generation_goes_on_as_the_sampler_does():
    batch, chosen = batch_of(), slice(1, None, 2)
    guess = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    networks = Guessing(guess)
    noisy = from_own_guess(networks, batch, chosen, torch.Generator().manual_seed(1))
    signal = networks.scheduler.alphas_cumprod
    for place, (now, before) in enumerate(zip(batch.timesteps[chosen].tolist(), networks.asked.tolist(), strict=True)):
        start = networks.scheduler.add_noise(batch.clean[chosen][place], batch.noise[chosen][place], torch.tensor([before]))
        implied = (start - signal[before] ** 0.5 * guess[place]) / (1 - signal[before]) ** 0.5
        assert torch.allclose(noisy[place], signal[now] ** 0.5 * guess[place] + (1 - signal[now]) ** 0.5 * implied, atol=1e-5)


def test_errors_count_squared_and_by_their_root():
    batch = batch_of()
    noise_scheduler = Guessing(None).scheduler
    predicted = batch.clean + torch.randn(batch.clean.shape, generator=torch.Generator().manual_seed(3))
    expected, places = 0.0, batch.clean.shape[0] * 64
    for item, timestep in enumerate(batch.timesteps.tolist()):
        weight = min(1 / (1 - noise_scheduler.alphas_cumprod[timestep].item()), 10)
        for row in range(8):
            for column in range(8):
                error = sum((predicted[item, c, row, column] - batch.clean[item, c, row, column]).item() ** 2 for c in range(4)) / 4
                expected += (weight * error + (weight * (error + 1e-3)) ** 0.5) / places
    assert abs(rooted(noise_scheduler, predicted, batch).item() / expected - 1) < 1e-5
