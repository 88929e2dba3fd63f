"""The decoder finished on what the denoiser makes: what it learns from, what it leaves alone, and that it is found again."""

import argparse
import dataclasses
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tcan import models  # noqa: F401
from tcan.errors import UserError
from tcan.models.autoencoder import decode, encode, to_tensor
from tcan.models.patch_autoencoder import PatchAutoencoder
from tcan.train import decoder, foundation, loop
from tcan.train.foundation import SECTIONS

SCENES, SIDE = 8, 32


@pytest.fixture
def folders(tmp_path, foundation_folder):
    """Arguments of `tcan foundation decoder`: a pool of flat patches, an autoencoder that has learnt nothing yet, and the toy denoiser."""
    random = np.random.default_rng(0)
    pool = tmp_path / "pool"
    pool.mkdir()
    for name in ("frames", "poses"):
        blocks = random.integers(0, 256, (SCENES, 3, 6, 6, 3)).astype(np.uint8)
        np.save(pool / f"{name}.npy", blocks.repeat(7, axis=2).repeat(7, axis=3)[:, :, 3:3 + SIDE, 3:3 + SIDE])
    torch.manual_seed(0)
    vae = PatchAutoencoder(patch_size=4, latent_channels=4, channels=8, layers=1)
    vae.start_from(to_tensor(np.load(pool / "frames.npy").reshape(-1, SIDE, SIDE, 3)))
    vae.save_pretrained(tmp_path / "autoencoder")
    return argparse.Namespace(part="decoder", pool=pool, vae=tmp_path / "autoencoder", denoiser=foundation_folder / "denoiser", run=tmp_path / "run",
                              out=tmp_path / "vae")


def with_decoder(config, **options):
    return dataclasses.replace(config, foundation=dataclasses.replace(config.foundation, decoder=dataclasses.replace(config.foundation.decoder, **options)))


@torch.no_grad()
def test_its_convolutions_begin_as_nothing():
    torch.manual_seed(0)
    plain = PatchAutoencoder(patch_size=4, latent_channels=4, channels=8, layers=1)
    finishing = PatchAutoencoder(patch_size=4, latent_channels=4, channels=8, layers=1, finishing=6)
    finishing.load_state_dict({**finishing.state_dict(), **plain.state_dict()})
    latents = torch.randn(2, 4, 8, 8)
    assert torch.equal(decode(finishing, latents), decode(plain, latents))
    torch.nn.init.ones_(finishing.finish[-1].bias)
    torch.testing.assert_close(decode(finishing, latents), decode(plain, latents) + 1)


def test_the_encoder_stays_and_the_decoder_learns(folders, smoke):
    decoder.train(folders, with_decoder(smoke, steps=40, learning_rate=5e-3), SECTIONS)
    before, after = PatchAutoencoder.from_pretrained(folders.vae), PatchAutoencoder.from_pretrained(folders.out, dtype=torch.float32)
    assert after.config.finishing == smoke.foundation.decoder.channels and after.config.scaling_factor == before.config.scaling_factor
    pictures = to_tensor(np.load(folders.pool / "frames.npy")[:, 1])
    with torch.no_grad():
        latents = encode(before, pictures)
        torch.testing.assert_close(encode(after, pictures), latents, rtol=2e-3, atol=2e-3)       # but for their half precision
        error, was = (float(decoder.roots(decode(vae, latents) - pictures)) for vae in (after, before))
    assert error < was - 0.01


def test_interrupted_it_comes_to_the_same(folders, smoke, monkeypatch):
    config = with_decoder(smoke, steps=4)
    decoder.train(folders, config, SECTIONS)
    whole = (folders.out / "diffusion_pytorch_model.safetensors").read_bytes()
    again = argparse.Namespace(**{**vars(folders), "run": folders.run.with_name("again"), "out": folders.out.with_name("again_vae")})
    saved = decoder.loop.train
    monkeypatch.setattr(decoder.loop, "train", lambda *args, **options: pytest.fail("stopped before the training") if stopped else saved(*args, **options))
    stopped = True
    with pytest.raises(pytest.fail.Exception):
        decoder.train(again, config, SECTIONS)
    stopped, predict = False, decoder.Networks.predict
    monkeypatch.setattr(decoder.Networks, "predict", lambda *args: pytest.fail("generated a second time"))
    decoder.train(again, config, SECTIONS)
    assert (again.out / "diffusion_pytorch_model.safetensors").read_bytes() == whole
    monkeypatch.setattr(decoder.Networks, "predict", predict)
    np.save(folders.pool / "frames.npy", np.load(folders.pool / "frames.npy")[::-1])             # of other pictures nothing is taken up
    decoder.train(again, config, SECTIONS)
    assert (again.out / "diffusion_pytorch_model.safetensors").read_bytes() != whole


@pytest.mark.parametrize(("part", "inputs"), [("autoencoder", ["pool"]), ("draft", ["pool", "vae"]), ("sharpened", ["pool", "vae", "start"])])
def test_half_a_training_is_of_its_inputs(part, inputs, folders, smoke, monkeypatch):
    """What a checkpoint of the foundation's trainings is of, beside options and code: another pool, or another start, is no way to go on."""
    np.save(folders.pool / "points.npy", np.full((SCENES, 3, 18, 2), np.nan, np.float32))
    start = folders.run.with_name("start")
    shutil.copytree(folders.denoiser, start)
    arguments = argparse.Namespace(**{**vars(folders), "part": part, "start": start})
    monkeypatch.setattr(loop, "train", lambda *args, config, **options: begun.append(config) or pytest.fail("begun"))
    begun = []
    for changed in (None, *inputs):
        if changed:
            (getattr(arguments, changed) / "another").write_text("more")
        with pytest.raises(pytest.fail.Exception, match="begun"):
            foundation.run(arguments, smoke)
    assert [[is_ == was for is_, was in zip(config["inputs"], begun[0]["inputs"], strict=True)] for config in begun] == [
        [number >= changed for number in range(len(inputs))] for changed in range(len(inputs) + 1)]


def test_it_learns_from_the_end_of_generation(folders, smoke, monkeypatch):
    """Plain loops: from the truth under the noise of one of the last steps on, as generation goes, never from its first."""
    config = dataclasses.replace(smoke, generate=dataclasses.replace(smoke.generate, steps=3))
    vae, seen = PatchAutoencoder.from_pretrained(folders.vae), []

    class Recorder:
        device, scheduler = torch.device("cpu"), decoder.scheduler(config.diffusion)

        def note(self, source):
            seen.append(("source", source))

        def predict(self, noisy, timesteps, pose, posed, kept):
            seen.append((int(timesteps[0]), noisy.clone()))
            assert len(noisy) == len(pose) == smoke.foundation.denoiser.batch and posed.all() and kept is None
            return 0.5 * noisy

    pictures, clean, made = decoder.generated(folders.pool, vae, Recorder(), config, folders.run / "generated.safetensors")
    assert len(pictures) == len(clean) == len(made) == 2 * smoke.foundation.decoder.pool
    frames = np.load(folders.pool / "frames.npy")
    assert all(any((picture == frame).all() for frame in frames[:, 1:].reshape(-1, SIDE, SIDE, 3)) for picture in pictures)
    torch.testing.assert_close(clean, encode(vae, to_tensor(pictures)))
    starts = [number for number, (what, _) in enumerate(seen) if what == "source"]
    signal = Recorder.scheduler.alphas_cumprod
    assert len(starts) == smoke.foundation.decoder.pool
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(seen)], strict=True)):
        steps = [what for what, _ in seen[start + 1:end]]
        assert steps in ([666, 332], [332])                                                      # of 999, 666, 332
        x = seen[start + 1][1]
        for now in steps:
            then = max(0, now - 1000 // 3)                                                       # the sampler's own way from step to step
            implied = (x - signal[now] ** 0.5 * 0.5 * x) / (1 - signal[now]) ** 0.5
            x = signal[then] ** 0.5 * 0.5 * x + (1 - signal[then]) ** 0.5 * implied
        torch.testing.assert_close(made[2 * number:2 * number + 2], x, rtol=1e-4, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31))
def test_roots_are_least_where_pictures_are_exact(seed):
    random = torch.Generator().manual_seed(seed)
    error = torch.randn((2, 3, 5, 6), generator=random)
    expected = sum(np.sqrt(np.abs(part) + 1e-3).mean() for part in (error.numpy(), np.diff(error.numpy(), axis=3), np.diff(error.numpy(), axis=2)))
    assert float(decoder.roots(error)) == pytest.approx(expected, rel=1e-5)
    few = torch.zeros_like(error)
    few[..., 0, 0] = 10 * error.abs().mean()                                                     # one large error costs less than many small ones
    spread = torch.full_like(error, float(few.mean())) * torch.where(torch.rand(error.shape, generator=random) < 0.5, -1, 1)
    assert float(decoder.roots(torch.zeros_like(error))) < float(decoder.roots(few)) < float(decoder.roots(spread))


def test_it_says_what_it_lacks(folders, smoke):
    folders.denoiser = None
    with pytest.raises(UserError, match="foundation decoder: expected --denoiser, got none"):
        foundation.run(folders, smoke)
