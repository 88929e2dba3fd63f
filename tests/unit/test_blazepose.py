"""BlazePose: the geometry around the two networks exactly, with stand-ins for them; the real ones where they were fetched."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcan.errors import UserError
from tcan.pose import blazepose
from tcan.pose.blazepose import BlazePose
from tcan.pose.keypoints import INDEX, MIRRORED, NAMES
from tcan.pose.tracking import steadiest

RAW = Path("data/raw")


@pytest.fixture
def blind(monkeypatch):
    """A BlazePose without networks."""
    monkeypatch.setattr(blazepose, "_interpreter", lambda path, threads: path.name)
    return BlazePose("nowhere")


def dot(x, y, height=300, width=400):
    """A black picture with a soft bright dot at (x, y), in pixels from the corner."""
    grid_y, grid_x = np.mgrid[:height, :width] + 0.5
    light = 255 * np.exp(-((grid_x - x) ** 2 + (grid_y - y) ** 2) / (2 * 6 ** 2))
    return np.repeat(light[..., None], 3, axis=2).astype(np.uint8)


def center_of_light(picture):
    """Where the light of a picture (h, w, 3) is, in pixels from its corner."""
    light = picture[..., 0].astype(np.float64)
    grid_y, grid_x = np.mgrid[:light.shape[0], :light.shape[1]] + 0.5
    return (grid_x * light).sum() / light.sum(), (grid_y * light).sum() / light.sum()


def test_anchors_cover_the_detector_outputs():
    anchors = blazepose.anchors()
    assert anchors.shape == (2254, 2)
    assert np.allclose(anchors[:2], 0.5 / 28) and np.allclose(anchors[-1], 6.5 / 7)
    assert np.allclose(anchors[2], [1.5 / 28, 0.5 / 28]), "x first"


@pytest.mark.parametrize(("height", "width"), [(300, 400), (1000, 500), (90, 90)])
def test_detections_come_back_from_the_letterbox(blind, monkeypatch, height, width):
    place = np.array([0.3 * width, 0.7 * height])

    def invoke(model, picture):
        assert picture.shape == (224, 224, 3) and picture.min() >= -1 and picture.max() <= 1
        raw, logits = np.zeros((1, 2254, 12), np.float32), np.full((1, 2254, 1), -50, np.float32)
        raw[0, 7, 2:4] = 100
        raw[0, 7, 4:] = np.tile(center_of_light(picture + 1) - blazepose.anchors()[7] * 224, 4)
        logits[0, 7] = 3
        return raw, logits

    monkeypatch.setattr(blazepose, "_invoke", invoke)
    found = blind.detect(dot(*place, height, width))
    assert np.abs(found - place).max() < 0.5 * max(height, width) / 224


def test_nobody_below_the_threshold(blind, monkeypatch):
    monkeypatch.setattr(blazepose, "_invoke", lambda model, picture: (np.zeros((1, 2254, 12)), np.full((1, 2254, 1), -0.01)))
    assert blind.detect(dot(5, 5)) is None
    xy, score = blind([dot(5, 5), dot(8, 8)])
    assert xy.shape == (2, 18, 2) and np.isnan(xy).all() and (score == 0).all()


def test_suppression_averages_what_overlaps():
    detections = np.zeros((3, 12))
    detections[:, :4] = [[0.5, 0.5, 0.4, 0.4], [0.52, 0.5, 0.4, 0.4], [0.1, 0.1, 0.1, 0.1]]
    best = blazepose.suppress(detections, np.array([0.9, 0.6, 0.8]))
    assert np.allclose(best[0], (0.9 * 0.5 + 0.6 * 0.52) / 1.5)
    assert blazepose.suppress(detections, np.array([0.4, 0.1, 0.2])) is None


def test_region_is_upright_for_somebody_who_stands():
    center, side, angle = blazepose.region(np.array([[100.0, 200.0], [100.0, 100.0]]))
    assert np.allclose(center, [100, 200]) and side == 250 and abs(angle) < 1e-9
    assert np.isclose(blazepose.region(np.array([[0.0, 0.0], [50.0, 0.0]]))[2], np.pi / 2), "lying, the head to the right"
    assert blazepose.region(np.zeros((2, 2)))[1] > 0


@settings(max_examples=15, deadline=None)
@given(angle=st.floats(-3.1, 3.1), side=st.floats(180, 900), x=st.floats(150, 250), y=st.floats(120, 180))
def test_landmarks_come_back_from_any_region(angle, side, x, y):
    """What the network sees at a place of its crop comes out where it is in the picture, however the region is turned and scaled."""
    def invoke(model, picture):
        points = np.zeros((39, 5), np.float32)
        points[:, :2] = center_of_light(picture)
        return points.reshape(1, 195), np.ones((1, 1), np.float32)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blazepose, "_interpreter", lambda path, threads: path.name)
        patch.setattr(blazepose, "_invoke", invoke)
        points, visibility, presence = BlazePose("nowhere").landmarks(dot(x, y), (np.array([200.0, 150.0]), side, angle))
    assert np.abs(points - [x, y]).max() < 0.5
    assert np.allclose(visibility, 0.5) and presence == 1


def body():
    """BlazePose's 39 points with number n at (n, 100 + n), all but the right wrist (16) seen."""
    points = np.stack([np.arange(39.0), 100 + np.arange(39.0)], axis=1)
    return points, np.where(np.arange(39) == 16, 0.1, 0.9)


def test_openpose_names_get_their_blazepose_points():
    xy, score = blazepose.to_openpose(*body())
    numbers = {"nose": 0, "right_shoulder": 12, "left_shoulder": 11, "right_wrist": 16, "left_hip": 23, "right_ankle": 28, "left_knee": 25,
               "right_eye": 5, "left_ear": 7}
    assert all(xy[INDEX[name], 0] == number for name, number in numbers.items())
    assert np.allclose(xy[INDEX["neck"]], [11.5, 111.5])
    assert np.isclose(score[INDEX["right_wrist"]], 0.1)


def test_mirror_readings_agree_and_unseen_joints_go_missing(blind, monkeypatch):
    """A network that sees the truth in the picture and its mirror image gives six equal readings."""
    picture = dot(10, 10, 200, 200)
    truth, visibility = body()
    mirror = {**{left: left + 1 for left in range(11, 33, 2)}, **{left + 1: left for left in range(11, 33, 2)}, 2: 5, 5: 2, 7: 8, 8: 7}

    def landmarks(view, roi):
        if np.array_equal(view, picture):
            return truth, visibility, 1.0
        order = [mirror.get(point, point) for point in range(39)]
        return truth[order] * [-1, 1] + [200, 0], visibility[order], 1.0

    monkeypatch.setattr(blind, "detect", lambda view: np.zeros((4, 2)))
    monkeypatch.setattr(blind, "landmarks", landmarks)
    readings, seen = blind.readings(picture)
    assert readings.shape == (6, 18, 2) and np.allclose(readings, readings[0], atol=1e-6) and np.allclose(seen, seen[0])
    xy, score = blind([picture] * 3)
    assert np.isnan(xy[:, INDEX["right_wrist"]]).all() and (score[:, INDEX["right_wrist"]] == 0).all()
    assert np.allclose(xy[0, 0], truth[0] / 200) and np.isfinite(np.delete(xy, INDEX["right_wrist"], axis=1)).all()


def walker(frames):
    """Somebody's 18 joints (f, 18, 2), left and right apart, who moves slowly."""
    generator = np.random.default_rng(0)
    still = generator.uniform(0, 1, (18, 2))
    still[[INDEX["nose"], INDEX["neck"]], 0] = 0.5
    return still + 0.01 * np.arange(frames)[:, None, None]


@settings(max_examples=50, deadline=None)
@given(wrong=st.lists(st.booleans(), min_size=25, max_size=25).filter(lambda wrong: sum(wrong) <= 9), gone=st.sets(st.integers(0, 24), max_size=8))
def test_the_steadiest_sequence_has_one_left_and_one_right(wrong, gone):
    truth = walker(25)
    readings = np.where(np.array(wrong)[:, None, None], truth[:, list(MIRRORED)], truth)[:, None]
    readings[sorted(gone)] = np.nan
    choice, exchanged = steadiest(readings)
    there = np.setdiff1d(np.arange(25), sorted(gone))
    if 2 * sum(wrong[frame] for frame in there) < len(there):
        assert [wrong[frame] for frame in there] == exchanged[there].tolist()
    assert set(choice[sorted(gone)]) <= {-1} and (choice[there] == 0).all()


def test_the_steadiest_sequence_leaves_out_misreadings():
    truth = walker(6)
    readings = np.stack([truth, truth], axis=1)
    readings[2, 0] += np.random.default_rng(1).normal(0, 0.2, (18, 2))
    readings[4, 1] = np.nan
    choice, exchanged = steadiest(readings)
    assert choice[2] == 1 and choice[4] == 0 and not exchanged.any()


def test_a_model_file_that_is_none(tmp_path):
    (tmp_path / blazepose.DETECTOR).write_bytes(b"no model")
    with pytest.raises(UserError, match="pose_detection.tflite: expected a TFLite model"):
        BlazePose(tmp_path)
    with pytest.raises(UserError, match="pose_detection.tflite: expected a TFLite model"):
        BlazePose(tmp_path / "absent")


@pytest.mark.skipif(not (RAW / "mediapipe").exists() or not (RAW / "pose2sim").exists(), reason="mediapipe or pose2sim was not fetched")
def test_the_real_networks_find_the_real_man():
    from tcan.data.frames import decode

    pictures = decode(RAW / "pose2sim/cam02.mp4", [0, 3, 6])[:, 372:1162, :790]
    xy, score = BlazePose(RAW / "mediapipe")(pictures)
    assert np.isfinite(xy).mean() > 0.9 and score.max() <= 1
    joint = {name: xy[:, INDEX[name]] for name in NAMES}
    assert (joint["nose"][:, 1] < joint["neck"][:, 1]).all() and (joint["neck"][:, 1] < joint["left_hip"][:, 1]).all()
    assert (joint["left_hip"][:, 1] < joint["left_knee"][:, 1]).all()
    assert (joint["right_shoulder"][:, 0] < joint["left_shoulder"][:, 0]).all(), "he faces the camera"
    assert np.abs(np.diff(xy, axis=0)).max() < 0.1
