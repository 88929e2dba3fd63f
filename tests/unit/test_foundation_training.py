"""How the foundation's trainings draw and compute."""

import pytest
import torch
from diffusers import DDIMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from tcan import models  # noqa: F401
from tcan.diffusion import TRAIN_STEPS
from tcan.train import precision
from tcan.train.few_steps import from_own_guess, rooted, spread_timesteps


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


def latents_of(count=6, seed=0):
    clean, noise = torch.randn(2, count, 4, 8, 8, generator=torch.Generator().manual_seed(seed))
    return clean, noise, torch.tensor([0, 150, 400, 640, 930, 999])[:count]


SCHEDULER = DDIMScheduler(1000, 0.00085, 0.012, "scaled_linear", rescale_betas_zero_snr=True, prediction_type="sample", clip_sample=False)


def test_from_a_true_guess_latents_are_noised_as_ever():
    clean, noise, timesteps = latents_of()
    asked = []
    noisy = from_own_guess(SCHEDULER, lambda start, further: asked.append(further) or clean, clean, noise, timesteps, torch.Generator().manual_seed(1))
    assert torch.allclose(noisy, SCHEDULER.add_noise(clean, noise, timesteps), atol=1e-4)
    assert (asked[0] > timesteps).tolist() == [True] * 5 + [False] and asked[0].max() == 999      # nothing is noisier than the last


@pytest.mark.parametrize("clips", [False, True])
def test_from_a_guess_generation_goes_on_as_the_sampler_does(clips):
    clean, noise, timesteps = latents_of()
    if clips:   # (b, f, c, h, w)
        clean, noise, timesteps = clean.unflatten(0, (2, 3)), noise.unflatten(0, (2, 3)), timesteps[1:3]
    guess = torch.randn(clean.shape, generator=torch.Generator().manual_seed(2))
    asked = []
    noisy = from_own_guess(SCHEDULER, lambda start, further: asked.append((start, further)) or guess, clean, noise, timesteps, torch.Generator().manual_seed(1))
    (start, further), signal = asked[0], SCHEDULER.alphas_cumprod
    for place, (now, before) in enumerate(zip(timesteps.tolist(), further.tolist(), strict=True)):
        assert torch.allclose(start[place], SCHEDULER.add_noise(clean[place], noise[place], torch.tensor([before])))
        implied = (start[place] - signal[before] ** 0.5 * guess[place]) / (1 - signal[before]) ** 0.5
        assert torch.allclose(noisy[place], signal[now] ** 0.5 * guess[place] + (1 - signal[now]) ** 0.5 * implied, atol=1e-5)


def test_a_guess_is_no_part_of_what_is_learnt():
    clean, noise, timesteps = latents_of()
    weight = torch.ones((), requires_grad=True)
    assert not from_own_guess(SCHEDULER, lambda start, further: weight * start, clean, noise, timesteps, torch.Generator()).requires_grad


def test_errors_count_squared_and_by_their_root():
    clean, _, timesteps = latents_of()
    predicted = clean + torch.randn(clean.shape, generator=torch.Generator().manual_seed(3))
    expected, places = 0.0, len(clean) * 64
    for item, timestep in enumerate(timesteps.tolist()):
        weight = min(1 / (1 - SCHEDULER.alphas_cumprod[timestep].item()), 10)
        for row in range(8):
            for column in range(8):
                error = sum((predicted[item, c, row, column] - clean[item, c, row, column]).item() ** 2 for c in range(4)) / 4
                expected += (weight * error + (weight * (error + 1e-3)) ** 0.5) / places
    assert abs(rooted(SCHEDULER, predicted, clean, timesteps).item() / expected - 1) < 1e-5
