"""The estimator's error model."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcan.pose.corrupt import add_errors, measure_rates, person_height
from tcan.pose.keypoints import MIRRORED, Keypoints


@dataclass(frozen=True)
class Rates:
    missing: float = 0.0
    swap: float = 0.0
    dropout: float = 0.0
    jitter: float = 0.0


def person(frames=400, seed=0):
    """A person 40 px tall that sways slowly; the eyes are hidden."""
    rng = np.random.default_rng(seed)
    rest = rng.uniform(10, 50, (18, 2))
    rest[:, 1] = np.linspace(10, 50, 18)
    xy = (rest + 3 * np.sin(np.arange(frames) / 40)[:, None, None]).astype(np.float32)
    xy[:, 14:16] = np.nan
    return Keypoints(xy, (~np.isnan(xy[..., 0])).astype(np.float32), (64, 64), "exact")


def test_no_errors_change_nothing_but_the_name():
    exact = person(20)
    same = add_errors(exact, Rates(), np.random.default_rng(0))
    np.testing.assert_array_equal(same.xy, exact.xy)
    np.testing.assert_array_equal(same.score, exact.score)
    assert same.estimator == "exact+errors" and same.size == exact.size


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.05), st.integers(0, 10**6))
def test_rates_are_met(missing, dropout, jitter, seed):
    exact = person()
    found = add_errors(exact, Rates(missing=missing, dropout=dropout, jitter=jitter), np.random.default_rng(seed))
    assert (found.score[~found.found] == 0).all() and ((found.score[found.found] > 0) & (found.score[found.found] <= 1)).all()
    assert not found.found[~exact.found].any()  # what is hidden stays hidden
    dropped = ~found.found.any(axis=1)
    if missing < 0.7:  # beyond it whole frames go missing joint by joint
        assert dropped.mean() == pytest.approx(dropout, abs=0.12)
    if (~dropped).sum() > 60 and missing < 0.7:
        assert 1 - found.found[~dropped][:, :14].mean() == pytest.approx(missing, abs=0.08)
    shift = (found.xy - exact.xy)[found.found & exact.found]
    if len(shift) > 200:
        assert shift.std() == pytest.approx(jitter * person_height(exact), rel=0.15, abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), st.integers(0, 10**6))
def test_swaps_exchange_sides(rate, seed):
    exact = person()
    found = add_errors(exact, Rates(swap=rate), np.random.default_rng(seed))
    mirrored = exact.xy[:, MIRRORED]
    kept, exchanged = (np.all((found.xy == other) | (np.isnan(found.xy) & np.isnan(other)), axis=-1) for other in (exact.xy, mirrored))
    assert (kept | exchanged).all()
    assert (~kept.all(axis=1)).mean() == pytest.approx(rate, abs=0.12)
    np.testing.assert_array_equal(found.xy[:, :2], exact.xy[:, :2])


def test_one_rate_leaves_the_other_errors_where_they_are():
    exact, rates = person(60), Rates(missing=0.1, jitter=0.01)
    one = add_errors(exact, rates, np.random.default_rng(3))
    two = add_errors(exact, replace(rates, dropout=0.3), np.random.default_rng(3))
    there = two.found.any(axis=1)
    assert 0 < there.sum() < 60
    np.testing.assert_array_equal(one.xy[there], two.xy[there])


def test_measured_rates_are_the_rates_put_in():
    rates = Rates(missing=0.05, swap=0.03, dropout=0.04, jitter=0.01)
    measured = measure_rates(add_errors(person(3000), rates, np.random.default_rng(1)))
    assert measured["missing"] == pytest.approx(0.05, abs=0.02)
    assert measured["dropout"] == pytest.approx(0.04, abs=0.015)
    assert measured["swap"] == pytest.approx(0.03, abs=0.015)
    assert measured["jitter"] == pytest.approx(0.01, rel=0.15)
    clean = measure_rates(person(3000))
    assert clean["missing"] == clean["dropout"] == clean["swap"] == 0 and clean["jitter"] < 1e-3


def test_nobody_at_all():
    empty = Keypoints(np.full((5, 18, 2), np.nan, np.float32), np.zeros((5, 18), np.float32), (64, 64), "blazepose")
    measured = measure_rates(empty)
    assert measured["dropout"] == 1 and np.isnan(measured["missing"]) and np.isnan(measured["jitter"]) and measured["swap"] == 0
