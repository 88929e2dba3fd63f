"""Distances of the same features as other packages compute them: torch-fidelity, torchmetrics' class, pytorch-fid with scipy's sqrtm."""

import warnings

import numpy as np
import pytest
import torch

from eval import torchvision_ops
from eval.frechet import frechet_distance, kernel_distance

torchvision_ops.declare()

from pytorch_fid.fid_score import calculate_frechet_distance  # noqa: E402
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric  # noqa: E402
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric  # noqa: E402
from torchmetrics.image.fid import FrechetInceptionDistance  # noqa: E402


def features(n, d, seed, shift=0.0):
    """Correlated features of many scales, as a network gives them: float32, not below 0."""
    rng = np.random.default_rng(seed)
    return np.maximum(rng.normal(size=(n, d)) @ (rng.normal(size=(d, d)) * np.geomspace(1, 0.01, d)) + 0.5 + shift, 0).astype(np.float32)


@pytest.fixture(params=[(400, 48), (150, 150), (60, 200)], ids=["more samples than features", "as many", "fewer"])
def sides(request):
    n, d = request.param
    return features(n, d, 1), features(n, d, 2, shift=0.2)


def of_torch_fidelity(x, y):
    statistics = [fid_features_to_statistics(torch.from_numpy(side).double()) for side in (x, y)]
    return fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID]


def test_frechet_is_torch_fidelitys(sides):
    """Also below full rank, where theirs takes square roots of eigenvalues that are 0 but for rounding."""
    assert frechet_distance(*sides) == pytest.approx(of_torch_fidelity(*sides), rel=1e-6)


def test_frechet_of_sets_of_unequal_size_is_torch_fidelitys():
    x, y = features(90, 30, 3), features(210, 30, 4, shift=0.1)
    assert frechet_distance(x, y) == pytest.approx(of_torch_fidelity(x, y), rel=1e-8)


def test_kernel_distance_is_torch_fidelitys(sides):
    """One subset that holds everything, so that nothing is drawn."""
    x, y = (torch.from_numpy(side).double() for side in sides)
    theirs = kid_features_to_metric(x, y, kid_subsets=1, kid_subset_size=len(x), kid_kernel="poly", kid_kernel_poly_degree=3,
                                    kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1.0, rng_seed=2020, verbose=False)[KEY_METRIC_KID_MEAN]
    assert kernel_distance(*sides) == pytest.approx(theirs, rel=1e-9)


def test_frechet_is_that_of_torchmetrics_class(sides):
    """Its class keeps sums of products instead of features: half the digits."""
    x, y = sides

    class Given(torch.nn.Module):
        num_features = x.shape[1]

        def forward(self, rows):
            return rows

    metric = FrechetInceptionDistance(feature=Given()).set_dtype(torch.float64)
    metric.update(torch.from_numpy(y).double(), real=True)
    metric.update(torch.from_numpy(x).double(), real=False)
    assert frechet_distance(x, y) == pytest.approx(metric.compute().item(), rel=1e-5)


def test_frechet_is_pytorch_fids_where_the_covariances_have_full_rank():
    """The installed scipy's sqrtm is right again (it was not from 1.11.2 to before 1.13.0); its `disp` is on the way out."""
    x, y = features(400, 48, 1), features(400, 48, 2, shift=0.2)
    statistics = [take(side.astype(np.float64)) for side in (x, y) for take in (lambda s: s.mean(axis=0), lambda s: np.cov(s, rowvar=False))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs = calculate_frechet_distance(*statistics)
    assert frechet_distance(x, y) == pytest.approx(theirs, rel=1e-8)
