"""What Frechet and kernel distances must do whatever the features."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.frechet import KernelSums, centred, frechet_distance, kernel_distance, trace_sqrt_product

shapes = st.tuples(st.integers(3, 40), st.integers(1, 30), st.integers(0, 2**32 - 1))


def drawn(n, d, seed, scale=1.0):
    return np.random.default_rng(seed).normal(size=(n, d)) * scale


@settings(deadline=None, max_examples=40)
@given(shapes)
def test_equal_sets_are_at_distance_0(shape):
    x = drawn(*shape, scale=7)
    assert abs(frechet_distance(x, x[::-1])) < 1e-6


@settings(deadline=None, max_examples=40)
@given(shapes)
def test_it_is_symmetric(shape):
    n, d, seed = shape
    x, y = drawn(n, d, seed), drawn(n + 4, d, seed + 1, scale=2) + 1
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x), rel=1e-9)
    assert kernel_distance(x, y[:n]) == pytest.approx(kernel_distance(y[:n], x), rel=1e-9)


@settings(deadline=None, max_examples=40)
@given(shapes)
def test_order_changes_nothing(shape):
    n, d, seed = shape
    x, y = drawn(n, d, seed), drawn(n, d, seed + 1)
    order = np.random.default_rng(seed).permutation(n)
    assert frechet_distance(x[order], y) == pytest.approx(frechet_distance(x, y), rel=1e-9)
    assert kernel_distance(x[order], y) == pytest.approx(kernel_distance(x, y), rel=1e-9, abs=1e-12)


def test_diagonal_gaussians_in_closed_form():
    """Sum over axes of (mu1 - mu2)^2 + (s1 - s2)^2, with samples whose covariance is exactly diagonal."""
    base, _ = np.linalg.qr(drawn(50, 8, 0) - drawn(50, 8, 0).mean(axis=0))      # orthonormal columns of mean 0
    rng = np.random.default_rng(1)
    s1, s2, m1, m2 = rng.uniform(0.1, 3, (4, 8))
    x, y = (base * s * np.sqrt(49) + m for s, m in ((s1, m1), (s2, m2)))
    assert frechet_distance(x, y) == pytest.approx((((m1 - m2) ** 2) + (s1 - s2) ** 2).sum(), rel=1e-10)


@pytest.mark.parametrize("n, d", [(30, 12), (12, 30)])
def test_the_low_rank_path_equals_the_full_one(n, d):
    """With few rows the singular values of A B^T; with many those of the triangular factors. Both against (S1 S2)^(1/2) itself."""
    a, b = centred(drawn(n, d, 2))[1], centred(drawn(n, d, 3, scale=2))[1]
    eigenvalues = np.linalg.eigvals((a.T @ a) @ (b.T @ b))
    assert trace_sqrt_product(a, b) == pytest.approx(np.sqrt(eigenvalues.astype(complex)).real.sum(), rel=1e-6)
    assert trace_sqrt_product(a, b) == pytest.approx(np.linalg.svd(a @ b.T, compute_uv=False).sum(), rel=1e-9)


def test_rank_deficient_covariances_keep_their_digits():
    """A square root of eigenvalues of S1 S2 that are rounding errors would add up to 1e-4 here."""
    x = drawn(600, 4, 4) @ drawn(4, 300, 5) * 30
    assert abs(frechet_distance(x, x + 1) - 300) < 1e-6


def test_counts_are_repetitions():
    x, y, counts = drawn(10, 6, 6), drawn(10, 6, 7), np.array([0, 2, 1, 0, 3, 1, 1, 0, 1, 1])
    assert frechet_distance(x, y, counts) == pytest.approx(frechet_distance(np.repeat(x, counts, 0), np.repeat(y, counts, 0)), rel=1e-10)


def test_it_counts_in_float64():
    """A difference that float32 cannot hold beside the mean."""
    x = drawn(50, 3, 8).astype(np.float32)
    far = x.astype(np.float64) + 1e4
    assert centred(x)[1].dtype == np.float64
    assert frechet_distance(far, far + 1e-3) == pytest.approx(3e-6, rel=1e-6)


def test_the_kernel_distance_is_unbiased():
    """Two samples of one distribution: its mean over trials is 0, where Frechet's grows as samples get fewer."""
    trials = [(drawn(20, 10, seed), drawn(20, 10, seed + 500)) for seed in range(300)]
    kernel = np.array([kernel_distance(x, y) for x, y in trials])
    assert abs(kernel.mean()) < 3 * kernel.std() / np.sqrt(len(kernel))
    assert np.mean([frechet_distance(x, y) for x, y in trials]) > 2
    assert (kernel < 0).any()       # and a value below 0 is printed as it is


def test_unequal_sets_have_no_kernel_distance():
    with pytest.raises(ValueError, match="one shape"):
        KernelSums(drawn(4, 3, 0), drawn(5, 3, 0), [4])


def test_one_row_has_no_covariance():
    with pytest.raises(ValueError, match="two rows"):
        frechet_distance(drawn(1, 3, 0), drawn(1, 3, 1))
