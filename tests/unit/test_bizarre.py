"""The Bizarre Pose characters: named or drawn, padded, with key points as annotated or marked by hand."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from tcan import cli
from tcan.data import bizarre, clips, marked
from tcan.data.pictures import read_picture
from tcan.errors import UserError
from tcan.pose import keypoints
from tcan.pose.keypoints import INDEX
from tests import paper_world

SIZE = 40
EXAMPLE = {"100000": {"size": [60, 90], "keypoints": {"nose": [30, 12.5], "left_shoulder": [40, 25], "right_shoulder": [20, 27], "left_ear": None}}}


def options(**changes):
    return SimpleNamespace(**{"images": [], "draw": 10, "keypoints": None, **changes})


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return paper_world.bizarre(tmp_path_factory.mktemp("bizarre"))


def make(raw, folder, exact=True, **changes):
    bizarre.make_set(options(**changes), SIZE, 2024, raw, folder / "frames", folder / "exact" if exact else None)
    return clips.read_table(folder / "frames")


def annotation(raw, name):
    return json.loads((raw / "bizarre_pose_dataset/raw/annotations.json").read_text())[name]


def test_ten_are_drawn_by_seed_and_written_down(raw, tmp_path):
    table = make(raw, tmp_path / "one")
    drawn = json.loads((tmp_path / "one/frames/drawn.json").read_text())
    assert len(table) == 10 == len(set(drawn["images"])) and drawn["of"] == 12 and drawn["seed"] == 2024 and "choice(of, draw" in drawn["rule"]
    assert table.id.tolist() == [f"bizarre_{name}" for name in drawn["images"]] and set(table.split) == {"bizarre"} and set(table.frames) == {1}
    make(raw, tmp_path / "two")
    for path in (tmp_path / "one").rglob("*"):
        assert path.is_dir() or (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes() == path.read_bytes()
    bizarre.make_set(options(), SIZE, 7, raw, tmp_path / "other")
    assert json.loads((tmp_path / "other/drawn.json").read_text())["images"] != drawn["images"]


@pytest.mark.parametrize("name", ["100000", "100007"])
def test_annotations_become_openposes_key_points_in_the_padded_frame(raw, tmp_path, name):
    make(raw, tmp_path, images=[name])
    given, points = annotation(raw, name), keypoints.load(tmp_path / f"exact/bizarre_{name}.npz")
    height, width = given["size"]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    assert points.size == (SIZE, SIZE) and points.estimator == "annotations" and points.found.all() and (points.score == 1).all()
    for ours, theirs in {"nose": "nose", "left_hip": "hip_left", "right_wrist": "wrist_right", "left_ear": "ear_left"}.items():
        y, x = given["keypoints"][theirs]
        assert np.allclose(points.xy[0, INDEX[ours]], [(x + left) * SIZE / side, (y + top) * SIZE / side], atol=1e-4)
    assert np.allclose(points.xy[0, INDEX["neck"]], (points.xy[0, INDEX["left_shoulder"]] + points.xy[0, INDEX["right_shoulder"]]) / 2)
    frame = clips.read_clip(tmp_path / f"frames/bizarre_{name}")[0]
    rim = frame[:, 0] if height > width else frame[0]
    assert frame.shape == (SIZE, SIZE, 3) and (rim == 255).all()


def test_key_points_made_by_hand(raw, tmp_path):
    (tmp_path / "hand.json").write_text(json.dumps(EXAMPLE))
    make(raw, tmp_path, images=["100000"], keypoints=str(tmp_path / "hand.json"))
    points = keypoints.load(tmp_path / "exact/bizarre_100000.npz")
    assert points.estimator == "by hand" and points.found[0, [INDEX["nose"], INDEX["neck"]]].all() and points.found.sum() == 4
    assert np.allclose(points.xy[0, INDEX["nose"]], [(30 + 15) * SIZE / 90, 12.5 * SIZE / 90])
    assert np.allclose(points.xy[0, INDEX["neck"]], [(30 + 15) * SIZE / 90, 26 * SIZE / 90])


@pytest.mark.parametrize(("change", "message"), [
    ({"keypoints": {"nsoe": [1, 2]}}, "100000: expected one of nose, .*got 'nsoe'; did you mean 'nose'"),
    ({"keypoints": {**EXAMPLE["100000"]["keypoints"], "nose": [61, 2]}}, r"nose: expected \[x, y\] within 60 x 90 pixels, or null, got \[61, 2\]"),
    ({"keypoints": {**EXAMPLE["100000"]["keypoints"], "nose": [float("nan"), 2]}}, "nose: expected"),
    ({"keypoints": {**EXAMPLE["100000"]["keypoints"], "nose": "left"}}, "nose: expected"),
    ({"keypoints": {"nose": [1, 2]}}, "expected both shoulders, or neck, got nose"),
    ({"size": [60]}, r"expected size \[width, height\] in pixels, got \[60\]"),
    ({"points": {}}, "expected {\"size\""),
    ({"size": [90, 60], "keypoints": {"neck": [5, 5]}}, "expected a picture of 90 x 60 pixels, as its key points say, got 60 x 90"),
])
def test_mistakes_made_by_hand_are_named(raw, tmp_path, change, message):
    (tmp_path / "hand.json").write_text(json.dumps({"100000": {**EXAMPLE["100000"], **change}}))
    with pytest.raises(UserError, match=message) as caught:
        make(raw, tmp_path, images=["100000"], keypoints=str(tmp_path / "hand.json"))
    assert "\n" not in str(caught.value) and not (tmp_path / "frames").exists() and not (tmp_path / "exact").exists()


@pytest.mark.parametrize(("content", "message"), [("{", "expected JSON"), ("[]", "expected a JSON object"), (None, "found no file")])
def test_a_file_that_holds_no_key_points(raw, tmp_path, content, message):
    if content is not None:
        (tmp_path / "hand.json").write_text(content)
    with pytest.raises(UserError, match=message):
        make(raw, tmp_path, images=["100000"], keypoints=str(tmp_path / "hand.json"))


def test_annotations_of_another_layout_are_named(tmp_path):
    raw = paper_world.bizarre(tmp_path / "raw", 1)
    path = raw / "bizarre_pose_dataset/raw/annotations.json"
    entry = json.loads(path.read_text())["100000"]
    path.write_text(json.dumps({"100000": {**entry, "size": entry["size"][::-1]}}))
    with pytest.raises(UserError, match="100000: expected a picture of 90 x 60 pixels, as its key points say, got 60 x 90"):
        make(raw, tmp_path, images=["100000"])
    path.write_text(json.dumps({"100000": {"keypoints": [1, 2]}}))
    with pytest.raises(UserError, match=r"100000: expected size \[height, width\]"):
        make(raw, tmp_path, images=["100000"])


@pytest.mark.parametrize(("changes", "message"), [
    ({"images": ["100001"]}, r"expected ids of pictures with key points in .* \(12 of them\), got '100001'; did you mean '10000\d|100001"),
    ({"images": ["100000", "100000"]}, "expected each id once"),
    ({"draw": 13}, "data.bizarre.draw: expected at least 13 pictures with key points in .*, found 12"),
])
def test_ids_that_are_not_there(raw, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        make(raw, tmp_path, **changes)


def test_the_command_leaves_key_points_to_an_estimator_if_none_are_asked_for(tmp_path, monkeypatch, capfd):
    paper_world.bizarre(tmp_path / "raw/bizarre", 3)
    (tmp_path / "raw/bizarre/bizarre_pose_dataset/raw/annotations.json").unlink()
    config = SimpleNamespace(seed=1, data=SimpleNamespace(size=SIZE, bizarre=options(draw=2), sets={"bizarre": SimpleNamespace(kind="bizarre")}))
    monkeypatch.setattr(cli.configuration, "load", lambda *args: config)
    words = ["bizarre", "--set", "bizarre", "--raw", str(tmp_path / "raw"), "--out", str(tmp_path / "set")]
    assert cli.main(words) == 0 and len(clips.read_table(tmp_path / "set")) == 2
    assert cli.main([*words, "--exact", str(tmp_path / "exact")]) == 2 and "annotations.json: expected key points" in capfd.readouterr().err
    with pytest.raises(UserError, match="expected bizarre_pose_dataset/raw/images, found none"):
        make(tmp_path, tmp_path / "none")


def test_a_clear_picture_is_on_white(tmp_path):
    from PIL import Image

    Image.fromarray(np.zeros((4, 4, 4), np.uint8), "RGBA").save(tmp_path / "clear.png")
    assert (read_picture(tmp_path / "clear.png") == 255).all()
    assert set(marked.ANNOTATED.values()) >= {"nose", "eye_left", "shoulder_right", "ankle_left"}
