"""bfloat16 where the machine computes faster in it: GPUs, and CPUs with AVX-512's instructions for it."""

import torch


def fast(device):
    """torch.bfloat16 where `device` has it in hardware, else torch.float32."""
    return torch.bfloat16 if device.type != "cpu" or torch.cpu.get_capabilities().get("avx512_bf16") else torch.float32


def autocast(device):
    """A context in which layers compute in `fast(device)`; weights stay in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=fast(device) == torch.bfloat16)
