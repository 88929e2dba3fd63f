"""LPIPS against the `lpips` package with the same trunk weights, in both ranges."""

import lpips_reference
import numpy as np
import pytest
import torch
from made_clips import fill, moving, noisy

from eval.features.lpips_trunks import alexnet_trunk, vgg16_trunk
from eval.perceptual import RANGES, Lpips, heads


@pytest.fixture(scope="module", params=[("vgg", vgg16_trunk), ("alex", alexnet_trunk)], ids=["vgg", "alex"])
def networks(request):
    """Ours and the package's, with trunk weights by key name and the package's own heads."""
    name, build = request.param
    trunk = fill(build())
    return Lpips(name, trunk, heads(name)[0]).eval(), lpips_reference.package(name, trunk.state_dict())


@pytest.mark.parametrize("fed", RANGES)
def test_it_is_the_package(networks, fed):
    ours, theirs = networks
    true = moving(2, 64, seed=2)
    generated = noisy(true, 30)
    a, b = (torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255 for x in (generated, true))
    if fed == "-1..1":
        a, b = 2 * a - 1, 2 * b - 1
    with torch.inference_mode():
        expected = theirs(a, b).flatten().double().numpy()
    values = ours.frames(generated, true, fed)
    assert values.dtype == np.float64
    assert values == pytest.approx(expected, rel=2e-5)      # float32 networks; the sums over space are in another order
    assert (values > 1e-4).all()                            # and not because both are nothing


def test_equal_frames_have_no_distance(networks):
    true = moving(2, 64)
    assert networks[0].frames(true, true, "-1..1") == pytest.approx([0, 0], abs=0)
