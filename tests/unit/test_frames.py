"""frames: decoding, cropping, resizing and the table, on made-up videos."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

from tcan import config as configuration
from tcan.sections import FrameSet, Video
from tcan.data import clips, frames
from tcan.errors import UserError

WIDTH, HEIGHT, LENGTH = 64, 48, 30


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """data/raw with one source: a video whose frame n is grey 8 n, with a bright square that moves to the right by a pixel a frame."""
    folder = tmp_path_factory.mktemp("raw")
    (folder / "toy").mkdir()
    writer = cv2.VideoWriter(str(folder / "toy/toy.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 25, (WIDTH, HEIGHT))
    for number in range(LENGTH):
        picture = np.full((HEIGHT, WIDTH, 3), 8 * number, np.uint8)
        picture[16:32, number:number + 16] = 255
        writer.write(picture)
    writer.release()
    return folder


@pytest.fixture
def video(raw):
    return raw / "toy/toy.mp4"


def grey(picture):
    return float(picture[-8:].mean())


def clip(**changes):
    return Video(**{"source": "toy", "file": "toy.mp4", "split": "test", "start": 2, "stride": 3, "crop": [8, 4, 40], **changes})


def config_with(*videos):
    config = configuration.load("params.yaml", "smoke")
    data = dataclasses.replace(config.data, size=16, clip_frames=5, sets={"people": FrameSet("video", "blazepose")},
                               videos={f"clip{number}": video for number, video in enumerate(videos)})
    return dataclasses.replace(config, data=data)


def test_frames_come_by_number_in_any_order(video):
    numbers = [20, 3, 3, 0, 29]
    decoded = frames.decode(video, numbers)
    assert decoded.shape == (5, HEIGHT, WIDTH, 3) and decoded.dtype == np.uint8
    assert [round(grey(picture) / 8) for picture in decoded] == numbers
    assert frames.probe(video) == (LENGTH, 25.0)


def test_broken_videos_are_user_errors(tmp_path, video):
    with pytest.raises(UserError, match="expected a video, found no file; run `tcan fetch`"):
        frames.decode(tmp_path / "none.mp4", [0])
    for name, content in {"empty": b"", "text": b"not a video" * 100, "half": video.read_bytes()[: video.stat().st_size // 2]}.items():
        broken = tmp_path / f"{name}.mp4"
        broken.write_bytes(content)
        with pytest.raises(UserError, match=f"{name}.mp4: expected a") as caught:
            frames.decode(broken, range(LENGTH))
        assert "\n" not in str(caught.value)


def test_a_video_damaged_inside_is_a_user_error(tmp_path, video):
    content = bytearray(video.read_bytes())
    start = content.index(b"mdat") + 4
    content[start:start + 2000] = bytes(2000)
    (tmp_path / "damaged.mp4").write_bytes(content)
    with pytest.raises(UserError, match="damaged.mp4: expected a whole video, decoding failed"):
        frames.decode(tmp_path / "damaged.mp4", range(LENGTH))


def test_a_video_without_frames_is_a_user_error(tmp_path):
    cv2.VideoWriter(str(tmp_path / "none.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 25, (WIDTH, HEIGHT)).release()
    with pytest.raises(UserError, match="none.mp4: expected a"):
        frames.probe(tmp_path / "none.mp4")


def test_numbers_beyond_the_video(video):
    with pytest.raises(UserError, match="expected frames 0 to 30, the video has 30"):
        frames.decode(video, [0, LENGTH])


def test_a_set_has_its_table_its_pictures_and_its_sampling(tmp_path, raw):
    config = config_with(clip(), clip(start=0, stride=1))
    frames.make_set("people", config, raw, tmp_path / "set")
    table = clips.read_table(tmp_path / "set")
    assert table["id"].tolist() == ["clip0", "clip1"] and table["frames"].tolist() == [5, 5]
    assert table["fps"].tolist() == [8.333, 25.0] and set(table["height"]) == set(table["width"]) == {16}
    written = clips.read_clip(tmp_path / "set/clip0")
    expected = np.stack([frames.resize(picture, 16) for picture in frames.decode(raw / "toy/toy.mp4", range(2, 15, 3))[:, 4:44, 8:48]])
    assert np.array_equal(written, expected), "lossless"
    sampling = frames.read_sampling(tmp_path / "set/clip0")
    assert sampling["indices"] == [2, 5, 8, 11, 14] and sampling["crops"] == [[8, 4, 40]] * 5
    seen = list(frames.pictures(sampling, raw))
    assert len(seen) == 5 and seen[0].shape == (40, 40, 3)
    run = json.loads((tmp_path / "set/run.json").read_text())
    assert set(run["config"]) == {"size", "clip_frames", "videos"}


def test_the_same_set_twice_has_the_same_bytes(tmp_path, raw):
    for name in ("one", "two"):
        frames.make_set("people", config_with(clip()), raw, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(files) == 5 + 3
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)


def test_a_pan_keeps_a_moving_square_in_place(raw):
    pan = {"source": "toy", "file": "toy.mp4", "indices": list(range(0, 25)), "crops": frames.crops([[0, 8, 32], [24, 8, 32]], 25)}
    assert pan["crops"][0] == [0, 8, 32] and pan["crops"][12] == [12, 8, 32]
    for picture in frames.pictures(pan, raw):
        bright = np.flatnonzero(picture[16, :, 0] > 230)
        assert abs(bright.min() - 0) <= 1 and abs(bright.max() - 15) <= 1


@pytest.mark.parametrize(("video", "message"), [
    (clip(start=20), r"clip0: expected 5 frames, every 3 from 20 \(the last is 32\), but .*toy.mp4 has 30; lower"),
    (clip(crop=[30, 4, 40]), "toy.mp4: expected a crop inside 64 x 48 pixels, got left 30, top 4, side 40"),
    (clip(crop=[-1, 4, 40]), "expected a crop inside"),
    (clip(crop=[[8, 4, 40], [40, 4, 40]]), "expected a crop inside"),
    (clip(crop=[8, 4]), r"data.videos.clip0.crop: expected \[left, top, side\]"),
    (clip(crop=[8, 4, 0]), r"crop: expected \[left, top, side\]"),
    (clip(crop=[]), r"crop: expected \[left, top, side\]"),
    (clip(crop=["auto", 4, 40]), r"crop: expected \[left, top, side\]"),
    (clip(crop=[[8, 4, 40], [8, 4]]), r"crop: expected \[left, top, side\]"),
    (clip(file="absent.mp4"), "absent.mp4: expected a video, found no file"),
])
def test_mistakes_name_the_clip_or_the_video_and_leave_nothing(tmp_path, raw, video, message):
    with pytest.raises(UserError, match=message):
        frames.make_set("people", config_with(video), raw, tmp_path / "out/set")
    assert not list((tmp_path / "out").iterdir())


def test_only_video_sets_have_frames_to_decode(tmp_path, raw):
    config = configuration.load("params.yaml", "smoke")
    with pytest.raises(UserError, match=r"expected a set of kind video \(human\), got 'puppets'"):
        frames.make_set("puppets", config, raw, tmp_path / "set")
    with pytest.raises(UserError, match="expected at least one video for the set 'people'"):
        frames.make_set("people", config_with(), raw, tmp_path / "set")


def test_shrinking_is_antialiased():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (frames.resize(stripes, 16) == 100).all(), "an average, not a sample"
    assert frames.resize(stripes[:8, :8], 16).shape == (16, 16, 3)
