"""Drawn poses: controlnet_aux's own drawing, black where nothing is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcan.errors import UserError
from tcan.pose.draw import draw, mask
from tcan.pose.keypoints import INDEX, Keypoints


def keypoints(xy, size=(100, 100)):
    xy = np.asarray(xy, np.float32)
    return Keypoints(xy, (~np.isnan(xy[..., 0])).astype(np.float32), size, "test")


@pytest.fixture
def figure():
    """Somebody in a frame of 100 x 100, two frames; the right wrist is missing in the second."""
    xy = np.array([[50, 15], [50, 25], [40, 25], [35, 40], [30, 55], [60, 25], [65, 40], [70, 55], [45, 55], [43, 72], [42, 90],
                   [55, 55], [57, 72], [58, 90], [48, 13], [52, 13], [45, 14], [55, 14]], np.float32)
    two = np.stack([xy, xy])
    two[1, INDEX["right_wrist"]] = np.nan
    return keypoints(two)


def test_it_is_the_drawing_the_controlnet_was_trained_on(figure):
    ours = draw(figure, 256, 256)[0]
    from controlnet_aux.open_pose import PoseResult, draw_poses
    from controlnet_aux.open_pose.body import BodyResult, Keypoint

    body = [Keypoint(x / 100, y / 100) for x, y in figure.xy[0].tolist()]
    theirs = draw_poses([PoseResult(BodyResult(body, 1.0, 18), None, None, None)], 256, 256, draw_hand=False, draw_face=False)
    assert np.array_equal(ours, theirs)


def test_shape_background_and_missing_joints(figure):
    pictures = draw(figure, 256, (64, 64))
    assert pictures.shape == (2, 64, 64, 3) and pictures.dtype == np.uint8
    assert 0.02 < pictures[0].any(axis=-1).mean() < 0.3
    wrist = np.s_[33:38, 17:22]  # (30, 55) of 100 in 64
    assert pictures[0][wrist].any() and not pictures[1][wrist].any()
    assert pictures[1].any()


def test_nobody_is_exactly_black():
    assert not draw(keypoints(np.full((3, 18, 2), np.nan)), 64, 32).any()


def test_one_joint_alone_is_a_dot():
    xy = np.full((1, 18, 2), np.nan)
    xy[0, INDEX["nose"]] = 50, 50
    picture = draw(keypoints(xy), 128, 32)[0]
    assert picture[16, 16].any() and not picture[:12].any() and not picture[:, 22:].any()


def test_it_is_averaged_down_by_area(figure):
    large = draw(figure, 128, 128).astype(float)
    means = large.reshape(2, 32, 4, 32, 4, 3).mean(axis=(2, 4))
    assert np.abs(draw(figure, 128, 32) - means).max() <= 0.51


def test_frames_of_other_sides(figure):
    tall = Keypoints(figure.xy * [1, 2], figure.score, (200, 100), "test")
    pictures = draw(tall, 64, (64, 32))
    assert pictures.shape == (2, 64, 32, 3)
    rows = np.flatnonzero(pictures[0].any(axis=(1, 2)))
    assert rows.min() < 13 and rows.max() > 55


def test_a_canvas_smaller_than_the_frame_is_refused(figure):
    with pytest.raises(UserError, match=r"pose.canvas: expected at least .*\(64\), got 32"):
        draw(figure, 32, 64)


def test_mask_is_where_any_frame_is_drawn(figure):
    pictures = draw(figure, 64, 32)
    assert np.array_equal(mask(pictures), pictures[0].any(-1) | pictures[1].any(-1))
    assert mask(pictures).shape == (32, 32) and mask(pictures).dtype == bool


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.none(), st.tuples(st.floats(-300, 400), st.floats(-300, 400))), min_size=18, max_size=18))
def test_any_joints_can_be_drawn(joints):
    xy = np.array([joint or (np.nan, np.nan) for joint in joints])[None]
    assert draw(keypoints(xy), 64, 16).shape == (1, 16, 16, 3)
