import shutil

import numpy as np
import pytest

from eval import strips
from eval.errors import UserError


def clip(world, split, name):
    return next(clip for clip in strips.find_clips(world / "data", split) if clip.id == name)


def tile(page, column, line, top):
    x, y = strips.MARGIN + strips.LABEL + column * (strips.TILE + strips.GAP), top + line * (strips.TILE + strips.GAP)
    return np.asarray(page.crop((x, y, x + strips.TILE, y + strips.TILE)))


def test_a_test_strip_shows_source_pose_truth_and_each_system(world):
    walk = clip(world, "test", "real_walk")
    page = strips.strip_of_test_clip(walk, {"base": "no APPA", "absent": "never run", "tcan_mm1": "TCAN"}, world / "outputs")
    numbers = strips.spread(walk.frames, strips.COLUMNS)
    top = page.height - strips.MARGIN - 4 * (strips.TILE + strips.GAP) + strips.GAP    # pose, truth, two systems
    assert page.width == 2 * strips.MARGIN + strips.LABEL + 6 * (strips.TILE + strips.GAP) - strips.GAP
    for column, number in enumerate(numbers):
        truth = strips.picture(walk.folder / f"{number:04d}.png")
        made = strips.picture(world / "outputs" / "tcan_mm1" / "test" / "real_walk" / f"{number:04d}.png")
        assert (tile(page, column, 1, top) == truth).all() and (tile(page, column, 3, top) == made).all()
    assert (tile(page, 0, 0, strips.MARGIN) == strips.picture(walk.folder / "0000.png")).all()
    assert 0 < (tile(page, 0, 0, top) > 0).mean() < 0.3    # a skeleton on black


def test_what_a_killed_command_left_is_no_set(world):
    before = strips.find_clips(world / "data", "test")
    half = world / "data/frames/.human.a1b2c3d4"
    half.mkdir()
    (half / "clips.csv").write_text((before[0].folder.parent / "clips.csv").read_text())
    try:
        assert strips.find_clips(world / "data", "test") == before
    finally:
        shutil.rmtree(half)


def test_labels_stay_on_the_page(world):
    walk = clip(world, "test", "real_walk")
    page = np.asarray(strips.strip_of_test_clip(walk, {"base": "Donaudampfschifffahrtsgesellschaft " * 12}, world / "outputs"))
    margins = np.concatenate([page[:strips.MARGIN // 2].ravel(), page[-strips.MARGIN // 2:].ravel(), page[:, :8].ravel(), page[:, -8:].ravel()])
    assert (margins == 255).all()


def test_a_bizarre_strip_and_the_overview(world):
    character, driving = clip(world, "bizarre", "chibi_01"), clip(world, "test", "puppet_01")
    systems = {"base": "no APPA", "tcan_mm1": "TCAN"}
    strip = strips.strip_of_pair(character, driving, systems, world / "outputs")
    assert strip.height == strips.MARGIN + strips.TILE + 30 + 4 * (strips.TILE + strips.GAP) - strips.GAP + strips.MARGIN
    page = strips.overview([driving], [(character, driving)], systems, world / "outputs")
    top = page.height - strips.MARGIN - 2 * (strips.TILE + strips.GAP) + strips.GAP
    number = strips.telling_frame(driving)
    assert (tile(page, 2, 0, top) == strips.picture(driving.folder / f"{number:04d}.png")).all()
    assert (tile(page, 4, 1, top) == strips.picture(world / "outputs/tcan_mm1/bizarre/chibi_01__puppet_01" / f"{number:04d}.png")).all()


def test_a_missing_joint_is_not_drawn():
    points = np.full((18, 2), np.nan)
    assert not strips.draw_skeleton(points, 64).any()
    points[3] = 32
    assert strips.draw_skeleton(points, 64).any(axis=2).sum() < 64
    points[:] = (200, 32)    # outside of the picture
    strips.draw_skeleton(points, 64)


def test_the_telling_frame_is_the_farthest_pose(tmp_path):
    points = np.random.default_rng(0).uniform(0, 1, (5, 18, 2))
    points[3] += 9
    points[4] = np.nan
    np.savez(tmp_path / "clip.npz", xy=points)
    assert strips.telling_frame(strips.Clip("clip", "set", "test", tmp_path, tmp_path / "clip.npz", 5)) == 3


@pytest.mark.parametrize(("frames", "numbers"), [(28, [1, 6, 11, 17, 22, 27]), (6, [0, 1, 2, 3, 4, 5]), (3, [0, 1, 2]), (1, [0])])
def test_frames_are_spread_over_the_clip(frames, numbers):
    assert strips.spread(frames, 6) == numbers


def test_what_is_missing_is_named(world):
    walk = clip(world, "test", "real_walk")
    (world / "outputs/base/test/real_walk/0004.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="real_walk/0004.png: expected a picture"):
        strips.strip_of_test_clip(walk, {"base": "base"}, world / "outputs")
    with pytest.raises(UserError, match="expected the key points of frame 0"):
        strips.pose_tile(world / "nothing.npz", 0)
