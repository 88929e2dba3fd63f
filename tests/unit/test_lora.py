"""APPA as a LoRA: on the reference attentions alone, in diffusers' files and through diffusers' calls."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tcan import models  # noqa: F401
from diffusers import UNetMotionModel

from tcan import TCANPipeline
from tcan.errors import UserError
from tcan.models import lora
from tests.unit.animations import frames


def test_lora_is_on_the_reference_attentions_alone_and_survives_a_folder(foundation, smoke, tmp_path):
    unet = foundation.unet().eval()
    lora.add(unet, smoke.appearance)
    for name, parameter in unet.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    adapted = {name.rsplit(".lora_A", 1)[0] for name, _ in unet.named_parameters() if "lora_A" in name}
    assert adapted and all(".attn1.to_" in name and name.startswith(("mid_block", "up_blocks")) for name in adapted)
    lora.save(unet, tmp_path)
    with safe_open(tmp_path / lora.FILE, "pt") as file:
        names = json.loads(file.metadata()["lora_adapter_metadata"])["unet.target_modules"]
    assert names == sorted(adapted), "in an order that is the same in every process"
    motion = UNetMotionModel.from_unet2d(foundation.unet(), foundation.motion("mm1")).eval()
    lora.load(motion, tmp_path)
    assert {name.rsplit(".lora_A", 1)[0] for name, _ in motion.named_parameters() if "lora_A" in name} == adapted, "no temporal attention is adapted"
    fresh = foundation.unet().eval()
    lora.load(fresh, tmp_path)
    with torch.no_grad():
        arguments = (torch.randn(4, 4, 8, 8), 3, torch.randn(4, 3, 32))
        assert (unet(*arguments).sample - foundation.unet().eval()(*arguments).sample).abs().max() > 1e-3
        torch.testing.assert_close(fresh(*arguments).sample, unet(*arguments).sample, rtol=1e-4, atol=1e-5)


def test_the_same_lora_is_the_same_file(foundation, smoke, tmp_path):
    unet = foundation.unet()
    lora.add(unet, smoke.appearance)
    files = set()
    for number in range(12):  # the writer's order of the metadata is drawn anew for each file
        lora.save(unet, tmp_path / str(number))
        files.add((tmp_path / str(number) / lora.FILE).read_bytes())
    assert len(files) == 1


def test_a_file_without_the_unets_weights_is_named(foundation, smoke, tmp_path):
    unet = foundation.unet()
    lora.add(unet, smoke.appearance)
    lora.save(unet, tmp_path)
    tensors = load_file(tmp_path / lora.FILE)
    save_file({name.removeprefix("unet."): value for name, value in tensors.items()}, tmp_path / lora.FILE)
    with pytest.raises(UserError, match=r"named unet\.\*"):
        lora.load(foundation.unet(), tmp_path)


def test_fused_it_says_the_same_and_unfused_it_is_what_it_was(pipeline, clip):
    expected, weights = frames(pipeline, clip), state(pipeline)
    pipeline.fuse_lora(components=["unet"])
    assert lora.is_fused(pipeline.unet)
    assert close(frames(pipeline, clip), expected)
    pipeline.unfuse_lora(components=["unet"])
    assert not lora.is_fused(pipeline.unet) and close(frames(pipeline, clip), expected)
    assert all(torch.allclose(value, weights[name], atol=1e-6) for name, value in state(pipeline).items())


def test_unloaded_it_is_gone_and_loaded_it_is_back(pipeline, clip, model_folder, foundation):
    expected = frames(pipeline, clip)
    pipeline.unload_lora_weights()
    assert not any("lora" in name for name in state(pipeline))
    assert not close(frames(pipeline, clip), expected), "APPA says something"
    pipeline.load_lora_weights(model_folder / "lora", adapter_name=lora.NAME)
    assert close(frames(pipeline, clip), expected)


def test_turned_down_it_says_less(pipeline, clip):
    expected = frames(pipeline, clip)
    pipeline.set_adapters([lora.NAME], [0.0])
    without = frames(pipeline, clip)
    assert not close(without, expected)
    pipeline.set_adapters([lora.NAME], [1.0])
    assert close(frames(pipeline, clip), expected)
    pipeline.unload_lora_weights()
    assert close(frames(pipeline, clip), without)


def test_fused_for_good_it_is_saved_as_a_plain_unet(pipeline, clip, tmp_path):
    expected = frames(pipeline, clip)
    pipeline.fuse_lora(components=["unet"])
    with pytest.raises(UserError, match="not fused"):
        pipeline.save_pretrained(tmp_path / "both")
    assert not (tmp_path / "both").exists()
    pipeline.unload_lora_weights()
    pipeline.save_pretrained(tmp_path / "one")
    assert not (tmp_path / "one/lora").exists()
    loaded = TCANPipeline.from_pretrained(tmp_path / "one", dtype=torch.float32)
    assert close(frames(loaded, clip), expected)


def test_another_lora_comes_beside_it(pipeline, clip, model_folder, tmp_path):
    expected = frames(pipeline, clip)
    pipeline.load_lora_weights(model_folder / "lora", adapter_name="style")
    with pytest.raises(UserError, match="got \\['appa', 'style'\\]"):
        pipeline.save_pretrained(tmp_path / "both")
    pipeline.set_adapters([lora.NAME, "style"], [0.5, 0.5])
    assert close(frames(pipeline, clip), expected), "two halves of one"
    pipeline.delete_adapters("style")
    pipeline.set_adapters([lora.NAME], [1.0])
    assert close(frames(pipeline, clip), expected)


def state(pipeline):
    return {name: value.clone() for name, value in pipeline.unet.state_dict().items()}


def close(one, other):
    """Equal to a grey level: sums in another order now and then round otherwise."""
    return abs(one.astype(int) - other).max() <= 1
