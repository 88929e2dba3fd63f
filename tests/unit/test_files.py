"""Files and folders that appear whole or not at all, whatever an earlier run left."""

import json

import pytest

from tcan.files import atomic_dir, keep_run


def test_what_a_killed_run_left_goes_and_nothing_else(tmp_path):
    (tmp_path / ".set.a1b2_c3d").mkdir()
    (tmp_path / ".set.a1b2_c3d/frame.png").write_text("half")
    others = [".set.part", ".set.b.a1b2c3d4", ".sets.a1b2c3d4", ".set.a1b2c3d45", "set.a1b2c3d4"]
    for name in others:
        (tmp_path / name).mkdir()
    with atomic_dir(tmp_path / "set") as folder:
        (folder / "frame.png").write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "set"])
    assert (tmp_path / "set/frame.png").read_text() == "whole"


@pytest.mark.parametrize("left", [None, "", "{", json.dumps({"sha256": "another"})])
def test_a_run_of_something_else_or_unreadable_is_dropped(tmp_path, left):
    run = tmp_path / "run"
    keep_run(run, {"seed": 1})
    (run / "clip").write_text("done")
    keep_run(run, {"seed": 1})
    assert (run / "clip").exists()
    (run / "run_of.json").unlink() if left is None else (run / "run_of.json").write_text(left)
    keep_run(run, {"seed": 1})
    assert not (run / "clip").exists()
