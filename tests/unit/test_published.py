"""The public networks at Stable Diffusion 1.5's size: every name and shape on the meta device, every form of file at toy size."""

import math
import pickle

import pytest
import torch
from safetensors.torch import save_file

from tcan import models  # noqa: F401
from diffusers import UNetMotionModel

from tcan.errors import UserError
from tcan.models import published
from tcan.models.controlnet import TemporalControlNet
from tests.unit import public_keys

PARAMETERS = {"unet": 859_520_964, "vae": 83_653_863, "controlnet": 361_279_120, "mm1": 417_137_600, "mm2": 453_209_280}
FULL = {"unet": public_keys.unet, "vae": public_keys.vae, "controlnet": public_keys.controlnet,
        "mm1": lambda: public_keys.motion(False, 24), "mm2": lambda: public_keys.motion(True, 32)}

NARROW, SMALL = (8, 16, 16, 24), {"block_out_channels": [8, 16, 16, 24]}
SIZES = {
    "unet": SMALL | {"cross_attention_dim": 12, "attention_head_dim": 2, "norm_num_groups": 4},
    "vae": published.KINDS["vae"].sizes | SMALL | {"norm_num_groups": 4},
    "controlnet": SMALL | {"cross_attention_dim": 12, "attention_head_dim": 2, "norm_num_groups": 4, "conditioning_embedding_out_channels": [4, 4, 8, 8]},
    "mm1": published.KINDS["mm1"].sizes | SMALL | {"motion_norm_num_groups": 4, "motion_num_attention_heads": 2},
    "mm2": published.KINDS["mm2"].sizes | SMALL | {"motion_norm_num_groups": 4, "motion_num_attention_heads": 2},
}
TOY = {"unet": lambda: public_keys.unet(NARROW, 12, 32), "vae": lambda: public_keys.vae(NARROW),
       "controlnet": lambda: public_keys.controlnet(NARROW, 12, 32, (4, 4, 8, 8)),
       "mm1": lambda: public_keys.motion(False, 24, NARROW), "mm2": lambda: public_keys.motion(True, 32, NARROW)}
FORMS = {  # kind: the prefix and what stands beside the network in the files that are out there
    "unet": [("model.diffusion_model.", ["first_stage_model.encoder.conv_in.weight", "cond_stage_model.transformer.x", "betas", "model_ema.decay"])],
    "vae": [("first_stage_model.", ["model.diffusion_model.out.2.bias", "cond_stage_model.transformer.x"]), ("", ["loss.logvar", "model_ema.decay"])],
    "controlnet": [("control_model.", []), ("", [])],
    "mm1": [("module.", []), ("", [])],
    "mm2": [("module.", []), ("", [])],
}
KINDS = list(FULL)


@pytest.mark.parametrize("kind", KINDS)
def test_at_full_size_every_name_and_shape_is_the_public_ones(kind):
    network, names = published.empty(kind), list(FULL[kind]())
    assert sum(value.numel() for value in network.parameters()) == PARAMETERS[kind]
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    theirs = {diffusers: shape for _, diffusers, shape in names}
    assert theirs.keys() == expected.keys()
    assert all(math.prod(theirs[name]) == math.prod(shape) for name, shape in expected.items())
    for prefix in published.KINDS[kind].prefixes:
        tensors = {prefix + authors: torch.empty(shape, device="meta") for authors, _, shape in names}
        state = published.convert(kind, tensors, network)
        assert {name: tuple(value.shape) for name, value in state.items()} == expected


@pytest.mark.parametrize(("kind", "motion_parameters"), [("mm1", 417_137_600), ("mm2", 453_209_280)])
def test_at_full_size_the_parts_fit_together(kind, motion_parameters):
    """All of TCAN: motion modules in the UNet, and in the two deepest levels of the ControlNet."""
    with torch.device("meta"):
        unet, controlnet, adapter = (published.KINDS[name].network.from_config(published.KINDS[name].sizes) for name in ("unet", "controlnet", kind))
        moving = UNetMotionModel.from_unet2d(unet, adapter)
        temporal = TemporalControlNet.from_controlnet(controlnet, adapter)
    assert sum(value.numel() for value in moving.parameters()) == PARAMETERS["unet"] + motion_parameters
    deep = [value for name, value in adapter.named_parameters() if name.startswith(("down_blocks.2", "down_blocks.3"))]
    assert sum(value.numel() for value in temporal.parameters()) == PARAMETERS["controlnet"] + sum(value.numel() for value in deep)
    assert set(temporal.controlnet.state_dict()) == {diffusers for _, diffusers, _ in public_keys.controlnet()}


def made(kind, prefix="", beside=()):
    """(tensors of a single file, the same under diffusers' names), with random values."""
    torch.manual_seed(0)
    constants = {name: value for name, value in published.empty(kind, SIZES[kind]).state_dict().items() if name.endswith("pos_embed.pe")}
    authors, diffusers = {name: torch.randn(3) for name in beside}, {}
    for name, there, shape in TOY[kind]():
        value = constants[there].clone() if there in constants else torch.randn(shape) / max(1, math.prod(shape[1:])) ** 0.5
        authors[prefix + name], diffusers[there] = value, value
    return authors, diffusers


def equal(network, expected):
    state = network.state_dict()
    return state.keys() == expected.keys() and all(torch.equal(value, expected[name].reshape(value.shape)) for name, value in state.items())


def answer(kind, network):
    """What a loaded network says, so that a tensor in another's place would show."""
    torch.manual_seed(1)
    with torch.no_grad():
        if kind == "vae":
            return network(torch.randn(1, 3, 32, 32)).sample
        if kind.startswith("mm"):
            return torch.cat([value.flatten() for value in network.state_dict().values()])
        inputs = torch.randn(1, 4, 16, 16), 5, torch.randn(1, 3, 12)
        if kind == "unet":
            return network(*inputs).sample
        return network(*inputs, controlnet_cond=torch.rand(1, 3, 128, 128)).mid_block_res_sample


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
@pytest.mark.parametrize(("kind", "form"), [(kind, form) for kind in KINDS for form in FORMS[kind]])
def test_every_form_gives_the_same_network(kind, form, suffix, tmp_path):
    tensors, expected = made(kind, *form)
    path = tmp_path / f"it{suffix}"
    if suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save({"state_dict": tensors, "global_step": 3}, path)
    network = published.load(kind, path, sizes=SIZES[kind])
    assert equal(network, expected)
    network.save_pretrained(tmp_path / "folder")
    again = published.load(kind, tmp_path / "folder")
    assert equal(again, expected)
    torch.testing.assert_close(answer(kind, again), answer(kind, network), rtol=1e-4, atol=1e-4)
    assert published.load(kind, path, dtype=torch.float16, sizes=SIZES[kind]).dtype == torch.float16


@pytest.mark.parametrize("name", ["diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"])
@pytest.mark.parametrize("kind", KINDS)
def test_folders_are_strict_too(kind, name, tmp_path):
    _, expected = made(kind)
    network = published.empty(kind, SIZES[kind])
    (tmp_path / "config.json").write_text(network.to_json_string())
    write = save_file if name.endswith("safetensors") else torch.save
    whole = {key: expected[key].reshape(value.shape).contiguous() for key, value in network.state_dict().items()}
    write(whole, tmp_path / name)
    assert equal(published.load(kind, tmp_path), expected)
    dropped = next(key for key in whole if key.endswith("weight"))
    for tensors, told in (({key: value for key, value in whole.items() if key != dropped}, f"missing keys: {dropped}"),
                          (whole | {"lost.weight": torch.zeros(3)}, "unexpected keys: lost.weight")):
        write(tensors, tmp_path / name)
        with pytest.raises(UserError, match=told):
            published.load(kind, tmp_path)


def test_the_older_names_of_the_public_autoencoders_folder(tmp_path):
    """sd-vae-ft-mse's folder calls its attention's projections query, key, value and proj_attn."""
    _, expected = made("vae")
    network = published.empty("vae", SIZES["vae"])
    (tmp_path / "config.json").write_text(network.to_json_string())
    older = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = {}
    for key, value in network.state_dict().items():
        name = key
        for new, old in older.items():
            name = name.replace(f"attentions.0.{new}", f"attentions.0.{old}")
        tensors[name] = expected[key].reshape(value.shape).contiguous()
    assert any("proj_attn" in name for name in tensors)
    save_file(tensors, tmp_path / "diffusion_pytorch_model.safetensors")
    assert equal(published.load("vae", tmp_path), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_not_whole_is_named(kind, tmp_path):
    path, prefix = tmp_path / "it.safetensors", FORMS[kind][0][0]
    whole, _ = made(kind, prefix)
    first = prefix + published.KINDS[kind].first
    dropped = next(name for name in reversed(whole) if name.endswith("weight") and name != first)
    shape = whole[dropped].shape

    def refused(tensors, told):
        save_file(tensors, path)
        with pytest.raises(UserError, match=told):
            published.load(kind, path, sizes=SIZES[kind])

    refused({name: value for name, value in whole.items() if name != dropped}, "missing: |can't be converted")
    refused(whole | {f"{prefix}another.weight": torch.zeros(3)}, "over: ")
    refused(whole | {"stranger.weight": torch.zeros(3)}, "over: ")
    refused(whole | {dropped: torch.zeros(*shape, 2)}, "of another shape: |can't be converted")
    refused({f"lora_{name}": value for name, value in whole.items()}, f"expected a file of {kind}")


def test_the_other_motion_module_is_named(tmp_path):
    save_file(made("mm2")[0], tmp_path / "mm2.safetensors")
    with pytest.raises(UserError, match="is it the other motion module"):
        published.load("mm1", tmp_path / "mm2.safetensors", sizes=SIZES["mm1"])


def test_another_network_is_named(tmp_path):
    save_file(made("vae")[0], tmp_path / "vae.safetensors")
    with pytest.raises(UserError, match="expected a file of controlnet"):
        published.load("controlnet", tmp_path / "vae.safetensors")
    published.load("vae", tmp_path / "vae.safetensors", sizes=SIZES["vae"]).save_pretrained(tmp_path / "vae")
    with pytest.raises(UserError, match="expected a ControlNetModel, got a AutoencoderKL"):
        published.load("controlnet", tmp_path / "vae")


class Thief:
    def __reduce__(self):
        return open, ("stolen", "w")


@pytest.mark.parametrize("content", ["thief", "half", "html", "empty", "numbers"])
def test_files_that_are_something_else_are_named(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "it.ckpt"
    if content == "thief":
        path.write_bytes(pickle.dumps({"state_dict": Thief()}))
    elif content == "half":
        torch.save(made("vae")[0], path)
        path.write_bytes(path.read_bytes()[:1000])
    elif content == "numbers":
        torch.save({"epoch": 3}, path)
    else:
        path.write_text("<html>404</html>" if content == "html" else "")
    with pytest.raises(UserError, match="expected (the weights of a network|tensors by name)") as caught:
        published.load("vae", path)
    assert len(str(caught.value).splitlines()) == 1 and not (tmp_path / "stolen").exists()
    with pytest.raises(UserError, match="found no file"):
        published.load("vae", tmp_path / "nowhere.safetensors")


def test_half_a_safetensors_file_is_named(tmp_path):
    save_file(made("vae")[0], tmp_path / "it.safetensors")
    content = (tmp_path / "it.safetensors").read_bytes()
    (tmp_path / "it.safetensors").write_bytes(content[:len(content) // 2])
    with pytest.raises(UserError, match="broken or another file"):
        published.load("vae", tmp_path / "it.safetensors")
