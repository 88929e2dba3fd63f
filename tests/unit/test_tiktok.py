"""The TikTok set as frames, from stand-ins of both layouts: exactly the manifest's test frames, what is left out, and runs that are killed."""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tcan import cli
from tcan.data import clips, left_out, manifest, tiktok, tiktok_layout, videos
from tcan.data.pictures import squared
from tcan.errors import UserError
from tcan.sections import FrameSet
from tests import paper_world
from tests.conftest import ROOT, differing, environment

SIZE = 32
TESTS = paper_world.manifest_videos()


def options(**changes):
    return SimpleNamespace(**{"source": "tiktok", "fit": "crop", "min_frames": 4, "leakage": "stop", "manifest": str(paper_world.MANIFEST), "test_frames": None,
                              **changes})


def make(raw, out, shard=0, shards=1, **changes):
    tiktok.make_shard(options(**changes), SIZE, 2024, raw, out, shard, shards)
    return clips.read_table(out)


def cut(path, less):
    """Take the last bytes of a file, which may be a hard link."""
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(whole[:-less])


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def authors(tmp_path_factory):
    return paper_world.tiktok(tmp_path_factory.mktemp("authors"))


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return paper_world.tiktok_original(tmp_path_factory.mktemp("original"))


@pytest.fixture(scope="module")
def disco(tmp_path_factory):
    return paper_world.disco_frames(tmp_path_factory.mktemp("disco"))


@pytest.fixture
def spoilt(authors, tmp_path):
    """A copy of the authors' set, of links, to take away from."""
    return Path(shutil.copytree(authors, tmp_path / "spoilt", copy_function=os.link))


def test_the_shipped_manifest_is_discos_test_set():
    videos_ = manifest.load()
    assert len(videos_) == 10 and sum(len(video.numbers) for video in videos_.values()) == 4123
    assert sum(manifest.windows(video.numbers) for video in videos_.values()) == 3707
    assert videos_["203_006_1x1"].frame_name(348) == "TiktokDance_203_006_1x1_00348jpg.png"
    assert videos_["00337"].frame_name(133) == "TiktokDance_00337_0133png.png"
    assert manifest.ranges(videos_["201_005_1x1"].numbers) == "0-136 139 141-202 206-295 298-369 371-399"


@pytest.mark.parametrize(("change", "message"), [
    (("18,4,png.png,1-18,3", "19,4,png.png,1-18,3"), "00337: expected 19 ascending frames and 3 windows of 16, its ranges hold 18 and 3"),
    (("1-18,3", "1-18,4"), "expected 18 ascending frames and 4 windows"), (("1-18,3", "1-x,3"), "ranges such as"),
    (("frames", "count"), "expected the columns"), (("00338", "00337"), "each once"),
])
def test_a_manifest_that_contradicts_itself(tmp_path, change, message):
    (tmp_path / "frames.csv").write_text(paper_world.MANIFEST.read_text().replace(*change, 1))
    with pytest.raises(UserError, match=message):
        manifest.load(tmp_path / "frames.csv")


def test_the_authors_layout_gives_train_clips_and_exactly_the_manifests_frames(authors, tmp_path):
    table = make(authors, tmp_path / "set").set_index("id")
    assert set(table.index[table.split == "train"]) == set(paper_world.TRAIN)
    assert set(table.index[table.split == "test"]) == set(TESTS)
    for name, video in TESTS.items():
        assert tuple(clips.numbers(tmp_path / "set" / name)) == video.numbers, "gaps stay visible"
        decoded = np.stack([squared(picture, SIZE, "crop") for picture in videos.pictures(authors / f"valid_video/{name}/images.mp4")])
        assert np.array_equal(clips.read_clip(tmp_path / "set" / name), decoded), "the i-th picture is the i-th number"
        assert table.frames[name] == len(video.numbers)
    assert clips.numbers(tmp_path / "set/00001") == list(range(1, 13))
    assert set(table.height) == set(table.width) == {SIZE} and set(table.fps) == {30.0}
    assert left_out.gather([tmp_path / "set"]) == []


def test_the_original_layout_needs_discos_frames(original, disco, tmp_path):
    with pytest.raises(UserError, match="expected 10 test videos, found 2; missing: 201_002_1x1, .*203_006_1x1; the original set has none") as caught:
        make(original, tmp_path / "set")
    assert "\n" not in str(caught.value)
    table = make(original, tmp_path / "set", test_frames=str(disco)).set_index("id")
    assert set(table.index[table.split == "train"]) == set(paper_world.TRAIN)
    for name, video in TESTS.items():
        assert tuple(clips.numbers(tmp_path / "set" / name)) == video.numbers
    first = np.asarray(Image.open(tmp_path / "set/201_024_1x1/0009.png"))
    assert np.array_equal(first, squared(paper_world.scene("201_024_1x1", 9, 64, 64), SIZE, "crop")), "a frame is found by its number"


def test_test_videos_of_the_original_layout_are_found_by_number(original, disco, tmp_path):
    """00337 has 20 frames there, and the manifest names 18."""
    only = tmp_path / "eight"
    only.mkdir()
    for path in disco.iterdir():
        if "0033" not in path.name:
            os.link(path, only / path.name)
    make(original, tmp_path / "set", test_frames=str(only))
    assert clips.numbers(tmp_path / "set/00337") == list(range(1, 19))
    frame = np.asarray(Image.open(tmp_path / "set/00337/0018.png"))
    assert np.array_equal(frame, squared(paper_world.scene("00337", 18, paper_world.HEIGHT, paper_world.WIDTH), SIZE, "crop"))


def test_layouts_are_told_apart_wherever_they_lie(authors, original, tmp_path):
    for layout, source in (("authors", authors), ("original", original)):
        (tmp_path / layout / "TikTok").mkdir(parents=True)
        for path in source.iterdir() if layout == "authors" else (original / "TikTok_dataset").iterdir():
            (tmp_path / layout / "TikTok" / path.name).symlink_to(path)
        assert tiktok_layout.find(tmp_path / layout, TESTS).name == layout
    (tmp_path / "other/pictures").mkdir(parents=True)
    with pytest.raises(UserError, match="expected one TikTok set, .* found none"):
        tiktok_layout.find(tmp_path / "other", TESTS)
    with pytest.raises(UserError, match="found no folder; run `tcan fetch tiktok`"):
        tiktok_layout.find(tmp_path / "absent", TESTS)


def test_shards_are_the_set(authors, tmp_path):
    whole = make(authors, tmp_path / "whole")
    parts = [make(authors, tmp_path / f"{shard:03d}", shard, 3) for shard in range(3)]
    ids = sorted(whole.id)
    for shard, part in enumerate(parts):
        assert part.id.tolist() == [name for place, name in enumerate(ids) if place % 3 == shard]
    assert not len(make(authors, tmp_path / "098", 98, 99)), "more shards than clips"
    assert sorted(digest for part in parts for digest in part.sha256) == sorted(whole.sha256)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_what_is_not_square(fit):
    picture = np.zeros((1080, 604, 3), np.uint8)
    picture[238:842, :, 0] = 200  # the middle square
    picture[:238, :, 1] = picture[842:, :, 1] = 200
    made = squared(picture, 512, fit, (0, 0, 255)).astype(int)
    assert made.shape == (512, 512, 3)
    if fit == "crop":
        assert (made == (200, 0, 0)).all()
    elif fit == "pad":
        assert (made[:, :100] == (0, 0, 255)).all() and (made[:, -100:] == (0, 0, 255)).all() and (made[:80, 150:350] == (0, 200, 0)).all()
    else:
        assert (made[:100] == (0, 200, 0)).all() and (made[200:300] == (200, 0, 0)).all()


def test_train_clips_that_are_no_good_are_left_out_and_told_of(spoilt, tmp_path, capsys):
    train = spoilt / "train"
    broken = train / "00002/images/0005.png"
    broken.unlink()
    broken.write_bytes((train / "00001/images/0001.png").read_bytes()[:300])
    (train / "00007/images/0003.png").unlink()
    paper_world.write_png(train / "00007/images/0003.png", np.zeros((20, 30, 3), np.uint8))
    (train / "empty/images").mkdir(parents=True)
    (train / "nothing").mkdir()
    (train / "337").symlink_to(train / "00001")
    (train / "00338").symlink_to(train / "00001")
    paper_world.tiktok(tmp_path / "short", ["short"], 3)
    (train / "short").symlink_to(tmp_path / "short/train/short")
    (train / "cut").mkdir()
    (train / "cut/images.mp4").write_bytes((spoilt / "valid_video/00337/images.mp4").read_bytes()[:-400])
    paper_world.write_mp4(train / "film/images.mp4", [paper_world.scene("film", number, 64, 64) for number in range(8)])
    table = make(spoilt, tmp_path / "set")
    assert set(table.id[table.split == "train"]) == {"00001", "00339", "film"}
    reasons = {row["id"]: row["reason"] for row in left_out.gather([tmp_path / "set"])}
    for name, reason in {"00002": "0005.png: expected a picture", "00007": "pictures of one size", "empty": "train/empty/images: expected pictures, found none",
                         "nothing": "found neither", "337": "it is a test video",
                         "00338": "it is a test video", "short": "3 frames, fewer than data.tiktok.min_frames",
                         "cut": "images.mp4: expected"}.items():
        assert reason in reasons.pop(name)
    assert not reasons
    printed = capsys.readouterr().err
    assert "shard 0 of 1: 13 of 21 clips; 8 left out" in printed and "00002" in printed
    assert not (tmp_path / "set/00002").exists()


@pytest.mark.parametrize(("spoil", "message"), [
    (lambda valid: shutil.rmtree(valid / "00338"), "expected 10 test videos, found 9; missing: 00338; fetch the set again"),
    (lambda valid: [(valid / "00338/images.mp4").unlink()], "00338: expected frames in images, or images.mp4"),
    (lambda valid: [(valid / "00338/images.mp4").unlink(), os.link(valid / "00337/images.mp4", valid / "00338/images.mp4")],
     "00338: expected the manifest's 16 frames, found 18 in .*images.mp4"),
    (lambda valid: cut(valid / "00338/images.mp4", 500),
     "00338/images.mp4: expected"),
    (lambda valid: [paper_world.write_png(valid / f"00338/images/{number:04d}.png", np.zeros((8, 8, 3), np.uint8)) for number in range(2, 16)],
     "00338: expected the manifest's 16 frames 1-16, found 14 of them in .*, without 1 16"),
])
def test_a_test_video_that_is_no_good_stops(spoilt, tmp_path, spoil, message):
    spoil(spoilt / "valid_video")
    with pytest.raises(UserError, match=message) as caught:
        make(spoilt, tmp_path / "set")
    assert "\n" not in str(caught.value) and not (tmp_path / "set").exists()


def test_a_disk_that_fails_is_no_broken_clip(authors, tmp_path, monkeypatch):
    def read(path):
        raise UserError(f"{path}: expected a picture, got I/O error") from OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(tiktok_layout, "read_picture", read)
    with pytest.raises(UserError, match="I/O error"):
        make(authors, tmp_path / "set")


def test_no_clip_is_held_in_memory(authors, tmp_path, monkeypatch):
    """Every frame is written before the one after the next is read."""
    read, written, ahead = [], [], []
    save, squared_ = Image.Image.save, tiktok.squared
    monkeypatch.setattr(tiktok, "squared", lambda *args: (read.append(1), ahead.append(len(read) - len(written)), squared_(*args))[-1])
    monkeypatch.setattr(Image.Image, "save", lambda self, *args, **more: (written.append(1), save(self, *args, **more))[-1])
    make(authors, tmp_path / "set")
    assert max(ahead) == 1 and len(read) == len(written) > 100


def test_frames_have_names_of_one_width(tmp_path):
    clips.write_clip(tmp_path, np.zeros((2, 8, 8, 3), np.uint8), [9999, 10001])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["09999.png", "10001.png"]
    with pytest.raises(ValueError, match="shorter"):
        clips.write_clip(tmp_path, np.zeros((1, 8, 8, 3), np.uint8), [1, 2])


def test_the_command(authors, tmp_path, monkeypatch, capfd):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/tiktok").symlink_to(authors)
    sets = {"train": FrameSet("tiktok", "openpose", "train", 2), "test": FrameSet("tiktok", "openpose", "test")}
    config = SimpleNamespace(seed=1, data=SimpleNamespace(size=SIZE, tiktok=options(), sets=sets))
    monkeypatch.setattr(cli.configuration, "load", lambda *args: config)

    def run(name, *words):
        return cli.main(["tiktok", "--raw", str(tmp_path / "raw"), "--out", str(tmp_path / name), "--set", name, *words])

    assert run("train", "--shard", "1") == 0 and run("test") == 0
    assert clips.read_table(tmp_path / "train").id.tolist() == sorted(paper_world.TRAIN)[1::2]
    assert clips.read_table(tmp_path / "test").id.tolist() == sorted(paper_world.manifest_videos())
    capfd.readouterr()
    for name, words, told in (("human", [], "expected a set of kind tiktok (train, test), got 'human'"), ("train", ["--shard", "2"], "expected 0 to 1, got 2"),
                              ("train", [], "expected 0 to 1, got None"), ("test", ["--shard", "0"], "expected none, since the set is made whole, got 0")):
        assert run(name, *words) == 2 and told in capfd.readouterr().err


# --- killed -----------------------------------------------------------------------------------------------------------

def killed(raw, out, at):
    """Make a shard in a process that kills itself at the `at`-th thing it does to the disk (0: never); how many there were, None for a killed one."""
    done = subprocess.run([sys.executable, "-m", "tests.unit.killed_tiktok", raw, out, str(at)], cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return int(done.stdout) if done.stdout else None


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_any_moment_the_same_command_ends_in_the_same_bytes(authors, tmp_path, kills):
    total = killed(authors, tmp_path / "whole/000", 0)
    expected = content(tmp_path / "whole/000")
    assert total > 60 and "run.json" in expected
    chance = random.Random(kills)
    for name, moments in {"end": [total], "last": [total - 3], "move": [total - 6], "any": [chance.randrange(1, total // 3) for _ in range(kills)]}.items():
        out = tmp_path / name / "000"
        finished = [at for at in moments if killed(authors, out, at) is not None]
        assert not out.exists() or finished or name != "any", "it appears whole, at the end"
        if not finished:
            killed(authors, out, 0)
        assert not differing(content(out), expected)
        assert len(finished) < len(moments) and [path.name for path in out.parent.iterdir()] == ["000"], "nothing half kept beside it"


def test_a_killed_run_does_only_what_is_left(authors, tmp_path):
    out = tmp_path / "set/000"
    total = killed(authors, out, 0)
    shutil.rmtree(out)
    assert killed(authors, out, total * 2 // 3) is None and not out.exists()
    assert killed(authors, out, 0) < total * 2 // 3


def test_a_run_of_another_fetch_keeps_nothing(spoilt, tmp_path):
    (spoilt / "run.json").write_text("fetched")
    assert killed(spoilt, tmp_path / "set/000", 60) is None
    kept = next(path for path in (tmp_path / "set/.000.part/set").rglob("*.png"))
    kept.write_bytes(b"of the first fetch")
    (spoilt / "run.json").unlink()
    (spoilt / "run.json").write_text("fetched anew")
    killed(spoilt, tmp_path / "set/000", 0)
    assert not [path for path in (tmp_path / "set/000").rglob("*.png") if path.read_bytes() == b"of the first fetch"]


def test_a_run_of_other_parameters_keeps_nothing(authors, tmp_path):
    assert killed(authors, tmp_path / "set/000", 60) is None
    assert (tmp_path / "set/.000.part").exists()
    tiktok.make_shard(options(fit="pad"), 16, 2024, authors, tmp_path / "set/000", 0, 5)
    tiktok.make_shard(options(fit="pad"), 16, 2024, authors, tmp_path / "other/000", 0, 5)
    assert not differing(content(tmp_path / "set/000"), content(tmp_path / "other/000"))
