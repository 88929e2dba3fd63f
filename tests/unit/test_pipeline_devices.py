"""TCANPipeline moved, cast, offloaded and compiled says what it said before."""

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters

from tests.unit.animations import frames


def test_compiled(pipeline, clip):
    """Whole graphs, one for each thing a network is asked for: the source's features, the ControlNet's residuals, the UNet with and without the source."""
    expected = frames(pipeline, clip, tau=3.0).astype(int)
    torch.compiler.reset()
    counters.clear()
    for name in ("appearance_unet", "unet", "controlnet"):
        getattr(pipeline, name).compile(backend="eager", fullgraph=True)
    assert np.abs(frames(pipeline, clip, tau=3.0) - expected).max() <= 1
    other = frames(pipeline, (255 - clip[0], clip[1]), tau=5.0, seed=1)
    assert np.abs(other - expected).max() > 1
    assert counters["stats"]["unique_graphs"] == 4, "none is compiled anew for another step, window, source or clip"


def test_offloaded(pipeline, clip):
    """With the CPU in the place of the GPU: the hooks that move each network when it is called are the same."""
    expected = frames(pipeline, clip)
    pipeline.enable_model_cpu_offload(device="cpu")
    assert len(pipeline._all_hooks) == 4, "every network moves"
    first = frames(pipeline, clip)
    assert np.abs(first.astype(int) - expected).max() <= 1
    assert (frames(pipeline, clip) == first).all(), "and once more"


@pytest.mark.gpu
def test_on_a_gpu(pipeline, clip):
    expected = frames(pipeline, clip, tau=3.0).astype(int)
    assert np.abs(frames(pipeline.to("cuda"), clip, tau=3.0) - expected).max() <= 2
    pipeline.to("cpu").enable_model_cpu_offload()
    assert np.abs(frames(pipeline, clip, tau=3.0) - expected).max() <= 2


def test_in_half_precision(pipeline, clip):
    expected = frames(pipeline, clip, tau=3.0).astype(int)
    cast = frames(pipeline.to(torch.bfloat16), clip, tau=3.0)
    assert 0 < np.abs(cast - expected).mean() < 8


def test_decoded_in_other_batches(pipeline, clip, monkeypatch):
    from tcan.generate import pipeline as module

    expected = frames(pipeline, clip).astype(int)
    monkeypatch.setattr(module, "DECODED_AT_ONCE", 3)
    assert np.abs(frames(pipeline, clip) - expected).max() <= 1


def test_the_source_passes_the_appearance_unet_once(pipeline, clip):
    calls = []
    pipeline.appearance_unet.register_forward_hook(lambda *arguments: calls.append(1))
    frames(pipeline, clip)
    assert len(calls) == 1, "for all steps and windows"
