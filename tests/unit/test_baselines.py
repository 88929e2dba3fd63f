"""Floors and ceilings: what they are given, and that they do what they say on a figure of sticks."""

import cv2
import numpy as np
import pytest

from tcan.baselines import baseline, warp
from tcan.data import clips
from tcan.generate.cases import Case
from tcan.pose.keypoints import INDEX, Keypoints

STANDING = {"nose": (32, 12), "neck": (32, 20), "right_shoulder": (26, 21), "left_shoulder": (38, 21), "right_elbow": (24, 30), "left_elbow": (40, 30),
            "right_wrist": (23, 38), "left_wrist": (41, 38), "right_hip": (29, 38), "left_hip": (35, 38), "right_knee": (28, 48), "left_knee": (36, 48),
            "right_ankle": (28, 58), "left_ankle": (36, 58), "right_eye": (30, 10), "left_eye": (34, 10), "right_ear": (28, 11), "left_ear": (36, 11)}
GROUND, BODY = (90, 120, 150), (220, 60, 40)


def pose(**moved):
    return np.array([{**STANDING, **moved}[name] for name in INDEX], np.float32)


def figure(xy):
    """A body of one colour before a ground of another, wherever the key points are."""
    picture = np.full((64, 64, 3), GROUND, np.uint8)
    for limb in warp.LIMBS:
        first, second = (tuple(int(c) for c in np.round(end)) for end in warp.ends(xy, limb))
        cv2.line(picture, first, second, BODY, 3)
    return picture


def case(*poses, truth=None):
    own, driving = (Keypoints(np.stack(xy), np.ones((len(xy), 18), np.float32), (64, 64), "exact") for xy in ([pose()], poses))
    return Case("clip", figure(pose()), own, driving, truth)


def is_body(frame):
    return np.abs(frame.astype(int) - BODY).sum(axis=-1) < 120


def test_copy():
    frames = baseline("copy")(case(pose(), pose(), pose()))
    assert frames.shape == (3, 64, 64, 3) and (frames == figure(pose())).all()


def test_warp_by_the_sources_own_pose_is_the_source():
    frame = baseline("warp")(case(pose()))[0]
    assert np.abs(frame.astype(int) - figure(pose())).mean() < 3


def test_warp_moves_limbs_to_where_the_pose_has_them():
    raised = pose(right_elbow=(16, 16), right_wrist=(8, 12), left_knee=(44, 44), left_ankle=(50, 52))
    frame, old, new = baseline("warp")(case(raised))[0], is_body(figure(pose())), is_body(figure(raised))
    assert is_body(frame)[new & ~old].mean() > 0.6, "limbs have arrived"
    assert is_body(frame)[old & ~new].mean() < 0.35, "and are no longer where they were"


def test_warp_moves_the_whole_person():
    frame = baseline("warp")(case(pose() + (10, 3)))[0]
    expected = figure(pose() + (10, 3))
    assert is_body(frame)[is_body(expected)].mean() > 0.8 and np.abs(frame.astype(int) - expected).mean() < 6


def test_warp_leaves_out_limbs_that_miss_an_end():
    missing = pose()
    missing[INDEX["right_elbow"]] = np.nan
    arm = (slice(26, 40), slice(20, 26))
    with_arm, without = (is_body(baseline("warp")(case(xy))[0])[arm].sum() for xy in (pose(), missing))
    assert without < 0.3 * with_arm
    nothing = np.full((18, 2), np.nan, np.float32)
    assert np.abs(baseline("warp")(case(nothing))[0].astype(int) - GROUND).mean() < 8, "nobody: the source with the person painted out"
    own = Keypoints(nothing[None], np.zeros((1, 18), np.float32), (64, 64), "exact")
    unknown = Case("clip", figure(pose()), own, case(pose()).points)
    assert (baseline("warp")(unknown)[0] == unknown.source).all(), "a source without key points can't be cut"


def test_a_limb_that_a_frame_lacks_is_as_in_the_nearest_frame_that_has_it():
    """The person goes 4 pixels to the right from frame to frame, and in the one between no elbow, then no arm is found."""
    limb = next(limb for limb in warp.LIMBS if limb[:2] == (("right_shoulder",), ("right_elbow",)))
    shoulder, elbow = INDEX["right_shoulder"], INDEX["right_elbow"]
    xy = np.concatenate([pose()[None] + (4 * number, 0) for number in range(3)])
    whole = np.array(warp.places(xy, limb))
    assert np.allclose(whole, xy[:, [shoulder, elbow]])
    for joint in (elbow, shoulder):
        one = xy.copy()
        one[1, joint] = np.nan
        assert np.allclose(warp.places(one, limb), whole), "it stays at the end that is there"
    one[1, [shoulder, elbow]] = np.nan
    assert np.allclose(warp.places(one, limb)[1], whole[0]), "the first of two that are as near"
    one[:, shoulder] = np.nan
    assert warp.places(one, limb) == [None] * 3
    flat = xy.copy()
    flat[1, elbow] = flat[1, shoulder]
    assert warp.places(flat, limb)[1] is None, "it is there, and points at the camera"


@pytest.mark.parametrize("stiff", [False, True])
def test_affine_takes_ends_to_ends(stiff):
    source, target = np.array([[3.0, 4.0], [3.0, 14.0]]), np.array([[20.0, 20.0], [35.0, 20.0]])
    matrix = warp.affine(source, target, stiff)
    moved = source @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(moved, target if not stiff else [[20, 20], [30, 20]], atol=1e-9)
    across = np.array([[3.0, 4.0], [5.0, 4.0]]) @ matrix[:, :2].T
    assert np.linalg.norm(across[1] - across[0]) == pytest.approx(2), "as thick as before"


def test_autoencoder_reconstructs_the_truth(foundation_folder, foundation, tmp_path):
    from tcan.models.autoencoder import decode, encode, to_pictures, to_tensor

    truth = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    clips.write_clip(tmp_path / "clip", truth)
    reconstruct, vae = baseline("autoencoder", foundation_folder), foundation.vae()
    np.testing.assert_array_equal(reconstruct(case(pose(), pose(), pose(), truth=tmp_path / "clip")), to_pictures(decode(vae, encode(vae, to_tensor(truth)))))
    alone = reconstruct(case(pose(), pose()))
    np.testing.assert_array_equal(alone, to_pictures(decode(vae, encode(vae, to_tensor(np.repeat(figure(pose())[None], 2, axis=0))))))
