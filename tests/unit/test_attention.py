"""Equations 1 to 5 against what they say, written out."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tcan import models  # noqa: F401
from diffusers.models.attention_processor import Attention, AttnProcessor2_0

from tcan.models.attention import ReferenceAttention, ReferenceProcessor, TemperatureMap, TemperatureProcessor, is_reference_attention
from tcan.models.temperature import temperature_map


def attention(channels=16, heads=2):
    torch.manual_seed(0)
    return Attention(channels, heads=heads, dim_head=channels // heads).double().eval()


def written_out(attn, hidden, context, temperature=None):
    """softmax(Q K^T / (T sqrt(d))) V with explicit logits."""
    def heads(tensor):
        return tensor.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

    query, key, value = heads(attn.to_q(hidden)), heads(attn.to_k(context)), heads(attn.to_v(context))
    logits = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    if temperature is not None:
        logits = logits / temperature[:, None, None, None]
    return attn.to_out[0]((logits.softmax(-1) @ value).transpose(1, 2).flatten(2))


def test_reference_attention_is_equation_1():
    attn, reference = attention(), ReferenceAttention()
    hidden, source = torch.randn(6, 5, 16, dtype=torch.float64), torch.randn(2, 7, 16, dtype=torch.float64)
    processor = ReferenceProcessor(reference, "it")
    with reference.write():
        plain = processor(attn, source)
    torch.testing.assert_close(plain, AttnProcessor2_0()(attn, source))
    with reference.read():
        got = processor(attn, hidden)
    torch.testing.assert_close(got, written_out(attn, hidden, torch.cat([hidden, source.repeat_interleave(3, 0)], 1)), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(processor(attn, hidden), AttnProcessor2_0()(attn, hidden), msg="outside the block nothing is changed")


def test_on_a_cpu_bfloat16_layers_attend_in_float32(monkeypatch):
    attn, seen = attention().float(), []
    softmax_attention = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention",
                        lambda *inputs, **options: seen.append([tensor.dtype for tensor in inputs]) or softmax_attention(*inputs, **options))
    reference, hidden = ReferenceAttention(), torch.randn(2, 9, 16)
    exact = ReferenceProcessor(reference, "it")(attn, hidden)
    with torch.autocast("cpu", torch.bfloat16):
        rough = ReferenceProcessor(reference, "it")(attn, hidden)
    assert seen == [[torch.float32] * 3] * 2
    torch.testing.assert_close(rough.float(), exact, rtol=0.05, atol=0.03)


def test_dropped_reference_is_no_reference():
    attn, reference = attention(), ReferenceAttention()
    hidden, source = torch.randn(4, 5, 16, dtype=torch.float64), torch.randn(2, 7, 16, dtype=torch.float64)
    processor = ReferenceProcessor(reference, "it")
    with reference.write():
        processor(attn, source)
    with reference.read():
        whole = processor(attn, hidden)
    with reference.read(torch.tensor([True, False])):
        half = processor(attn, hidden)
    torch.testing.assert_close(half[:2], whole[:2])
    torch.testing.assert_close(half[2:], written_out(attn, hidden[2:], hidden[2:]))


@pytest.mark.parametrize("batch", [1, 2])
def test_temperature_by_dividing_q_is_equation_5(batch):
    attn, temperature = attention(), TemperatureMap()
    heat = 1 + 3 * torch.rand(batch, 4, 6, dtype=torch.float64)
    temperature.set(heat, levels=1)
    hidden = torch.randn(batch * 24, 16, 16, dtype=torch.float64)  # (b h w, f, c), as in a motion module
    got = TemperatureProcessor(temperature)(attn, hidden)
    torch.testing.assert_close(got, written_out(attn, hidden, hidden, heat.flatten()), rtol=1e-6, atol=1e-9)


def test_temperature_reaches_every_level_and_can_be_cleared():
    temperature = TemperatureMap()
    temperature.set(torch.ones(1, 16, 12), levels=3)
    assert [temperature.rows(count).numel() for count in (16 * 12, 8 * 6, 4 * 3)] == [192, 48, 12]
    with pytest.raises(ValueError, match="places"):
        temperature.rows(7)
    temperature.clear()
    assert temperature.rows(7) is None


@settings(max_examples=30, deadline=None)
@given(st.integers(8, 24), st.integers(8, 24), st.floats(0, 10), st.integers(0, 10 ** 6))
def test_temperature_map_equals_brute_force(height, width, tau, seed):
    pictures = np.zeros((3, height, width, 3), np.uint8)
    points = np.random.default_rng(seed)
    for frame in pictures:
        frame[points.integers(height), points.integers(width), points.integers(3)] = 1 + points.integers(255)
    body = np.argwhere((pictures != 0).any(axis=(0, 3)))
    places = np.stack(np.mgrid[:height, :width], -1)
    distance = np.sqrt(((places[:, :, None] - body) ** 2).sum(-1)).min(-1) / (np.hypot(height, width) / 2)
    np.testing.assert_allclose(temperature_map(pictures, tau), tau * distance + 1, rtol=1e-5)


def test_temperature_map_is_the_same_wherever_the_pictures_lie_in_memory():
    pictures = np.zeros((2, 48, 80, 3), np.uint8)
    pictures[0, 10:30, 33:38] = pictures[1, 20:22, 5:60] = 200
    first, room = temperature_map(pictures, 2.5), np.zeros(pictures.size + 64, np.uint8)
    for offset in range(64):
        moved = room[offset:offset + pictures.size].reshape(pictures.shape)
        moved[:] = pictures
        filler = np.zeros(1 + 97 * offset)  # moves what is allocated within, too
        assert (temperature_map(moved, 2.5) == first).all(), filler.size


def test_no_body_no_temperature():
    assert (temperature_map(np.zeros((2, 8, 9, 3), np.uint8), 3.0) == np.ones((8, 9))).all()
    drawn = np.zeros((1, 8, 8, 3), np.uint8)
    cv2.circle(drawn[0], (4, 4), 2, (9, 9, 9), -1)
    assert (temperature_map(drawn, 0.0) == 1).all()


def test_only_spatial_self_attentions_see_the_reference():
    assert is_reference_attention("up_blocks.1.attentions.0.transformer_blocks.0.attn1.processor", ["up"])
    for name in ("up_blocks.1.attentions.0.transformer_blocks.0.attn2.processor", "up_blocks.1.motion_modules.0.transformer_blocks.0.attn1.processor",
                 "down_blocks.1.attentions.0.transformer_blocks.0.attn1.processor"):
        assert not is_reference_attention(name, ["mid", "up"])
