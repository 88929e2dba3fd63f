"""Training. diffusers imports torchvision, so its operators are made whole first."""

from tcan import torchvision_ops

torchvision_ops.ensure()
