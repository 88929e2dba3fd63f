"""`tcan poses` at a scale of hundreds of clips: shards, clips done that are kept, clips left out."""

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from made_people import person

from tcan import config as configuration
from tcan.data import clips
from tcan.errors import UserError
from tcan.pose import estimate
from tcan.pose.keypoints import load
from tcan.pose.people import RULES
from tcan.sections import FrameSet

from tests.conftest import differing

ROOT = Path(__file__).parents[3]
FRAMES = 4


def joints_of(clip, frame):
    """The two people of a frame, (18, 2) in pixels of 48 x 64; `late` is empty in its first frame."""
    shift = sum(map(ord, clip)) % 5
    return [] if clip == "late" and frame == 0 else [person(2 + frame, 2 + shift, 40), person(30, 10, 26)]


@pytest.fixture
def shard(tmp_path):
    """A function: (clip, split) pairs -> a shard of frames, and OpenPose's JSON for them in tmp_path/raw."""
    def make(*named):
        rows = []
        for name, split in named:
            folder = tmp_path / "frames/000" / name
            digest = clips.write_clip(folder, np.full((FRAMES, 48, 64, 3), len(name), np.uint8))
            rows.append({"id": name, "split": split, "source": "x", "fps": 30, "frames": FRAMES, "height": 48, "width": 64, "sha256": digest})
            for frame in range(FRAMES):
                path = tmp_path / "raw/openpose_json" / name / f"v_{frame:012d}_keypoints.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                people = [] if "empty" in name else joints_of(name, frame)
                path.write_text(json.dumps({"people": [{"pose_keypoints_2d": np.column_stack([one, np.full(18, 0.75)]).ravel().tolist()} for one in people]}))
        (tmp_path / "frames/000").mkdir(parents=True, exist_ok=True)
        clips.write_table(tmp_path / "frames/000", rows)
        return tmp_path / "frames/000"

    return make


def poses(root, frames, out="poses/000", **arguments):
    config = configuration.load("params.yaml", "smoke")
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, sets={"many": FrameSet("video", "openpose_json")}))
    estimate.run(SimpleNamespace(**{"set": "many", "frames": frames, "out": root / out, "raw": root / "raw", "exact": None, "run": root / "runs/000",
                                    "leave_out": True, "person": "steadiest", "device": "cpu", "batch": 8, **arguments}), config)
    return root / out


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_shard(tmp_path, shard):
    out = poses(tmp_path, shard(("one", "train"), ("late", "test")))
    assert sorted(files(out)) == ["late.npz", "left_out.json", "one.npz", "run.json"]
    assert not (tmp_path / "runs/000").exists()
    one, late = load(out / "one.npz"), load(out / "late.npz")
    assert one.size == (48, 64) and one.estimator == "openpose_json" and one.people.tolist() == [2, 2, 2, 2]
    np.testing.assert_allclose(one.xy, [joints_of("one", frame)[0] for frame in range(FRAMES)], atol=1e-4)
    assert late.people.tolist() == [0, 2, 2, 2] and np.isnan(late.xy[0]).all() and (late.score[0] == 0).all()
    run = json.loads((out / "run.json").read_text())
    assert run["figures"]["late"] == {"frames": 4, "frames_found": 3, "joints_found": 0.75, "most_people": 2}
    assert run["config"]["person"] == "steadiest" and json.loads((out / "left_out.json").read_text()) == {}


def test_a_train_clip_without_anybody_is_left_out(tmp_path, shard):
    out = poses(tmp_path, shard(("one", "train"), ("empty", "train")))
    assert sorted(files(out)) == ["left_out.json", "one.npz", "run.json"]
    assert json.loads((out / "left_out.json").read_text()) == {
        "empty": {"frames": 4, "reason": "openpose_json found nobody in any frame", "split": "train"}}


@pytest.mark.parametrize(("split", "leave_out"), [("test", True), ("train", False)])
def test_one_that_is_needed_stops_in_one_line(tmp_path, shard, split, leave_out):
    with pytest.raises(UserError, match="^empty: expected a person in at least one of 4 frames, openpose_json found none; ") as error:
        poses(tmp_path, shard(("one", "train"), ("empty", split)), leave_out=leave_out)
    assert "\n" not in str(error.value) and not (tmp_path / "poses/000").exists()


def test_an_empty_shard(tmp_path, shard):
    assert sorted(files(poses(tmp_path, shard()))) == ["left_out.json", "run.json"]


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_is_an_argument(tmp_path, shard, rule):
    out = poses(tmp_path, shard(("one", "train")), person=rule)
    assert np.isfinite(load(out / "one.npz").xy).all() and json.loads((out / "run.json").read_text())["config"]["person"] == rule


class Stop(Exception):
    pass


def counting(monkeypatch, stop_at=None):
    """The clips that are estimated, in order; the run stops before it has estimated so many."""
    seen, make = [], estimate.ESTIMATORS["openpose_json"]

    def counted(args, config):
        found = make(args, config)

        def look(clip):
            if len(seen) == stop_at:
                raise Stop
            seen.append(clip.id)
            return found(clip)

        return look

    monkeypatch.setitem(estimate.ESTIMATORS, "openpose_json", counted)
    return seen


def test_clips_done_are_kept(tmp_path, shard, monkeypatch):
    frames = shard(("a", "train"), ("b_empty", "train"), ("c", "train"), ("d", "test"))
    expected = files(poses(tmp_path, frames, "undisturbed", run=None))
    with monkeypatch.context() as patch, pytest.raises(Stop):
        counting(patch, stop_at=3)
        poses(tmp_path, frames)
    assert not (tmp_path / "poses/000").exists()
    seen = counting(monkeypatch)
    assert not differing(files(poses(tmp_path, frames)), expected)
    assert seen == ["d"], "the one that nobody is in was kept too"


@pytest.mark.parametrize("change", [{"person": "largest"}, {"device": "cuda"}])
def test_clips_of_other_settings_are_not(tmp_path, shard, monkeypatch, change):
    frames = shard(("a", "train"), ("b", "train"))
    with monkeypatch.context() as patch, pytest.raises(Stop):
        counting(patch, stop_at=1)
        poses(tmp_path, frames)
    seen = counting(monkeypatch)
    poses(tmp_path, frames, **change)
    assert seen == ["a", "b"]


def test_clips_of_other_frames_are_not(tmp_path, shard, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Stop):
        counting(patch, stop_at=1)
        poses(tmp_path, shard(("a", "train"), ("b", "train")))
    table = clips.read_table(tmp_path / "frames/000").drop(columns="folder").assign(sha256=["other", "x"])
    clips.write_table(tmp_path / "frames/000", table.to_dict("records"))
    seen = counting(monkeypatch)
    poses(tmp_path, tmp_path / "frames/000")
    assert seen == ["a", "b"]


SLOWLY = """
import sys, time
sys.path.insert(0, {tests!r})
from tcan.pose import estimate
from test_kept_clips import poses
from pathlib import Path
make = estimate.ESTIMATORS["openpose_json"]
def slowly(args, config):
    look = make(args, config)
    return lambda clip: (time.sleep(0.02), look(clip), print(clip.id, flush=True))[1]
estimate.ESTIMATORS["openpose_json"] = slowly
poses(Path({root!r}), Path({frames!r}))
"""


def killed(root, frames, kills):
    """Run `tcan poses` in processes that are killed at a random moment, `kills` times, and once to the end."""
    code = SLOWLY.format(tests=str(Path(__file__).parent), root=str(root), frames=str(frames))
    moments = random.Random(0)
    for _ in range(kills):
        with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True) as process:
            process.stdout.readline()  # it is at work, however long its imports took
            time.sleep(moments.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    return files(root / "poses/000")


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_any_moment(tmp_path, shard, kills):
    frames = shard(*((f"clip{number:02d}", "train") for number in range(24)), ("empty", "train"), ("late", "test"))
    expected = files(poses(tmp_path, frames, "undisturbed", run=None))
    assert not differing(killed(tmp_path, frames, kills), expected)
    assert not (tmp_path / "runs/000").exists()
