"""Intervals over videos."""

import numpy as np
import pytest

from eval import bootstrap


def test_each_resample_has_as_many_videos():
    counts = bootstrap.draws(10, 500, seed=0)
    assert counts.shape == (500, 10) and (counts.sum(axis=1) == 10).all() and (counts == 0).any()


def test_draws_depend_on_the_seed_and_the_number_of_videos_alone():
    np.testing.assert_array_equal(bootstrap.draws(7, 1000, seed=3)[:200], bootstrap.draws(7, 200, seed=3))
    assert (bootstrap.draws(7, 200, seed=3) != bootstrap.draws(7, 200, seed=4)).any()


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says():
    """Normal videos: the 95 % interval of 10 should cover the truth nearly that often (the bootstrap of few is a little narrow)."""
    rng, covered = np.random.default_rng(0), 0
    for trial in range(400):
        videos = rng.normal(size=10)
        low, high = bootstrap.interval(videos.mean(), bootstrap.draws(10, 400, trial) @ videos / 10)
        covered += low <= 0 <= high
    assert 0.86 < covered / 400 < 0.97


def test_replicates_that_all_lie_above_the_value_are_set_upon_it():
    low, high = bootstrap.interval(5.0, np.linspace(8, 10, 101))
    assert (low, high) == pytest.approx((5 - 0.95, 5 + 0.95))


def test_no_replicates_no_interval():
    assert bootstrap.interval(1.0, []) is None
