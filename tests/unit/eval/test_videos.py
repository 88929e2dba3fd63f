"""Video files in the place of folders of frames: the same frames, the same numbers, and a warning."""

import re
import subprocess
import sys

import av
import numpy as np
import pytest

from eval import evaluate, frames
from eval.clips import pair
from eval.cli import main
from eval.errors import UserError
from tests.golden.made_clips import moving, write
from tests.golden.made_networks import small_networks


def save(path, clip, codec="libx264rgb", options=None, rate=25, pixels=None):
    """libx264rgb at crf 0 loses nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {"crf": "0"})
        stream.height, stream.width = clip.shape[1:3]
        stream.pix_fmt = pixels or ("rgb24" if codec == "libx264rgb" else "yuv420p")
        for frame in clip:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def videos(tmp_path, clips):
    """GEN of videos without loss, TRUE of videos without loss, and both as frames."""
    made = {name: clip[::-1] for name, clip in clips.items()}
    for side, x in (("gen", made), ("true", clips)):
        write(tmp_path / "frames" / side, x)
        for name, clip in x.items():
            save(tmp_path / "videos" / side / f"{name}.mkv", clip)
    return tmp_path / "videos", tmp_path / "frames"


def metrics(result):
    return {label: {key: entry["value"] for key, entry in body["metrics"].items()} for label, body in result["protocols"].items()}


@pytest.mark.parametrize("which", [("videos", "videos"), ("videos", "frames"), ("frames", "videos")])
def test_a_video_without_loss_scores_as_its_frames(videos, which):
    places = dict(zip(("videos", "frames"), videos))
    expected = evaluate(videos[1] / "gen", videos[1] / "true", networks=small_networks())
    result = evaluate(places[which[0]] / "gen", places[which[1]] / "true", networks=small_networks())
    assert metrics(result) == metrics(expected)
    said = " ".join(result["warnings"])
    for side, place in zip(("generated", "true"), which):
        assert (f"{side} frames come from a video (.mkv)" in said) == (place == "videos")


def test_one_video_against_one_clip(tmp_path, clips):
    save(tmp_path / "result.mkv", clips["anna"])
    write(tmp_path, {"truth": clips["anna"]})
    (clip,) = pair(tmp_path / "result.mkv", tmp_path / "truth")
    assert (clip.name, len(clip.numbers)) == ("frames", 18)
    save(tmp_path / "other.mkv", clips["anna"])
    (clip,) = pair(tmp_path / "result.mkv", tmp_path / "other.mkv")
    assert clip.name == "other" and clip.numbers == tuple(range(18))
    np.testing.assert_array_equal(list(clip.generated.read()), clips["anna"])


def test_frames_of_a_video_belong_to_true_frames_in_order(tmp_path, clips):
    write(tmp_path / "true", {"anna": clips["anna"]}, numbers=[*range(3, 12), *range(20, 29)])
    save(tmp_path / "gen" / "anna.mkv", clips["anna"])
    (clip,) = pair(tmp_path / "gen", tmp_path / "true", gaps=True)
    assert clip.numbers[:2] == (3, 4) and len(clip.runs()) == 2


@pytest.mark.parametrize("index", [0, 7, 17])
def test_any_frame_by_its_index(tmp_path, clips, index):
    side = frames.Video.open(save(tmp_path / "anna.mkv", clips["anna"]))
    np.testing.assert_array_equal(frames.at(side, index), clips["anna"][index])


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_in_the_middle(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3: 2 * len(data) // 3] = bytes(len(data) // 3)
    path.write_bytes(data)


def flipped(path):
    """Four bits of the last frame's data, of a file whose headers are whole."""
    with av.open(str(path)) as container:
        place = next(packet.pos + packet.size // 2 for packet in container.demux(video=0) if packet.size and packet.pts == 0)
    data = bytearray(path.read_bytes())
    for offset in range(0, 40, 10):
        data[place + offset] ^= 0xFF
    path.write_bytes(data)


def without_pictures(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


BROKEN = {
    "truncated": (truncated, r"anna.mp4: expected a (whole )?video"),
    "holes": (cut_in_the_middle, r"anna.mp4: expected"),
    "flipped bytes": (flipped, "damaged|does not decode"),
    "alpha": (lambda path: save(path, moving(18, 24), "png", pixels="rgba"), "8 bits a channel without alpha, got pixels of rgba"),
    "16 bits": (lambda path: save(path, moving(18, 24), "png", pixels="rgb48be"), "got pixels of rgb48be"),
    "grey": (lambda path: save(path, moving(18, 24), "png", pixels="gray"), "got pixels of gray"),
    "text": (lambda path: path.write_text("no video"), "anna.mp4: expected a video, got a file that can't be opened"),
    "empty": (lambda path: path.write_bytes(b""), "anna.mp4: expected a video, got a file that can't be opened"),
    "no pictures": (without_pictures, "a file without pictures"),
    "too few frames": (lambda path: save(path, moving(12, 24), "libx264"), "got 12 for 18"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_video_is_one_line_and_nothing_is_written(tmp_path, clips, capsys, case):
    damage, message = BROKEN[case]
    save(tmp_path / "gen" / "anna.mp4", clips["anna"], "libx264")
    write(tmp_path / "true", {"anna": clips["anna"]})
    damage(tmp_path / "gen" / "anna.mp4")
    assert main([str(tmp_path / "gen"), str(tmp_path / "true"), "--networks", "--no-cache", "--out", str(tmp_path / "out" / "metrics.json")]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.search(message, last) and last.startswith("error: ") and not (tmp_path / "out").exists()


def test_two_clips_of_one_name(tmp_path, clips):
    save(tmp_path / "gen" / "anna.mkv", clips["anna"])
    write(tmp_path / "gen", {"anna": clips["anna"]})
    with pytest.raises(UserError, match="one clip anna, found two"):
        pair(tmp_path / "gen", tmp_path / "gen")


def test_a_lossy_video_costs(tmp_path, clips):
    """The same frames through H.264: every metric moves."""
    big = {"anna": moving(18, 64, seed=3)}
    write(tmp_path / "true", big)
    save(tmp_path / "gen" / "anna.mp4", big["anna"], "libx264", {"crf": "23"})
    result = evaluate(tmp_path / "gen", tmp_path / "true", ["disco-1"], networks={})
    assert result["protocols"]["disco-1"]["metrics"]["L1-grey"]["value"] > 0.5
    assert any("a video (.mp4): compression changes every metric" in warning for warning in result["warnings"])


def test_it_stands_alone(tmp_path):
    """Nothing that reads videos is imported for frames."""
    code = "import sys, eval.clips, eval.frames; print('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
