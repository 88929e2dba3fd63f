"""Measures where the truth is known, on cases whose answer is known."""

import numpy as np
import pytest

from eval import measures

SIZE, MIDDLE = (64, 64), 31.5
STANDING = np.array([  # (x, y) of a person of 50 pixels from eyes to ankles, who faces us
    (32, 10), (32, 18), (26, 18), (24, 27), (22, 35), (38, 18), (40, 27), (42, 35), (28, 34), (27, 46), (27, 58), (36, 34), (37, 46), (37, 58),
    (30, 8), (34, 8), (28, 9), (36, 9)], np.float64)
SIDES = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]


@pytest.fixture
def driving():
    """Eight frames in which the person walks to the right; in the last two the right ear is hidden."""
    xy = STANDING + np.stack([np.arange(8) - 4, np.zeros(8)], axis=-1)[:, None]
    xy[-2:, 16] = np.nan
    return xy


@pytest.fixture
def still():
    """A textured background, eight times: uint8 (8, 64, 64, 3)."""
    return np.repeat(np.random.default_rng(0).integers(40, 200, (1, *SIZE, 3)), 8, axis=0).astype(np.uint8)


def test_height(driving):
    assert measures.height(driving) == 50
    driving[0, 0, 1] = -2       # one frame in which the head is higher
    assert measures.height(driving) == 60
    driving[1:] = np.nan        # the others show nobody
    assert measures.height(driving) == 60


def test_shifted_key_points_give_the_shift(driving):
    assert measures.keypoint_error(driving, driving) == 0 and measures.keypoints_within(driving, driving) == 100
    assert measures.keypoint_error(driving + (3, 4), driving) == pytest.approx(10)      # 5 of 50 pixels
    twice = (2 * driving, 2 * (driving + (3, 4)))
    assert measures.keypoint_error(twice[1], twice[0]) == pytest.approx(10)


def test_only_joints_that_the_truth_has_count(driving):
    found = driving.copy()
    found[-2:, 16] = 1000       # a network finds the hidden ear somewhere
    assert measures.keypoint_error(found, driving) == 0 and measures.keypoints_within(found, driving) == 100


def test_joints_within_a_tenth_of_the_height(driving):
    found = driving.copy()
    found[:, 4, 0] += 4.9
    assert measures.keypoints_within(found, driving) == 100
    found[:, 7, 0] += 500       # one wild joint of 18 in every frame moves the mean without bound, but not this
    assert measures.keypoints_within(found, driving) == pytest.approx(100 * (1 - 8 / (8 * 18 - 2)))
    assert measures.keypoint_error(found, driving) > 50


def test_swapped_sides_show(driving):
    swapped = measures.keypoint_error(driving[:, SIDES], driving)
    apart = np.linalg.norm(STANDING[SIDES] - STANDING, axis=-1)     # each joint lies where its other side should
    assert swapped == pytest.approx(100 * apart.mean() / 50, rel=0.02)
    assert measures.limb_ratio_error(driving[:, SIDES], driving) < 0.02      # of this body, whose sides are about the same


def test_sides_are_exchanged_where_that_is_nearer_and_nowhere_else(driving):
    found = driving + (1, 1)
    found[2:4] = found[2:4][:, SIDES]                   # everything, in two frames
    arms = [2, 3, 4, 5, 6, 7]
    found[5, arms] = found[5, [5, 6, 7, 2, 3, 4]]       # the arms alone, in one
    np.testing.assert_array_equal(measures.either_side(found, driving), driving + (1, 1))


def test_a_body_scaled_as_a_whole_has_its_ratios(driving):
    assert measures.limb_ratio_error(driving, driving) == 0
    assert measures.limb_ratio_error(1.7 * driving + (5, -9), driving) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("factor", [1.5, 1 / 1.5])
def test_longer_arms_have_the_logarithm_of_their_factor(driving, factor):
    found = driving.copy()
    for shoulder, elbow, wrist in ((2, 3, 4), (5, 6, 7)):
        found[:, elbow] = found[:, shoulder] + factor * (driving[:, elbow] - driving[:, shoulder])
        found[:, wrist] = found[:, elbow] + factor * (driving[:, wrist] - driving[:, elbow])
    assert measures.limb_ratio_error(found, driving) == pytest.approx(np.log(1.5) / 2)      # four of eight limbs


def test_a_limb_that_points_at_the_camera_says_nothing(driving):
    driving[:, 4] = driving[:, 3] + (0, 2)      # 4 % of the height
    found = driving.copy()
    found[:, 4] += (9, 9)
    assert measures.limb_ratio_error(found, driving) == 0
    driving[:, 4] = driving[:, 3] + (0, 3)
    assert measures.limb_ratio_error(found, driving) > 0


def test_a_limb_without_length_has_a_finite_error(driving):
    found = np.repeat(driving[:, :1], 18, axis=1)
    assert 0 < measures.limb_ratio_error(found, driving) < np.inf


def test_nothing_to_measure_limbs_by(driving):
    driving[:, 1] = np.nan      # no neck, no torso
    assert measures.limb_ratio_error(STANDING[None] + 0 * driving[:, :1], driving) is None


def test_a_still_background_does_not_flicker_whatever_the_figure_does(driving, still):
    mask, rng = measures.figure_mask(driving, SIZE), np.random.default_rng(1)
    assert measures.background_flicker(still, mask) == 0
    still[mask] = rng.integers(0, 256, (mask.sum(), 3))
    assert measures.background_flicker(still, mask) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("sigma", [3, 10])
def test_noise_outside_the_figure_is_its_standard_deviation(driving, still, sigma):
    mask, rng = measures.figure_mask(driving, SIZE), np.random.default_rng(2)
    noisy = np.round(still + rng.normal(0, sigma, still.shape)).astype(np.uint8)
    assert measures.background_flicker(noisy, mask) == pytest.approx(sigma, rel=0.03)
    inside = np.where(mask[..., None], noisy, still)
    assert measures.background_flicker(inside, mask) == pytest.approx(0, abs=1e-9)


def test_a_pixel_that_is_seen_once_has_no_deviation(still):
    mask = np.ones((8, *SIZE), bool)
    assert measures.background_flicker(still, mask) is None
    mask[0] = False
    assert measures.background_flicker(still, mask) is None
    mask[1, 0, 0] = False       # one pixel is seen in two frames, and jumps by 10
    still[1, 0, 0] = still[0, 0, 0] + 10
    assert measures.background_flicker(still, mask) == pytest.approx(10 / np.sqrt(2))


def test_the_mask_holds_the_joints_and_moves_with_them(driving):
    mask = measures.figure_mask(driving, SIZE)
    assert mask.shape == (8, *SIZE) and 0.15 < mask.mean() < 0.6
    for frame, joints in zip(mask, np.nan_to_num(driving, nan=MIDDLE)):
        assert frame[joints[:, 1].astype(int), joints[:, 0].astype(int)].all()
    assert (mask[1, :, 1:-5] == mask[0, :, :-6]).mean() > 0.99
    bare = measures.figure_mask(driving, SIZE, shadow=False)
    assert not (bare & ~mask).any() and (mask & ~bare)[:, 58:].any()


def test_a_missing_joint_stands_where_it_was(driving):
    whole, holed = measures.figure_mask(driving, SIZE), driving.copy()
    holed[3, 4] = np.nan
    assert (measures.figure_mask(holed, SIZE) != whole).mean() < 0.005
    holed[:, 4] = np.nan        # a joint that no frame has is left out
    assert measures.figure_mask(holed, SIZE).sum() < whole.sum()
    holed[3] = np.nan           # nobody in a frame
    assert measures.figure_mask(holed, SIZE)[3].any()


def test_boxes_are_squares_about_the_figure():
    masks = np.zeros((3, 40, 60), bool)
    masks[0, 10:30, 20:25] = True
    masks[1, 35:40, 0:12] = True        # at the edge: moved into the frame
    assert measures.figure_boxes(masks) == [(12, 10, 20), (0, 28, 12), (10, 0, 40)]


def test_identity():
    rng = np.random.default_rng(3)
    source = rng.normal(size=10)
    assert measures.identity_distance(np.stack([source, 3 * source]), source) == pytest.approx(0, abs=1e-12)
    across = np.linalg.qr(np.stack([source, rng.normal(size=10)]).T)[0][:, 1]
    assert measures.identity_distance(np.stack([source, across]), source) == pytest.approx(0.5)
    assert measures.identity_distance(-source[None], source) == pytest.approx(2)
