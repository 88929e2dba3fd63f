"""A run of any length goes through piece by piece: no feature may tell where the pieces meet, and what is held doesn't grow with the run."""

import numpy as np
import pytest
import torch

from eval.features import transnetv2
from eval.features.extractor import Extractor, Windows


def prepare(pictures):
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Extractor("transnetv2", {"fid_vid": 256, "fvd": 512}, prepare, transnetv2.Trunk().eval(), transnetv2.pooled)


def run_of(frames):
    return np.random.default_rng(0).integers(0, 256, (frames, 27, 27, 3), dtype=np.uint8)


def streamed(network, frames, step):
    """role -> features of all windows, and the most frames that were held."""
    stream, found, most = Windows(network, 16), [], 0
    for start in range(0, len(frames), step):
        found.append(stream.push(frames[start:start + step]))
        most = max(most, len(stream.held))
    found.append(stream.finish())
    counts = [len(part["fvd"]) for _, part in found]
    assert [first for first, _ in found] == [sum(counts[:index]) for index in range(len(counts))]
    return {role: np.concatenate([part[role] for _, part in found]) for role in network.features}, most


@pytest.mark.parametrize("frames", [16, 20, 21, 69, 130])
@pytest.mark.parametrize("step", [1, 4, 64])
def test_pieces_change_nothing(network, monkeypatch, frames, step):
    run = run_of(frames)
    whole = transnetv2.pooled(torch.from_numpy(network.forward(prepare(run).movedim(0, 1)[None], 0, frames)["frames"]), 16)
    monkeypatch.setattr(transnetv2.Trunk, "piece", 20)
    pieces, most = streamed(network, run, step)
    for role, expected in whole.items():
        assert len(pieces[role]) == frames - 15
        np.testing.assert_allclose(pieces[role], expected.numpy(), rtol=1e-4, atol=1e-5)
    assert most <= 20 + 2 * transnetv2.REACH + step


def test_a_run_too_short_has_no_windows(network):
    assert {role: values.shape for role, values in streamed(network, run_of(15), 4)[0].items()} == {"fid_vid": (0, 256), "fvd": (0, 512)}


def test_reach_is_what_the_features_see(network):
    """A frame within reach moves the features, one just beyond leaves them bit for bit."""
    x = prepare(run_of(160)).movedim(0, 1)[None]
    middle, found = 80, {}
    true = network.forward(x, 0, 160)["frames"][middle]
    for distance in (transnetv2.REACH, transnetv2.REACH + 1):
        other = x.clone()
        other[:, :, middle + distance] = 0
        found[distance] = np.abs(network.forward(other, 0, 160)["frames"][middle] - true).max()
    assert found[transnetv2.REACH] > 0 == found[transnetv2.REACH + 1]
