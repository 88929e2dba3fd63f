"""A set's shards as one set: every clip once, or in the table of what was left out."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcan.data import clips, left_out
from tcan.data.gather import gather
from tcan.data.shards import of_shard
from tcan.errors import UserError
from tcan.files import write_json
from tcan.pose import keypoints
from tcan.pose.estimate import LEFT_OUT
from tcan.pose.keypoints import Keypoints

BROKEN = {"id": "d", "split": "train", "reason": "truncated"}
NOBODY = {"b": {"split": "train", "frames": 2, "reason": "openpose found nobody in any frame"}}


@given(st.sets(st.text("abc012", min_size=1), max_size=40), st.integers(1, 9))
def test_every_clip_is_in_one_shard_and_shards_are_of_a_size(ids, count):
    shards = [of_shard(ids, number, count) for number in range(count)]
    assert sorted(clip for shard in shards for clip in shard) == sorted(ids)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


@pytest.fixture
def data(tmp_path):
    """Two shards: a and b, of which b has nobody in it; c, while d was broken."""
    for name, held, lost, nobody in (("0000", "ab", [], NOBODY), ("0001", "c", [BROKEN], {})):
        frames, poses = (tmp_path / kind / "set/shards" / name for kind in ("frames", "poses"))
        for folder in (frames, poses):
            folder.mkdir(parents=True)
            write_json(folder / "run.json", {"shard": name})
        rows = [{"id": clip, "split": "train", "source": "tiktok", "fps": 30.0, "frames": 2, "height": 4, "width": 4,
                 "sha256": clips.write_clip(frames / clip, np.zeros((2, 4, 4, 3), np.uint8), [3, 5])} for clip in held]
        clips.write_table(frames, rows)
        left_out.write(frames, lost)
        for clip in set(held) - set(nobody):
            keypoints.save(Keypoints(np.ones((2, 18, 2), np.float32), np.ones((2, 18), np.float32), (4, 4), "openpose"), poses / f"{clip}.npz")
        write_json(poses / LEFT_OUT, nobody)
    return tmp_path


def gathered(data, leaking=()):
    gather(data / "frames/set", data / "poses/set", 2, leaking, seed=7)
    return clips.find(data, ["set"], "train")


def test_clips_of_all_shards_are_found_with_their_key_points(data):
    table = gathered(data)
    assert table.id.tolist() == ["a", "c"] and table.shard.tolist() == ["0000", "0001"]
    for clip in table.itertuples():
        assert len(keypoints.load(clip.poses)) == len(clips.read_clip(clip.folder)) == clip.frames
        assert clips.numbers(clip.folder) == [3, 5]
    run = json.loads((data / "poses/set/run.json").read_text())
    assert run["figures"] == {"clips": 2, "frames": 4, "left_out": 2}


def test_one_table_says_what_was_left_out_and_why(data, capsys):
    gathered(data, leaking=["c", "not in this set"])
    table = pd.read_csv(data / "frames/set/left_out.csv").set_index("id")["reason"].to_dict()
    assert table == {"b": NOBODY["b"]["reason"], "c": "it shows what a test video shows (leakage.csv)", "d": "truncated"}
    told = capsys.readouterr().err
    assert all(reason in told for reason in table.values())


def test_the_marker_changes_with_a_shard(data):
    gathered(data)
    before = (data / "poses/set/run.json").read_text()
    write_json(data / "poses/set/shards/0001/run.json", {"shard": "other"})
    gathered(data)
    assert (data / "poses/set/run.json").read_text() != before


def test_nothing_left_stops(data):
    with pytest.raises(UserError, match=r"expected at least one whole clip, all 4 are left out; see .*left_out.csv"):
        gathered(data, leaking=["a", "c"])
    assert not Path(data / "frames/set/clips.csv").exists()
