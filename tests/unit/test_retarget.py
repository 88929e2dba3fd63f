"""Retargeting: equal proportions change nothing, limbs get the source's lengths, and no joint is made up or lost."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tcan.pose.keypoints import INDEX, LIMBS, PARENTS, Keypoints
from tcan.pose.retarget import LARGEST, limb_ratios, retarget, true_ratios

FIGURE = np.array([[50, 15], [50, 25], [40, 25], [35, 40], [30, 55], [60, 25], [65, 40], [70, 55], [45, 55], [43, 72], [42, 90],
                   [55, 55], [57, 72], [58, 90], [48, 13], [52, 13], [45, 14], [55, 14]], np.float64)


def keypoints(xy, size=(100, 100)):
    xy = np.asarray(xy, np.float32)
    return Keypoints(xy, np.where(np.isnan(xy).any(-1), 0, 0.8).astype(np.float32), size, "test")


@pytest.fixture
def dance():
    """Twelve frames of the figure: it walks to the right, and its limbs turn."""
    generator = np.random.default_rng(0)
    turns = np.cumsum(generator.normal(0, 0.15, (12, len(LIMBS))), axis=0)
    turns[0] = 0
    xy = np.zeros((12, 18, 2))
    xy[:, 1] = FIGURE[1] + np.arange(12)[:, None] * [1.5, -0.5]
    for (parent, child), turn in zip(LIMBS, turns.T, strict=True):
        limb = FIGURE[child] - FIGURE[parent]
        turned = np.stack([limb[0] * np.cos(turn) - limb[1] * np.sin(turn), limb[0] * np.sin(turn) + limb[1] * np.cos(turn)], axis=1)
        xy[:, child] = xy[:, parent] + turned
    return keypoints(xy)


def limbs(keypoints):
    parents, children = np.array(LIMBS).T
    return keypoints.xy[:, children] - keypoints.xy[:, parents]


def chibi():
    """A figure with twice the head, half the legs and two thirds of the arms, in a frame of 80 x 120."""
    xy = np.zeros((18, 2))
    xy[1] = 70, 50
    for child, parent in PARENTS.items():
        factor = 2 if parent == "nose" or child == "nose" or "eye" in parent else 0.5 if child.endswith(("knee", "ankle")) else 2 / 3
        xy[INDEX[child]] = xy[INDEX[parent]] + factor * (FIGURE[INDEX[child]] - FIGURE[INDEX[parent]])
    return keypoints(xy[None], (80, 120))


def test_equal_proportions_change_nothing(dance):
    result = retarget(dance, dance.frames(slice(0, 1)))
    assert np.allclose(result.xy, dance.xy, atol=1e-4)
    assert np.array_equal(result.score, dance.score) and result.size == dance.size


def test_equal_proportions_with_missing_joints_change_nothing(dance):
    xy = dance.xy.copy()
    xy[np.random.default_rng(1).random((12, 18)) < 0.3] = np.nan
    driving = keypoints(xy)
    result = retarget(driving, dance.frames(slice(0, 1)))
    found = driving.found
    assert np.array_equal(result.found, found)
    # a limb first found in a later frame is measured there; here no limb changes its length
    assert np.allclose(result.xy[found], xy[found], atol=1e-3)


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.5])
def test_a_larger_frame_scales_and_moves_the_whole(dance, scale):
    source = keypoints(dance.xy[:1] * scale + 7, (300, 200))
    result = retarget(dance, source)
    assert np.allclose(result.xy, dance.xy * scale + 7, atol=1e-3) and result.size == (300, 200)


def test_the_first_frame_takes_the_sources_lengths_and_place(dance):
    source = chibi()
    result = retarget(dance, source)
    assert np.allclose(result.xy[0], source.xy[0], atol=1e-3), "the same pose, so the source itself"
    assert np.allclose(np.linalg.norm(limbs(result), axis=-1), np.linalg.norm(limbs(source), axis=-1), atol=1e-3)


def test_directions_of_limbs_are_the_drivers(dance):
    result = retarget(dance, chibi())
    ours, theirs = limbs(result).astype(float), limbs(dance).astype(float)
    cosines = (ours * theirs).sum(-1) / np.linalg.norm(ours, axis=-1) / np.linalg.norm(theirs, axis=-1)
    assert np.allclose(cosines, 1, atol=1e-4)


def test_the_neck_moves_by_the_bodys_ratio(dance):
    source = chibi()
    _, whole = limb_ratios(dance, source)
    moved = retarget(dance, source).xy[:, 1] - source.xy[0, 1]
    assert 0.4 < whole < 1 and np.allclose(moved, whole * (dance.xy[:, 1] - dance.xy[0, 1]), atol=1e-3)


def test_what_hangs_on_a_missing_joint_hangs_on_its_ancestor(dance):
    xy = dance.xy.copy()
    xy[5, INDEX["left_elbow"]] = np.nan
    source = chibi()
    result = retarget(keypoints(xy), source)
    _, whole = limb_ratios(keypoints(xy), source)
    assert np.isnan(result.xy[5, INDEX["left_elbow"]]).all()
    arm = xy[5, INDEX["left_wrist"]] - xy[5, INDEX["left_shoulder"]]
    assert np.allclose(result.xy[5, INDEX["left_wrist"]] - result.xy[5, INDEX["left_shoulder"]], whole * arm, atol=1e-3)


def test_a_missing_neck_moves_nobody_away(dance):
    xy = dance.xy.copy()
    xy[0, 1] = xy[7, 1] = np.nan
    result = retarget(keypoints(xy), keypoints(dance.xy[:1]))
    found = result.found
    assert not found[[0, 7], 1].any()
    assert np.abs(result.xy[found] - xy[found]).max() < 3, "the anchor is the neck of the second frame"


def test_a_foreshortened_limb_is_not_drawn_out(dance):
    xy = dance.xy.copy()
    xy[0, INDEX["left_wrist"]] = xy[0, INDEX["left_elbow"]] + [0.2, 0]
    ratios, whole = limb_ratios(keypoints(xy), dance.frames(slice(0, 1)))
    assert ratios.max() == pytest.approx(LARGEST * whole)


def test_a_limb_of_no_length_takes_the_bodys_ratio(dance):
    xy = dance.xy.copy()
    xy[:, INDEX["nose"]] = xy[:, 1]
    source = keypoints(2 * dance.xy[:1])
    ratios, whole = limb_ratios(keypoints(xy), source)
    assert ratios[0] == whole and ratios[1] == pytest.approx(2, abs=1e-5)


def test_no_joint_in_common_scales_by_the_frames_heights():
    driving, source = np.full((2, 18, 2), np.nan), np.full((1, 18, 2), np.nan)
    driving[:, 0], source[:, 4] = [50, 50], [10, 10]
    result = retarget(keypoints(driving), keypoints(source, (200, 300)))
    assert np.allclose(result.xy[:, 0], [150, 100])
    assert np.isnan(np.delete(result.xy, 0, axis=1)).all()


def test_a_source_is_one_frame(dance):
    with pytest.raises(ValueError, match="one frame"):
        retarget(dance, dance)


def test_true_limbs_are_not_misled_by_a_limb_that_points_at_the_camera(dance):
    """In the first frame the right forearm is a tenth as long as it truly is: Algorithm 1 draws it out in all others, the true lengths don't."""
    xy, source = dance.xy.copy(), keypoints(2 * dance.xy[:1])
    elbow, wrist = INDEX["right_elbow"], INDEX["right_wrist"]
    xy[0, wrist] = xy[0, elbow] + 0.1 * (xy[0, wrist] - xy[0, elbow])
    true = np.linalg.norm(limbs(dance), axis=-1)[0]
    driving, source = replace(keypoints(xy), limbs=true), replace(source, limbs=2 * true)
    ratios, whole = true_ratios(driving, source)
    assert whole == pytest.approx(2) and ratios == pytest.approx(2)
    drawn_out, right = (retarget(driving, source, lengths).xy[1:] for lengths in ("first", "true"))
    forearms = [np.linalg.norm(one[:, wrist] - one[:, elbow], axis=-1) / np.linalg.norm(xy[1:, wrist] - xy[1:, elbow], axis=-1) for one in (drawn_out, right)]
    assert (forearms[0] > 4).all() and forearms[1] == pytest.approx(2, abs=1e-4)


def test_lengths_over_the_clip_are_not_misled_either(dance):
    """As above, and no true length is known; a limb that is found once, and a clip without one, do no harm."""
    xy, source = dance.xy.copy(), keypoints(2 * dance.xy[:1])
    elbow, wrist = INDEX["right_elbow"], INDEX["right_wrist"]
    xy[0, wrist] = xy[0, elbow] + 0.1 * (xy[0, wrist] - xy[0, elbow])
    xy[1:, INDEX["left_wrist"]] = np.nan
    xy[:, INDEX["right_ankle"]] = np.nan
    first, over = (limb_ratios(keypoints(xy), source, lengths)[0] for lengths in ("first", "clip"))
    forearm = LIMBS.index((elbow, wrist))
    assert first[forearm] > 4 and over[forearm] == pytest.approx(2, abs=1e-3)
    assert over[LIMBS.index((INDEX["left_elbow"], INDEX["left_wrist"]))] == pytest.approx(2, abs=1e-3)
    assert np.isfinite(over).all() and np.array_equal(retarget(keypoints(xy), source, "clip").found, keypoints(xy).found)


def test_true_limbs_must_be_known(dance):
    with pytest.raises(ValueError, match="true lengths"):
        retarget(dance, dance.frames(slice(0, 1)), "true")


def clips(frames):
    places = arrays.arrays(np.float32, (frames, 18, 2), elements=st.floats(-500, 500, width=32))
    gone = arrays.arrays(np.bool_, (frames, 18))
    return st.builds(lambda xy, gone: keypoints(np.where(gone[..., None], np.nan, xy)), places, gone)


@settings(max_examples=150, deadline=None)
@given(driving=clips(3), source=clips(1), lengths=st.sampled_from(["first", "clip"]))
def test_every_found_joint_stays_found_and_finite(driving, source, lengths):
    result = retarget(driving, source, lengths)
    assert np.array_equal(result.found, driving.found)
    assert np.isfinite(result.xy[result.found]).all() and np.array_equal(result.score, driving.score)
