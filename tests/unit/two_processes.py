"""What tests/unit/test_processes.py runs, alone or in two processes of torchrun: python -m tests.unit.two_processes FOUNDATION OUT"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from tcan import models  # noqa: F401
from tcan.config import load
from tcan.models.foundation import Foundation
from tcan.train import loop
from tcan.train.processes import accelerator, synchronise
from tcan.train.stage1 import Stage1

BATCHES = 4


class Uneven(torch.nn.Module):
    """A network of which a batch reaches only parts: `odd` in every other batch (in one process of two), `never` in none."""

    def __init__(self):
        super().__init__()
        self.always, self.odd, self.never = (torch.nn.Parameter(torch.full((3,), value, dtype=torch.float64)) for value in (1.0, 2.0, 3.0))

    def loss(self, number, inputs):
        return ((self.always + (self.odd if number % 2 else 0)) * inputs - 1).square().mean()


def train_uneven(processes, folder):
    network, calls = Uneven(), []

    def loss(step, generator):
        calls.append(step)
        inputs = torch.randn(3, dtype=torch.float64, generator=generator)
        return network.loss(len(calls) if processes.num_processes == 1 else processes.process_index + 1, inputs)

    losses = loop.train({"network": network}, loss, name="uneven", config={}, code="a", seed=1, steps=6, learning_rate=0.1, run=folder,
                        checkpoint_every=2, accumulate=BATCHES, processes=processes, ema=0.5)
    assert len(calls) == 6 * BATCHES / processes.num_processes
    return {"losses": torch.tensor(losses, dtype=torch.float64), **network.state_dict()}


def gradients_of_stage1(processes, foundation):
    """Of every trained parameter, the sum over BATCHES batches."""
    config = load("params.yaml", "smoke")
    stage = Stage1(config.models["appa_mm1"], config, Foundation(foundation), processes.device)
    for name, parameter in stage.unet.named_parameters():
        if "lora_B" in name:
            torch.nn.init.constant_(parameter, 0.01)  # so that A has gradients
    trained = {f"{label}.{name}": value for label, module in stage.modules.items() for name, value in module.named_parameters() if value.requires_grad}
    total = torch.zeros(())
    for number in range(processes.process_index, BATCHES, processes.num_processes):
        generator = torch.Generator().manual_seed(number)
        source, clean, pose = (torch.randn(2, *shape, generator=generator) for shape in ((4, 8, 8), (4, 8, 8), (3, 32, 32)))
        loss = stage.loss(source, clean, pose, generator)
        processes.backward(loss)
        total += loss.detach()
    total = synchronise(processes, trained.values(), total)
    return {"loss": total, **{name: value.grad for name, value in trained.items() if value.grad is not None}}


if __name__ == "__main__":
    foundation, out = Path(sys.argv[1]), Path(sys.argv[2])
    processes = accelerator()
    results = {"uneven": train_uneven(processes, out / "run"), "stage1": gradients_of_stage1(processes, foundation)}
    for name, tensors in results.items():
        save_file({"processes": torch.tensor(processes.num_processes), **tensors}, out / f"{name}_{processes.process_index}.safetensors")
