"""One training loop for everything that is trained. Killed at any moment, it goes on from its last checkpoint in the same stream."""

import csv
import hashlib
import json
import math
import time
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tcan.errors import UserError
from tcan.files import atomic_file
from tcan.progress import Progress
from tcan.seeds import generator
from tcan.train.curves import Curves
from tcan.train.processes import accelerator, synchronise

STATE = {"mean": "exp_avg", "square": "exp_avg_sq"}     # of an optimiser, by their names in a checkpoint


def train(modules, loss, *, name, config, code, seed, steps, learning_rate, run, checkpoint_every, gradient_clip=1.0, accumulate=1, decay=0.0,
          ema=None, processes=None, live_curves=False, sample=None, sample_every=0, stream=None, optimizer=None):
    """Train the parameters of `modules` that require gradients; return the loss of each step.

    modules: dict of name -> module, on the device already. loss: (step, torch.Generator) -> scalar tensor.
    gradient_clip: the longest gradient that is taken as it is; 0: any.
    accumulate: how many calls of `loss` make up one step, in all processes together, so that a result doesn't depend on how many share the work.
    Each call's generator comes from (seed, stream, step * accumulate + its number): a resumed run sees the same stream, and on a CPU ends in the same bytes.
    stream: of the draws (default: name); trainings that share it see the same draws, so that what they differ in alone tells them apart.
    config: JSON-able; code: tcan.imports.sha256_of_code of the module that trains; a checkpoint of another of the two is refused.
    run: folder of the checkpoint, of live curves and of samples.
    decay: warm up, keep the rate, and let it fall over this last part of the steps; 0: the rate is constant. So two runs of different lengths are the
        same until the shorter one's rate falls.
    ema: decay of the running mean of the weights that is left in the modules at the end; None or 0 for the last weights.
    processes: the Accelerator (default: one of this process). live_curves: keep each step's loss, gradient norm and rate in run/live, by dvclive.
    optimizer: parameters, rate -> torch.optim.Optimizer (default: AdamW).
    sample: step -> None, called every `sample_every` steps in the main process, under no_grad; 0 for never.
    """
    processes = processes or accelerator()
    trained = {f"{label}.{key}": value for label, module in modules.items() for key, value in module.named_parameters() if value.requires_grad}
    if not trained:
        raise ValueError(f"{name}: nothing to train")
    if accumulate % processes.num_processes:
        raise UserError(f"{name}: expected accumulate to be a multiple of the {processes.num_processes} processes, got {accumulate}; "
                        "it counts the batches of a step in all processes together")
    optimizer = (optimizer or adamw)(trained.values(), learning_rate)
    rates = [group["lr"] for group in optimizer.param_groups]
    average = {key: value.detach().clone() for key, value in trained.items()} if ema else {}
    checkpoint = Checkpoint(Path(run) / "checkpoint.safetensors", {"name": name, "seed": seed, **config}, code, trained, optimizer, average)
    losses = checkpoint.load()
    progress = Progress(name, steps, len(losses)) if processes.is_main_process else None
    curves = Curves(Path(run) / "live", len(losses)) if live_curves and processes.is_main_process else None
    for step in range(len(losses), steps):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * (_rate(step, steps, decay) if decay else 1.0)
        total = torch.zeros((), device=processes.device)
        for number in range(processes.process_index, accumulate, processes.num_processes):
            with processes.autocast():
                value = loss(step, generator(seed, stream or name, step * accumulate + number)) / accumulate
            processes.backward(value)
            total += value.detach()
        total = synchronise(processes, trained.values(), total)
        if not torch.isfinite(total):
            raise UserError(f"{name}: expected a finite loss, got {total.item()} at step {step}; lower the learning rate in params.yaml")
        norm = torch.nn.utils.clip_grad_norm_(trained.values(), gradient_clip or math.inf)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        for key, mean in average.items():
            mean.lerp_(trained[key].detach(), 1 - min(ema, (1 + step) / (10 + step)))
        losses.append(total.item())
        if processes.is_main_process:
            if curves:
                curves.log(step + 1, loss=losses[-1], gradient_norm=norm.item(), learning_rate=learning_rate * optimizer.param_groups[0]["lr"] / rates[0])
            if sample is not None and sample_every and (step + 1) % sample_every == 0:  # before the checkpoint: killed in between, it is drawn again
                with torch.no_grad(), processes.autocast():
                    sample(step + 1)
            if (step + 1) % checkpoint_every == 0 or step + 1 == steps:
                checkpoint.save(losses)
            progress.update(step + 1, f"loss {sum(losses[-50:]) / len(losses[-50:]):.4f}")
    if curves:
        curves.close()
    processes.wait_for_everyone()
    with torch.no_grad():
        for key, mean in average.items():
            trained[key].copy_(mean)
    return losses


def adamw(parameters, rate):
    """AdamW as the rows are trained with it."""
    parameters = list(parameters)
    return torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.999), weight_decay=1e-2, eps=1e-8, fused=parameters[0].device.type == "cuda")


class Checkpoint:
    """Weights, optimiser state and losses in one safetensors file, replaced as a whole."""

    def __init__(self, path, config, code, trained, optimizer, average):
        self.path, self.code, self.trained, self.optimizer, self.average = path, code, trained, optimizer, average
        self.digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()

    def save(self, losses):
        tensors = {"losses": torch.tensor(losses, dtype=torch.float64)}
        for key, value in self.trained.items():
            tensors[f"weight/{key}"] = value.detach()
            if state := self.optimizer.state.get(value):  # none for a parameter that no gradient reaches
                tensors |= {f"{word}/{key}": state[name] for word, name in STATE.items() if name in state}
        tensors |= {f"average/{key}": value for key, value in self.average.items()}
        with atomic_file(self.path) as temporary:
            save_file({key: value.contiguous() for key, value in tensors.items()}, temporary, metadata={"config": self.digest, "code": self.code})

    def load(self):
        """Take up the checkpoint if there is one; return the losses so far."""
        if not self.path.exists():
            return []
        try:
            with safe_open(self.path, "pt", device=_device(self.trained)) as file, torch.no_grad():
                if file.metadata().get("config") != self.digest:
                    raise UserError(f"{self.path}: expected a checkpoint of this configuration and these inputs, got one of others; "
                                    f"delete {self.path.parent} to start anew")
                if file.metadata().get("code") != self.code:
                    raise UserError(f"{self.path}: expected a checkpoint of this code, got one from before the code changed; "
                                    f"delete {self.path.parent} to start anew, or bring that code back")
                losses, names = file.get_tensor("losses").tolist(), set(file.keys())
                for key, value in self.trained.items():
                    value.copy_(file.get_tensor(f"weight/{key}"))
                    if f"mean/{key}" in names:
                        count = torch.tensor(float(len(losses)), device=value.device if self.optimizer.defaults.get("fused") else "cpu")  # as AdamW keeps it
                        self.optimizer.state[value] = {"step": count} | {name: file.get_tensor(f"{word}/{key}") for word, name in STATE.items()
                                                                         if f"{word}/{key}" in names}
                for key, value in self.average.items():
                    value.copy_(file.get_tensor(f"average/{key}"))
        except SafetensorError as error:
            raise UserError(f"{self.path}: expected a checkpoint, got a broken file ({error}); delete it to start anew") from error
        return losses


def write_curve(folder, losses):
    """Write curve.csv (step, loss), the mean over every twentieth of the run, for `dvc plots`."""
    span = max(1, len(losses) // 20)
    with atomic_file(Path(folder) / "curve.csv") as temporary, open(temporary, "w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["step", "loss"])
        for start in range(0, len(losses), span):
            part = losses[start:start + span]
            writer.writerow([start + len(part), f"{sum(part) / len(part):.6f}"])


def figures(losses, started):
    """What run.json keeps of a training: its length, first and last losses. Seconds are printed, not kept: equal runs give equal bytes."""
    print(f"trained {len(losses)} steps in {time.time() - started:.0f} s")
    tail = losses[-max(1, len(losses) // 10):]
    return {"steps": len(losses), "first_loss": losses[0], "last_loss": sum(tail) / len(tail)}


def _rate(step, steps, decay):
    """The part of the learning rate at a step: up over the first hundred steps (or twentieth), 1, and down to nearly 0 over the last part, `decay`."""
    up, down = min(100, max(1, steps // 20)), max(1, int(steps * decay))
    return min(1.0, (step + 1) / up, (steps - step) / down)


def _device(trained):
    return str(next(iter(trained.values())).device)
