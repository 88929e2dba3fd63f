"""OpenPose's own JSON: BODY_25 and COCO, several people, frames without a file."""

import json

import numpy as np
import pytest

from tcan.errors import UserError
from tcan.pose.keypoints import INDEX
from tcan.pose.openpose_json import OpenPoseJSON

SIZE = (200, 100)
BODY_25 = ("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist", None, "right_hip", "right_knee",
           "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear", None, None, None, None, None, None)


def values(names, offset=0.0):
    """x, y, score of joints: those of the n-th of `names` are 2 n + 1 and 3 n + 1 pixels, sure of 0.5 + n / 100."""
    return [number for index in range(len(names)) for number in (2.0 * index + 1 + offset, 3.0 * index + 1, 0.5 + index / 100)]


def write(folder, number, people, name="dance"):
    path = folder / "clip" / f"{name}_{number:012d}_keypoints.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": one, "face_keypoints_2d": []} for one in people]}))
    return path


def read(folder, numbers, **more):
    return list(OpenPoseJSON(folder).people("clip", numbers, SIZE, **more))


def test_body_25(tmp_path):
    write(tmp_path, 12, [values(BODY_25)])
    (found,) = read(tmp_path, [12])
    assert len(found) == 1 and found.size == SIZE
    for index, name in enumerate(BODY_25):
        if name:
            np.testing.assert_allclose(found.xy[0, INDEX[name]] * SIZE[::-1], (2 * index + 1, 3 * index + 1), rtol=1e-6)
            assert found.score[0, INDEX[name]] == pytest.approx(0.5 + index / 100)


def test_coco_in_its_own_order(tmp_path):
    write(tmp_path, 0, [values(range(18))])
    (found,) = read(tmp_path, [0])
    np.testing.assert_allclose(found.xy[0] * SIZE[::-1], np.array(values(range(18))).reshape(18, 3)[:, :2], rtol=1e-6)
    assert found.surety[0] == pytest.approx(sum(0.5 + index / 100 for index in range(18)))


def test_several_people_missing_joints_and_missing_frames(tmp_path):
    unseen = values(range(18))
    unseen[3 * 4:3 * 5] = 0, 0, 0
    write(tmp_path, 3, [unseen, values(range(18), offset=20), [0.0] * 54])
    write(tmp_path, 5, [])
    first, missing, empty = read(tmp_path, [3, 4, 5])
    assert (len(first), len(missing), len(empty)) == (2, 0, 0), "one without a joint is nobody"
    assert np.isnan(first.xy[0, 4]).all() and first.score[0, 4] == 0 and np.isfinite(first.xy[1]).all()


def test_names_of_pictures(tmp_path):
    """For a folder of pictures OpenPose takes their names: 0007.png becomes 0007_keypoints.json."""
    path = write(tmp_path, 7, [values(range(18))])
    path.rename(path.with_name("0007_keypoints.json"))
    assert len(read(tmp_path, [7])[0]) == 1


def test_a_clip_cut_out_of_a_video(tmp_path):
    """Points in the video's pixels come to be in units of each frame's crop."""
    write(tmp_path, 40, [values(range(18), offset=500)])
    write(tmp_path, 42, [values(range(18), offset=500)])
    one, other = read(tmp_path, [40, 42], crops=[(480, 10, 100), (490, -10, 200)])
    np.testing.assert_allclose(one.xy[0, 2], ((505 - 480) / 100, (7 - 10) / 100), rtol=1e-5)
    np.testing.assert_allclose(other.xy[0, 2], ((505 - 490) / 200, (7 + 10) / 200), rtol=1e-5)


@pytest.mark.parametrize(("content", "message"), [
    ("{", "expected OpenPose's JSON with `people`, got another file"),
    ("[]", "expected OpenPose's JSON with `people`, got another file"),
    ('{"frames": []}', "expected OpenPose's JSON with `people`, got another file"),
    ('{"people": {}}', "expected a list of people, got dict"),
    ('{"people": [3]}', r"expected pose_keypoints_2d of 54 or 75 numbers \(COCO, BODY_25\), got none"),
    ('{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}', r"expected pose_keypoints_2d of 54 or 75 numbers \(COCO, BODY_25\), got 3 numbers"),
    (json.dumps({"people": [{"pose_keypoints_2d": ["a"] * 54}]}), "expected pose_keypoints_2d as finite numbers"),
    (json.dumps({"people": [{"pose_keypoints_2d": [float("nan")] * 54}]}), "expected pose_keypoints_2d as finite numbers"),
    (json.dumps({"people": [{"pose_keypoints_2d": [0.5] * 54}]}), "expected points in pixels of frames of 100 x 200, got some from 0.5 to 0.5"),
    (json.dumps({"people": [{"pose_keypoints_2d": [300.0, 1.0, 0.5] * 18}]}), "expected points in pixels of frames of 100 x 200, got some from 1 to 300"),
])
def test_other_files_in_one_line(tmp_path, content, message):
    write(tmp_path, 1, []).write_text(content)
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path, [1])
    assert "\n" not in str(error.value)


def test_no_files_for_the_clip(tmp_path):
    with pytest.raises(UserError, match="expected OpenPose's files of this clip"):
        read(tmp_path, [1])
    write(tmp_path, 9, [])
    with pytest.raises(UserError, match="expected OpenPose's files for the frames 1 to 2, got 1 for others"):
        read(tmp_path, [1, 2])


def test_two_files_for_a_frame(tmp_path):
    write(tmp_path, 1, []), write(tmp_path, 1, [], name="walk")
    with pytest.raises(UserError, match="expected one file for frame 1, got dance_000000000001_keypoints.json too"):
        read(tmp_path, [1])
    (tmp_path / "clip/x_keypoints.json").write_text("{}")
    (tmp_path / "clip/walk_000000000001_keypoints.json").unlink()
    with pytest.raises(UserError, match="expected a name that ends in _NUMBER_keypoints.json"):
        read(tmp_path, [1])
