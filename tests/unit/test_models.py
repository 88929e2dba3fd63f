"""The networks do what the paper says of them, at toy size with the real classes."""

import pytest
import torch

from tcan import models  # noqa: F401
from diffusers import UNetMotionModel

from tcan.models import lora
from tcan.models.attention import ReferenceAttention, TemperatureMap
from tcan.models.controlnet import TemporalControlNet, residuals

F = 4


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    return dict(sample=torch.randn(F, 4, 8, 8, generator=generator), prompt=torch.randn(1, 3, 32, generator=generator).expand(F, -1, -1),
                pose=torch.rand(F, 3, 32, 32, generator=generator), source=torch.randn(1, 4, 8, 8, generator=generator))


@pytest.mark.parametrize("name", ["mm1", "mm2"])
def test_temporal_controlnet_starts_as_the_plain_one(foundation, inputs, name):
    plain = foundation.controlnet().eval()
    temporal = TemporalControlNet.from_controlnet(plain, foundation.motion(name)).eval()
    with torch.no_grad():
        down, mid = residuals(temporal, inputs["sample"], 7, inputs["prompt"], inputs["pose"], F)
        for index in range(F):  # frame by frame
            one = slice(index, index + 1)
            expected_down, expected_mid = residuals(plain, inputs["sample"][one], 7, inputs["prompt"][one], inputs["pose"][one], 1)
            torch.testing.assert_close(mid[one], expected_mid, rtol=1e-4, atol=1e-5)
            for got, expected in zip(down, expected_down, strict=True):
                torch.testing.assert_close(got[one], expected, rtol=1e-4, atol=1e-5)


def test_temporal_controlnet_mixes_frames_once_trained(foundation, inputs):
    temporal = TemporalControlNet.from_controlnet(foundation.controlnet(), foundation.motion("mm1")).eval()
    for modules in temporal.motion_modules.values():
        for module in modules:
            torch.nn.init.normal_(module.proj_out.weight, std=0.5)
    other = inputs["pose"].clone()
    other[0] = 0
    with torch.no_grad():
        _, mid = residuals(temporal, inputs["sample"], 7, inputs["prompt"], inputs["pose"], F)
        _, changed = residuals(temporal, inputs["sample"], 7, inputs["prompt"], other, F)
    assert (mid[2] - changed[2]).abs().max() > 1e-4


def test_temporal_controlnet_saves_and_loads(foundation, tmp_path):
    temporal = TemporalControlNet.from_controlnet(foundation.controlnet(), foundation.motion("mm2"))
    temporal.save_pretrained(tmp_path)
    loaded = TemporalControlNet.from_pretrained(tmp_path)
    for (name, value), (other, expected) in zip(temporal.state_dict().items(), loaded.state_dict().items(), strict=True):
        assert name == other
        torch.testing.assert_close(value, expected)


def test_no_lora_no_reference_no_temperature_is_the_plain_motion_unet(foundation, inputs, smoke):
    plain = UNetMotionModel.from_unet2d(foundation.unet(), foundation.motion("mm1")).eval()
    ours = UNetMotionModel.from_unet2d(foundation.unet(), foundation.motion("mm1")).eval()
    temperature = TemperatureMap()
    ReferenceAttention().attach(ours, ["down", "mid", "up"])
    temperature.attach(ours)
    lora.add(ours, smoke.appearance)
    sample = inputs["sample"].transpose(0, 1)[None]
    with torch.no_grad():
        expected = plain(sample, 3, inputs["prompt"]).sample
        torch.testing.assert_close(ours(sample, 3, inputs["prompt"]).sample, expected, rtol=1e-4, atol=1e-5)
        temperature.set(torch.ones(1, 8, 8), 3)  # tau = 0
        torch.testing.assert_close(ours(sample, 3, inputs["prompt"]).sample, expected, rtol=1e-4, atol=1e-5)


def test_reference_reaches_the_output_and_its_gradient_the_appearance_unet(foundation, inputs):
    appearance, unet, reference = foundation.unet(), foundation.unet(), ReferenceAttention()
    for network in (appearance, unet):
        reference.attach(network, ["mid", "up"])
    with reference.write():
        appearance(inputs["source"], 0, inputs["prompt"][:1])
    with reference.read():
        seen = unet(inputs["sample"], 3, inputs["prompt"]).sample
    assert (seen - unet(inputs["sample"], 3, inputs["prompt"]).sample).abs().max() > 1e-4
    seen.sum().backward()
    assert appearance.conv_in.weight.grad.abs().max() > 0
