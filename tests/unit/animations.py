"""Calls of a TCANPipeline that tests share."""

import torch


def frames(pipeline, clip, seed=0, **options):
    """The frames of a clip (source, poses), in three steps."""
    options = {"num_inference_steps": 3, "guidance_scale": 2.0, **options}
    return pipeline(*clip, generator=torch.Generator().manual_seed(seed), **options).frames
