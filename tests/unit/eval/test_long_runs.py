"""The stand-in for the video networks takes a long run piece by piece: no feature may tell where the pieces meet."""

import pytest
import torch

from eval.features import transnetv2


@pytest.fixture
def trunk():
    torch.manual_seed(0)
    return transnetv2.Trunk().eval()


@pytest.mark.parametrize("frames", [16, 20, 21, 130])
def test_pieces_change_nothing(trunk, monkeypatch, frames):
    x = torch.rand(1, 3, frames, 27, 27)
    with torch.inference_mode():
        whole = trunk(x, 16)
        monkeypatch.setattr(transnetv2, "PIECE", 20)
        pieces = trunk(x, 16)
    for role, expected in whole.items():
        assert len(expected) == frames - 15
        torch.testing.assert_close(pieces[role], expected, rtol=1e-4, atol=1e-5)


def test_reach_is_what_the_features_see(trunk):
    """A frame within reach moves the features, one just beyond leaves them bit for bit."""
    x = torch.rand(1, 3, 160, 27, 27)
    middle, found = 80, {}
    with torch.inference_mode():
        true = trunk._frames(x, 0, 160)[middle]
        for distance in (transnetv2.REACH, transnetv2.REACH + 1):
            other = x.clone()
            other[:, :, middle + distance] = 0
            found[distance] = (trunk._frames(other, 0, 160)[middle] - true).abs().max().item()
    assert found[transnetv2.REACH] > 0 == found[transnetv2.REACH + 1]
