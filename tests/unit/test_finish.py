"""How rendered pictures come out."""

import numpy as np
import pytest

from tcan.data.finish import Finish
from tcan.data.puppets import render_pool

PLAIN = Finish(black=0, white=1, gamma=1, cast=(1, 1, 1), saturation=1, focus=0, fall=0)


def frames():
    return np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)


def changed(**fields):
    return Finish(**{**PLAIN.__dict__, **fields}).apply(frames()).astype(float)


def test_a_plain_finish_changes_nothing():
    assert (PLAIN.apply(frames()) == frames()).all()


def test_each_part_does_what_it_says():
    before = frames().astype(float)
    assert abs(changed(black=0.1).min() - 25.5) <= 0.5 and abs(changed(white=0.8).max() - 204) <= 0.5
    assert (changed(gamma=2) <= before).all() and (changed(gamma=0.5) >= before).all()
    assert np.ptp(changed(saturation=0), axis=-1).max() <= 1
    assert changed(cast=(0.5, 1, 1))[..., 0].mean() < 0.51 * before[..., 0].mean() and (changed(cast=(0.5, 1, 1))[..., 1:] == before[..., 1:]).all()
    assert np.abs(np.diff(changed(focus=0.06), axis=2)).mean() < 0.7 * np.abs(np.diff(before, axis=2)).mean()
    ratio = changed(fall=0.4).sum(axis=(0, 3)) / before.sum(axis=(0, 3))
    assert ratio[8, 8] > 0.99 and ratio[0, 0] == pytest.approx(0.6, abs=0.01)


def test_all_frames_of_a_clip_come_out_alike():
    finish = Finish.random(np.random.default_rng(4))
    together, alone = finish.apply(frames()), np.concatenate([finish.apply(frames()[i:i + 1]) for i in range(3)])
    assert (together == alone).all()


def test_a_pool_has_its_part_of_finished_scenes_and_they_alone_differ():
    plain, points = render_pool(12, 32, 2, 3)
    half, same = render_pool(12, 32, 2, 3, finished=0.5)
    differs = [(plain[item] != half[item]).any() for item in range(12)]
    assert 1 <= sum(differs) <= 11 and np.array_equal(points, same, equal_nan=True)        # people stand where they stood
    assert all((plain[i] != render_pool(12, 32, 2, 3, finished=1.0)[0][i]).any() for i in range(12))


def test_a_pool_goes_on_where_another_ended():
    whole, points = render_pool(6, 32, 2, 3)
    rest, others = render_pool(2, 32, 2, 3, first=4)
    assert (whole[4:] == rest).all() and np.array_equal(points[4:], others, equal_nan=True)
