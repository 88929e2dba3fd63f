"""One training in several processes (`torchrun`): who this process is, and how gradients come together."""

import torch
from accelerate import Accelerator


def accelerator(mixed_precision="no"):
    """The Accelerator of this process: its device, its place among the processes of `torchrun`, its precision.

    Several processes without a GPU come together only if accelerate is told that CPUs are meant.
    """
    return Accelerator(mixed_precision=mixed_precision, cpu=torch.distributed.is_torchelastic_launched() and not torch.cuda.is_available())


@torch.no_grad()
def synchronise(processes, parameters, total):
    """Sum gradients and the loss over all processes, in place of each process's own; return the loss's sum.

    It is the list of what is trained that is gone through, not what some wrapper sees of it: no trained module can be left out, whether a forward
    pass goes through it once, twice or not at all. A parameter that no process has a gradient for keeps none.
    """
    if processes.num_processes == 1:
        return total
    parameters = list(parameters)
    there = processes.reduce(torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.float32, device=processes.device), "sum")
    gradients = []
    for parameter, count in zip(parameters, there.tolist(), strict=True):
        if count and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        if count:
            gradients.append(parameter.grad)
    for bucket in _buckets(gradients):
        flat = processes.reduce(torch.cat([gradient.flatten() for gradient in bucket]), "sum")
        for gradient, part in zip(bucket, flat.split([gradient.numel() for gradient in bucket]), strict=True):
            gradient.copy_(part.view_as(gradient))
    return processes.reduce(total, "sum")


def _buckets(tensors, values=2 ** 25):
    """Lists of tensors of one type, of about `values` numbers together: few large messages are faster than many small ones."""
    bucket, size = [], 0
    for tensor in tensors:
        if bucket and (size + tensor.numel() > values or tensor.dtype != bucket[0].dtype):
            yield bucket
            bucket, size = [], 0
        bucket.append(tensor)
        size += tensor.numel()
    if bucket:
        yield bucket
