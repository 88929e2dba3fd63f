"""Photographed people and places in the foundation's pool."""

import numpy as np
import pytest
from PIL import Image

from tcan.data import photographs
from tcan.data.photographs import CutOut, Photographs
from tcan.data.puppets import render_pool
from tcan.errors import UserError
from tcan.pose.keypoints import INDEX, MIRRORED

MARKED = {"right_wrist": (255, 0, 0), "left_wrist": (0, 0, 255)}


def cut_out():
    """A black body of 100 x 60 pixels with a red right wrist and a blue left one."""
    picture = np.zeros((100, 60, 4), np.uint8)
    picture[..., 3] = 255
    xy = np.random.default_rng(0).uniform((5, 5), (54, 94), (18, 2)).astype(np.float32)
    for (name, colour), at in zip(MARKED.items(), ((10, 30), (48, 40)), strict=True):
        picture[at[1] - 5:at[1] + 6, at[0] - 5:at[0] + 6, :3] = colour
        xy[INDEX[name]] = at
    return CutOut(picture, xy)


@pytest.fixture(scope="module")
def pictures():
    grey = [np.full((90, 120, 3), value, np.uint8) for value in (90, 160)]
    return Photographs(((cut_out(), cut_out()), (cut_out(),)), tuple(grey))


def test_key_points_lie_where_the_person_is_drawn(pictures, monkeypatch):
    """Whatever turns, mirrors and moves it: a mirrored person's right wrist is what was the left one."""
    monkeypatch.setattr(photographs, "_recoloured", lambda picture, hue, gain: picture[..., :3].astype(np.float32))
    seen = set()
    for seed in range(20):
        frames, xy = pictures.scene(np.random.default_rng(seed), 3, 64, 2)
        for frame, points in zip(frames.astype(int), xy, strict=True):
            for name in MARKED:
                if np.isnan(points[INDEX[name]]).any():
                    continue
                colours = frame - frame[..., 1:2]
                redness = colours[..., 0] - colours[..., 2]
                red, blue = (np.argwhere(part > 0.6 * part.max())[:, ::-1].mean(axis=0) for part in (redness, -redness))
                mirrored = np.linalg.norm(points[INDEX[name]] - (red if name.startswith("right") else blue)) > 4
                expected = blue if name.startswith("right") == mirrored else red
                assert points[INDEX[name]] == pytest.approx(expected, abs=1.5), (seed, name)
                seen.add(mirrored)
    assert seen == {True, False}


def test_a_scene_depends_on_its_stream_alone_and_poses_of_a_person_differ(pictures):
    (first, points), (again, same) = (pictures.scene(np.random.default_rng(3), 3, 32, 2) for _ in range(2))
    assert first.shape == (3, 32, 32, 3) and first.dtype == np.uint8 and points.shape == (3, 18, 2) and points.dtype == np.float32
    assert (first == again).all() and np.array_equal(points, same, equal_nan=True)
    assert (first[0] != first[1]).any()


def test_what_lies_outside_is_no_key_point(pictures):
    for seed in range(12):
        _, xy = pictures.scene(np.random.default_rng(seed), 3, 32, 2)
        found = xy[~np.isnan(xy).any(-1)]
        assert len(found) and ((found >= -0.5) & (found <= 31.5)).all()


def test_a_place_is_a_square_of_its_picture(pictures):
    place = pictures.place(np.random.default_rng(0), light=(1, 2, 3))
    assert place.light == (1, 2, 3) and place.draw(48).shape == (48, 48, 3)
    shades = np.arange(120, dtype=np.uint8)[None, :, None].repeat(90, 0).repeat(3, 2)
    plain = photographs.Place(shades, side=1, left=1, top=0, mirrored=False, gain=(1, 1, 1), light=())
    assert (plain.draw(90)[0, :, 0] == np.arange(30, 120)).all()
    assert (photographs.Place(shades, 1, 1, 0, True, (1, 1, 1), ()).draw(90) == plain.draw(90)[:, ::-1]).all()


def test_a_pool_has_its_part_of_photographs_and_the_others_are_what_they_were(pictures):
    plain, points = render_pool(40, 32, 2, 3, pictures=3)
    mixed, moved = render_pool(40, 32, 2, 3, pictures=3, photographs=pictures, photographed=0.5)
    people = [not np.array_equal(points[item], moved[item], equal_nan=True) for item in range(40)]
    places = [not people[item] and (plain[item] != mixed[item]).any() for item in range(40)]
    assert 12 <= sum(people) <= 28 and 4 <= sum(places) <= 16, "half show photographed people, half of the others stand before photographed places"
    shared, others = render_pool(8, 32, 2, 3, pictures=3, photographs=pictures, photographed=0.5, workers=2)
    assert (shared == mixed[:8]).all() and np.array_equal(others, moved[:8], equal_nan=True)


def test_photographs_come_out_finished_as_rendered_scenes_do(pictures):
    plain, points = render_pool(12, 32, 2, 3, photographs=pictures, photographed=1.0)
    finished, same = render_pool(12, 32, 2, 3, photographs=pictures, photographed=1.0, finished=0.5)
    assert 1 <= sum((plain[item] != finished[item]).any() for item in range(12)) <= 11 and np.array_equal(points, same, equal_nan=True)


def test_what_cannot_be_photographed(pictures):
    for options in ({}, {"photographs": pictures, "clip_frames": 4}):
        with pytest.raises(ValueError, match="photographed items need photographs, and are pictures, not clips"):
            render_pool(2, 32, 2, 3, photographed=0.5, **options)


class Finds:
    """Instead of BlazePose: the corners of a cut-out's box, found in the picture as it is handed over."""

    def __init__(self, folder, threads):
        pass

    def __call__(self, seen):
        rows, columns = np.nonzero((np.abs(seen[0].astype(int) - 140) > 20).any(-1))
        side = seen[0].shape[0]
        xy = np.full((1, 18, 2), np.nan, np.float32)
        xy[0, 0], xy[0, 1] = np.array((columns.min(), rows.min())) / side, np.array((columns.max() + 1, rows.max() + 1)) / side
        return xy, np.ones((1, 18), np.float32)


def test_loaded_from_files(tmp_path, monkeypatch):
    monkeypatch.setattr("tcan.pose.blazepose.BlazePose", Finds)
    for name in sum(photographs.POSES, ()):
        path = tmp_path / photographs.PEOPLE / f"{name}.gif"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("P", (60, 100), 0).save(path)
    places = tmp_path / photographs.PLACES / "Indoors"
    places.mkdir(parents=True)
    Image.new("RGB", (480, 360), (200, 10, 10)).save(places / "room.jpg")
    Image.new("RGB", (48, 36)).save(places.parent / "xy-grid.gif")
    loaded = Photographs.load(tmp_path, tmp_path)
    assert [len(poses) for poses in loaded.people] == [len(names) for names in photographs.POSES]
    assert [place.shape for place in loaded.places] == [(256, 341, 3)]
    pose = loaded.people[0][0]
    assert pose.picture.shape == (100, 60, 4)
    assert pose.xy[0] == pytest.approx((-0.5, -0.5), abs=0.6) and pose.xy[1] == pytest.approx((59.5, 99.5), abs=0.6)
    (tmp_path / photographs.PEOPLE / "dan1.gif").unlink()
    with pytest.raises(UserError, match="dan1.gif: expected the cut-out, found none; fetch the source photographs again"):
        Photographs.load(tmp_path, tmp_path)


def test_no_name_comes_twice():
    names = sum(photographs.POSES, ())
    assert len(set(names)) == len(names) and len(MIRRORED) == 18
