"""poses: one file of key points a clip, in pixels of its frames, whatever the estimator."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from tcan import config as configuration
from tcan.sections import FrameSet
from tcan.data import clips, frames
from tcan.errors import UserError
from tcan.files import write_json
from tcan.pose import estimate
from tcan.pose.keypoints import Keypoints, load, save


@pytest.fixture
def config():
    return configuration.load("params.yaml", "smoke")


@pytest.fixture
def people(tmp_path):
    """A set of two clips of three black frames of 20 x 20."""
    rows = []
    for name in ("one", "two"):
        digest = clips.write_clip(tmp_path / "frames" / name, np.zeros((3, 20, 20, 3), np.uint8))
        rows.append({"id": name, "split": "test", "source": "x", "fps": 1, "frames": 3, "height": 20, "width": 20, "sha256": digest})
    clips.write_table(tmp_path / "frames", rows)
    return tmp_path / "frames"


class Looker:
    """Finds the nose at (0.5, 0.25) of every picture and keeps what it saw."""

    name = "looker"

    def __init__(self):
        self.seen = []

    def __call__(self, pictures):
        self.seen.extend(pictures)
        xy, score = np.full((len(self.seen), 18, 2), np.nan, np.float32), np.zeros((len(self.seen), 18), np.float32)
        xy[:, 0], score[:, 0] = (0.5, 0.25), 0.9
        return xy, score


def run(config, people, out, estimator="blazepose", **arguments):
    data = dataclasses.replace(config.data, sets={"people": FrameSet("video", estimator)})
    args = SimpleNamespace(**{"set": "people", "frames": people, "out": out, "raw": None, "exact": None, "run": None, "leave_out": False,
                              "person": "steadiest", "device": "cpu", "batch": 8, **arguments})
    estimate.run(args, dataclasses.replace(config, data=data))


def use(monkeypatch, clip_to_keypoints):
    monkeypatch.setitem(estimate.ESTIMATORS, "blazepose", lambda args, config: clip_to_keypoints)


def test_a_file_a_clip_with_figures(tmp_path, config, people, monkeypatch):
    use(monkeypatch, lambda clip: estimate.look_at(clip, Looker(), None))
    run(config, people, tmp_path / "poses")
    found = load(tmp_path / "poses/one.npz")
    assert found.size == (20, 20) and found.estimator == "looker" and np.allclose(found.xy[:, 0], [10, 5])
    assert np.isnan(found.xy[:, 1:]).all() and (found.score[:, 1:] == 0).all()
    figures = json.loads((tmp_path / "poses/run.json").read_text())["figures"]
    assert figures["two"] == {"frames": 3, "frames_found": 3, "joints_found": round(1 / 18, 4)}


def test_a_videos_own_pixels_are_looked_at(people, monkeypatch):
    write_json(people / "one" / frames.SAMPLING, {"source": "x", "file": "x.mp4", "indices": [4, 5, 6], "crops": [[10, 20, 40]] * 3})
    monkeypatch.setattr(frames, "decode", lambda path, indices: np.zeros((len(indices), 100, 100, 3), np.uint8))
    look = Looker()
    clip = next(clips.read_table(people).itertuples())
    found = estimate.look_at(clip, look, "raw")
    assert [picture.shape for picture in look.seen] == [(40, 40, 3)] * 3
    assert np.allclose(found.xy[:, 0], [10, 5]), "in pixels of the frame all the same"


def nobody(clip):
    return Keypoints(np.full((3, 18, 2), np.nan, np.float32), np.zeros((3, 18), np.float32), (20, 20), "x")


def test_a_clip_without_a_person_is_named_and_leaves_nothing(tmp_path, config, people, monkeypatch):
    use(monkeypatch, nobody)
    with pytest.raises(UserError, match="^one: expected a person in at least one of 3 frames, blazepose found none"):
        run(config, people, tmp_path / "poses")
    assert not (tmp_path / "poses").exists()


def test_frames_without_a_person_stay_explicit(tmp_path, config, people, monkeypatch):
    def once(clip):
        found = nobody(clip)
        found.xy[1], found.score[1] = 5, 1
        return found

    use(monkeypatch, once)
    run(config, people, tmp_path / "poses")
    assert load(tmp_path / "poses/one.npz").found.any(axis=1).tolist() == [False, True, False]


def test_key_points_of_another_length(tmp_path, config, people, monkeypatch):
    use(monkeypatch, lambda clip: nobody(clip).frames(slice(2)))
    with pytest.raises(UserError, match="one: expected key points of 3 frames, got 2"):
        run(config, people, tmp_path / "poses")


def test_true_key_points_go_through_the_seeded_error_model(tmp_path, config, people):
    pytest.importorskip("tcan.pose.corrupt")
    truth = np.random.default_rng(0).uniform(4, 16, (3, 18, 2)).astype(np.float32)
    for name in ("one", "two"):
        save(Keypoints(truth, np.ones((3, 18), np.float32), (20, 20), "exact"), tmp_path / f"exact/{name}.npz")
    for out in ("a", "b"):
        run(config, people, tmp_path / out, "exact+errors", exact=tmp_path / "exact")
    one, again, two = load(tmp_path / "a/one.npz"), load(tmp_path / "b/one.npz"), load(tmp_path / "a/two.npz")
    assert np.array_equal(one.xy, again.xy, equal_nan=True)
    assert not np.array_equal(one.xy, two.xy, equal_nan=True), "each clip has its own errors"
    assert not np.array_equal(one.xy, truth)


@pytest.mark.parametrize(("estimator", "message"), [
    ("exact+errors", "--exact: expected the folder of true key points"),
    ("blazepose", "--raw: expected the folder of fetched sources"),
    ("openpose", "--raw: expected the folder of fetched sources"),
    ("dwpose", "--raw: expected the folder of fetched sources"),
    ("openpose_json", "--raw: expected the folder of fetched sources"),
])
def test_missing_arguments(tmp_path, config, people, estimator, message):
    with pytest.raises(UserError, match=message):
        run(config, people, tmp_path / "poses", estimator)


def test_an_unknown_set(tmp_path, config, people):
    with pytest.raises(UserError, match="--set: expected one of people, got 'persons'"):
        run(config, people, tmp_path / "poses", set="persons")
