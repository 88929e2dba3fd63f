"""The record of temporal attention, and the command that draws maps from it, at toy size."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tcan import models  # noqa: F401
from diffusers.models.attention_processor import Attention

from tcan import cli
from tcan.data import clips
from tcan.errors import UserError
from tcan.generate import attention_maps
from tcan.generate.attention_maps import LAST
from tcan.models.attention import TemperatureMap, TemperatureProcessor
from tcan.models.attention_record import AttentionRecord, WatchedProcessor, frames_attended, probabilities, weight_elsewhere
from tcan.pose import keypoints
from tcan.pose.keypoints import Keypoints


def layer(channels=16, heads=2):
    torch.manual_seed(0)
    return Attention(channels, heads=heads, dim_head=channels // heads).double().eval()


def someone(count, size=32):
    """Key points of somebody at the left of a frame, who moves a little."""
    xy = np.random.default_rng(0).uniform(0.1, 0.3, (18, 2)) * size + np.arange(count)[:, None, None] * [0.1, 0]
    return Keypoints(xy.astype(np.float32), np.ones((count, 18), np.float32), (size, size), "made")


def case(count=8):
    source = np.random.default_rng(1).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    return SimpleNamespace(name="clip", source=source, points=someone(count))


def options(**changed):
    return SimpleNamespace(**{**dict(steps=4, guidance=2.0, window=6, overlap=0, ptm=True, tau=3.0, noise="window"), **changed})


def maps(pipeline, **changed):
    return attention_maps.attention_maps(pipeline, case(), options(**changed), 64, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("hot", [False, True])
def test_the_noted_probabilities_are_the_layers_own(hot):
    attn, hidden = layer(), torch.randn(24, 5, 16, dtype=torch.float64)
    temperature = TemperatureMap()
    if hot:
        temperature.set(1 + 3 * torch.rand(1, 4, 6, dtype=torch.float64), levels=1)
    attention = probabilities(attn, hidden, temperature.rows(24))
    assert attention.shape == (24, 2, 5, 5)
    torch.testing.assert_close(attention.sum(-1), torch.ones(24, 2, 5, dtype=torch.float64))
    values = attn.to_v(hidden).unflatten(-1, (2, -1)).transpose(1, 2)
    expected = attn.to_out[0]((attention @ values).transpose(1, 2).flatten(2))
    torch.testing.assert_close(TemperatureProcessor(temperature)(attn, hidden), expected, rtol=1e-6, atol=1e-9)


def test_measures_of_attention_to_one_frame_and_to_all():
    one, all_alike = torch.eye(4)[None], torch.full((1, 4, 4), 0.25)
    assert frames_attended(one).tolist() == [[1] * 4] and weight_elsewhere(one).tolist() == [[0] * 4]
    assert frames_attended(all_alike)[0].tolist() == pytest.approx([4] * 4) and weight_elsewhere(all_alike).tolist() == [[0.75] * 4]


def test_a_record_means_over_layers_of_all_sizes():
    record, attn = AttentionRecord((4, 6)), layer()
    processor = WatchedProcessor(TemperatureMap(), record)
    fine, coarse = torch.randn(24, 5, 16, dtype=torch.float64), torch.randn(6, 5, 16, dtype=torch.float64)
    plain = processor(attn, fine)
    with record.into("it"):
        torch.testing.assert_close(processor(attn, fine), plain, msg="being watched changes nothing")
        processor(attn, coarse)
    mean = record.means("it")
    assert {key: value.shape for key, value in mean.items()} == {"frames_attended": (5, 4, 6), "weight_elsewhere": (5, 4, 6)}
    of_fine = frames_attended(probabilities(attn, fine)).mean(1).T.unflatten(1, (4, 6))
    of_coarse = torch.nn.functional.interpolate(frames_attended(probabilities(attn, coarse)).mean(1).T.unflatten(1, (2, 3))[None], (4, 6), mode="bilinear")[0]
    np.testing.assert_allclose(mean["frames_attended"], ((of_fine + of_coarse) / 2).detach(), rtol=1e-5)
    with pytest.raises(ValueError, match="7 places"):
        record.note(torch.ones(7, 2, 5, 5))


def test_the_maps_have_their_shapes_and_ranges(pipeline):
    made = maps(pipeline)
    assert {key: value.shape for key, value in made.items()} == {
        "temperature": (8, 8), "body": (32, 32), **{f"{measure}_{name}": (6, 8, 8) for measure in ("frames_attended", "weight_elsewhere")
                                                     for name in ("without", "with")}}
    assert all(value.dtype == np.float32 for value in made.values())
    assert made["temperature"].min() == pytest.approx(1, abs=1e-3) and set(np.unique(made["body"])) == {0, 1}
    for name in ("without", "with"):
        assert 1 <= made[f"frames_attended_{name}"].min() and made[f"frames_attended_{name}"].max() <= 6.001
        assert 0 <= made[f"weight_elsewhere_{name}"].min() and made[f"weight_elsewhere_{name}"].max() <= 1
    again = maps(pipeline)
    assert all((again[key] == value).all() for key, value in made.items())


def test_no_heat_changes_nothing_and_much_heat_flattens_the_ground(pipeline):
    with torch.no_grad():  # the toy's random layers attend to all frames alike: make them choose
        for name, module in pipeline.unet.named_modules():
            if "motion_modules" in name and name.endswith(("to_q", "to_k")):
                module.weight.mul_(4)
    cold, hot = maps(pipeline, tau=0.0), maps(pipeline, tau=300.0)
    np.testing.assert_allclose(cold["frames_attended_with"], cold["frames_attended_without"], atol=1e-4)
    far = hot["temperature"] > np.quantile(hot["temperature"], 0.75)
    assert hot["frames_attended_without"][:, far].mean() < 5.9
    assert hot["frames_attended_with"][:, far].min() > 5.99
    assert hot["frames_attended_with"].mean() > hot["frames_attended_without"].mean()
    body = hot["temperature"] < 1 + 300 * 0.03
    assert hot["frames_attended_with"][:, body].mean() < hot["frames_attended_with"][:, far].mean()


def test_only_the_last_steps_are_seen_and_the_pipeline_generates_what_it_would(pipeline):
    seen, predict = [], pipeline._predict

    def watched(latents, timestep, poses, guidance_scale, heat):
        seen.append((int(timestep), guidance_scale, heat is not None))
        return predict(latents, timestep, poses, guidance_scale, heat)

    pipeline._predict = watched
    maps(pipeline, steps=6, ptm=False)
    steps = [int(step) for step in pipeline.scheduler.timesteps]
    looked = [(step, hot) for step, guidance, hot in seen if guidance == 1]
    assert looked == [(step, hot) for step in steps[-LAST:] for hot in (False, True)]
    assert [(step, hot) for step, guidance, hot in seen if guidance == 2] == [(step, False) for step in steps], "the row has no temperature map"
    with pytest.raises(UserError, match="generate.steps: expected at least 2"):
        maps(pipeline, steps=1)


@pytest.fixture
def data(tmp_path, smoke):
    """data/ of one test clip; the other sets that params.yaml names are empty."""
    rng = np.random.default_rng(0)
    for name in smoke.data.sets:
        (tmp_path / "data/frames" / name).mkdir(parents=True)
        rows = []
        if name == "puppets":
            frames = rng.integers(0, 255, (20, 32, 32, 3)).astype(np.uint8)
            digest = clips.write_clip(tmp_path / "data/frames/puppets/dancer", frames)
            keypoints.save(someone(20), tmp_path / "data/poses/puppets/dancer.npz")
            rows = [dict(id="dancer", split="test", source="made", fps=25, frames=20, height=32, width=32, sha256=digest)]
        clips.write_table(tmp_path / "data/frames" / name, rows)
    return tmp_path / "data"


def command(data, model_folder, *words):
    return cli.main(["attention", *words, "--scale", "smoke", "--data", str(data), "--model", str(model_folder), "--out", str(data.parent / "maps")])


def test_the_command_writes_maps_and_what_they_are_of(data, model_folder):
    assert command(data, model_folder, "tcan_mm2", "--clip", "dancer") == 0
    with np.load(data.parent / "maps/maps.npz", allow_pickle=False) as made:
        assert str(made["clip"]) == "dancer" and str(made["row"]) == "tcan_mm2"
        assert made["frames_attended_with"].shape == (16, 8, 8) and made["frames_attended_with"].dtype == np.float32
    record = json.loads((data.parent / "maps/run.json").read_text())
    assert record["command"] == "attention tcan_mm2 dancer" and record["config"]["last_steps"] == LAST and str(model_folder) in record["inputs"]


@pytest.mark.parametrize(("words", "told"), [(("copy", "--clip", "dancer"), "expected a row with a model, got the baseline copy"),
                                             (("tcan_mm2", "--clip", "nobody"), "--clip: expected one of the test clips dancer, got nobody")])
def test_what_cannot_be_mapped_is_told_in_a_line(data, model_folder, capfd, words, told):
    assert command(data, model_folder, *words) == 2
    assert told in capfd.readouterr().err
    assert not (data.parent / "maps").exists()
