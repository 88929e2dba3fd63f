"""The encoded train split: what `tcan latents` writes is what trainings read, and what is done stays done."""

import argparse
import dataclasses

import numpy as np
import pytest
import torch

from tcan import models  # noqa: F401
from tcan.data import clips
from tcan.errors import UserError
from tcan.models import autoencoder
from tcan.models.autoencoder import encode, to_tensor
from tcan.pose import keypoints
from tcan.pose.draw import draw
from tcan.pose.keypoints import Keypoints
from tcan.train import latents
from tcan.train.latents import TrainClips

LENGTHS = {"a": 4, "b": 6, "c": 5}
HELD_OUT = "c"


class Killed(Exception):
    pass


@pytest.fixture
def data(tmp_path):
    """A set of three clips of 32 x 32, the last of them for the test split."""
    random, rows = np.random.default_rng(0), []
    frames, poses = tmp_path / "frames/puppets", tmp_path / "poses/puppets"
    for clip, length in LENGTHS.items():
        digest = clips.write_clip(frames / clip, random.integers(0, 256, (length, 32, 32, 3), np.uint8))
        rows.append({"id": clip, "split": "test" if clip == HELD_OUT else "train", "source": "made", "fps": 30, "frames": length, "height": 32,
                     "width": 32, "sha256": digest})
        keypoints.save(Keypoints(random.uniform(2, 30, (length, 18, 2)).astype(np.float32), np.ones((length, 18), np.float32), (32, 32), "made"),
                       poses / f"{clip}.npz")
    clips.write_table(frames, rows)
    return tmp_path


@pytest.fixture
def config(smoke):
    return dataclasses.replace(smoke, data=dataclasses.replace(smoke.data, sets={"puppets": smoke.data.sets["puppets"]}))


@pytest.fixture
def arguments(data, foundation_folder, tmp_path):
    return argparse.Namespace(data=data, foundation=foundation_folder, out=tmp_path / "latents", run=tmp_path / "run")


@pytest.fixture
def encodings(monkeypatch):
    """The numbers of frames that were encoded, call by call; `encodings.fail_at` kills at that call."""
    calls = []

    def counted(vae, tensor, **options):
        if len(calls) == counted.fail_at:
            raise Killed
        calls.append(len(tensor))
        return encode(vae, tensor, **options)

    counted.fail_at, counted.calls = None, calls
    monkeypatch.setattr(autoencoder, "encode", counted)
    return counted


def test_trainings_read_what_was_encoded(arguments, config, foundation, data):
    latents.run(arguments, config)
    made = TrainClips(arguments.out, canvas=64)
    assert made.lengths == [4, 6], "the train split alone"
    for number, clip in enumerate("ab"):
        places = [(number, frame) for frame in range(LENGTHS[clip])]
        with torch.no_grad():
            expected = encode(foundation.vae(), to_tensor(clips.read_clip(data / "frames/puppets" / clip)))
        assert torch.allclose(made.latents(places), expected, atol=1e-5)
        assert np.array_equal(made.pictures(places), draw(keypoints.load(data / f"poses/puppets/{clip}.npz"), 64, 32))
    assert not arguments.run.exists()


def test_goes_on_after_a_kill(arguments, config, encodings):
    encodings.fail_at = 1
    with pytest.raises(Killed):
        latents.run(arguments, config)
    assert not arguments.out.exists()
    encodings.fail_at = None
    latents.run(arguments, config)
    assert encodings.calls == [4, 6], "each clip once"


def test_does_not_go_on_with_what_was_made_of_other_poses(arguments, config, encodings, data):
    encodings.fail_at = 1
    with pytest.raises(Killed):
        latents.run(arguments, config)
    path = data / "poses/puppets/b.npz"
    moved = keypoints.load(path)
    keypoints.save(dataclasses.replace(moved, xy=moved.xy + 1), path)
    encodings.fail_at = None
    latents.run(arguments, config)
    assert encodings.calls == [4, 4, 6]


def test_poses_of_another_length_are_named(arguments, config, data):
    path = data / "poses/puppets/b.npz"
    keypoints.save(keypoints.load(path).frames(slice(0, 2)), path)
    with pytest.raises(UserError, match="expected key points of 6 frames, got 2"):
        latents.run(arguments, config)
