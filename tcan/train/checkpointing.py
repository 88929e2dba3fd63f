"""Gradient checkpointing: layers keep their inputs alone and run again in the backward pass."""

import contextlib
import functools

import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D
from torch.utils.checkpoint import checkpoint

LAYERS = (ResnetBlock2D, BasicTransformerBlock)  # spatial and temporal alike: diffusers' own switch leaves the motion modules out


def checkpoint_layers(network, reference):
    """Checkpoint every residual block and transformer block of a network. `reference`: the ReferenceAttention it may be attached to."""
    for module in network.modules():
        if isinstance(module, LAYERS):
            module.forward = functools.partial(_checkpointed, module.forward, reference)


def _checkpointed(forward, reference, *arguments, **named):
    if not torch.is_grad_enabled():
        return forward(*arguments, **named)
    return checkpoint(forward, *arguments, use_reentrant=False, preserve_rng_state=False,  # no layer draws random numbers
                      context_fn=lambda: (contextlib.nullcontext(), reference.as_now()), **named)
