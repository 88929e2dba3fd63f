"""Features out of memory: the same rows come back, and distances over them are those over the array."""

import tracemalloc

import numpy as np
import pytest

from eval import frechet
from eval import rows as module
from eval.frechet import FrechetResamples, KernelSums, frechet_distance, kernel_distance
from eval.rows import Rows, pieces


def kept(array, parts=(0, 3, 3, 10)):
    rows = Rows()
    for part in np.split(array, parts[1:]):
        rows.append(part)
    return rows


def drawn(n, d, seed, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_was_added_comes_back(dtype):
    array = drawn(20, 4, 0, dtype)
    rows = kept(array)
    assert len(rows) == 20 and rows.shape == (20, 4)
    for part in (slice(None), slice(3, 7), slice(-2, None), slice(18, 40), slice(5, 5)):
        assert rows[part].dtype == dtype and np.array_equal(rows[part], array[part])
    rows.append(array[:2])
    assert np.array_equal(rows[18:], np.concatenate([array[18:], array[:2]])), "also after something was read"


def test_rows_of_another_kind_are_refused():
    rows = kept(drawn(20, 4, 0))
    for other in (drawn(2, 5, 0), drawn(2, 4, 0, np.float64)):
        with pytest.raises(ValueError, match="expected rows of 4 float32"):
            rows.append(other)
    with pytest.raises(ValueError, match="consecutive"):
        rows[::2]


@pytest.mark.parametrize("n, d", [(40, 6), (12, 30)])
def test_distances_in_pieces_are_those_of_the_whole(monkeypatch, n, d):
    x, y, sizes = drawn(n, d, 1, np.float64), drawn(n, d, 2, np.float64) + 0.3, [n // 4, n // 2, n - n // 4 - n // 2]
    counts = ([1, 1, 1], [2, 0, 1], [0, 3, 0])

    def distances(x, y):
        return [frechet_distance(x, y), kernel_distance(x, y), *(kind(x, y, sizes)(np.array(c)) for kind in (FrechetResamples, KernelSums) for c in counts)]

    whole = distances(x, y)
    for size in (1, 5, 7):
        for target in (module, frechet):
            monkeypatch.setattr(target, "PIECE", size)
        assert distances(kept(x), kept(y)) == pytest.approx(whole, rel=1e-9)


def test_pieces_cover_all_rows(monkeypatch):
    monkeypatch.setattr(module, "PIECE", 6)
    array = drawn(20, 4, 0)
    found = list(pieces(kept(array)))
    assert [first for first, _ in found] == [0, 6, 12, 18] and all(piece.dtype == np.float64 for _, piece in found)
    assert np.array_equal(np.concatenate([piece for _, piece in found]), array)


def test_memory_is_flat_in_the_number_of_rows(monkeypatch):
    """numpy's own memory while both distances are computed, for sets of which one is four times as large."""
    for target in (module, frechet):
        monkeypatch.setattr(target, "PIECE", 64)

    def peak(n):
        x, y = Rows(), Rows()
        for number in range(n // 64):
            x.append(drawn(64, 32, number))
            y.append(drawn(64, 32, number + 1000))
        tracemalloc.start()
        frechet_distance(x, y)
        sums = KernelSums(x, y, [n // 2, n // 2])
        FrechetResamples(x, y, [n // 2, n // 2])(np.array([1, 1]))
        sums([1, 1])
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    few, many = peak(2048), peak(8192)
    assert many - few < 6144 * 32 * 8 / 2, "less than half of one of the sets in float64"
