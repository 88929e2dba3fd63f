"""What follows the networks is float64: per-frame values, features, statistics, distances, resamples."""

import numpy as np
import pytest
import torch
from make_fixture import FIXTURE

from eval import evaluate, frechet, values
from eval.frechet import FrechetResamples, KernelSums, centred, frechet_distance, kernel_distance
from tests.golden.made_networks import small_networks


@pytest.fixture
def seen(monkeypatch):
    """{where: dtypes} of an evaluation's arrays, noted where they pass."""
    found = {}

    def spy(module, name):
        original = getattr(module, name)

        def noting(*words, **named):
            out = original(*words, **named)
            for x in (*words, *(out if isinstance(out, tuple) else [out])):
                for array in x.values() if isinstance(x, dict) else [x]:
                    if isinstance(array, (np.ndarray, torch.Tensor)) and array.ndim:
                        found.setdefault(name, set()).add(str(array.dtype).removeprefix("torch."))
            return out

        monkeypatch.setattr(module, name, noting)

    for name in ("mean", "distance", "frechet_distance", "kernel_distance"):
        spy(values, name)
    for name in ("trace_sqrt_product", "_triangular"):
        spy(frechet, name)
    for name in ("svdvals", "qr", "eigvalsh"):
        spy(torch.linalg, name)
    return found


def test_all_that_an_evaluation_computes_from_features(seen):
    evaluate(FIXTURE / "gen", FIXTURE / "true", networks=small_networks(), gaps=True)
    assert set(seen) == {"mean", "distance", "frechet_distance", "kernel_distance", "trace_sqrt_product", "_triangular", "svdvals", "qr", "eigvalsh"}
    assert set.union(*seen.values()) == {"float64"}, seen


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
