"""Whole videos of any kind: every frame that the file stores, upright, or one line that says what is wrong."""

import struct

import av
import cv2
import numpy as np
import pytest

from tcan.data import frames, videos
from tcan.errors import UserError
from tests.paper_world import write_mp4

COUNT, HEIGHT, WIDTH = 20, 48, 64


def picture(number, height=HEIGHT, width=WIDTH):
    """Grey 8 * number, with a red left upper quarter."""
    made = np.full((height, width, 3), 8 * number, np.uint8)
    made[:height // 2, :width // 2] = (255, 0, 0)
    return made


def video(path, count=COUNT, **options):
    return write_mp4(path, [picture(number) for number in range(count)], **options)


def numbers(pictures):
    """The number that each picture shows in its right lower corner."""
    return [round(float(made[-6:, -6:].mean()) / 8) for made in pictures]


def turned(path, out):
    """A copy of an mp4 with the mark of a phone held upright: to be shown turned by 90 degrees."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 4 + 20 + 16
    struct.pack_into(">9i", content, matrix, 0, 1 << 16, 0, -1 << 16, 0, 0, HEIGHT << 16, 0, 1 << 30)
    out.write_bytes(content)
    return out


@pytest.mark.parametrize(("name", "options"), [
    ("plain.mp4", {}), ("hevc.mp4", {"codec": "libx265"}), ("vp9.webm", {"codec": "libvpx-vp9"}), ("one.mp4", {"count": 1}),
    ("varying.mp4", {"times": [40 * number + 400 * (number > 3) + 20 * (number % 2) for number in range(COUNT)]}),
])
def test_every_stored_frame_comes_once(tmp_path, name, options):
    path = video(tmp_path / name, **options)
    count = options.get("count", COUNT)
    assert videos.probe(path)[0] == count
    assert numbers(videos.pictures(path)) == list(range(count)), "whatever the time each is shown for"


def test_odd_sizes(tmp_path):
    path = write_mp4(tmp_path / "odd.mp4", [picture(number, 47, 63) for number in range(4)], codec="libx264rgb")
    assert {made.shape for made in videos.pictures(path)} == {(47, 63, 3)}


def test_a_rotation_mark_is_seen_to(tmp_path):
    path = turned(video(tmp_path / "flat.mp4"), tmp_path / "turned.mp4")
    first = next(videos.pictures(path))
    assert first.shape == (WIDTH, HEIGHT, 3)
    assert np.allclose(first[4, -4], (255, 0, 0), atol=12), "clockwise by 90 degrees: the left upper quarter is on the right"
    with pytest.raises(UserError, match="it is turned by (90|270) degrees.*convert it to plain H.264"):
        frames.decode(path, range(COUNT))


def test_frames_at_the_end_of_a_truncated_video_are_missed(tmp_path):
    whole = video(tmp_path / "whole.mp4", quality="1").read_bytes()
    for part in (0.5, 0.8, 0.99):
        path = tmp_path / f"cut{part}.mp4"
        path.write_bytes(whole[:int(len(whole) * part)])
        with pytest.raises(UserError, match="cut.*mp4: expected") as caught:
            list(videos.pictures(path))
        assert "\n" not in str(caught.value)


def test_a_video_damaged_inside_is_no_shorter_video(tmp_path):
    content = bytearray(video(tmp_path / "whole.mp4", quality="1").read_bytes())
    middle = content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 2
    content[middle:middle + 400] = bytes(400)
    (tmp_path / "damaged.mp4").write_bytes(content)
    try:
        read = numbers(videos.pictures(tmp_path / "damaged.mp4"))
    except UserError as error:
        assert "damaged.mp4: expected" in str(error)
    else:
        assert len(read) == COUNT


def sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44100, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def test_what_is_no_video_says_what_it_is(tmp_path):
    sound(tmp_path / "sound.mp4")
    (tmp_path / "text.mp4").write_text("not a video" * 99)
    (tmp_path / "empty.mp4").write_bytes(b"")
    cv2.VideoWriter(str(tmp_path / "none.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 25, (WIDTH, HEIGHT)).release()
    (tmp_path / "unknown.mp4").write_bytes(video(tmp_path / "plain.mp4").read_bytes().replace(b"avc1", b"zzzz"))
    for name, message in {"sound": "no pictures", "text": "can't be opened", "empty": "can't be opened", "absent": "found no file",
                          "none": "", "unknown": "codec that FFmpeg doesn't know"}.items():
        with pytest.raises(UserError, match=f"{name}.mp4: expected a video, .*{message}"):
            videos.probe(tmp_path / f"{name}.mp4")
    with pytest.raises(UserError, match="sound.mp4: expected a whole video, it can't be opened .*no pictures"):
        frames.probe(tmp_path / "sound.mp4")


def test_a_codec_that_decord_lacks_is_named(tmp_path):
    path = write_mp4(tmp_path / "av1.mp4", [picture(number, 64, 64) for number in range(3)], codec="libsvtav1", quality="30")
    assert len(list(videos.pictures(path))) == 3
    with pytest.raises(UserError, match="its codec is .*av1.*convert it to plain H.264"):
        frames.probe(path)
