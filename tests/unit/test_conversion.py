"""Published networks at toy size, in the forms they come in, through `tcan weights` to what training loads."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tcan import models  # noqa: F401
from tcan.cli import main
from tcan.commands.weights import CONTROLNETS, PARTS, UNETS
from tcan.config import load
from tcan.errors import UserError
from tcan.models import conversion, published
from tcan.models.foundation import Foundation
from tests.unit.test_published import FORMS, SIZES, Thief, equal, made

LENGTH, WIDTH = 7, 12  # the toy text encoder's positions and width
NETWORKS = {"vae_ft_mse": ("vae", ""), "stable_diffusion": ("unet", "unet"), "realistic_vision": ("unet", "unet"),
            "controlnet_openpose": ("controlnet", ""), "controlnet_v11p_openpose": ("controlnet", "")}  # source: its kind, and where in it


@pytest.fixture(autouse=True, scope="module")
def toy():
    """Stable Diffusion 1.5's shape is the toy one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(published, "KINDS", {kind: dataclasses.replace(spec, sizes=SIZES[kind]) for kind, spec in published.KINDS.items()})
        yield


@pytest.fixture
def raw(fetched, tmp_path):
    return Path(shutil.copytree(fetched, tmp_path / "raw"))


@pytest.fixture(scope="module")
def fetched(toy, tmp_path_factory):
    """data/raw as `tcan fetch` leaves it: diffusers' folders, AnimateDiff's own files, a text encoder. No two networks are the same."""
    folder = tmp_path_factory.mktemp("raw")
    for number, (source, (kind, place)) in enumerate(NETWORKS.items()):
        write_folder(folder / source / place, kind, seeded(kind, number)[1])
    for kind in ("mm1", "mm2"):
        (folder / f"animatediff_{kind}").mkdir()
        torch.save({"state_dict": made(kind, "module.")[0], "global_step": 3}, folder / f"animatediff_{kind}" / "mm.ckpt")
    write_text(folder / "stable_diffusion")
    return folder


def seeded(kind, number):
    """`made`, with weights of its own for every number."""
    authors, diffusers = made(kind, FORMS[kind][0][0])
    change = {name: value + number if name.endswith("bias") else value for name, value in authors.items()}
    return change, {name: value + number if name.endswith("bias") else value for name, value in diffusers.items()}


def write_folder(folder, kind, tensors, name="diffusion_pytorch_model.safetensors"):
    network = published.empty(kind)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(network.to_json_string())
    whole = {key: tensors[key].reshape(value.shape).contiguous() for key, value in network.state_dict().items()}
    (save_file if name.endswith("safetensors") else torch.save)(whole, folder / name)


def write_text(folder):
    """A small CLIP text encoder under the names of the public files, which have a number for each position as well."""
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    words = {"a</w>": 0, "b</w>": 1, "<|startoftext|>": 2, "<|endoftext|>": 3}
    config = CLIPTextConfig(vocab_size=len(words), hidden_size=WIDTH, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
                            max_position_embeddings=LENGTH, bos_token_id=2, eos_token_id=3, architectures=["CLIPTextModel"])
    network = CLIPTextModel(config).eval()
    for name in ("text_encoder", "tokenizer"):
        (folder / name).mkdir(parents=True)
    config.save_pretrained(folder / "text_encoder")
    tensors = {f"text_model.{name.removeprefix('text_model.')}": value for name, value in network.state_dict().items()}
    save_file(tensors | {"text_model.embeddings.position_ids": torch.arange(LENGTH)[None]}, folder / "text_encoder" / "model.safetensors")
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps(words))
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer" / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH}))
    return network


def convert(part, raw, out, *options):
    assert main(["weights", part, "--raw", str(raw), "--out", str(out), *options]) == 0
    return out


def test_all_parts_are_what_training_loads(raw, tmp_path):
    out = tmp_path / "foundation"
    for part in PARTS:
        convert(part, raw, out / part)
    foundation = Foundation(out)
    for number, (source, network) in enumerate([("vae_ft_mse", foundation.vae()), ("stable_diffusion", foundation.unet()),
                                                ("realistic_vision", foundation.appearance()), ("controlnet_openpose", foundation.controlnet())]):
        assert equal(network, seeded(NETWORKS[source][0], number)[1]), source
        assert network.dtype == torch.float32
    for kind in ("mm1", "mm2"):
        assert equal(foundation.motion(kind), made(kind)[1])
    assert foundation.prompt().shape == (1, LENGTH, WIDTH)
    schedule = json.loads((out / "denoiser" / "scheduler" / "scheduler_config.json").read_text())
    assert schedule["beta_end"] == load("params.yaml").diffusion.beta_end
    assert not [path for path in out.rglob("*") if path.suffix in (".bin", ".ckpt")]
    record = json.loads((out / "denoiser" / "run.json").read_text())
    assert record["config"]["sources"] == {"unet": "stable_diffusion", "controlnet": "controlnet_openpose"} and len(record["inputs"]) == 4


def test_the_authors_choices(raw, tmp_path):
    out = tmp_path / "foundation"
    convert("denoiser", raw, out / "denoiser", "--denoising", UNETS[1], "--controlnet", CONTROLNETS[1])
    foundation = Foundation(out)
    assert equal(foundation.unet(), seeded("unet", 2)[1])
    assert equal(foundation.controlnet(), seeded("controlnet", 4)[1])


def test_without_an_appearance_of_its_own_it_starts_from_the_base(raw, tmp_path):
    out = tmp_path / "foundation"
    convert("denoiser", raw, out / "denoiser")
    foundation = Foundation(out)
    assert equal(foundation.appearance(), foundation.unet().state_dict())
    (out / "appearance").mkdir()
    with pytest.raises(UserError, match="appearance: expected a folder of diffusers"):
        foundation.appearance()


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
@pytest.mark.parametrize(("part", "kind", "source"), [("vae", "vae", "vae_ft_mse"), ("appearance", "unet", "realistic_vision"),
                                                       ("mm1", "mm1", "animatediff_mm1"), ("mm2", "mm2", "animatediff_mm2")])
def test_single_files_of_their_authors(part, kind, source, suffix, tmp_path):
    (tmp_path / "raw" / source).mkdir(parents=True)
    path = tmp_path / "raw" / source / f"it{suffix}"
    for prefix, beside in FORMS[kind]:
        tensors, expected = made(kind, prefix, beside)
        save_file(tensors, path) if suffix == ".safetensors" else torch.save(tensors, path)
        convert(part, tmp_path / "raw", tmp_path / "out")
        assert equal(published.load(kind, tmp_path / "out"), expected)


def test_folders_of_pickles(tmp_path):
    (tmp_path / ".out.killed_1" / "unet").mkdir(parents=True)
    write_folder(tmp_path / "raw" / "realistic_vision" / "unet", "unet", made("unet")[1], name="diffusion_pytorch_model.bin")
    convert("appearance", tmp_path / "raw", tmp_path / "out")
    assert (tmp_path / "out" / "diffusion_pytorch_model.safetensors").exists()
    assert equal(published.load("unet", tmp_path / "out"), made("unet")[1])
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "out"}, "what a killed run left is gone"


def test_in_half_precision(raw, tmp_path):
    convert("vae", raw, tmp_path / "vae", "--dtype", "float16")
    stored = load_file(tmp_path / "vae" / "diffusion_pytorch_model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float16}
    assert equal(Foundation(tmp_path).vae(), {name: value.half().float() for name, value in seeded("vae", 0)[1].items()})
    convert("denoiser", raw, tmp_path / "denoiser", "--dtype", "float16")
    assert load_file(tmp_path / "denoiser" / "prompt.safetensors")["empty"].dtype == torch.float16


def test_the_empty_prompt_is_start_and_ends(tmp_path):
    network = write_text(tmp_path)
    with torch.no_grad():
        expected = network(torch.tensor([[2] + [3] * (LENGTH - 1)])).last_hidden_state
    found = conversion.empty_prompt(tmp_path / "text_encoder", tmp_path / "tokenizer")
    torch.testing.assert_close(found, expected)
    assert found.std() > 0.1


@pytest.mark.parametrize("archive", [True, False])
def test_a_hostile_pickle_is_refused(raw, tmp_path, archive, capfd):
    convert("mm1", raw, tmp_path / "mm1")
    before = (tmp_path / "mm1" / "run.json").read_bytes()
    (raw / "animatediff_mm1" / "mm.ckpt").unlink()
    torch.save({"state_dict": made("mm1")[0], "more": Thief()}, raw / "animatediff_mm1" / "mm.ckpt", _use_new_zipfile_serialization=archive)
    assert main(["weights", "mm1", "--raw", str(raw), "--out", str(tmp_path / "mm1")]) == 2
    assert "Unsupported global" in capfd.readouterr().err
    assert (tmp_path / "mm1" / "run.json").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "mm1"}, "nothing half made is left"


def refused(part, raw, out, told, **options):
    args = {"denoising": UNETS[0], "controlnet": CONTROLNETS[0], "appearance": UNETS[1], "dtype": "float32"} | options
    with pytest.raises(UserError, match=told) as caught:
        conversion.run(type("Args", (), {"part": part, "raw": raw, "out": out, "shape": "stable_diffusion_1_5", **args}), load("params.yaml"))
    assert len(str(caught.value).splitlines()) == 1
    assert not out.exists()


def test_what_is_not_there_is_named(raw, tmp_path):
    out = tmp_path / "out"
    refused("vae", tmp_path / "nowhere", out, "vae_ft_mse: expected a fetched source with one vae, got none; run `tcan fetch vae_ft_mse --out ")
    (raw / "animatediff_mm2" / "another.ckpt").write_bytes(b"")
    refused("mm2", raw, out, "got 2 files of weights")
    (raw / "stable_diffusion" / "tokenizer" / "vocab.json").unlink()
    refused("denoiser", raw, out, "expected CLIP's text encoder and tokenizer|expected the empty prompt as a start")
    (raw / "stable_diffusion" / "text_encoder").rename(tmp_path / "elsewhere")
    refused("denoiser", raw, out, "text_encoder: expected what encodes the empty prompt, found none; run `tcan fetch stable_diffusion")


def test_half_a_text_encoder_is_named(raw, tmp_path):
    path = raw / "stable_diffusion" / "text_encoder" / "model.safetensors"
    whole = load_file(path)
    name = next(name for name in whole if name.endswith("fc1.weight"))
    for tensors, told in (({key: value for key, value in whole.items() if key != name}, "missing keys: .*fc1.weight"),
                          (whole | {"text_model.lost.weight": torch.zeros(3)}, "unexpected keys: .*lost.weight")):
        save_file(tensors, path)
        refused("denoiser", raw, tmp_path / "out", told)
    path.write_bytes(path.read_bytes()[:200])
    refused("denoiser", raw, tmp_path / "out", "can't be loaded")


def test_another_stable_diffusion_is_named(tmp_path):
    """A folder says what it is itself, and would load: it has to be Stable Diffusion 1.5's shape all the same."""
    for change, told in (({"cross_attention_dim": 16}, "cross_attention_dim 16 instead of 12"),
                         ({"attention_head_dim": 4}, "attention_head_dim 4 instead of 2"),
                         ({"use_linear_projection": True}, r"down_blocks.0.attentions.0.proj_in.weight \(8, 8\) instead of \(8, 8, 1, 1\)")):
        published.KINDS["unet"].network.from_config(SIZES["unet"] | change).save_pretrained(tmp_path / "raw" / "realistic_vision")
        refused("appearance", tmp_path / "raw", tmp_path / "out", f"expected a unet of Stable Diffusion 1.5's shape, got {told}")


@pytest.mark.parametrize(("value", "dtype"), [(float("nan"), "float32"), (1e6, "float16")])
def test_weights_have_to_be_finite(value, dtype, tmp_path):
    tensors = made("vae")[1]
    tensors["encoder.conv_in.bias"] = torch.full_like(tensors["encoder.conv_in.bias"], value)
    write_folder(tmp_path / "raw" / "vae_ft_mse", "vae", tensors)
    refused("vae", tmp_path / "raw", tmp_path / "out", f"expected finite weights as {dtype}, got infinity or NaN in encoder.conv_in.bias", dtype=dtype)
