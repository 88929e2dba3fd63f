"""What drives a row: exact or estimated poses, errors put into them, retargeting; and the same poses written as numbers."""

import argparse
import dataclasses
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from tcan.sections import Row
from tcan.data import clips
from tcan.generate import driving, rows
from tcan.generate.cases import cases_of
from tcan.pose import keypoints
from tcan.pose.keypoints import Keypoints

FRAMES = 40
BODY = np.stack([np.linspace(20, 44, 18), np.linspace(10, 60, 18)], axis=1).astype(np.float32)


def points(shift=0.0, estimator="blazepose", frames=FRAMES, stretch=1.0):
    moved = BODY[None] * [1, stretch] + np.linspace(0, 5, frames)[:, None, None] + shift
    return Keypoints(moved.astype(np.float32), np.ones((frames, 18), np.float32), (64, 64), estimator)


@pytest.fixture
def data(tmp_path):
    """A real clip and a rendered one, which alone has exact key points, and an odd character."""
    for name, clip, split, frames in (("human", "a", "test", FRAMES), ("puppets", "b", "test", FRAMES), ("puppets", "c", "bizarre", 1)):
        folder = tmp_path / "frames" / name
        clips.write_clip(folder / clip, np.zeros((frames, 64, 64, 3), np.uint8))
        keypoints_folder = tmp_path / "poses" / name
        keypoints_folder.mkdir(parents=True, exist_ok=True)
        keypoints.save(points(shift=1, frames=frames, stretch=0.5 if split == "bizarre" else 1), keypoints_folder / f"{clip}.npz")
    row = {"source": "x", "fps": 20, "height": 64, "width": 64, "sha256": "x"}
    clips.write_table(tmp_path / "frames/human", [{"id": "a", "split": "test", "frames": FRAMES, **row}])
    clips.write_table(tmp_path / "frames/puppets", [{"id": "b", "split": "test", "frames": FRAMES, **row}, {"id": "c", "split": "bizarre", "frames": 1, **row}])
    (tmp_path / "exact/puppets").mkdir(parents=True)
    keypoints.save(points(estimator="exact"), tmp_path / "exact/puppets/b.npz")
    keypoints.save(points(estimator="exact", frames=1, stretch=0.5), tmp_path / "exact/puppets/c.npz")
    return tmp_path


@pytest.fixture
def with_further(data):
    """Beside them a further clip, of a set of its own."""
    clips.write_clip(data / "frames/puppets_further/d", np.zeros((FRAMES, 64, 64, 3), np.uint8))
    row = {"source": "x", "fps": 20, "height": 64, "width": 64, "sha256": "x"}
    clips.write_table(data / "frames/puppets_further", [{"id": "d", "split": "further", "frames": FRAMES, **row}])
    for folder, shift, estimator in (("poses", 1, "exact+errors"), ("exact", 0, "exact")):
        (data / folder / "puppets_further").mkdir(parents=True)
        keypoints.save(points(shift, estimator), data / folder / "puppets_further/d.npz")
    return data


def cases(data, smoke, split="test", **changes):
    row = Row(title="x", tables=[], **changes)
    return {case.name: case for case in cases_of(split, data, smoke, row, smoke.generate)}


@pytest.mark.parametrize(("poses", "shift"), [("estimated", 1), ("exact", 0)])
def test_exact_poses_where_there_are_any(data, smoke, poses, shift):
    """Rendered clips have exact key points; for videos the estimator's are all there is."""
    made = cases(data, smoke, poses=poses)
    np.testing.assert_array_equal(made["a"].points.xy, points(1).xy)
    np.testing.assert_array_equal(made["b"].points.xy, points(shift).xy)


def test_what_is_held_out_is_the_test_clips_and_the_further_ones(data, with_further, smoke):
    """The test clips are driven as ever; of the other splits the further clips are no part, and needn't be there."""
    test, held_out = cases(with_further, smoke, poses="exact"), cases(with_further, smoke, "held_out", poses="exact")
    assert (list(test), list(held_out)) == (["a", "b"], ["a", "b", "d"])
    for name in test:
        np.testing.assert_array_equal(test[name].points.xy, held_out[name].points.xy)
    np.testing.assert_array_equal(held_out["d"].points.xy, points(0).xy)
    assert set(cases(with_further, smoke, "bizarre")) == set(cases(data, smoke, "bizarre")) == {"c__a"}
    shutil.rmtree(with_further / "frames/puppets_further")
    assert list(cases(with_further, smoke)) == ["a", "b"]


def test_errors_are_of_the_driving_poses_alone_and_grow_with_the_rate(data, smoke):
    few, many = (cases(data, smoke, poses="exact", errors={"missing": rate})["b"] for rate in (0.1, 0.5))
    for case, rate in ((few, 0.1), (many, 0.5)):
        assert 1 - case.points.found.mean() == pytest.approx(rate, abs=0.05)
        assert case.source_points.found.all()
    assert not (many.points.found & ~few.points.found).any(), "what a low rate loses, a higher one loses too"


def test_errors_are_the_same_for_every_seed(data, smoke):
    first, second = (cases(data, smoke, poses="exact", errors={"swap": 0.5}, seed=seed)["b"].points.xy for seed in (None, 7))
    np.testing.assert_array_equal(first, second)
    assert (first != points(0).xy).any()


def test_without_retargeting_the_driving_body_stays(data, smoke):
    """The character is half as tall: retargeted poses are too, others aren't."""
    retargeted, raw = (cases(data, smoke, "bizarre", poses="exact", retarget=retarget)["c__a"].points.xy for retarget in (True, False))
    np.testing.assert_array_equal(raw, points(1).xy)
    assert np.ptp(retargeted[0, :, 1]) < 0.7 * np.ptp(raw[0, :, 1])


def test_driving_writes_what_a_row_is_given_or_the_truth(data, smoke, tmp_path):
    rows = {"wrong": Row(title="x", tables=[], poses="exact", errors={"missing": 0.5})}
    config = SimpleNamespace(row=rows.__getitem__, generation=lambda name: smoke.generate, generate=smoke.generate, data=smoke.data, seed=smoke.seed,
                             resolved=smoke.resolved)
    for row in (None, "wrong"):
        driving.run(argparse.Namespace(split="test", row=row, data=data, out=tmp_path / str(row)), config)
    truth, wrong = (keypoints.load(tmp_path / name / "b.npz") for name in ("None", "wrong"))
    np.testing.assert_array_equal(truth.xy, points(0).xy)
    assert truth.estimator == "exact" and wrong.estimator == "exact+errors"
    np.testing.assert_array_equal(wrong.xy[wrong.found], truth.xy[wrong.found])
    assert len(keypoints.load(tmp_path / "wrong/b.source.npz")) == 1
    assert keypoints.load(tmp_path / "None/a.npz").estimator == "blazepose", "the truth of a real clip isn't known, and says so"


def test_driving_writes_the_drivers_own_poses_and_those_of_true_limbs_beside(data, smoke, tmp_path):
    """The character's limbs are truly three eighths as long as the driver's; by the two pictures it would be nearly a half."""
    for clip, length, stretch in (("b", 8, 1.0), ("c", 3, 0.25)):
        frames = FRAMES if clip == "b" else 1
        keypoints.save(dataclasses.replace(points(estimator="exact", frames=frames, stretch=stretch), limbs=np.full(17, length)),
                       data / f"exact/puppets/{clip}.npz")
    config = SimpleNamespace(generate=dataclasses.replace(smoke.generate, pairing="product"), data=smoke.data, seed=smoke.seed, resolved=smoke.resolved)
    driving.run(argparse.Namespace(split="bizarre", row=None, data=data, out=tmp_path / "out"), config)
    assert {path.name for path in (tmp_path / "out").glob("*.npz")} == {
        f"c__{clip}{what}.npz" for clip in "ab" for what in ("", ".source", ".as_driven", ".first_lengths", ".clip_lengths", ".true_limbs")
        if clip == "b" or what != ".true_limbs"}
    assert (tmp_path / "out/c__b.first_lengths.npz").read_bytes() == (tmp_path / "out/c__b.npz").read_bytes()
    heights = [np.ptp(keypoints.load(tmp_path / f"out/c__b{what}.npz").xy[0, :, 1]) for what in (".as_driven", ".true_limbs", "")]
    assert heights == [pytest.approx(50), pytest.approx(18.75, rel=0.01), pytest.approx(24.4, rel=0.01)]


@pytest.fixture
def interrupted(data, smoke, tmp_path, monkeypatch):
    """A row's arguments, after a run that was interrupted when its first clip was done, and the clips that a function of them has been asked for."""
    made = []

    def animate(case):
        made.append(case.name)
        if len(made) == 2:
            raise KeyboardInterrupt
        return np.repeat(case.source[None], len(case.points), axis=0)

    monkeypatch.setattr(rows, "_baseline", lambda name, foundation: animate)
    given = SimpleNamespace(row="copy", split="test", data=data, model=None, foundation=None, out=tmp_path / "out", run=tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        rows.run(given, smoke)
    return given, made


def test_what_was_generated_is_kept(interrupted, smoke):
    given, made = interrupted
    rows.run(given, smoke)
    assert made == ["a", "b", "b"]


def test_what_was_generated_of_other_poses_is_not(interrupted, smoke, data):
    given, made = interrupted
    keypoints.save(points(shift=2), data / "poses/human/a.npz")
    rows.run(given, smoke)
    assert made == ["a", "b", "a", "b"]


def test_what_was_generated_by_other_code_is_not(interrupted, smoke, monkeypatch):
    given, made = interrupted
    monkeypatch.setattr(rows, "sha256_of_code", lambda module: f"edited {module}")
    rows.run(given, smoke)
    assert made == ["a", "b", "a", "b"]
