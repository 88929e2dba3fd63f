"""The public networks at Stable Diffusion 1.5's size: every name and shape on the meta device, every form of file at toy size."""

import math
import sys
import types

import numpy as np
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
TENSORS = {"unet": 686, "vae": 248, "controlnet": 340, "mm1": 560, "mm2": 588}  # in a file, the motion modules' 2 x 20 or 2 x 21 constants among them
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
    "controlnet": [("control_model.", ["model.diffusion_model.out.2.bias", "first_stage_model.encoder.conv_in.weight", "logvar"]), ("", [])],
    "mm1": [("module.", []), ("", [])],
    "mm2": [("module.", []), ("", [])],
}
KINDS = list(FULL)


@pytest.mark.parametrize("kind", KINDS)
def test_at_full_size_every_name_and_shape_is_the_public_ones(kind):
    network, names = published.empty(kind), list(FULL[kind]())
    assert sum(value.numel() for value in network.parameters()) == PARAMETERS[kind]
    assert len({authors for authors, _, _ in names}) == len(names) == TENSORS[kind]
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
    assert moving.state_dict().keys() == unet.state_dict().keys() | adapter.state_dict().keys()
    assert set(temporal.controlnet.state_dict()) == {diffusers for _, diffusers, _ in public_keys.controlnet()}
    places = {f"down_blocks.{level}.motion_modules.{index}.": f"{level}.{index}." for level in (2, 3) for index in (0, 1)}
    there = [diffusers for _, diffusers, _ in FULL[kind]()]
    assert set(temporal.motion_modules.state_dict()) == {name.replace(old, new) for old, new in places.items() for name in there if name.startswith(old)}


@pytest.mark.parametrize("kind", ["mm1", "mm2"])
def test_every_published_weight_arrives_in_the_whole(kind, tmp_path):
    networks = {}
    for name in ("unet", "controlnet", kind):
        save_file(made(name, FORMS[name][0][0])[0], tmp_path / f"{name}.safetensors")
        networks[name] = published.load(name, tmp_path / f"{name}.safetensors", sizes=SIZES[name])
    unet, controlnet, adapter = networks.values()
    assert equal(UNetMotionModel.from_unet2d(unet, adapter), unet.state_dict() | adapter.state_dict())
    assert equal(TemporalControlNet.from_controlnet(controlnet, adapter).controlnet, controlnet.state_dict())


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
                          (whole | {"lost.weight": torch.zeros(3)}, "unexpected keys: lost.weight"),
                          (whole | {dropped: torch.zeros(5, 7)}, f"can't be loaded .*{dropped}")):
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
def test_a_file_that_is_not_whole_is_named(kind):
    prefix, network = FORMS[kind][0][0], published.empty(kind, SIZES[kind])
    whole, _ = made(kind, prefix)

    def refused(tensors, told):
        with pytest.raises(UserError, match=told) as caught:
            published.convert(kind, tensors, network)
        assert len(str(caught.value).splitlines()) == 1

    first = prefix + published.KINDS[kind].first
    for name in [name for name in whole if name != first and not name.endswith("pos_encoder.pe")][::23]:
        left = {key: value for key, value in whole.items() if key != name}
        refused(left, " missing: |can't find its way")
        refused(left | {f"{name}s": whole[name]}, rf"over: .*{name}s|can't find its way")
        refused(whole | {name: torch.zeros(*whole[name].shape, 2)}, "of another shape: ")
        refused(whole | {name: torch.zeros(whole[name].shape, dtype=torch.int8)}, "of another shape: .*torch.int8")
    refused(whole | {f"{prefix}another.weight": torch.zeros(3)}, f"1 over: {prefix}another.weight;")
    refused(whole | {"stranger.weight": torch.zeros(3)}, "1 over: stranger.weight;")
    refused(whole | {f"stranger.{number}": torch.zeros(3) for number in range(5)}, "5 over: stranger.0, stranger.1, stranger.2, ...;")
    refused({f"lora_{name}": value for name, value in whole.items()}, f"expected a file of {kind}")


def test_attention_is_not_cut_to_its_size():
    """diffusers' conversion takes the first element of whatever kernel stands where a 1 x 1 is."""
    tensors, _ = made("vae")
    tensors["encoder.mid.attn_1.q.weight"] = torch.randn(24, 24, 3, 3)
    with pytest.raises(UserError, match=r"1 of another shape: .*to_q.weight \(24, 24, 3, 3\)"):
        published.convert("vae", tensors, published.empty("vae", SIZES["vae"]))


@pytest.mark.parametrize(("other", "told"), [
    ("inpainting", r"1 of another shape: conv_in.weight \(8, 9, 3, 3\)"), ("2.1", "of another shape: .*attn2.to_k.weight"),
    ("XL", "1 over: conditioner.embedders.0.weight"), ("half", "missing: up_blocks.0")])
def test_other_stable_diffusions_are_named(other, told, tmp_path):
    prefix = FORMS["unet"][0][0]
    tensors, _ = made("unet", prefix)
    if other == "inpainting":
        tensors[f"{prefix}input_blocks.0.0.weight"] = torch.zeros(8, 9, 3, 3)
    elif other == "2.1":
        tensors |= {prefix + name: torch.zeros(shape) for name, _, shape in public_keys.unet(NARROW, 16, 32)}
    elif other == "XL":
        tensors["conditioner.embedders.0.weight"] = torch.zeros(3)
    else:
        tensors = {name: value for name, value in tensors.items() if "output_blocks" not in name}
    save_file(tensors, tmp_path / "it.safetensors")
    with pytest.raises(UserError, match=told):
        published.load("unet", tmp_path / "it.safetensors", sizes=SIZES["unet"])


def test_positions_are_the_constants_or_left_out():
    tensors, expected = made("mm1")
    network = published.empty("mm1", SIZES["mm1"])
    without = {name: value for name, value in tensors.items() if not name.endswith("pos_encoder.pe")}
    state = published.convert("mm1", without, network)
    assert state.keys() == expected.keys() and all(torch.equal(state[name], expected[name]) for name in state)
    name = next(name for name in tensors if name.endswith("pos_encoder.pe"))
    with pytest.raises(UserError, match="expected the sinusoidal encodings of 24 positions"):
        published.convert("mm1", tensors | {name: tensors[name] + 0.1}, network)


@pytest.mark.parametrize(("kind", "other"), [("mm1", "mm2"), ("mm2", "mm1")])
def test_the_other_motion_module_is_named(kind, other, tmp_path):
    save_file(made(other)[0], tmp_path / "it.safetensors")
    published.load(other, tmp_path / "it.safetensors", sizes=SIZES[other]).save_pretrained(tmp_path / "folder")
    for path in (tmp_path / "it.safetensors", tmp_path / "folder"):
        with pytest.raises(UserError, match="is it the other motion module"):
            published.load(kind, path, sizes=SIZES[kind])


def test_another_network_is_named(tmp_path):
    save_file(made("vae")[0], tmp_path / "vae.safetensors")
    with pytest.raises(UserError, match="expected a file of controlnet"):
        published.load("controlnet", tmp_path / "vae.safetensors")
    published.load("vae", tmp_path / "vae.safetensors", sizes=SIZES["vae"]).save_pretrained(tmp_path / "vae")
    with pytest.raises(UserError, match="expected a ControlNetModel, got a AutoencoderKL"):
        published.load("controlnet", tmp_path / "vae")


def test_older_pickles_are_read(tmp_path):
    """torch before 1.6 wrote no zip archives, which alone can be mapped."""
    tensors, expected = made("controlnet")
    torch.save(tensors, tmp_path / "it.pth", _use_new_zipfile_serialization=False)
    assert equal(published.load("controlnet", tmp_path / "it.pth", sizes=SIZES["controlnet"]), expected)


def test_what_training_left_in_a_pickle_is_not_run(tmp_path, monkeypatch):
    """v1-5-pruned-emaonly.ckpt names a class of pytorch_lightning beside its tensors, which isn't installed and isn't needed."""
    name = "pytorch_lightning.callbacks.model_checkpoint"
    left = type("ModelCheckpoint", (), {"__module__": name})
    tensors, expected = made("vae", "first_stage_model.")
    with monkeypatch.context() as patched:
        for module in ("pytorch_lightning", "pytorch_lightning.callbacks", name):
            patched.setitem(sys.modules, module, types.ModuleType(module))
        sys.modules[name].ModelCheckpoint = left
        torch.save({"callbacks": {left: {"best_model_score": np.float32(0.5), "it": left()}}, "state_dict": tensors}, tmp_path / "it.ckpt")
    assert equal(published.load("vae", tmp_path / "it.ckpt", sizes=SIZES["vae"]), expected)
    assert "pytorch_lightning" not in sys.modules
    with pytest.raises(UserError, match=f"Unsupported global: GLOBAL {Thief.__module__}.Thief"):
        torch.save({"state_dict": tensors, "more": Thief}, tmp_path / "it.ckpt")
        published.load("vae", tmp_path / "it.ckpt", sizes=SIZES["vae"])


class Thief:
    def __reduce__(self):
        return open, ("stolen", "w")


@pytest.mark.parametrize("archive", [True, False])
def test_a_pickles_code_is_not_run(archive, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, folder = tmp_path / "it.ckpt", tmp_path / "folder"
    torch.save({"state_dict": made("vae")[0], "more": Thief()}, path, _use_new_zipfile_serialization=archive)
    folder.mkdir()
    (folder / "config.json").write_text(published.empty("vae", SIZES["vae"]).to_json_string())
    (folder / "diffusion_pytorch_model.bin").hardlink_to(path)
    with pytest.raises(UserError, match="Unsupported global: GLOBAL"):
        published.load("vae", path, sizes=SIZES["vae"])
    with pytest.raises(UserError, match="can't be loaded"):
        published.load("vae", folder)
    assert not (tmp_path / "stolen").exists()
    torch.load(path, weights_only=False)
    assert (tmp_path / "stolen").exists(), "it would have been"


@pytest.mark.parametrize("content", ["half", "html", "empty", "numbers", "text", "list"])
def test_files_that_are_something_else_are_named(content, tmp_path):
    path = tmp_path / "it.ckpt"
    if content == "half":
        torch.save(made("vae")[0], path)
        path.write_bytes(path.read_bytes()[:-1000])
    elif content in ("html", "empty"):
        path.write_text("<html>404</html>" if content == "html" else "")
    else:
        torch.save({"numbers": {"epoch": 3}, "text": {"state_dict": "lost"}, "list": [torch.zeros(3)]}[content], path)
    with pytest.raises(UserError, match="expected (the weights of a network|tensors by name)") as caught:
        published.load("vae", path)
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(UserError, match="found no file"):
        published.load("vae", tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize(("config", "content"), [("<html>", None), ("[]", None), ("{}", None), (None, None), (None, b""), (None, b"<html>"), (None, "half")])
def test_folders_that_are_something_else_are_named(config, content, tmp_path):
    network = published.empty("vae", SIZES["vae"])
    (tmp_path / "config.json").write_text(config or network.to_json_string())
    weights = tmp_path / "diffusion_pytorch_model.safetensors"
    if content == "half":
        save_file({name: torch.zeros(value.shape) for name, value in network.state_dict().items()}, weights)
        content = weights.read_bytes()[:-1000]
    if content is not None:
        weights.write_bytes(content)
    with pytest.raises(UserError, match="expected a folder of diffusers with a AutoencoderKL, it can't be loaded") as caught:
        published.load("vae", tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_half_a_safetensors_file_is_named(tmp_path):
    save_file(made("vae")[0], tmp_path / "it.safetensors")
    content = (tmp_path / "it.safetensors").read_bytes()
    (tmp_path / "it.safetensors").write_bytes(content[:len(content) // 2])
    with pytest.raises(UserError, match="broken or another file"):
        published.load("vae", tmp_path / "it.safetensors")
