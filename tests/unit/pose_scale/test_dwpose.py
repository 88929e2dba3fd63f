"""DWPose's numbers, by themselves and through two small ONNX models with known answers (made_onnx.py)."""

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tcan.errors import UserError
from tcan.pose import dwpose
from tcan.pose.dwpose import DETECTOR, POINTS, DWPose
from tcan.pose.keypoints import INDEX

HERE = Path(__file__).parent
CELL = 3 * 8 + 4  # where made_onnx.py's detector sees a person


def raw_detections(*cells, side=(64, 64)):
    """YOLOX's output with boxes in the middle of some cells: (cell, log width, log height, object, {class: score})."""
    raw = np.zeros((sum(side[0] // stride * (side[1] // stride) for stride in dwpose.STRIDES), 85), np.float32)
    for cell, width, height, sure, classes in cells:
        raw[cell, :5] = 0.5, 0.5, width, height, sure
        for kind, score in classes.items():
            raw[cell, 5 + kind] = score
    return raw


def test_boxes_of_the_three_grids():
    # column 4 of row 3 at stride 8; column 1 of row 2 at stride 16; the last cell, at stride 32
    raw = raw_detections((28, 1, 1.5, 1, {0: 0.9}), (64 + 9, 0, 0, 0.8, {0: 0.5}), (83, 0.5, 0, 0.5, {3: 1}))
    boxes, scores = dwpose.decode_detections(raw, (64, 64))
    assert len(boxes) == 84
    wide, tall = 8 * np.e / 2, 8 * np.exp(1.5) / 2
    np.testing.assert_allclose(boxes[28], [36 - wide, 28 - tall, 36 + wide, 28 + tall], rtol=1e-6)
    np.testing.assert_allclose(boxes[73], [16, 32, 32, 48])
    np.testing.assert_allclose(boxes[83], [48 - 16 * np.exp(0.5), 32, 48 + 16 * np.exp(0.5), 64], rtol=1e-6)
    np.testing.assert_allclose(scores[[28, 73, 83]], [0.9, 0.4, 0], rtol=1e-6)


def test_a_grid_that_is_not_square():
    boxes, _ = dwpose.decode_detections(raw_detections((13, 0, 0, 1, {0: 1}), side=(32, 64)), (32, 64))
    np.testing.assert_allclose(boxes[13], [40, 8, 48, 16], err_msg="eight columns: column 5 of row 1")


def test_unsure_and_overlapping_boxes_go():
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30], [20, 20, 30, 25.5], [0, 0, 10, 10]], np.float64)
    scores = np.array([0.5, 0.9, 0.31, 0.3, 0.2])
    kept = dwpose.suppress(boxes, scores, scale=0.5)
    np.testing.assert_allclose(kept, np.array([[1, 1, 11, 11], [20, 20, 30, 30]]) * 2, err_msg="the surest first, in pixels of the picture")
    # intersection over union counting last pixels: 11 x 6 of 11 x 11 is 0.545, above 0.45, and 11 x 4 is 0.36, below
    for height, count in ((5, 1), (3, 2)):
        assert len(dwpose.suppress(np.array([[0, 0, 10, 10], [0, 0, 10, height]], np.float64), np.array([0.9, 0.8]), 1)) == count
    assert dwpose.suppress(boxes, np.zeros(5), 1).shape == (0, 4)


def test_letterbox():
    picture = np.zeros((50, 100, 3), np.uint8)
    picture[...] = 10, 20, 30
    letter, scale = dwpose.letterbox(picture, (64, 64))
    assert scale == 0.64 and letter.dtype == np.float32
    assert letter[:, 0, 0].tolist() == letter[:, 31, 63].tolist() == [30, 20, 10], "BGR, 0 to 255"
    assert (letter[:, 32:] == 114).all()


def test_regions_and_crops():
    boxes = np.array([[10, 20, 30, 60], [0, 0, 90, 10]], np.float64)
    centers, sizes = dwpose.regions(boxes, 36 / 48)
    np.testing.assert_allclose(centers, [[20, 40], [45, 5]])
    np.testing.assert_allclose(sizes, [[37.5, 50], [112.5, 150]], err_msg="padded by a quarter, and heightened or widened to 3 : 4")
    picture = np.zeros((80, 60, 3), np.uint8)
    picture[40, 20] = picture[30, 12] = 255, 0, 0
    crop = dwpose.crop(picture, np.array([20.0, 40.0]), np.array([36.0, 48.0]), (48, 36))
    bright = crop[0] * 58.395 + 123.675
    assert crop.shape == (3, 48, 36) and crop.dtype == np.float32
    assert np.argwhere(bright > 250).tolist() == [[14, 10], [24, 18]], "pixel for pixel, the center in the middle; red is the first channel"
    np.testing.assert_allclose(crop[:, 0, 0], [-123.675 / 58.395, -116.28 / 57.12, -103.53 / 57.375], rtol=1e-5)


def test_points_of_distributions():
    across, down = np.zeros((1, 2, 72)), np.zeros((1, 2, 96))
    across[0, 0, 7], down[0, 0, 90] = 0.9, 0.4
    across[0, 1, 71], down[0, 1, 0] = 0.2, 0.8
    places, score = dwpose.decode_points(across, down)
    assert places.tolist() == [[[3.5, 45], [35.5, 0]]] and score.tolist() == [[0.4, 0.2]]


def test_openpose_from_coco():
    names = ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
             "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle")
    points = np.arange(2 * 133 * 2, dtype=np.float64).reshape(2, 133, 2)
    score = np.full((2, 133), 0.6)
    score[:, 5], score[0, 6], score[1, 6], score[0, 9], score[0, 10] = 1.7, 0.5, 0.3, 0.30001, 0.3
    xy, found = dwpose.to_openpose(points, score)
    for index, name in enumerate(names):
        if found[0, INDEX[name]]:
            np.testing.assert_array_equal(xy[0, INDEX[name]], points[0, index])
    np.testing.assert_array_equal(xy[0, INDEX["neck"]], (points[0, 5] + points[0, 6]) / 2)
    assert found[0, INDEX["neck"]] == 0.5 and found[0, INDEX["left_shoulder"]] == 1, "as sure as the less sure shoulder, and at most 1"
    assert found[1, INDEX["neck"]] == 0 and np.isnan(xy[1, INDEX["neck"]]).all(), "one shoulder isn't sure"
    assert found[0, INDEX["left_wrist"]] > 0.3 and np.isnan(xy[0, INDEX["right_wrist"]]).all(), "more than 0.3"
    assert np.isnan(xy).any(axis=(0, 2)).sum() == 3


@pytest.fixture
def folder(tmp_path):
    """Weights' names, the small models' content."""
    shutil.copy(HERE / "yolox_tiny.onnx", tmp_path / DETECTOR)
    shutil.copy(HERE / "points_tiny.onnx", tmp_path / POINTS)
    return tmp_path


def scene(blue, dot):
    """A picture of 128 x 128, twice the detector's input: its middle blue or not, and a red dot at (x, y)."""
    picture = np.zeros((128, 128, 3), np.uint8)
    picture[60:70, 60:70, 2] = blue
    picture[dot[1] - 2:dot[1] + 3, dot[0] - 2:dot[0] + 3, 0] = 255
    return picture


@pytest.mark.parametrize("batch", [1, 8])
def test_from_pictures_to_people(folder, batch):
    """The detector's person around (72, 56), whose points all lie at the dot; a dark middle has nobody."""
    look = DWPose(folder, batch=batch)
    one, none, other = look.people([scene(255, (75, 60)), scene(50, (75, 60)), scene(200, (64, 46))])
    assert (len(one), len(none), len(other)) == (1, 0, 1) and none.xy.shape == (0, 18, 2)
    for found, dot in ((one, (75, 60)), (other, (64, 46))):
        assert found.size == (128, 128)
        there = found.score[0] > 0
        missing = [INDEX["left_elbow"]]  # COCO's seventh, of whom the model is but a quarter sure
        assert np.flatnonzero(~there).tolist() == missing
        reach = 1.25 * 2 * 8 * np.exp(1.5) / 48  # pixels of the picture for one of the crop
        assert np.abs(found.xy[0, there] * 128 - dot).max() < 2 + reach
        np.testing.assert_allclose(found.score[0, there], 1, atol=0.02)
        np.testing.assert_allclose(found.surety, 17, atol=0.2)


def test_several_people_go_through_the_network_in_batches(folder):
    look = DWPose(folder, batch=2)
    boxes = np.array([[40.0, 20, 100, 100], [50, 30, 110, 110], [30, 30, 110, 90]])
    places, score = look.points(scene(0, (75, 60)), boxes)
    assert places.shape == (3, 133, 2) and score.shape == (3, 133)
    assert np.abs(places - (75, 60)).max() < 6
    for box, place in zip(boxes, places, strict=True):
        np.testing.assert_array_equal(look.points(scene(0, (75, 60)), box[None])[0][0], place)


def test_missing_and_other_weights(tmp_path, folder):
    with pytest.raises(UserError, match=f"{DETECTOR}: expected DWPose's weights, found no file; put {DETECTOR} of yzd-v/DWPose there"):
        DWPose(tmp_path / "elsewhere")
    (folder / POINTS).write_bytes(b"broken")
    with pytest.raises(UserError, match=f"{POINTS}: expected an ONNX model, got another file"):
        DWPose(folder)


def test_no_card(folder):
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("there is one")
    with pytest.raises(UserError, match="device: expected an onnxruntime for 'cuda', got one for the CPU"):
        DWPose(folder, device="cuda")


def test_without_the_package(folder, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match="dwpose: expected the package onnxruntime, found none"):
        DWPose(folder)
