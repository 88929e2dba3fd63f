"""What can be looked at while a training runs: live curves and sample strips."""

import numpy as np
import pytest
import torch
from PIL import Image

from tcan import models  # noqa: F401
from tcan.train import loop
from tcan.train.curves import Curves
from tcan.train.strips import STEPS, Strips


def table(folder, name="loss"):
    """[(step, value)] of one of dvclive's tables."""
    head, *rows = (folder / f"plots/metrics/{name}.tsv").read_text().splitlines()
    places = [head.split("\t").index(column) for column in ("step", name)]
    return [(int(cells[places[0]]), float(cells[places[1]])) for cells in (row.split("\t") for row in rows)]


def log(folder, steps, done=0):
    curves = Curves(folder, done)
    for step in steps:
        curves.log(step, loss=step / 8)
    curves.close()


def test_what_came_after_the_last_checkpoint_counts_once(tmp_path):
    log(tmp_path, range(1, 6))
    log(tmp_path, range(4, 9), done=3)
    assert table(tmp_path) == [(step, step / 8) for step in range(1, 9)]


def test_a_table_that_a_full_disk_left_empty_begins_anew(tmp_path):
    log(tmp_path, range(1, 4))
    (tmp_path / "plots/metrics/loss.tsv").write_text("")
    log(tmp_path, range(4, 6), done=3)
    assert table(tmp_path) == [(step, step / 8) for step in (4, 5)]


def test_a_training_that_was_killed_has_the_curve_of_a_whole_one(tmp_path):
    class Killed(Exception):
        pass

    def training(folder, kill_at=None):
        torch.manual_seed(0)
        network = torch.nn.Linear(2, 1)

        def loss(step, generator):
            if step == kill_at:
                raise Killed
            return network(torch.randn(4, 2, generator=generator)).square().mean()

        return loop.train({"network": network}, loss, name="toy", config={}, code="a", seed=0, steps=6, learning_rate=0.1, run=folder,
                          checkpoint_every=2, live_curves=True)

    losses = training(tmp_path / "whole")
    with pytest.raises(Killed):
        training(tmp_path / "killed", kill_at=5)
    training(tmp_path / "killed")
    for name in ("loss", "gradient_norm", "learning_rate"):
        assert table(tmp_path / "killed/live", name) == table(tmp_path / "whole/live", name)
    assert table(tmp_path / "whole/live") == [(step + 1, pytest.approx(loss)) for step, loss in enumerate(losses)]


class Clips:
    """Four frames, of latents that hold their number."""

    def latents(self, places):
        return torch.stack([torch.full((4, 8, 8), float(frame)) for _, frame in places])

    def pictures(self, places):
        return np.stack([np.full((32, 32, 3), 50 * frame, np.uint8) for _, frame in places])


def test_a_strip_shows_source_pose_truth_and_sample(smoke, foundation, tmp_path):
    calls = []

    def predict(noisy, timesteps):
        calls.append((tuple(noisy.shape), tuple(timesteps.shape)))
        return clips.latents(driving)  # a network that predicts the latents themselves, and is right

    clips, source, driving = Clips(), [(0, 0), (0, 0)], [(0, 1), (0, 3)]
    strips = Strips(tmp_path / "samples", foundation, smoke, torch.device("cpu"))
    strips.write(20, clips, source, driving, predict)
    strips.keep(tmp_path / "model")
    picture = np.asarray(Image.open(tmp_path / "model/samples/000020.png"))
    assert picture.shape == (4 * 32, 2 * 32, 3) and calls == [((2, 4, 8, 8), (2,))] * STEPS
    given, poses, true, sampled = picture.reshape(4, 32, 2, 32, 3)
    assert (poses[:, 0] == 50).all() and (poses[:, 1] == 150).all()
    assert np.array_equal(given[:, 0], given[:, 1]) and not np.array_equal(true[:, 0], true[:, 1])
    given, true, sampled = (line.astype(int) for line in (given, true, sampled))
    assert np.abs(sampled - true).mean() < np.abs(sampled - given).mean() / 5, "the true frames, but for the noise that the schedule leaves"
