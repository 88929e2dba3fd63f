"""The networks. diffusers, peft and transformers import torchvision, so its operators are made whole first."""

from tcan import torchvision_ops

torchvision_ops.ensure()
