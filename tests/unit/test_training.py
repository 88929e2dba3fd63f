"""Stage 1 and stage 2 train the paper's parts and no others; a killed training ends in the same bytes."""

import argparse
import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tcan import models  # noqa: F401
from tcan.errors import UserError
from tcan.pose.draw import draw
from tcan.pose.keypoints import Keypoints
from tcan.train import loop, stage1, stage2
from tcan.train.latents import TrainClips
from tcan.train.muon import Muon
from tcan.train.processes import accelerator
from tcan.train.stage1 import Stage1, draw_pair
from tcan.train.stage2 import Stage2, draw_window

MODELS = ["base_mm1", "appa_mm1", "appa_tctrln_mm1", "appa_tctrln_mm2", "unfrozen_mm1"]


def snapshot(modules):
    return {f"{label}.{name}": value.detach().clone() for label, module in modules.items() for name, value in module.named_parameters()}


def changed(modules, before):
    return {name for name, value in snapshot(modules).items() if not torch.equal(value, before[name])}


def a_step(stage, loss):
    parameters = [value for module in stage.modules.values() for value in module.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-2)
    for _ in range(2):  # LoRA's A moves only once B has
        loss().backward()
        optimizer.step()
        optimizer.zero_grad()


def with_stage1(config, **options):
    return dataclasses.replace(config, stage1=dataclasses.replace(config.stage1, **options))


def with_stage2(config, **options):
    return dataclasses.replace(config, stage2=dataclasses.replace(config.stage2, **options))


@pytest.mark.parametrize("adversary", [0, 0.5])
@pytest.mark.parametrize("name", MODELS)
def test_each_stage_moves_its_own_parts_alone(name, adversary, smoke, foundation, tmp_path):
    smoke = with_stage2(with_stage1(smoke, adversary=adversary), adversary=adversary)
    model, generator = smoke.models[name], torch.Generator().manual_seed(0)
    first = Stage1(model, smoke, foundation)
    before = snapshot(first.modules)
    source, clean, pose = torch.randn(4, 4, 8, 8), torch.randn(4, 4, 8, 8), torch.rand(4, 3, 32, 32)
    a_step(first, lambda: first.loss(source, clean, pose, generator))
    moved = changed(first.modules, before)
    allowed = {"appearance_unet", *(["controlnet"] if model.train_controlnet else []), *(["adversary"] if adversary else [])}
    assert {key.split(".")[0] for key in moved if "lora" not in key} == allowed
    lora = {key for key in before if "lora" in key}
    assert {key for key in moved if key.startswith("unet.")} == lora and bool(lora) == model.appa
    assert first.loss(source, clean, pose, generator).isfinite()

    first.save(tmp_path)
    assert not any("adversary" in path.name for path in tmp_path.iterdir()), "it is thrown away"
    second = Stage2(model, smoke, foundation, tmp_path)
    before = snapshot(second.modules)
    clip, poses = torch.randn(1, 16, 4, 8, 8), torch.rand(1, 16, 3, 32, 32)
    a_step(second, lambda: second.loss(source[:1], clip, poses, generator))
    moved, judge = changed(second.modules, before), {key for key in before if key.startswith("adversary.")}
    assert bool(judge) == bool(adversary) and judge <= moved
    moved -= judge
    assert moved and all("motion_modules" in key for key in moved)
    temporal = {key for key in before if "motion_modules" in key}
    assert moved == temporal, "every motion module learns"
    assert any(key.startswith("controlnet.") for key in temporal) == model.temporal_controlnet
    assert any(".mid_block." in key for key in temporal) == (model.motion_module == "mm2")
    second.save(tmp_path / "whole")
    assert not list((tmp_path / "whole").glob("*adversary*")), "it is thrown away"


@pytest.mark.parametrize("kind", ["window", "frame"])
def test_stage_2_is_trained_on_the_noise_that_it_names(kind, smoke, foundation, tmp_path, monkeypatch):
    smoke = with_stage2(smoke, noise=kind)
    model, noisy = smoke.models["base_mm1"], []
    Stage1(model, smoke, foundation).save(tmp_path)
    stage = Stage2(model, smoke, foundation, tmp_path)
    monkeypatch.setattr(stage, "predict", lambda source, latents, *others: noisy.append(latents) or latents)
    still = torch.zeros(1, 4, 4, 8, 8)
    stage.loss(still[:, 0], still, torch.rand(1, 4, 3, 32, 32), torch.Generator().manual_seed(0))
    assert torch.equal(noisy[0][:, 0], noisy[0][:, 1]) == (kind == "frame"), "a still clip: frames differ by their noise alone"


def test_stage_2_starts_where_stage_1_ended(smoke, foundation, tmp_path):
    model = smoke.models["appa_mm1"]
    first = Stage1(model, smoke, foundation)
    with torch.no_grad():
        for name, parameter in (*first.unet.named_parameters(), *first.appearance.named_parameters()):
            if "lora_B" in name or name.startswith("conv_in"):
                parameter.normal_(std=0.1)
    first.save(tmp_path)
    second = Stage2(model, smoke, foundation, tmp_path)
    assert torch.equal(second.appearance.conv_in.weight, first.appearance.conv_in.weight.float())
    mine, theirs = dict(first.unet.named_parameters()), dict(second.unet.named_parameters())
    assert all(torch.equal(theirs[name], value.float()) for name, value in mine.items() if "lora" in name)


class Killed(Exception):
    pass


def toy_training(folder, steps=6, kill_at=None, **options):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.Linear(16, 4))
    network[1].requires_grad_(False)
    network.unused = torch.nn.Parameter(torch.ones(3))  # as the appearance UNet's last layers: no gradient reaches it
    network.forward = lambda values: network[1](network[0](values))

    def loss(step, generator):
        if step == kill_at:
            raise Killed
        return (network(torch.randn(16, 12, generator=generator)) - 1).square().mean()

    losses = loop.train({"network": network}, loss, name="toy", config=options.pop("config", {"a": 1}), code=options.pop("code", "a"), seed=5,
                        steps=steps, learning_rate=0.01, run=folder, checkpoint_every=2, **options)
    return network.state_dict(), losses


@pytest.mark.parametrize("options", [{}, {"ema": 0.9, "decay": 0.2}, {"optimizer": Muon, "decay": 0.2}])
@pytest.mark.parametrize("kill_at", [0, 1, 2, 3, 5])
def test_a_killed_training_ends_in_the_same_bytes(tmp_path, kill_at, options):
    expected, losses = toy_training(tmp_path / "whole", **options)
    with pytest.raises(Killed):
        toy_training(tmp_path / "killed", kill_at=kill_at, **options)
    resumed, again = toy_training(tmp_path / "killed", **options)
    assert again == losses
    assert all(torch.equal(resumed[key], value) for key, value in expected.items())


def test_runs_of_two_lengths_are_one_until_the_shorter_ones_last_fifth(tmp_path):
    """Up over a hundred steps or a twentieth, flat, down over the last fifth: so a longer run is a shorter one continued."""
    short, long = (toy_training(tmp_path / str(steps), steps=steps, decay=0.2)[1] for steps in (20, 30))
    assert short[:17] == long[:17] and short[17:] != long[17:20]
    for steps in (40, 1000, 12000):
        rates = [loop._rate(step, steps, 0.2) for step in range(steps)]
        top = min(100, steps // 20)
        assert rates[0] == pytest.approx(1 / top) and set(rates[top:steps - steps // 5]) == {1.0}
        assert rates[steps - steps // 5:] == sorted(rates[steps - steps // 5:], reverse=True) and 0 < rates[-1] <= 5 / steps
    assert [loop._rate(step, 12000, 0.2) for step in range(4000)] == [loop._rate(step, 5000, 0.2) for step in range(4000)]


def test_a_training_killed_while_it_draws_a_sample_draws_it_again(tmp_path):
    drawn, killed = [], []

    def sample(step):
        if step == 4 and not killed:
            killed.append(step)
            raise Killed
        drawn.append(step)

    with pytest.raises(Killed):
        toy_training(tmp_path, sample=sample, sample_every=2)
    toy_training(tmp_path, sample=sample, sample_every=2)
    assert drawn[-2:] == [4, 6] and set(drawn) == {2, 4, 6}


def test_gradient_clip_0_is_none(tmp_path):
    free, clipped, far = (toy_training(tmp_path / str(clip), gradient_clip=clip)[1] for clip in (0, 1e-12, 1e9))
    assert free == far and free[-1] < free[0] and free[-1] != clipped[-1]


def test_every_models_adversary_starts_alike(smoke, foundation, tmp_path):
    """So that rows of one seed differ by their switch alone."""
    config, first, second = with_stage2(with_stage1(smoke, adversary=0.5), adversary=0.5), [], []
    for name in MODELS:
        stage1 = Stage1(config.models[name], config, foundation)
        stage1.save(tmp_path / name)
        first.append(stage1.adversary.state_dict())
        second.append(Stage2(config.models[name], config, foundation, tmp_path / name).adversary.state_dict())
    for started in (first, second):
        assert all(torch.equal(value, other[key]) for other in started[1:] for key, value in started[0].items())


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    with pytest.raises(Killed):
        toy_training(tmp_path, kill_at=3)
    with pytest.raises(UserError, match="others; delete"):
        toy_training(tmp_path, config={"a": 2})


def test_a_checkpoint_of_other_code_is_refused(tmp_path):
    whole = toy_training(tmp_path / "whole")
    with pytest.raises(Killed):
        toy_training(tmp_path / "run", kill_at=3)
    with pytest.raises(UserError, match=f"before the code changed; delete {tmp_path / 'run'} to start anew, or bring that code back$") as error:
        toy_training(tmp_path / "run", code="b")
    assert "\n" not in str(error.value)
    assert toy_training(tmp_path / "run")[1] == whole[1], "once it is brought back"
    assert toy_training(tmp_path / "whole of another", code="b")[1] == whole[1], "it changes nothing of what is trained"


def test_a_broken_checkpoint_is_named(tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"half a file")
    with pytest.raises(UserError, match="broken file"):
        toy_training(tmp_path)


def test_a_loss_that_explodes_is_named(tmp_path):
    network = torch.nn.Linear(1, 1)
    with pytest.raises(UserError, match="finite loss, got nan at step 0"):
        loop.train({"n": network}, lambda step, generator: network(torch.tensor([float("nan")])).sum(), name="toy", config={}, code="a", seed=0, steps=1,
                   learning_rate=0.1, run=tmp_path, checkpoint_every=1)


@pytest.fixture
def clips(tmp_path):
    """Two encoded clips: latents that hold their own numbers, and a person who moves a pixel a frame."""
    for name, length in {"a": 5, "b": 40}.items():
        xy = np.random.default_rng(0).uniform(4, 28, (18, 2)) + np.arange(length)[:, None, None] / 10
        save_file({"latents": torch.arange(float(length))[:, None, None, None].expand(length, 4, 8, 8).contiguous(),
                   "xy": torch.from_numpy(xy.astype(np.float32)), "score": torch.ones(length, 18), "size": torch.tensor([32, 32]),
                   "frame_size": torch.tensor([32, 32])}, tmp_path / f"{name}.safetensors")
    (tmp_path / "clips.csv").write_text("id,frames\na,5\nb,40\n")
    return TrainClips(tmp_path, canvas=64)


def test_clips_give_the_frames_asked_for(clips):
    places = [(1, 39), (0, 3), (1, 0)]
    assert clips.lengths == [5, 40]
    assert clips.latents(places)[:, 0, 0, 0].tolist() == [39, 3, 0] and clips.latents(places).shape == (3, 4, 8, 8)
    file = load_file(clips.paths[0])
    whole = draw(Keypoints(file["xy"].numpy(), file["score"].numpy(), (32, 32), ""), 64, 32)
    assert np.array_equal(clips.pictures([(0, frame) for frame in range(5)]), whole) and whole.any()
    pose = clips.pose([(0, 2)])
    assert pose.shape == (1, 3, 32, 32) and torch.equal((pose * 255).round().byte()[0].permute(1, 2, 0), torch.from_numpy(whole[2]))


def test_errors_are_put_into_a_clips_poses_and_stay(clips):
    """Whatever frames are asked for, in whatever order, and nothing else is touched."""
    def wrong(**rates):
        return TrainClips(clips.paths[0].parent, 64, rates, seed=1)

    places = [(1, frame) for frame in range(40)]
    dropped = wrong(dropout=0.5)
    nobody = [not picture.any() for picture in dropped.pictures(places)]
    assert 8 < sum(nobody) < 32 and [not picture.any() for picture in wrong(dropout=0.5).pictures(places[::-1])] == nobody[::-1]
    kept = [place for place, empty in zip(places, nobody) if not empty]
    assert np.array_equal(dropped.pictures(kept), clips.pictures(kept)) and torch.equal(dropped.latents(places), clips.latents(places))
    assert np.array_equal(wrong(missing=0.0).pictures(places), clips.pictures(places))
    assert not np.array_equal(TrainClips(clips.paths[0].parent, 64, {"dropout": 0.5}, seed=2).pictures(places), dropped.pictures(places))


@pytest.mark.parametrize(("stage", "parts"), [(stage1, ["vae", "denoiser"]), (stage2, ["vae", "denoiser", "mm1"])])
def test_a_stage_is_of_the_parts_that_it_reads(stage, parts, clips, smoke, foundation, tmp_path, monkeypatch):
    """Whatever is made beside them in the meantime, such as the other motion module, a checkpoint stays good."""
    seen = {}
    monkeypatch.setattr(stage, "train_stage", lambda *args, inputs, **options: seen.update(inputs=inputs))
    smoke = with_stage2(smoke, frames=4)
    if stage is stage2:
        Stage1(smoke.models["base_mm1"], smoke, foundation).save(tmp_path / "made")
    arguments = argparse.Namespace(name="plain" if stage is stage1 else "base_mm1", latents=tmp_path, foundation=foundation.folder, stage1=tmp_path / "made",
                                   run=tmp_path / "run", out=tmp_path / "out")
    stage.run(arguments, smoke)
    assert seen["inputs"] == [tmp_path, *(foundation.folder / part for part in parts), *([tmp_path / "made"] if stage is stage2 else [])]


def test_pairs_are_of_one_clip_and_far_enough_apart():
    pairs = [draw_pair([5, 40], 10, torch.Generator().manual_seed(seed)) for seed in range(300)]
    for (clip, source), (other, driving) in pairs:
        assert clip == other and max(source, driving) < (5, 40)[clip]
        assert abs(source - driving) >= (4, 10)[clip]
    assert len({source for source, _ in pairs}) > 30 and any(source > driving for source, driving in pairs)


def test_windows_have_the_clips_first_frame_as_source():
    for seed in range(100):
        source, window = draw_window([5, 40], 5, torch.Generator().manual_seed(seed))
        assert source[1] == 0 and {clip for clip, _ in window} == {source[0]}
        frames = [frame for _, frame in window]
        assert np.diff(frames).tolist() == [1] * 4 and frames[0] >= 0 and frames[-1] < (5, 40)[source[0]]


def test_no_latents(tmp_path):
    with pytest.raises(UserError, match="tcan latents"):
        TrainClips(tmp_path, canvas=64)


def test_a_broken_clip_is_named(clips):
    clips.paths[0].write_bytes(b"half a file")
    with pytest.raises(UserError, match="run `tcan latents` again"):
        clips.latents([(0, 0)])


def test_stage_1_learns(smoke, foundation):
    config = with_stage1(smoke, reference_dropout=0.0, adversary=0)
    stage = Stage1(config.models["appa_mm1"], config, foundation)
    optimizer = torch.optim.AdamW([value for module in stage.modules.values() for value in module.parameters() if value.requires_grad], lr=1e-3)
    source, clean, pose = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), torch.rand(2, 3, 32, 32)
    losses = []
    for _ in range(40):
        losses.append(stage.loss(source, clean, pose, torch.Generator().manual_seed(0)))
        losses[-1].backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < 0.9 * losses[0]


def test_without_an_adversary_stage_1_has_the_papers_loss(smoke, foundation):
    """Squared error of what is predicted of a noised truth: the error, written out."""
    config = with_stage1(smoke, reference_dropout=0.0, adversary=0)
    stage = Stage1(config.models["appa_mm1"], config, foundation)
    source, clean, pose = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), torch.rand(2, 3, 32, 32)
    loss = stage.loss(source, clean, pose, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    timesteps, noise = torch.randint(1000, (2,), generator=generator), torch.randn(clean.shape, generator=generator)
    signal = stage.scheduler.alphas_cumprod[timesteps].reshape(2, 1, 1, 1)
    predicted = stage.predict(source, signal.sqrt() * clean + (1 - signal).sqrt() * noise, timesteps, pose)
    assert loss.item() == pytest.approx(((1 / (1 - signal)).clamp(max=10) * (predicted - clean) ** 2).mean().item(), rel=1e-4)


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_with_an_adversary_half_of_the_steps_start_from_a_guess(stage, smoke, foundation, tmp_path, monkeypatch):
    config = with_stage2(with_stage1(smoke, adversary=0.5), adversary=0.5)
    model, passes = config.models["appa_mm1"], []
    networks, shape = Stage1(model, config, foundation), (2,)
    if stage == "stage2":
        networks.save(tmp_path)
        networks, shape = Stage2(model, config, foundation, tmp_path), (1, 3)
    predict = networks.predict
    monkeypatch.setattr(networks, "predict", lambda *given: passes.append(torch.is_grad_enabled()) or predict(*given))
    source, clean, pose = torch.randn(shape[0], 4, 8, 8), torch.randn(*shape, 4, 8, 8), torch.rand(*shape, 3, 32, 32)
    for seed in range(40):
        networks.loss(source, clean, pose, torch.Generator().manual_seed(seed), step=seed)
    assert passes.count(True) == 40 and 10 <= passes.count(False) <= 30, "the guess is not learnt from"


def test_curve(tmp_path):
    loop.write_curve(tmp_path, [float(step) for step in range(100)])
    lines = (tmp_path / "curve.csv").read_text().splitlines()
    assert lines[0] == "step,loss" and lines[1] == "5,2.000000" and len(lines) == 21


def test_bf16_learns_what_float32_learns(smoke, foundation, tmp_path):
    """mixed_precision: the networks compute in bfloat16, and what is trained stays in float32."""
    from accelerate.state import AcceleratorState

    smoke = with_stage1(smoke, adversary=0)
    source, clean, pose = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), torch.rand(2, 3, 32, 32)
    losses, seen = {}, {}

    def training(precision):
        AcceleratorState._reset_state()  # a process has one precision; here are two
        stage = Stage1(smoke.models["appa_mm1"], smoke, foundation)
        stage.unet.conv_out.register_forward_hook(lambda module, inputs, output: seen.update({precision: output.dtype}))
        losses[precision] = loop.train(stage.modules, lambda step, generator: stage.loss(source, clean, pose, torch.Generator().manual_seed(0)), name="toy",
                                       config={"precision": precision}, code="a", seed=0, steps=8, learning_rate=1e-3, run=tmp_path / precision,
                                       checkpoint_every=8, processes=accelerator(precision))
        assert {value.dtype for module in stage.modules.values() for value in module.parameters()} == {torch.float32}

    training("no")
    training("bf16")
    AcceleratorState._reset_state()
    assert seen == {"no": torch.float32, "bf16": torch.bfloat16}
    assert losses["bf16"] == pytest.approx(losses["no"], rel=0.05) and losses["bf16"][-1] < losses["bf16"][0]
