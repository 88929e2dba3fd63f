"""The leakage check on stand-ins: what is the same video in another dress, and what isn't."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from tcan import cli
from tcan.data import clips, leakage, videos
from tcan.errors import UserError
from tcan.sections import FrameSet
from tests.paper_world import scene, write_mp4

SIZE, LENGTH = 96, 24
KNOWN, ALIEN = ("00337", "201_002_1x1"), 40


def film(name, first=0, length=LENGTH):
    return [scene(name, number, SIZE, SIZE) for number in range(first, first + length)]


def recompressed(pictures, tmp_path, quality="35"):
    return list(videos.pictures(write_mp4(tmp_path / "again.mp4", pictures, quality=quality)))


def cropped(pictures, part=0.02):
    edge = round(SIZE * part / 2)
    return [cv2.resize(picture[edge:-edge, edge:-edge], (SIZE, SIZE), interpolation=cv2.INTER_CUBIC) for picture in pictures]


def resized(pictures, side=80):
    return [cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA) for picture in pictures]


def mirrored(pictures):
    return [np.ascontiguousarray(picture[:, ::-1]) for picture in pictures]


def make(folder, train, test):
    """A frame set of {id: pictures}; its table."""
    rows = []
    for split, group in (("train", train), ("test", test)):
        for name, pictures in group.items():
            digest = clips.write_clip(folder / name, pictures)
            rows.append({"id": name, "split": split, "source": "tiktok", "fps": 30.0, "frames": len(pictures), "height": SIZE, "width": SIZE, "sha256": digest})
    clips.write_table(folder, rows)
    return clips.read_table(folder)


@pytest.fixture(scope="module")
def known():
    return {name: film(name) for name in KNOWN}


def test_the_same_video_in_any_dress_is_found(known, tmp_path):
    first = known["00337"]
    train = {"recompressed": recompressed(first, tmp_path), "later": film("00337", 9), "shorter": first[4:12], "cropped": cropped(first),
             "resized": resized(first), "mirrored": mirrored(first), "all_of_it": recompressed(mirrored(cropped(film("00337", 5))), tmp_path, "28"),
             "short": first[6:8], **{f"alien{number}": film(f"alien{number}") for number in range(4)}}
    table = make(tmp_path / "set", train, known)
    leaking = leakage.check(table, tmp_path / "leakage.json", "drop")
    assert leaking == sorted(set(train) - {f"alien{number}" for number in range(4)})
    report = json.loads((tmp_path / "leakage.json").read_text())
    assert report["left_out"] == leaking and {pair["test"] for pair in report["pairs"]} == {"00337"}
    turned = {pair["train"] for pair in report["pairs"] if pair["mirrored"]}
    assert turned == {"mirrored", "all_of_it"}
    assert report["nearest_that_is_no_leak"]["distance"] > leakage.RADIUS
    assert "8 of 12 train clips are among the 2 test videos" in report["verdict"]
    lines = (tmp_path / "leakage.csv").read_text().splitlines()
    assert lines[0] == "train,test,alike,of,distance,mirrored" and len(lines) == 1 + len(report["pairs"])


def test_unrelated_videos_are_no_leak():
    """The rate of false alarms among made-up videos that all show a figure before a wall: none in 40 x 40 pairs, frame by frame."""
    hashes = {f"alien{number}": np.stack([leakage.frame_hash(cv2.cvtColor(scene(f"alien{number}", frame, SIZE, SIZE), cv2.COLOR_RGB2GRAY))
                                          for frame in (0, 7, 15)]) for number in range(ALIEN)}
    distances = []
    for name, own in hashes.items():
        others = {other: known for other, known in hashes.items() if other != name}
        pairs, nearest = leakage.compare({name: own}, others)
        assert not pairs
        distances.append(nearest["distance"])
    assert min(distances) > leakage.RADIUS, "not even one pair of frames"
    assert leakage.compare(hashes, hashes)[0][0]["distance"] == 0, "and a video is itself"


def test_a_mirrored_picture_has_the_mirrored_hash():
    grey = cv2.cvtColor(scene("any", 3, SIZE, SIZE), cv2.COLOR_RGB2GRAY)
    own, turned = leakage.frame_hash(grey), leakage.frame_hash(np.ascontiguousarray(grey[:, ::-1]))
    assert (np.bitwise_count(own ^ turned[::-1]).sum(axis=1) <= 4).all() and np.bitwise_count(own[0] ^ own[1]).sum() > leakage.RADIUS


def test_frames_of_one_colour_say_nothing(known, tmp_path):
    black = [np.zeros((SIZE, SIZE, 3), np.uint8)] * 8
    table = make(tmp_path / "set", {"black": black, "fade": black + film("fade")}, {"night": black + known["00337"]})
    assert leakage.check(table, tmp_path / "leakage.json", "stop") == []


def test_a_leak_stops_and_names_the_pairs(known, tmp_path, monkeypatch, capfd):
    make(tmp_path / "frames/train/shards/0000", {"00001": mirrored(known["00337"])}, {})
    make(tmp_path / "frames/train/shards/0001", {"00002": film("alien")}, {})
    make(tmp_path / "frames/test", {}, known)
    sets = {"train": FrameSet("tiktok", "openpose", "train", 2), "test": FrameSet("tiktok", "openpose", "test"), "other": FrameSet("puppets", "exact+errors")}
    config = SimpleNamespace(data=SimpleNamespace(sets=sets, tiktok=SimpleNamespace(leakage="stop")))
    monkeypatch.setattr(cli.configuration, "load", lambda *args: config)
    words = ["leakage", "--data", str(tmp_path), "--out", str(tmp_path / "leakage.json")]
    assert cli.main(words) == 2
    said = capfd.readouterr().err.strip()
    assert "\n" not in said and "1 of 2 train clips are among the 2 test videos: 00001 = 00337 mirrored (16 of 16 frames)" in said
    assert not (tmp_path / "leakage.json").exists() and "00001,00337,16,16" in (tmp_path / "leakage.csv").read_text()
    config.data.tiktok.leakage = "drop"
    assert cli.main(words) == 0 and json.loads((tmp_path / "leakage.json").read_text())["left_out"] == ["00001"]


def test_ids_are_compared_without_their_zeros(known, tmp_path):
    table = make(tmp_path / "set", {"337": film("alien")}, known)
    with pytest.raises(UserError, match=r"337 \(by id\)"):
        leakage.check(table, tmp_path / "leakage.json", "stop")


def test_without_test_videos_there_is_nothing_to_say(known, tmp_path):
    table = make(tmp_path / "set", known, {})
    with pytest.raises(UserError, match="expected test videos to look for, found none"):
        leakage.check(table, tmp_path / "leakage.json", "stop")
