"""How the foundation's trainings draw and compute."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tcan import models  # noqa: F401
from tcan.diffusion import TRAIN_STEPS
from tcan.train import foundation, precision


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 64), st.integers(0, 2**31))
def test_a_batch_sees_all_amounts_of_noise(count, seed):
    drawn = foundation._timesteps(count, torch.Generator().manual_seed(seed))
    assert drawn.dtype == torch.long and 0 <= drawn.min() and drawn.max() < TRAIN_STEPS
    for part, timestep in enumerate(sorted(drawn.tolist())):
        assert part * TRAIN_STEPS / count - 1 < timestep < (part + 1) * TRAIN_STEPS / count + 1e-3      # rounded down to a whole timestep


def test_over_many_batches_every_timestep_is_drawn_alike():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([foundation._timesteps(16, generator) for _ in range(4000)])
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
