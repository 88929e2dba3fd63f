"""Frechet and kernel distances against the definitions, and against torchmetrics with the same features in."""

import numpy as np
import plain
import pytest
import torch

from eval import torchvision_ops
from eval.frechet import KernelSums, frechet_distance, kernel_distance


def features(n, d, seed, shift=0.0):
    """Correlated features with a spread of scales, float32 as a network gives them."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) @ (rng.normal(size=(d, d)) * np.geomspace(1, 0.01, d)) + shift).astype(np.float32)


@pytest.mark.parametrize("n, d", [(120, 16), (40, 40), (17, 60)], ids=["more samples than features", "as many", "fewer"])
def test_frechet_is_its_definition(n, d):
    x, y = features(n, d, 1), features(n + 5, d, 2, shift=0.3)
    assert frechet_distance(x, y) == pytest.approx(plain.frechet(x, y), rel=1e-6)


def test_frechet_agrees_with_torchmetrics():
    torchvision_ops.declare()
    from torchmetrics.image.fid import _compute_fid

    x, y = (torch.from_numpy(features(200, 24, seed)).double() for seed in (3, 4))
    theirs = _compute_fid(x.mean(0), torch.cov(x.T), y.mean(0), torch.cov(y.T)).item()
    assert frechet_distance(x.numpy(), y.numpy()) == pytest.approx(theirs, rel=1e-8)


def test_kernel_distance_is_its_definition():
    x, y = features(20, 12, 5), features(20, 12, 6, shift=0.2)
    assert kernel_distance(x, y) == pytest.approx(plain.mmd(x, y), rel=1e-9)


def test_kernel_distance_is_torchmetrics_kid():
    torchvision_ops.declare()
    from torchmetrics.image.kid import KernelInceptionDistance

    x, y = features(30, 8, 7), features(30, 8, 8)
    kid = KernelInceptionDistance(feature=torch.nn.Flatten(), subsets=1, subset_size=30).set_dtype(torch.float64)
    kid.update(torch.from_numpy(y).double(), real=True)
    kid.update(torch.from_numpy(x).double(), real=False)
    assert kernel_distance(x, y) == pytest.approx(kid.compute()[0].item(), rel=1e-5)      # torchmetrics may sum in float32


def test_kernel_sums_of_a_resample_are_the_resample():
    """Each video as often as it was drawn, against the rows really repeated."""
    sizes = [4, 7, 5]
    x, y = features(16, 6, 9), features(16, 6, 10, shift=0.1)
    sums, videos = KernelSums(x, y, sizes), np.repeat(range(3), sizes)
    assert sums([1, 1, 1]) == pytest.approx(kernel_distance(x, y), rel=1e-12)
    drawn = np.concatenate([np.flatnonzero(videos == v) for v in (0, 2, 2)])
    assert sums([1, 0, 2]) == pytest.approx(plain.mmd(x[drawn], y[drawn]), rel=1e-9)
