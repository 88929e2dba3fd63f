"""Videos as users have them: read as they are shown, written whole or not at all."""

from fractions import Fraction

import av
import numpy as np
import pytest

from tcan.errors import UserError
from tcan.generate.video import Video, write

SIZE = 48, 64


def picture(number, size=SIZE):
    """A grey ramp to the right that is brighter in later frames, and a red square at the upper left."""
    height, width = size
    picture = np.repeat((np.linspace(0, 100, width)[None, :, None] + 8 * number).astype(np.uint8), height, axis=0).repeat(3, axis=2)
    picture[:16, :16] = 200, 0, 0
    return picture


def encode(path, times, rotation=0, ratio=None, start=0, rate=25):
    """A video whose frames are shown at these times, in milliseconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv444p"
        stream.codec_context.time_base = Fraction(1, 1000)
        if ratio:
            stream.codec_context.sample_aspect_ratio = Fraction(ratio)
        if rotation:
            stream.set_display_rotation(rotation)
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = time + start, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def numbers(pictures):
    """Which frame each picture is, by its brightness."""
    return [round((float(one[-8:, -8:].mean()) - picture(0)[-8:, -8:].mean()) / 8) for one in pictures]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_a_steady_video_gives_each_frame_once(tmp_path, suffix):
    video = Video.open(encode(tmp_path / f"it{suffix}", [round(1000 * index / 30) for index in range(12)], rate=30))
    assert video.size == SIZE and video.fps == pytest.approx(30, rel=0.05)
    assert numbers(video.pictures()) == list(range(12))
    assert np.abs(next(video.pictures()).astype(int) - picture(0)).mean() < 4


def test_another_rate_takes_what_is_shown_at_its_times(tmp_path):
    video = Video.open(encode(tmp_path / "it.mp4", range(0, 480, 40)))
    assert numbers(video.pictures(fps=12.5)) == [0, 2, 4, 6, 8, 10]
    assert numbers(video.pictures(fps=50, count=6)) == [0, 0, 1, 1, 2, 2]
    assert numbers(video.pictures(fps=12.5, start=0.2, count=2)) == [5, 7]
    assert numbers(video.pictures(start=9)) == []


def test_a_varying_rate_becomes_steady(tmp_path):
    video = Video.open(encode(tmp_path / "it.mp4", [0, 100, 200, 600, 700]))
    assert numbers(video.pictures(fps=10))[:8] == [0, 1, 2, 2, 2, 2, 3, 4]


def test_a_video_that_starts_late_starts_at_its_first_frame(tmp_path):
    video = Video.open(encode(tmp_path / "it.mkv", range(0, 240, 40), start=1000))
    assert numbers(video.pictures()) == list(range(6))


@pytest.mark.parametrize(("rotation", "corner"), [(90, (-8, 8)), (-90, (8, -8)), (180, (-8, -8))])
def test_a_phones_rotation_is_seen_to(tmp_path, rotation, corner):
    video = Video.open(encode(tmp_path / "it.mp4", range(0, 120, 40), rotation))
    assert video.size == (SIZE if rotation == 180 else SIZE[::-1])
    for shown in video.pictures():
        red, green, _ = shown[corner].astype(int)
        assert red > 120 and green < 60, "the square's corner, turned counterclockwise by the rotation"


def test_pixels_that_are_not_square_are_seen_to(tmp_path):
    video = Video.open(encode(tmp_path / "it.mp4", range(0, 120, 40), ratio=2))
    assert video.size == (48, 128) and next(video.pictures()).shape == (48, 128, 3)


@pytest.mark.parametrize("size", [(48, 64), (47, 63)])
def test_what_is_written_can_be_read(tmp_path, size):
    pictures = [picture(number, size) for number in range(7)]
    write(tmp_path / "deep/it.mp4", iter(pictures), 29.97, title="a title", comment="what made it")
    video = Video.open(tmp_path / "deep/it.mp4")
    assert video.fps == pytest.approx(29.97, abs=1e-3) and video.size == (48, 64)
    got = list(video.pictures())
    assert len(got) == 7
    for one, expected in zip(got, pictures, strict=True):
        height, width = size
        assert np.abs(one[:height, :width].astype(int) - expected).mean() < 3, "colours stay"
    with av.open(str(tmp_path / "deep/it.mp4")) as container:
        assert container.metadata["title"] == "a title" and container.metadata["comment"] == "what made it"


def test_equal_pictures_give_equal_bytes(tmp_path):
    for name in ("one", "two"):
        write(tmp_path / f"{name}.mp4", (picture(number) for number in range(5)), 30, title="t", comment="c")
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


def test_a_failure_leaves_what_was_there(tmp_path):
    (tmp_path / "it.mp4").write_bytes(b"before")

    def pictures():
        yield picture(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "it.mp4", pictures(), 30, title="t", comment="c")
    assert [path.name for path in tmp_path.iterdir()] == ["it.mp4"] and (tmp_path / "it.mp4").read_bytes() == b"before"


def test_files_that_are_no_videos_are_named(tmp_path):
    with pytest.raises(UserError, match="found no file"):
        Video.open(tmp_path / "nowhere.mp4")
    (tmp_path / "text.mp4").write_text("<html>not found</html>")
    with pytest.raises(UserError, match="it can't be opened"):
        Video.open(tmp_path / "text.mp4")
    whole = encode(tmp_path / "whole.mp4", range(0, 1200, 40)).read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[:len(whole) // 2])
    with pytest.raises(UserError, match="half.mp4: expected a video, it can't be opened"):
        Video.open(tmp_path / "half.mp4")


def encode_steadily(path, frames=30, rate=10, apart=12, between=0, form=None):
    """A video at a steady rate, a key frame every `apart` frames and up to `between` frames that lean on later ones."""
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "1", "g": str(apart), "bf": str(between), "b_strategy": "0", "sc_threshold": "0"})
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv444p"
        for number in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number % 12), format="rgb24")))
        container.mux(stream.encode())
    return Video.open(path)


@pytest.mark.parametrize("apart", [6, 250])
@pytest.mark.parametrize("suffix", [".ts", ".mp4", ".mkv"])
def test_a_start_between_key_frames_is_found(tmp_path, suffix, apart):
    """A seek in MPEG-TS goes by bytes and may land behind what it looks for."""
    video = encode_steadily(tmp_path / f"it{suffix}", apart=apart)
    assert numbers(video.pictures(fps=10, start=2.0, count=6)) == [8, 9, 10, 11, 0, 1]
    assert numbers(video.pictures(fps=10)) == [number % 12 for number in range(30)]


@pytest.mark.parametrize(("suffix", "form"), [(".avi", None), (".h264", "h264")])
def test_frames_without_times_come_in_their_order(tmp_path, suffix, form):
    """AVI has no times of frames that lean on later ones, a bare stream none at all."""
    video = encode_steadily(tmp_path / f"it{suffix}", between=2, form=form)
    assert numbers(video.pictures()) == [number % 12 for number in range(30)]
    assert numbers(video.pictures(start=0.5, count=3)) == [number % 12 for number in range(round(0.5 * video.fps), round(0.5 * video.fps) + 3)]
