"""Gradient checkpointing changes what is kept in memory, and no gradient."""

import dataclasses

import pytest
import torch

from tcan import models  # noqa: F401
from tcan.train.stage1 import Stage1
from tcan.train.stage2 import Stage2


def with_checkpointing(config, on):
    """Without the adversary, which at toy size keeps more than the networks do, and isn't checkpointed."""
    return dataclasses.replace(config, stage1=dataclasses.replace(config.stage1, gradient_checkpointing=on, adversary=0),
                               stage2=dataclasses.replace(config.stage2, gradient_checkpointing=on))


def first_stage(config, foundation, folder):
    stage = Stage1(config.models["appa_mm1"], config, foundation)
    with torch.no_grad():
        for name, parameter in stage.unet.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.01)  # so that A has gradients
    inputs = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), torch.rand(2, 3, 32, 32)
    return stage, inputs


def second_stage(config, foundation, folder):
    first_stage(config, foundation, folder)[0].save(folder)
    stage = Stage2(config.models["appa_tctrln_mm2"], config, foundation, folder)
    with torch.no_grad():
        for name, parameter in stage.controlnet.named_parameters():
            if "proj_out" in name and "motion_modules" in name:
                parameter.normal_(std=0.1)  # it starts at zero, under which no gradient reaches what stands before it
    inputs = torch.randn(1, 4, 8, 8), torch.randn(1, 6, 4, 8, 8), torch.rand(1, 6, 3, 32, 32)
    return stage, inputs


def gradients(stage, inputs):
    """Of what is trained, by name, and how many numbers the forward pass kept for the backward pass."""
    kept = []

    def keep(tensor):
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = stage.loss(*inputs, torch.Generator().manual_seed(0))
    kept = sum(kept)
    loss.backward()
    return {f"{label}.{name}": value.grad for label, module in stage.modules.items() for name, value in module.named_parameters()
            if value.grad is not None}, kept


@pytest.mark.parametrize("make", [first_stage, second_stage])
def test_same_gradients_from_less(make, smoke, foundation, tmp_path):
    results = {}
    for on in (False, True):
        torch.manual_seed(0)
        stage, inputs = make(with_checkpointing(smoke, on), foundation, tmp_path / str(on))
        results[on] = gradients(stage, inputs)
    (plain, much), (checkpointed, little) = results[False], results[True]
    assert checkpointed.keys() == plain.keys() and len(plain) > 20
    for name, gradient in plain.items():
        assert torch.allclose(checkpointed[name], gradient, rtol=1e-5, atol=1e-7), name
    assert little < much / 2
