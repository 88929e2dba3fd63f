"""Characters, their pictures and key points, the pool and the set."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_motion import write_motion

from tcan import config as configuration
from tcan.data import clips, puppet_set, puppets
from tcan.data.camera import Camera, place_camera
from tcan.data.characters import KINDS, Character
from tcan.data.motion import JOINT, load_motions, random_pose, standing_pose, turned
from tcan.data.render import key_points, limb_lengths, render_clip
from tcan.data.scenery import Background
from tcan.errors import UserError
from tcan.pose import keypoints
from tcan.pose.keypoints import INDEX, LIMBS, NAMES


@pytest.fixture
def raw(tmp_path):
    for name, travel, swing in (("walk", 1.2, 0.6), ("dance", 0.2, 0.9), ("kick", 0.0, 1.4)):
        write_motion(tmp_path / f"raw/pybullet/humanoid3d_{name}.txt", travel=travel, swing=swing)
    return tmp_path / "raw"


@pytest.fixture
def config():
    smoke = configuration.load("params.yaml", "smoke")
    small = dataclasses.replace(smoke.data.puppets, train_clips=3, test_clips=2, further_clips=2, bizarre_characters=2,
                                train_motions=["walk", "dance"], test_motions=["kick"], supersample=2)
    return dataclasses.replace(smoke, data=dataclasses.replace(smoke.data, puppets=small, clip_frames=5))


def scene(seed, kind="adult"):
    rng = np.random.default_rng(seed)
    return Character.random(rng, kind), Background.random(rng)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(KINDS))
def test_key_points_lie_in_the_frame_and_on_the_figure(seed, kind):
    character, background = scene(seed, kind)
    rng = np.random.default_rng(seed)
    joints = character.retarget(random_pose(rng))
    camera, joints = place_camera(joints, character.height(), 0.85, rng.uniform(-1, 1), 0.1)
    frames, xy = render_clip(character, background, joints, camera, 64, 2)
    found = xy[0][np.isfinite(xy[0]).all(axis=1)]
    assert len(found) >= 13 and (found >= 0).all() and (found <= 63).all()
    away = joints + (0, 100.0, 0)
    empty, _ = render_clip(character, background, away, camera, 64, 2)
    column, row = np.round(found).astype(int).T
    assert (np.abs(frames[0].astype(int) - empty[0])[row, column].max(axis=1) > 4).mean() > 0.75


def test_the_right_hand_is_drawn_left_in_the_frame_from_the_front():
    character, _ = scene(0)
    joints = character.retarget(standing_pose())
    for azimuth, sign in ((0.0, -1), (np.pi, 1)):
        camera, placed = place_camera(joints, character.height(), 0.8, azimuth, 0.0)
        xy = key_points(placed, camera, 64)[0]
        assert np.sign(xy[INDEX["right_wrist"], 0] - xy[INDEX["left_wrist"], 0]) == sign


@pytest.mark.parametrize(("angle", "hidden"), [
    (0.0, set()), (np.pi, {"nose", "right_eye", "left_eye"}), (np.pi / 2, {"left_ear", "left_eye"}), (-np.pi / 2, {"right_ear", "right_eye"})])
def test_a_turned_head_hides_key_points(angle, hidden):
    """The camera goes round to the character's right at +90 degrees or left at -90."""
    character, _ = scene(1)
    joints = character.retarget(standing_pose())
    camera = Camera(-angle, 0.0, 8.0, 0.5)
    missing = np.isnan(key_points(joints, camera, 64)[0]).any(axis=1)
    assert {name for name, index in INDEX.items() if missing[index]} == hidden


def test_pixels_count_from_the_centre_of_the_first():
    camera = Camera(0.0, 0.0, 8.0, 0.5)
    xy, depth, scale = camera.project(np.array([0.0, 1.0, 0.0]))
    assert xy == pytest.approx([0.5, 0.5]) and depth == 0 and scale == 0.5
    character, _ = scene(2)
    large, small = (key_points(character.retarget(standing_pose()), camera, size) for size in (64, 32))
    np.testing.assert_allclose(large + 0.5, 2 * (small + 0.5), rtol=1e-5)


def test_true_lengths_of_limbs_are_those_of_a_person_across_the_line_of_sight():
    """Whoever stands with the arms down faces the camera with every limb across it; turned by a right angle the shoulders vanish, and stay as long."""
    character, _ = scene(2)
    joints, camera = character.retarget(standing_pose(arms=0.3)), Camera(0.0, 0.0, 50.0, 0.5)
    parents, children = np.array(LIMBS).T
    seen = [key_points(turned(joints, angle), camera, 64)[0] for angle in (0.0, np.pi / 2)]
    lengths = [limb_lengths(turned(joints, angle), camera, 64) for angle in (0.0, np.pi / 2)]
    limbs = [np.linalg.norm(xy[children] - xy[parents], axis=-1) for xy in seen]
    arms_and_legs = [place for place, (parent, child) in enumerate(LIMBS) if NAMES[child].endswith(("elbow", "knee", "shoulder"))]
    np.testing.assert_allclose(lengths[0][arms_and_legs], limbs[0][arms_and_legs], rtol=0.06)
    np.testing.assert_allclose(lengths[0], lengths[1], rtol=0.02)
    across = LIMBS.index((INDEX["neck"], INDEX["right_shoulder"]))
    assert limbs[1][across] < 0.3 * lengths[1][across]


def test_kinds_differ_in_proportions():
    def heads_tall(kind):
        character, _ = scene(3, kind)
        rest = character.retarget(standing_pose())[0]
        return character.height() / (2 * (rest[JOINT["crown"], 1] - rest[JOINT["head"], 1]))

    adult, child, chibi = map(heads_tall, KINDS)
    assert adult > child > chibi and adult > 1.8 * chibi
    odd = [Character.odd(np.random.default_rng(0), index).proportions for index in range(10)]
    assert len(set(odd)) == 10


def test_clothes_are_recognisable_and_follow_the_person():
    """Two people differ far more than one person in two scenes' poses; a logo is seen from the front alone."""
    rng = np.random.default_rng(4)
    character = Character.random(rng, "adult", pattern="logo", top=(20, 40, 220), trim=(250, 230, 20), sleeve=0.0, hair_style="bald", band="none")
    background = dataclasses.replace(Background.random(rng), things=(), wall=(128, 128, 128), style="plain")
    joints = character.retarget(standing_pose())
    logo = []
    for angle in (0.0, np.pi):
        camera, placed = place_camera(turned(joints, angle), character.height(), 0.85, 0.0, 0.0)
        frame = render_clip(character, background, placed, camera, 64, 4)[0][0].astype(int)
        logo.append(((frame[..., 0] - frame[..., 2]) > 90)[14:40].sum())
    assert logo[0] > logo[1]


def test_travel_stays_in_the_frame(raw):
    character, _ = scene(5)
    walk = load_motions(raw / "pybullet")["walk"]
    far = walk.joints + np.linspace(0, 30, len(walk))[:, None, None] * (1, 0, 0.3)
    camera, placed = place_camera(character.retarget(far), character.height(), 0.85, 0.7, 0.1)
    xy = key_points(placed, camera, 64)
    assert np.nanmin(xy) >= 0 and np.nanmax(xy) <= 63
    assert (np.nanmax(xy[..., 1], axis=1) - np.nanmin(xy[..., 1], axis=1)).min() > 0.4 * 64  # not by shrinking the person to nothing


def test_a_pool_is_a_function_of_seed_and_index(raw):
    motions = load_motions(raw / "pybullet")
    frames, xy = puppets.render_pool(4, 32, 2, 7, motions)
    assert frames.shape == (4, 2, 32, 32, 3) and frames.dtype == np.uint8 and xy.shape == (4, 2, 18, 2) and xy.dtype == np.float32
    fewer, _ = puppets.render_pool(2, 32, 2, 7, motions)
    other, _ = puppets.render_pool(2, 32, 2, 8, motions)
    parallel, _ = puppets.render_pool(4, 32, 2, 7, motions, workers=2)
    np.testing.assert_array_equal(fewer, frames[:2])
    np.testing.assert_array_equal(parallel, frames)
    assert (fewer != other).mean() > 0.5
    several, _ = puppets.render_pool(2, 32, 2, 7, motions, pictures=4)
    assert several.shape == (2, 4, 32, 32, 3) and len({picture.tobytes() for picture in several[0]}) == 4
    moving, _ = puppets.render_pool(2, 32, 2, 7, motions, clip_frames=6)
    assert moving.shape == (2, 6, 32, 32, 3)


def test_a_pool_never_shows_a_test_motion(raw):
    motions = load_motions(raw / "pybullet")
    without = {name: motion for name, motion in motions.items() if name != "kick"}
    for clip_frames in (None, 4):
        left_out, _ = puppets.render_pool(6, 32, 1, 7, motions, clip_frames=clip_frames, test_motions=("kick",))
        np.testing.assert_array_equal(left_out, puppets.render_pool(6, 32, 1, 7, without, clip_frames=clip_frames)[0])


def test_the_set_on_disk(raw, tmp_path, config):
    puppet_set.make_set("puppets", config, raw, tmp_path / "frames", tmp_path / "exact")
    table = clips.read_table(tmp_path / "frames")
    assert list(table["id"]) == ["bizarre_00", "bizarre_01", "puppet_test_00_kick", "puppet_test_01_kick",
                                 "puppet_train_000", "puppet_train_001", "puppet_train_002"]
    assert table.set_index("id")["split"].to_dict()["puppet_test_00_kick"] == "test"
    for clip in table.itertuples():
        exact = keypoints.load(tmp_path / f"exact/{clip.id}.npz")
        assert len(exact) == clip.frames == (1 if clip.split == "bizarre" else 5) and exact.estimator == "exact"
        assert clips.read_clip(clip.folder).shape == (clip.frames, clip.height, clip.width, 3)
        if clip.split == "bizarre":
            assert exact.found.all()
    assert (tmp_path / "frames/run.json").exists() and (tmp_path / "exact/run.json").exists()
    before = table["sha256"].tolist()
    puppet_set.make_set("puppets", config, raw, tmp_path / "frames", tmp_path / "exact")
    assert clips.read_table(tmp_path / "frames")["sha256"].tolist() == before


def test_further_clips_are_a_set_of_their_own_like_the_tests(raw, tmp_path, config):
    """Other people in other excerpts of the same unseen motions; not one of them is in the set to train and test on."""
    for name in ("puppets", "puppets_further"):
        puppet_set.make_set(name, config, raw, tmp_path / name, tmp_path / "exact" / name)
    table, first = clips.read_table(tmp_path / "puppets_further"), clips.read_table(tmp_path / "puppets")
    assert list(table["id"]) == ["puppet_further_00_kick", "puppet_further_01_kick"] and set(table["split"]) == {"further"}
    assert not {"further"} & set(first["split"]) and not set(table["sha256"]) & set(first["sha256"])
    recorded = [json.loads((tmp_path / name / "run.json").read_text())["config"]["puppets"] for name in ("puppets", "puppets_further")]
    assert [options.get("further_clips") for options in recorded] == [None, 2], "a set says what its own clips depend on"
    assert list(table["frames"]) == [5, 5] and len(keypoints.load(tmp_path / "exact/puppets_further/puppet_further_00_kick.npz")) == 5


def test_train_clips_depend_on_train_motions_alone(raw, config):
    motions = load_motions(raw / "pybullet")
    changed = motions | {"kick": dataclasses.replace(motions["kick"], joints=motions["kick"].joints[::-1] * 1.1)}
    for (clip, split, one), (_, _, two) in zip(puppet_set.all_clips(config, motions), puppet_set.all_clips(config, changed), strict=True):
        assert np.array_equal(one[2], two[2]) == (split != "test"), clip


def test_mistakes_are_named(raw, tmp_path, config):
    def having(**fields):
        return dataclasses.replace(config, data=dataclasses.replace(config.data, puppets=dataclasses.replace(config.data.puppets, **fields)))

    for name, broken, message in (("human", config, "expected a set of kind puppets"), ("puppets", having(train_motions=["swim"]), "got swim"),
                                  ("puppets", having(train_motions=["walk", "kick"]), "kick is in both")):
        with pytest.raises(UserError, match=message):
            puppet_set.make_set(name, broken, raw, tmp_path / "frames", tmp_path / "exact")
    assert not (tmp_path / "frames").exists()
