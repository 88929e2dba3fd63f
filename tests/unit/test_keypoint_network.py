"""The key-point network: what tcan trains, eval reads; a killed training ends in the same bytes."""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from eval import keypoint_network as reader
from tcan.models.autoencoder import to_pictures
from tcan.pose.keypoints import MIRRORED
from tcan.train import keypoint_network as trainer
from tcan.train import loop


class Killed(Exception):
    pass


@pytest.fixture(autouse=True)
def rendered(monkeypatch):
    """Eight pictures of 32 x 32 instead of rendered ones: motion capture needs fetching."""
    random = np.random.default_rng(0)
    frames, xy = random.integers(0, 256, (8, 32, 32, 3), np.uint8), random.uniform(2, 30, (8, 18, 2)).astype(np.float32)
    xy[:, 14:16] = np.nan
    monkeypatch.setattr(trainer, "_render", lambda raw, config: (frames, torch.from_numpy(xy)))


@pytest.fixture
def train(smoke, tmp_path):
    def train(name):
        trainer.run(argparse.Namespace(raw=Path("nowhere"), run=tmp_path / name / "run", out=tmp_path / name / "out"), smoke)
        return tmp_path / name / "out"
    return train


def test_what_is_trained_can_be_read(train):
    folder = train("once")
    assert {path.name for path in folder.iterdir()} == {"config.json", "curve.csv", "diffusion_pytorch_model.safetensors", "run.json"}
    network, digest = reader.load(folder)
    assert len(digest) == 64 and next(network.parameters()).dtype == torch.float32 and not network.training
    frames = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), np.uint8)
    xy = reader.find(network, frames)
    assert xy.shape == (3, 18, 2) and (xy >= 0).all() and (xy <= 31).all()
    assert np.allclose(reader.find(network, frames[1:2]), xy[1:2], atol=1e-3)


def test_the_reader_sees_what_was_trained(smoke):
    """Patches, their order, and the range of pixels are the same on both sides."""
    torch.manual_seed(0)
    network = trainer.build(smoke.measures.keypoint_network, 32).eval()
    pictures = torch.randint(0, 256, (2, 3, 32, 32)) / 127.5 - 1
    with torch.no_grad():
        assert np.allclose(reader.find(network, to_pictures(pictures)), reader.places(trainer.logits(network, pictures)).numpy(), atol=1e-4)


def test_a_killed_training_ends_in_the_same_bytes(smoke, train, tmp_path, monkeypatch):
    real, calls = loop.train, []

    def often(modules, loss, **options):       # a checkpoint each step, so that there is one to go on from
        def counted(step, generator):
            calls.append(step)
            if len(calls) == 3:
                raise Killed
            return loss(step, generator)
        return real(modules, counted, **{**options, "checkpoint_every": 1})

    whole = train("whole")
    monkeypatch.setattr(loop, "train", often)
    with pytest.raises(Killed):
        train("killed")
    again = train("killed")
    assert calls == [0, 1, 2, 2] and smoke.measures.keypoint_network.steps == 3
    assert all((whole / name).read_bytes() == (again / name).read_bytes() for name in ("diffusion_pytorch_model.safetensors", "curve.csv"))


def test_it_learns_where_a_joint_is(smoke):
    """A white square on black, and the joints about its middle: after some steps they are found within a pixel."""
    torch.manual_seed(0)
    random, network = torch.Generator().manual_seed(0), trainer.build(dataclasses.replace(smoke.measures.keypoint_network, channels=[16, 16]), 32)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)

    def batch(count):
        corner = torch.randint(3, 25, (count, 2), generator=random)
        pictures = torch.full((count, 3, 32, 32), -1.0)
        for picture, (x, y) in zip(pictures, corner.tolist()):
            picture[:, y:y + 5, x:x + 5] = 1
        return pictures, (corner + 2).float()[:, None].expand(-1, 18, -1)

    for _ in range(60):
        pictures, xy = batch(8)
        loss = trainer.cross_entropy(trainer.logits(network, pictures), xy)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pictures, xy = batch(16)
    found = reader.find(network.eval(), to_pictures(pictures))
    assert np.median(np.linalg.norm(found - xy.numpy(), axis=-1)) < 1


def test_joints_that_cannot_be_seen_teach_nothing():
    maps = torch.randn(1, 18, 16, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    xy = torch.full((1, 18, 2), 7.0)
    xy[0, 3], xy[0, 4], xy[0, 5] = torch.nan, torch.tensor([16.0, 7.0]), torch.tensor([7.0, -0.5])
    trainer.cross_entropy(maps, xy).backward()
    taught = maps.grad.abs().amax(dim=(0, 2, 3)) > 0
    assert maps.grad.isfinite().all() and taught.tolist() == [joint not in (3, 4, 5) for joint in range(18)]


def test_the_loss_is_least_at_the_true_place():
    rows, columns = torch.arange(16.0)[:, None], torch.arange(16.0)
    xy = torch.tensor([6.3, 9.0]).expand(1, 18, 2)
    losses = {}
    for x in (4.3, 6.3, 8.3):
        maps = (-((columns - x) ** 2 + (rows - 9.0) ** 2) / 2 / trainer.SIGMA**2).expand(1, 18, 16, 16)
        losses[x] = trainer.cross_entropy(maps, xy).item()
        assert torch.allclose(reader.places(maps), torch.tensor([x, 9.0], dtype=torch.float64).expand(1, 18, 2), atol=0.05)     # finer than a pixel
    assert losses[6.3] < losses[4.3] - 1 and losses[6.3] < losses[8.3] - 1


def test_a_place_is_never_between_two():
    maps = torch.full((1, 1, 20, 20), -30.0)
    maps[0, 0, 4, 5], maps[0, 0, 16, 15] = 10.0, 9.9
    assert torch.allclose(reader.places(maps), torch.tensor([[[5.0, 4.0]]], dtype=torch.float64))


def test_moved_joints_stay_on_their_pictures():
    """A dot at each joint is found at the moved joint; where the picture was mirrored, left is right."""
    random = torch.Generator().manual_seed(0)
    xy = torch.randint(16, 48, (40, 1, 2), generator=random).float().expand(-1, 18, -1).clone()
    right, left = 4, MIRRORED[4]
    xy[:, left] = torch.tensor([5.0, 5.0])
    rows, columns = torch.arange(64.0)[:, None], torch.arange(64.0)
    dots = torch.exp(-((columns - xy[:, right, 0, None, None]) ** 2 + (rows - xy[:, right, 1, None, None]) ** 2) / 8)[:, None].expand(-1, 3, -1, -1)
    pictures, joints = trainer.moved(dots, xy, random)
    peak = pictures[:, 0].flatten(1).argmax(dim=1)
    found = torch.stack([peak % 64, peak // 64], dim=-1)
    nearest = torch.linalg.vector_norm(joints[:, [right, left]] - found[:, None], dim=-1)
    assert nearest.min(dim=1).values.max() < 1.5
    assert 8 < (nearest[:, 1] < nearest[:, 0]).sum() < 32       # about half are mirrored


def test_people_who_do_not_face_us_are_drawn_oftener():
    xy = torch.full((4, 18, 2), 30.0)
    xy[0, 5, 0], xy[1, 5, 0], xy[2, 5, 0] = 40, 20, 33      # left shoulder on the right, on the left, in front of the other; hidden
    xy[3, 5] = torch.nan
    assert trainer.shares(xy, 64).tolist() == [1, trainer.AVERTED, trainer.AVERTED, trainer.AVERTED]


def test_spoilt_pictures_are_pictures():
    pictures = torch.rand(32, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    first, second = (trainer.spoilt(pictures, torch.Generator().manual_seed(seed)) for seed in (1, 2))
    assert first.shape == pictures.shape and first.abs().max() <= 1 and first.isfinite().all() and not torch.equal(first, second)
    assert torch.equal(first, trainer.spoilt(pictures, torch.Generator().manual_seed(1)))
    rough = (first[..., 1:] - first[..., :-1]).abs().mean(dim=(1, 2, 3))
    assert rough.max() > 3 * rough.min()        # some are soft, some are not
