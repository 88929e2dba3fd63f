"""Motion capture, forward kinematics and random poses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_motion import write_motion

from tcan.data import motion
from tcan.data.motion import JOINT, JOINTS, PARENT, SKELETON
from tcan.errors import UserError


def bone_lengths(joints):
    return np.linalg.norm(joints[..., 1:, :] - joints[..., PARENT[1:], :], axis=-1)


OFFSETS = np.array([np.linalg.norm(offset) for _, offset in SKELETON.values()])[1:]


def test_a_file_keeps_bone_lengths_and_rate(tmp_path):
    made = motion.load_motion(write_motion(tmp_path / "humanoid3d_wave.txt"))
    assert made.name == "wave" and made.fps == pytest.approx(30) and made.joints.shape == (40, len(JOINTS), 3)
    np.testing.assert_allclose(bone_lengths(made.joints), np.broadcast_to(OFFSETS, (40, len(OFFSETS))), atol=1e-12)


def test_the_skeleton_faces_x_with_its_right_hand_at_z():
    rest = motion.rest_pose()[0]
    assert rest[JOINT["nose"], 0] > rest[JOINT["head"], 0]
    assert rest[JOINT["right_hand"], 2] > 0 > rest[JOINT["left_hand"], 2]
    assert rest[JOINT["crown"], 1] > rest[JOINT["pelvis"], 1] > rest[JOINT["right_toe"], 1]
    assert 1.5 < np.ptp(rest[:, 1]) < 1.8


def test_hinges_bend_the_human_way():
    rotations = {"root": np.eye(3)[None], "right_knee": motion.turn("z", np.array([-1.0])), "right_elbow": motion.turn("z", np.array([1.0]))}
    bent, rest = motion.forward_kinematics(np.zeros((1, 3)), rotations)[0], motion.rest_pose()[0]
    assert bent[JOINT["right_ankle"], 0] < rest[JOINT["right_ankle"], 0]  # the heel goes back
    assert bent[JOINT["right_hand"], 0] > rest[JOINT["right_hand"], 0]    # the hand comes forward


@given(st.floats(-3, 3))
def test_facing_undoes_a_turn(angle):
    pose = motion.turned(motion.standing_pose(), angle)
    assert motion.facing(pose) == pytest.approx(angle, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_random_poses_are_bodies_on_or_above_the_ground(seed):
    pose = motion.random_pose(np.random.default_rng(seed))
    np.testing.assert_allclose(bone_lengths(pose)[0], OFFSETS, atol=1e-9)
    assert -1e-9 <= pose[..., 1].min() <= 0.45
    np.testing.assert_array_equal(pose, motion.random_pose(np.random.default_rng(seed)))


def test_random_poses_are_broad():
    rng = np.random.default_rng(0)
    poses = np.concatenate([motion.random_pose(rng) for _ in range(300)])
    raised = poses[:, JOINT["right_wrist"], 1] > poses[:, JOINT["nose"], 1]
    turned_away = np.abs([motion.facing(pose[None]) for pose in poses]) > 2.2
    assert 0.1 < raised.mean() < 0.6 and turned_away.mean() < 0.2


def test_random_motion_is_smooth_and_large():
    clip = motion.random_motion(np.random.default_rng(1), 40, 20.0)
    np.testing.assert_allclose(bone_lengths(clip), np.broadcast_to(OFFSETS, (40, len(OFFSETS))), atol=1e-9)
    relative = clip - clip[:, :1]
    assert np.linalg.norm(np.diff(relative, axis=0), axis=-1).max() < 0.45 and np.ptp(relative[:, JOINT["right_wrist"]], axis=0).max() > 0.4


def test_resampling_keeps_duration_and_ends(tmp_path):
    made = motion.load_motion(write_motion(tmp_path / "humanoid3d_wave.txt", frames=31))
    slow = motion.resample(made, 10)
    assert len(slow) == 11 and slow.fps == 10
    np.testing.assert_allclose(slow.joints[[0, -1]], made.joints[[0, -1]], atol=1e-12)


@pytest.mark.parametrize("loops", [True, False])
def test_an_excerpt_never_jumps(tmp_path, loops):
    made = motion.load_motion(write_motion(tmp_path / "humanoid3d_wave.txt", loops=loops, travel=1.5))
    clip = motion.excerpt(made, 130, start=17)
    steps = np.linalg.norm(np.diff(clip, axis=0), axis=-1).max()
    assert clip.shape[0] == 130 and steps < 1.5 * np.linalg.norm(np.diff(made.joints, axis=0), axis=-1).max()
    assert (np.ptp(clip[:, 0, 0]) > 3) == loops  # one that loops travels on


def test_a_mirror_twice_is_the_motion():
    pose = motion.random_pose(np.random.default_rng(5))
    np.testing.assert_array_equal(motion.mirrored(motion.mirrored(pose)), pose)
    np.testing.assert_allclose(bone_lengths(motion.mirrored(pose))[0], OFFSETS, atol=1e-9)


@pytest.mark.parametrize("text", ["", "{}", '{"Frames": [[1, 2], [3, 4]]}', '{"Frames": []}'])
def test_a_file_of_something_else(tmp_path, text):
    path = tmp_path / "humanoid3d_broken.txt"
    path.write_text(text)
    with pytest.raises(UserError, match="humanoid3d_broken.txt: expected"):
        motion.load_motions(tmp_path)


def test_a_folder_without_motions(tmp_path):
    with pytest.raises(UserError, match="tcan fetch pybullet"):
        motion.load_motions(tmp_path)
