"""The paper's figures on a made world: what stands where, equal bytes, and what is told when something is missing."""

import io
import json
import shutil

import numpy as np
import pytest
from made_report import PARAMS, write_world
from PIL import Image

from eval import strips
from eval.cli import main
from eval.figures import attention as figure_attention, characters as figure_characters, comparison as figure_comparison, page as figure_page
from eval.figures import texture as figure_texture, tiles as figure_tiles, wrong_poses as figure_wrong_poses
from eval.figures.page import Block, page

ROWS = ("base", "appa", "appa_tctrln", "tcan_mm1", "tcan_mm2", "unfrozen", "copy", "warp", "claims/no_retargeting", "claims/limb_lengths_clip",
        "claims/appa_missing30", "claims/appa_tctrln_missing30", "claims/appa_learnt_missing30", "claims/appa_tctrln_learnt_missing30")
FRAMES = 9
PAIRS = (("chibi_01", "puppet_01"), ("chibi_02", "puppet_02"))
CLIPS = ("real_walk", "puppet_01", "puppet_02", "chibi_01", "chibi_02", *map("__".join, PAIRS))
TITLES = {"base": "no APPA / no T-CtrlN / no PTM", "appa": "APPA", "appa_tctrln": "APPA, tctrln", "tcan_mm1": "TCAN (w/ mm1)", "tcan_mm2": "TCAN (w/ mm2)",
          "copy": "copy the source frame (floor)", "warp": "warp", "unfrozen": "ControlNet | trained <b>", "claims/limb_lengths_clip": "limb lengths clip"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A world with all that the figures need."""
    root = tmp_path_factory.mktemp("figures")
    write_world(root, ROWS, frames=FRAMES)
    (root / "params.yaml").write_text(PARAMS)
    rng = np.random.default_rng(0)
    for name in ("chibi_01__puppet_01", "chibi_02__puppet_02"):
        for row in ("tcan_mm2", "claims/limb_lengths_clip", "unfrozen"):
            copy_poses(root, name.partition("__")[2], root / "data/driving" / row / "bizarre" / f"{name}.npz", lambda xy: xy * 0.8)
    for name in ("real_walk", "puppet_01", "puppet_02"):
        copy_poses(root, name, root / "data/driving/claims/appa_missing30/test" / f"{name}.npz", lambda xy: forget(xy, rng))
    write_maps(root / "attention/a", "tcan_mm1", "puppet_01")
    write_maps(root / "attention/b", "tcan_mm2", "real_walk")
    return root


@pytest.fixture
def world(made, tmp_path):
    """A copy of it, to break."""
    return shutil.copytree(made, tmp_path / "world")


@pytest.fixture(scope="module")
def coloured(made, tmp_path_factory):
    """A copy of it whose pictures tell by their colour what they are of, and whose poses by the place of their only joint."""
    root = tmp_path_factory.mktemp("coloured")
    for name in ("data", "outputs"):
        shutil.copytree(made / name, root / name)
    shutil.copy(made / "params.yaml", root)
    for path in [*root.glob("data/frames/*/*/*.png"), *root.glob("outputs/**/*.png")]:
        place, clip = path.relative_to(root).parts[:-3], path.parent.name
        Image.new("RGB", (16, 16), colour("/".join(place[1:]) if place[0] == "outputs" else "data", clip, int(path.stem))).save(path)
    for path in pose_files(root):
        with np.load(path) as poses:
            xy = np.full_like(poses["xy"], np.nan)
            xy[:, 0] = [np.multiply(spot(path, number, root), 16) for number in range(FRAMES)]
            np.savez(path, **{**poses, "xy": xy})
    return root


def colour(place, clip, number):
    """Of all of a picture: red tells the row that made it ("data": none), green the clip, blue the frame."""
    return 15 * ("data", *ROWS).index(place), 30 * CLIPS.index(clip), 25 * number


def pose_files(root):
    return sorted(root.glob("data/*/**/*.npz"))


def spot(path, number, root):
    """Where the only joint of a frame is: x tells the file of key points, y the frame. Files differ in the frame that is farthest from the first one."""
    index = pose_files(root).index(path)
    return 0.05 + 0.065 * index, 0.1 + 0.1 * (number * (2, 4, 5, 7)[index % 4] % FRAMES)


def copy_poses(root, clip, path, change):
    path.parent.mkdir(parents=True, exist_ok=True)
    with np.load(next(root.glob(f"data/poses/*/{clip}.npz"))) as poses:
        np.savez(path, **{**poses, "xy": change(poses["xy"].copy())})


def forget(xy, rng):
    """Joints missing at random, and of frame 5 all."""
    xy[rng.random(xy.shape[:2]) < 0.3] = np.nan
    xy[5] = np.nan
    return xy


def write_maps(folder, row, clip, frames=4):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    body = np.zeros((16, 16), np.float32)
    body[4:14, 5:11] = 1
    np.savez(folder / "maps.npz", row=np.asarray(row), clip=np.asarray(clip), temperature=1 + rng.random((4, 4), np.float32), body=body,
             frames_attended_without=2 + rng.random((frames, 4, 4), np.float32), frames_attended_with=3 + rng.random((frames, 4, 4), np.float32))
    (folder / "run.json").write_text(json.dumps({"config": {"last_steps": 3}}))


def draw(root, number, *more, out="figure.png"):
    code = main(["figure", str(number), "--params", str(root / "params.yaml"), "--scale", "lite", "--outputs", str(root / "outputs"),
                 "--data", str(root / "data"), "--out", str(root / out), *map(str, more)])
    return code, root / out


def attention(root):
    return ("--attention", root / "attention/a", root / "attention/b")


@pytest.mark.parametrize("number", [3, 4, 5, 6, 7, 9])
def test_every_figure_is_drawn_with_equal_bytes(made, number):
    more = attention(made) if number == 4 else ()
    (code, first), (_, second) = (draw(made, number, *more, out=f"{which}{number}.png") for which in ("first", "second"))
    assert code == 0 and first.read_bytes() == second.read_bytes()
    picture = Image.open(first)
    assert picture.format == "PNG" and 800 < picture.width < 1120 and picture.height < 2000
    edges = np.asarray(picture.convert("RGB"))
    assert all((edge == 255).all() for edge in (edges[:6], edges[-6:], edges[:, :6], edges[:, -6:])), "nothing is cut at the page's edge"


def lines_of(root, module, number, monkeypatch):
    """What figure `number` puts on its page: {label of a line: {(heading of the group, of the column): tile}}."""
    blocks = []
    monkeypatch.setattr(module, "page", lambda title, caption, drawn, side: blocks.extend(drawn) or page(title, caption, drawn, side))
    assert draw(root, number, out=f"coloured{number}.png")[0] == 0
    (block,) = blocks
    columns = [(group, name) for group, names in block.groups for name in names]
    return {line[0]: dict(zip(columns, line[1], strict=True)) for line in block.lines if line}


def assert_shows(tile, ground, joint=None):
    """A tile is of one colour, and has one joint drawn on it or nothing."""
    found = np.asarray(tile, int)
    drawn = (np.abs(found - found[0, -1]) > 20).any(axis=2)
    np.testing.assert_allclose(found[0, -1], ground, atol=1)
    assert drawn.any() == (joint is not None)
    if joint:
        np.testing.assert_allclose(np.argwhere(drawn).mean(axis=0)[::-1] / tile.width, joint, atol=0.02)


def test_the_comparison_shows_each_row_clip_and_frame_under_its_name(coloured, monkeypatch):
    lines = lines_of(coloured, figure_comparison, 5, monkeypatch)
    rows = ("base", "appa", "appa_tctrln", "tcan_mm1", "tcan_mm2", "copy", "warp")
    assert list(lines) == ["driving pose", "truth", *(TITLES[row] for row in rows)]
    assert list(lines["truth"]) == [(clip, f"frame {number}") for clip in ("real_walk", "puppet_01", "puppet_02") for number in (3, 6, 8)]
    for clip, frame in lines["truth"]:
        number = int(frame.removeprefix("frame "))
        (poses,) = coloured.glob(f"data/poses/*/{clip}.npz")
        assert_shows(lines["driving pose"][clip, frame], (0, 0, 0), spot(poses, number, coloured))
        assert_shows(lines["truth"][clip, frame], colour("data", clip, number))
        for row in rows:
            assert_shows(lines[TITLES[row]][clip, frame], colour(row, clip, number))


@pytest.mark.parametrize("number", [6, 7])
def test_characters_show_what_drove_each_row_and_what_it_made_under_its_name(coloured, monkeypatch, number):
    lines = lines_of(coloured, figure_characters, number, monkeypatch)
    for label, (character, clip) in zip(lines, PAIRS, strict=True):
        name, shown = f"{character}__{clip}", lines[label]
        driven = {row: coloured / f"data/driving/{row}/bizarre/{name}.npz" for row in ("tcan_mm2", "claims/limb_lengths_clip", "unfrozen")}
        frame = max(range(FRAMES), key=lambda place: spot(driven["tcan_mm2" if number == 6 else "unfrozen"], place, coloured)[1])
        source = colour("data", character, 0)
        faded = [255 - figure_tiles.FADED * (255 - channel) for channel in source]
        expected = {("given", "source"): [source], ("given", "driving frame"): [colour("data", clip, frame)]}
        if number == 6:
            expected["without retargeting", "driving pose, over the source"] = faded, spot(coloured / f"data/poses/puppets/{clip}.npz", frame, coloured)
            expected["without retargeting", "generated"] = [colour("claims/no_retargeting", name, frame)]
            for row in ("tcan_mm2", "claims/limb_lengths_clip"):
                expected[TITLES[row], "retargeted pose, over the source"] = faded, spot(driven[row], frame, coloured)
                expected[TITLES[row], "generated"] = [colour(row, name, frame)]
        else:
            expected["given", "retargeted pose, over the source"] = faded, spot(driven["unfrozen"], frame, coloured)
            expected |= {("generated", TITLES[row]): [colour(row, name, frame)] for row in ("base", "unfrozen")}
        assert label == f"{character}\ndriven by\n{clip}\nframe {frame}" and list(shown) == list(expected)
        for column, what in expected.items():
            assert_shows(shown[column], *what)


def test_a_page_puts_tiles_where_their_headings_and_labels_are():
    tile = [Image.new("RGB", (40, 40), (value, 0, 0)) for value in (10, 20, 30)]
    whole = page("title", "caption " * 30, [Block([("left", ["a", "b"]), ("right", ["c"])], [("one", tile), None, ("two", [None, tile[0], None])])], 40)
    red = np.asarray(whole)[..., 0]
    found = {}
    for value in (10, 20, 30):
        ys, xs = np.nonzero((np.asarray(whole) == (value, 0, 0)).all(axis=2))
        found[value] = (ys.min(), xs.min())
    left = figure_page.MARGIN + figure_page.LABEL
    assert [found[value][1] for value in (10, 20, 30)] == [left, left + 46, left + 2 * 46 + figure_page.APART]
    top = found[20][0]
    assert found[10][0] == found[30][0] == top
    assert (red[top + 46 + figure_page.APART:, left + 46:left + 86][:40] == 10).all(), "the second line stands apart"


def test_texture_shows_the_figures_square_and_its_difference(made, monkeypatch):
    monkeypatch.setattr(figure_tiles, "AROUND", 0.2)  # the made figure is nearly as tall as its frame
    clip = next(clip for clip in strips.find_clips(made / "data", "test") if clip.id == "real_walk")
    number = strips.telling_frame(clip)
    box = figure_tiles.box_around(figure_tiles.points_of(clip.poses, number))
    truth, other = clip.folder / f"{number:04d}.png", made / f"outputs/appa/test/real_walk/{number:04d}.png"
    assert figure_tiles.difference(truth, truth, figure_tiles.WHOLE).max() == 0
    pixels = [np.asarray(Image.open(path), float) for path in (truth, other)]
    expected = np.abs(pixels[0] - pixels[1]).mean(axis=2)
    np.testing.assert_allclose(figure_tiles.difference(other, truth, figure_tiles.WHOLE), expected, rtol=1e-5)
    left, upper, right, lower = (round(16 * edge) for edge in box)
    np.testing.assert_allclose(figure_tiles.difference(other, truth, box), expected[upper:lower, left:right], rtol=1e-5)
    lines = figure_texture._lines(clip, ["base", "appa"], made / "outputs")
    assert [len(tiles) for _, tiles in lines] == [7, 7] and np.asarray(lines[1][1][2]).mean() != np.asarray(lines[0][1][2]).mean()


def test_the_box_holds_the_key_points_and_stays_in_the_picture():
    rng = np.random.default_rng(0)
    for low, high in ((0.3, 0.6), (0, 0.2), (0.5, 1), (0, 1)):
        points = rng.uniform(low, high, (18, 2))
        points[3] = np.nan
        left, upper, right, lower = figure_tiles.box_around(points)
        assert 0 <= left and 0 <= upper and right <= 1 + 1e-9 and lower <= 1 + 1e-9 and right - left == pytest.approx(lower - upper)
        assert (points[:3] >= (left, upper)).all() and (points[:3] <= (right, lower)).all()
    assert figure_tiles.box_around(np.full((18, 2), np.nan)) == figure_tiles.WHOLE


def test_a_map_and_its_bar_share_colours():
    values = np.array([[0.0, 1.0], [2.0, 4.0]])
    tile = np.asarray(figure_tiles.heat_tile(values, 0, 4, 64, "viridis"))
    bar = np.asarray(figure_tiles.colour_bar(0, 4, 64, "unit", "viridis"))
    assert (tile[0, 0] == bar[55, 6]).all() and (tile[-1, -1] == bar[8, 6]).all()
    assert len(np.unique(tile.reshape(-1, 3), axis=0)) == 4, "cells stay square"
    assert (np.asarray(figure_tiles.heat_tile(values, 0, 4, 64, outline=np.eye(2))) == 255).all(axis=2).any()


def test_a_pose_is_drawn_over_the_faded_picture():
    picture = Image.new("RGB", (64, 64), (0, 0, 0))
    points = np.full((18, 2), np.nan)
    points[0], points[1] = (0.5, 0.25), (0.5, 0.75)
    drawn = np.asarray(figure_tiles.over(points, picture)).astype(int)
    assert (drawn[0, 0] == 165).all() and np.ptp(drawn[32, 32]) > 60


def test_titles_of_rows_that_only_the_claims_need(made):
    rows = ["appa", "claims/appa_missing30", "claims/tcan_mm1_tau10", "claims/no_retargeting", "claims/appa_learnt_missing30"]
    titles = figure_tiles.system_titles(rows, made / "params.yaml", "lite")
    assert list(titles.values()) == ["APPA", "APPA, 30 % missing", "TCAN (w/ mm1), tau10", "no retargeting",
                                     "APPA, trained on wrong poses, 30 % missing"]


def test_wrongness_counts_what_is_missing_and_what_is_elsewhere():
    right = np.random.default_rng(0).uniform(0.2, 0.8, (4, 18, 2))
    right[:, 17] = np.nan
    wrong = right.copy()
    wrong[1, 4] = np.nan
    wrong[2, 4] += 0.1
    wrong[3] = np.nan
    none, missing, moved, nobody = figure_wrong_poses.wrongness(right, wrong)
    assert none == 0 < moved < missing < nobody == pytest.approx(1)


def test_the_worst_frame_is_marked_and_has_neighbours(made):
    clip = next(clip for clip in strips.find_clips(made / "data", "test") if clip.id == "puppet_01")
    wrong = made / "data/driving/claims/appa_missing30/test/puppet_01.npz"
    block = figure_wrong_poses._block(clip, clip.poses, wrong, {"base": "base"}, made / "outputs")
    assert block.groups == [("puppet_01", [f"frame {number}{' (worst)' if number == 5 else ''}" for number in range(2, 8)])]
    assert [label for label, _ in block.lines] == ["truth", "pose as estimated", "pose with errors, which drives", "base"]


def test_the_characters_frame_lies_within_the_picture():
    points = np.full((4, 18, 2), 0.5) + np.arange(4)[:, None, None] * 0.1
    points[3] += 1
    assert figure_characters.telling_frame(points) == 2


def test_attention_means_are_told_apart_on_body_and_ground(made):
    maps, record = figure_attention._read(made / "attention/a", {clip.id: clip for clip in strips.find_clips(made / "data", "test")})
    assert maps["row"] == "tcan_mm1" and 0 < maps["number"] < 4 and record["config"]["last_steps"] == 3
    values = np.array([[1.0, 3.0]])
    assert figure_attention._mean(values, np.array([[1.0, 0.0]])) == 1 and np.isnan(figure_attention._mean(values, np.zeros((1, 2))))


def test_clips_and_rows_can_be_named(made):
    _, default = draw(made, 5, out="default.png")
    code, named = draw(made, 5, "--clips", "puppet_02", "--rows", "base", "copy", out="named.png")
    assert code == 0 and Image.open(named).height < Image.open(default).height and Image.open(named).width < Image.open(default).width
    assert draw(made, 6, "--clips", "chibi_02__puppet_02", out="one.png")[0] == 0


def test_the_suffix_or_the_size_choose_the_format(made, monkeypatch, capsys):
    assert draw(made, 7, out="seven.webp")[0] == 0 and Image.open(made / "seven.webp").format == "WEBP"
    draw(made, 7, out="free")
    assert Image.open(made / "free.png").format == "PNG" and not (made / "free").exists()
    monkeypatch.setattr("eval.figures.command.LARGE", 1000)
    draw(made, 7, out="heavy")
    assert Image.open(made / "heavy.webp").format == "WEBP"
    capsys.readouterr()
    draw(made, 7, out="wanted.png")
    assert "as .webp it would have" in capsys.readouterr().err and Image.open(made / "wanted.png").format == "PNG"


def test_figure_6_wants_a_row_to_compare_with(made, capsys):
    code, out = draw(made, 6, "--rows", "claims/no_retargeting", out="alone.png")
    assert code == 2 and not out.exists() and "--rows: expected for figure 6 the row without retargeting and at least one with it" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "gone", "more", "told"), [
    (3, "outputs/appa/test/real_walk", (), "outputs/appa/test/real_walk: expected the frames that the row appa makes"),
    (4, "attention/a/maps.npz", None, "attention/a: expected what `python -m tcan attention` writes"),
    (4, None, (), "--attention: expected folders that `python -m tcan attention` wrote"),
    (5, "outputs/warp", (), "outputs/warp/test/real_walk: expected the frames that the row warp makes"),
    (6, "outputs/claims", (), "outputs/claims/no_retargeting/bizarre: expected characters that the row claims/no_retargeting moves"),
    (6, "data/driving/tcan_mm2", (), "data/driving/tcan_mm2/bizarre: expected the retargeted poses"),
    (7, "outputs/unfrozen/bizarre/chibi_01__puppet_01/0003.png", (), "chibi_01__puppet_01"),
    (7, "data/driving/unfrozen/bizarre/chibi_02__puppet_02.npz", (), "chibi_02__puppet_02.npz: expected key points"),
    (9, "data/driving/claims", (), "driving/claims/appa_missing30/test: expected the wrong poses"),
    (9, "outputs/claims/appa_tctrln_missing30", (), "appa_tctrln_missing30/test/real_walk: expected the frames"),
    (9, "outputs/claims/appa_learnt_missing30", (), "appa_learnt_missing30/test/real_walk: expected the frames"),
])
def test_what_is_missing_is_told_with_the_command(world, capsys, number, gone, more, told):
    if gone and number == 7 and gone.endswith(".png"):
        for path in (world / gone).parent.glob("*.png"):
            path.write_bytes(b"no picture")
    elif gone:
        shutil.rmtree(world / gone) if (world / gone).is_dir() else (world / gone).unlink()
    code, out = draw(world, number, *(attention(world) if more is None else more))
    message = capsys.readouterr().err
    assert code == 2 and not out.exists() and message.count("\n") == 1
    assert told in message
    assert "snakemake claims" in message or "tcan frames" in message


@pytest.mark.parametrize(("number", "more", "told"), [(3, ("--clips", "nobody"), "--clips: expected some of real_walk"),
                                                      (7, ("--clips", "chibi_01__real_walk"), "--clips: expected some of chibi_01__puppet_01"),
                                                      (3, ("--out", "figure.jpg"), "--out: expected a file of .png, .webp or no suffix")])
def test_mistakes_are_told_in_a_line(made, capsys, number, more, told):
    assert draw(made, number, *more, out="never.png")[0] == 2
    assert told in capsys.readouterr().err and not (made / "never.png").exists()


def test_strips_are_encoded_as_they_were():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8))
    for suffix, options in ((".png", {}), (".webp", {"quality": 90, "method": 4})):
        stream = io.BytesIO()
        picture.save(stream, format=suffix[1:], **options)
        assert strips.encoded(picture, suffix) == stream.getvalue()
