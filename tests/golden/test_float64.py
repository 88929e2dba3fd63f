"""What follows the networks is float64: per-frame values, features, statistics, distances, resamples."""

import types

import numpy as np
import pytest
import torch
from make_fixture import FIXTURE

from eval import evaluate, frechet, torchvision_ops, values
from eval.frechet import FrechetResamples, KernelSums, centred, frechet_distance, kernel_distance
from tests.golden.made_networks import small_networks


def arrays_of(x):
    """The arrays in a value or in what it holds."""
    if isinstance(x, dict | tuple | list):
        return [array for part in (x.values() if isinstance(x, dict) else x) for array in arrays_of(part)]
    return [x] if isinstance(x, (np.ndarray, torch.Tensor)) and x.ndim else []


@pytest.fixture
def seen(monkeypatch):
    """{where: dtypes} of an evaluation's arrays, noted where they pass."""
    torchvision_ops.declare()
    from torchmetrics.image import kid

    found = {}

    def spy(module, name):
        original = getattr(module, name)

        def noting(*words, **named):
            out = original(*words, **named)
            out = list(out) if isinstance(out, types.GeneratorType) else out
            for array in arrays_of([*words, out]):
                found.setdefault(name, set()).add(str(array.dtype).removeprefix("torch."))
            return out

        monkeypatch.setattr(module, name, noting)

    spy(values, "mean")
    spy(kid, "poly_kernel")
    for name in ("pieces", "centred", "spread", "trace_sqrt_product", "_triangular"):
        spy(frechet, name)
    for name in ("svdvals", "qr", "eigvalsh"):
        spy(torch.linalg, name)
    return found


def test_all_that_an_evaluation_computes_from_features(seen):
    evaluate(FIXTURE / "gen", FIXTURE / "true", networks=small_networks(), gaps=True)
    assert set(seen) == {"mean", "poly_kernel", "pieces", "centred", "spread", "trace_sqrt_product", "_triangular", "svdvals", "qr", "eigvalsh"}
    sums = {name: {kind for kind in kinds if not kind.startswith("int")} for name, kinds in seen.items()}      # whole numbers say how often a row is counted
    assert set.union(*sums.values()) == {"float64"}, seen


def test_float32_features_are_raised_before_anything_is_summed():
    """Far from 0, float32 sums would lose all of a spread of 1/64; the values are whole 64ths, so that float32 holds them exactly."""
    rng = np.random.default_rng(0)
    x, y = (rng.integers(-64, 64, (300, 8)) / 64 + shift for shift in (0, 0.25))
    far_x, far_y = ((side + 65536).astype(np.float32) for side in (x, y))
    assert (far_x.astype(np.float64) - 65536 == x).all()
    assert frechet_distance(far_x, far_y) == pytest.approx(frechet_distance(x, y), rel=1e-9)
    mean, rows = centred(far_x)
    assert (mean.dtype, rows.dtype) == (np.float64, np.float64)
    assert FrechetResamples(far_x, far_y, [100, 100, 100])([1, 1, 1]) == pytest.approx(frechet_distance(x, y), rel=1e-6)


def test_kernels_of_float32_features_are_float64():
    x, y = (np.random.default_rng(seed).normal(size=(50, 16)).astype(np.float32) + 30 for seed in (1, 2))
    exact = kernel_distance(x.astype(np.float64), y.astype(np.float64))
    assert kernel_distance(x, y) == exact
    assert KernelSums(x, y, [20, 30])([1, 1]) == pytest.approx(exact, rel=1e-9, abs=1e-12 * 900**3)
