"""The denoiser's last training: along generation's own steps, judged by what is decoded."""

import argparse
import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tcan import models  # noqa: F401
from tcan.diffusion import scheduler
from tcan.errors import UserError
from tcan.models.autoencoder import decode, to_tensor
from tcan.models.patch_autoencoder import PatchAutoencoder
from tcan.train import foundation, loop, rollouts
from tcan.train.autoencoder import laplacian_l1
from tcan.train.decoder import ROOTED, roots
from tcan.train.denoiser import Batch, Scenes

SCENES, SIDE = 4, 32


@pytest.fixture
def arguments(tmp_path, foundation_folder):
    """Of `tcan foundation denoiser`: two pools of noise, an autoencoder with a finished decoder, and the toy denoiser."""
    random = np.random.default_rng(0)
    pools = [tmp_path / "pool", tmp_path / "photographed"]
    for pool in pools:
        pool.mkdir()
        for name in ("frames", "poses"):
            np.save(pool / f"{name}.npy", random.integers(0, 256, (SCENES, 3, SIDE, SIDE, 3)).astype(np.uint8))
        np.save(pool / "points.npy", random.uniform(0, SIDE, (SCENES, 3, 18, 2)))
    torch.manual_seed(0)
    vae = PatchAutoencoder(patch_size=4, latent_channels=4, channels=8, layers=1, finishing=4)
    vae.start_from(to_tensor(np.load(pools[0] / "frames.npy").reshape(-1, SIDE, SIDE, 3)))
    vae.save_pretrained(tmp_path / "vae")
    return argparse.Namespace(part="denoiser", pool=pools[0], photographed=pools[1], vae=tmp_path / "vae", start=foundation_folder / "denoiser",
                              run=tmp_path / "run", out=tmp_path / "out")


def with_rollouts(config, **options):
    return dataclasses.replace(config, foundation=dataclasses.replace(config.foundation, rollouts=dataclasses.replace(config.foundation.rollouts, **options)))


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_it_is_where_generation_is(smoke, steps):
    """Plain loops: pure noise, then DDIM's own way from step to step; the gradient reaches the last prediction alone."""
    factor = torch.tensor(0.5, requires_grad=True)
    seen = []

    class Recorder:
        scheduler, teacher = scheduler(smoke.diffusion), argparse.Namespace(seen={})

        def note(self, source):
            seen.append("source")

        def predict(self, noisy, timesteps, pose, posed, kept):
            seen.append(int(timesteps[0]))
            assert len(timesteps) == len(noisy) and (pose, posed, kept) == ("pose", "posed", "kept")
            return factor * noisy

    networks, noise = Recorder(), torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    networks.scheduler.set_timesteps(3)
    made = rollouts.rollout(networks, Batch("source", None, "pose", None, noise, "posed", "kept", [], ()), steps)
    assert seen == ["source", *[999, 666, 332][:steps + 1]]
    signal, x = networks.scheduler.alphas_cumprod, noise
    for now in [999, 666, 332][:steps]:
        then = now - 1000 // 3
        implied = (x - signal[now] ** 0.5 * 0.5 * x) / (1 - signal[now]) ** 0.5
        x = signal[then] ** 0.5 * 0.5 * x + (1 - signal[then]) ** 0.5 * implied
    torch.testing.assert_close(made, 0.5 * x, rtol=1e-4, atol=1e-4)
    gradient, = torch.autograd.grad(made.sum(), factor)
    torch.testing.assert_close(gradient, x.sum(), rtol=1e-3, atol=1e-3)


def test_pictures_are_those_of_the_targets(arguments, smoke):
    vae = PatchAutoencoder.from_pretrained(arguments.vae, dtype=torch.float32)
    scenes, frames = Scenes(arguments.pool, vae, smoke.foundation.denoiser), np.load(arguments.pool / "frames.npy")
    for seed in range(5):
        batch = scenes.draw(torch.Generator().manual_seed(seed))
        pictures = scenes.pictures(batch)
        with torch.no_grad():
            torch.testing.assert_close(vae.encode(to_tensor(pictures)).latent * vae.config.scaling_factor, batch.clean, rtol=1e-4, atol=1e-4)
        for picture, scene in zip(pictures, batch.target[0], strict=True):
            assert any((picture == other).all() for other in frames[scene])


def test_it_is_judged_in_pictures_and_in_latents(arguments):
    vae, random = PatchAutoencoder.from_pretrained(arguments.vae, dtype=torch.float32), torch.Generator().manual_seed(1)
    latents, pictures = torch.randn(2, 4, 8, 8, generator=random), torch.rand(2, 3, SIDE, SIDE, generator=random)
    with torch.no_grad():
        decoded = decode(vae, latents)
    torch.testing.assert_close(rollouts.picture_error(vae, latents, pictures).detach(), laplacian_l1(decoded, pictures) + ROOTED * roots(decoded - pictures))
    assert rollouts.picture_error(vae, latents, decoded).item() == pytest.approx(ROOTED * 3 * 1e-3 ** 0.5, rel=1e-5)
    squares = (latents.numpy() ** 2).mean(axis=1)
    assert float(rollouts.latent_error(latents, torch.zeros_like(latents))) == pytest.approx(squares.mean() + np.sqrt(squares + 1e-3).mean(), rel=1e-5)


@pytest.mark.parametrize(("scenes", "of_each"), [(1, [1]), (4, [2, 2]), (5, [3, 2])])
def test_a_batch_is_of_both_pools(scenes, of_each, arguments, smoke):
    vae, part = PatchAutoencoder.from_pretrained(arguments.vae, dtype=torch.float32), smoke.foundation.denoiser
    pools = rollouts.both(arguments.pool, arguments.photographed, vae, dataclasses.replace(part, batch=scenes * part.targets))
    batch, pictures = rollouts.draw(pools, torch.Generator().manual_seed(0))
    assert len(batch.source) == len(batch.kept) == scenes and len(batch.clean) == len(batch.pose) == len(pictures) == scenes * part.targets
    with torch.no_grad():
        torch.testing.assert_close(vae.encode(to_tensor(pictures)).latent * vae.config.scaling_factor, batch.clean, rtol=1e-4, atol=1e-4)
    frames = [np.load(pool / "frames.npy").reshape(-1, SIDE, SIDE, 3) for pool in (arguments.pool, arguments.photographed)]
    whose = [[bool((known == picture).all((1, 2, 3)).any()) for known in frames].index(True) for picture in pictures]
    assert whose == [pool for pool, count in enumerate(of_each) for _ in range(count * part.targets)]


def test_it_leaves_the_decoder_and_the_mean_of_before_and_after(arguments, smoke):
    before = {path: path.read_bytes() for path in arguments.vae.iterdir()}
    weights = {}
    for kept in (0, 0.25, 1):
        own = argparse.Namespace(**{**vars(arguments), "run": arguments.run.with_name(f"run{kept}")})
        foundation.run(own, with_rollouts(smoke, steps=4, learning_rate=0.1, kept=kept))
        weights[kept] = {key: value.float() for key, value in load_file(own.out / "unet/diffusion_pytorch_model.safetensors").items()}
    start = load_file(arguments.start / "unet/diffusion_pytorch_model.safetensors")
    assert sum(bool((weights[0][key] - start[key]).abs().max() > 0.02) for key in start) > len(start) / 3
    for key in start:
        torch.testing.assert_close(weights[1][key], start[key].float(), rtol=1e-3, atol=1e-3)    # but for half precision
        torch.testing.assert_close(weights[0.25][key], 0.25 * start[key].float() + 0.75 * weights[0][key], rtol=2e-3, atol=2e-3)
    assert {path: path.read_bytes() for path in arguments.vae.iterdir()} == before
    assert sorted(path.name for path in arguments.out.iterdir()) == ["controlnet", "curve.csv", "prompt.safetensors", "run.json", "scheduler", "unet"]


def test_interrupted_it_comes_to_the_same(arguments, smoke, monkeypatch):
    config = with_rollouts(smoke, steps=4)
    foundation.run(arguments, config)
    whole = (arguments.out / "unet/diffusion_pytorch_model.safetensors").read_bytes()
    begun = argparse.Namespace(**{**vars(arguments), "run": arguments.run.with_name("again"), "out": arguments.out.with_name("second")})
    train = loop.train

    def stopped(modules, loss, **options):
        def until(step, generator):
            if step == 3:
                raise KeyboardInterrupt
            return loss(step, generator)
        return train(modules, until, **{**options, "checkpoint_every": 2})

    monkeypatch.setattr(loop, "train", stopped)
    with pytest.raises(KeyboardInterrupt):
        foundation.run(begun, config)
    monkeypatch.setattr(loop, "train", train)
    foundation.run(begun, config)
    assert (begun.out / "unet/diffusion_pytorch_model.safetensors").read_bytes() == whole
    (arguments.photographed / "another").write_text("more")                                      # half a training is of its inputs
    with pytest.raises(UserError, match="expected a checkpoint of this configuration and these inputs"):
        foundation.run(begun, config)


def test_it_says_what_it_lacks(arguments, smoke):
    arguments.photographed = None
    with pytest.raises(UserError, match="foundation denoiser: expected --photographed, got none"):
        foundation.run(arguments, smoke)
