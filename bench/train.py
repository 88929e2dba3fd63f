"""A step of each training stage: seconds, reading's share of them, and peak memory, with and without gradient checkpointing, against the plain way.

    python bench/train.py                                                       the lite scale's networks, on the CPU
    python bench/train.py --size sd15 --device cuda --dtype bfloat16            Stable Diffusion 1.5's size, random weights, 512 x 512
    python bench/train.py --size toy --dtype bfloat16                           the same code as sd15 in the small, to see that it runs

The plain way (bench/plain.py) encodes the frames of every step anew, runs the appearance UNet for each frame of a clip instead of once, and makes all
attention maps. Its losses are the same. Each case runs in a process of its own, whose peak memory is its own too, and the cases take turns.
A step is what tcan.train.loop does: read, loss, gradients, their clipping, AdamW. The clips are made here: pictures of noise, and key points of a body.
"""

import argparse
import dataclasses
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from networks import RandomFoundation
from measure import about, child, demand, peak_mib, spread, timed
from plain import PerFrame, materialise

from tcan.config import load
from tcan.files import atomic_file
from tcan.models.autoencoder import encode, to_tensor
from tcan.models.foundation import Foundation
from tcan.seeds import generator, rng
from tcan.train.latents import TrainClips
from tcan.train.stage1 import Stage1, draw_pair
from tcan.train.stage2 import Stage2, draw_window

MODEL = "appa_tctrln_mm2"
CASES = {"pipeline": [], "pipeline, checkpointed": ["--checkpointed"], "plain": ["--plain"], "plain, checkpointed": ["--plain", "--checkpointed"]}
CLIPS, LENGTH = 2, 24
SEED = 0
BODY = np.array([(50, 15), (50, 25), (40, 25), (35, 38), (32, 50), (60, 25), (65, 38), (68, 50), (44, 52), (43, 70), (42, 88), (56, 52), (57, 70), (58, 88),
                 (48, 13), (52, 13), (46, 14), (54, 14)]) / 100  # OpenPose's 18 joints, in units of the picture's side


def foundation_of(args):
    return Foundation(args.foundation) if args.size == "lite" else RandomFoundation(args.size, "cpu")


def configuration(args):
    """The lite scale's, of the size and with the switches of this case."""
    config = load("params.yaml", "lite")
    stages = {name: dataclasses.replace(getattr(config, name), gradient_checkpointing=args.checkpointed) for name in ("stage1", "stage2")}
    return dataclasses.replace(config, **stages)


def pictures_of_noise(side):
    """uint8 (clips, frames, side, side, 3), the same in every process."""
    return rng(SEED, "pictures").integers(0, 256, (CLIPS, LENGTH, side, side, 3), dtype=np.uint8)


@torch.no_grad()
def encoded(vae, pictures, device):
    return encode(vae, to_tensor(pictures).to(device), batch=16).float()


def make_clips(folder, vae, side, device):
    """What `tcan latents` writes: some clips, encoded."""
    for number, pictures in enumerate(pictures_of_noise(side)):
        xy = side * (BODY + rng(SEED, "body", number).normal(0, 0.01, (LENGTH, 18, 2)))
        save_file({"latents": encoded(vae, pictures, device).cpu(), "xy": torch.from_numpy(xy.astype(np.float32)), "score": torch.ones(LENGTH, 18),
                   "size": torch.tensor([side, side]), "frame_size": torch.tensor([side, side])}, folder / f"{number}.safetensors")
    (folder / "clips.csv").write_text("id,frames\n" + "".join(f"{number},{LENGTH}\n" for number in range(CLIPS)))


class Cached:
    """Latents and poses of a step, read as the trainings read them. `seconds` is what reading has taken."""

    def __init__(self, folder, canvas):
        self.clips, self.seconds = TrainClips(folder, canvas), 0.0

    def latents(self, places):
        return self._timed(self.clips.latents, places)

    def pose(self, places):
        return self._timed(self.clips.pose, places)

    def _timed(self, read, places):
        started = time.perf_counter()
        result = read(places)
        self.seconds += time.perf_counter() - started
        return result


class Encoded(Cached):
    """The plain way's: pictures that lie in memory, encoded when they are asked for. Encoding doesn't count as reading."""

    def __init__(self, folder, canvas, vae, side, device):
        super().__init__(folder, canvas)
        self.vae, self.device, self.pictures = vae.to(device), device, pictures_of_noise(side)

    def latents(self, places):
        return encoded(self.vae, np.stack([self.pictures[place] for place in places]), self.device)


def stage_of(args, config):
    """(stage, loss): the stage's networks, and a step's loss as its training has it: (data, generator) -> scalar."""
    torch.manual_seed(SEED)  # random weights are the same in every case
    model, foundation = config.models[MODEL], foundation_of(args)
    if args.stage == 1:
        stage = Stage1(model, config, foundation, args.device)

        def loss(data, random):
            pairs = [draw_pair(data.clips.lengths, config.stage1.min_gap, random) for _ in range(args.batch)]
            source, driving = zip(*pairs, strict=True)
            return stage.loss(data.latents(source), data.latents(driving), data.pose(driving), random)
    else:
        stage = Stage2(model, config, foundation, args.data / "stage1", args.device)

        def loss(data, random):
            source, window = draw_window(data.clips.lengths, config.stage2.frames, random)
            return stage.loss(data.latents([source]), data.latents(window)[None], data.pose(window)[None], random)
    if args.plain:
        for network in stage.modules.values():
            materialise(network)
        if args.stage == 2:
            stage.appearance = PerFrame(stage.appearance, config.stage2.frames)
    return stage, loss


def measure(args):
    """One case: the figures of its steps, or that they don't fit on the card."""
    config, side = configuration(args), args.side
    stage, loss = stage_of(args, config)
    canvas = max(config.pose.canvas, side)
    data = Encoded(args.data, canvas, foundation_of(args).vae(), side, args.device) if args.plain else Cached(args.data, canvas)
    trained = [value for module in stage.modules.values() for value in module.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=args.device == "cuda")
    if args.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    built = peak_mib(args.device)

    def step(number):
        with torch.autocast(args.device, torch.bfloat16, enabled=args.dtype == "bfloat16"):
            value = loss(data, generator(SEED, "bench", number))
        value.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return value.item()

    figures = {"trained_parameters": sum(value.numel() for value in trained), "networks_mib": built}
    try:
        step(0)  # warm up: the optimizer's state is made here
        data.seconds = 0.0
        seconds, losses = zip(*(timed(lambda number=number: step(number), args.device) for number in range(1, args.steps + 1)), strict=True)
    except torch.OutOfMemoryError:
        return figures | {"out_of_memory": True}
    return figures | {"s_per_step": statistics.median(seconds), "reading_s": data.seconds / args.steps, "last_loss": losses[-1],
                      "peak_mib": peak_mib(args.device)}


def summary(rounds):
    """The figures of a stage's cases over all rounds, and each case's time over the pipeline's under the same checkpointing."""
    cases = {}
    for name in rounds[0]:
        ones = [one[name] for one in rounds]
        if any("out_of_memory" in one for one in ones):
            cases[name] = {"out_of_memory": True}
            continue
        cases[name] = {"s_per_step": spread([one["s_per_step"] for one in ones]), "peak_mib": spread([one["peak_mib"] for one in ones]),
                       "reading_share": statistics.median(one["reading_s"] / one["s_per_step"] for one in ones),
                       **{key: ones[0][key] for key in ("trained_parameters", "networks_mib", "last_loss")}}
    for name, other in (("plain", "pipeline"), ("plain, checkpointed", "pipeline, checkpointed"), ("pipeline, checkpointed", "pipeline")):
        if "s_per_step" in cases[name] and "s_per_step" in cases[other]:
            cases[name][f"s_over_{other}"] = spread([one[name]["s_per_step"] / one[other]["s_per_step"] for one in rounds])
    return cases


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", choices=("lite", "toy", "sd15"), default="lite")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="bfloat16: autocast, as mixed_precision: bf16 has it")
    parser.add_argument("--foundation", type=Path, default=Path("weights/lite"), help="of the lite size")
    parser.add_argument("--side", type=int, help="pixels (default: 64; 512 at sd15)")
    parser.add_argument("--batch", type=int, help="of stage 1 (default: 8; 4 at sd15); stage 2 has one clip of 16 frames")
    parser.add_argument("--steps", type=int, default=4, help="of a case in a round")
    parser.add_argument("--repeats", type=int, default=3, help="rounds over all cases")
    parser.add_argument("--stages", type=int, nargs="+", choices=(1, 2), default=[1, 2])
    parser.add_argument("--out", type=Path, help="JSON file of the figures")
    for option, kind in (("--stage", int), ("--data", Path)):
        parser.add_argument(option, type=kind, help=argparse.SUPPRESS)
    for option in ("--plain", "--checkpointed"):
        parser.add_argument(option, action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    demand(args.device)
    args.side, args.batch = args.side or (512 if args.size == "sd15" else 64), args.batch or (4 if args.size == "sd15" else 8)
    if args.stage:
        return print(json.dumps(measure(args)))
    config = configuration(args)
    figures = about(args.device) | {"size": args.size, "dtype": args.dtype, "side": args.side, "batch": args.batch, "frames": config.stage2.frames}
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(SEED)
        foundation = foundation_of(args)
        make_clips(Path(folder), foundation.vae().to(args.device), args.side, args.device)
        if args.device == "cuda":
            torch.cuda.empty_cache()
        if 2 in args.stages:
            Stage1(config.models[MODEL], config, foundation).save(Path(folder) / "stage1")
        common = ["--data", folder, *(word for name in ("size", "device", "dtype", "foundation", "side", "batch", "steps")
                                      for word in (f"--{name}", getattr(args, name)))]
        for stage in args.stages:
            rounds = []
            for number in range(args.repeats):
                rounds.append({name: child(__file__, *common, "--stage", stage, *words) for name, words in CASES.items()})
                print(f"stage {stage}, round {number + 1}: {rounds[-1]}", file=sys.stderr)
            figures[f"stage{stage}"] = summary(rounds)
    text = json.dumps(figures, indent=2) + "\n"
    print(text, end="")
    if args.out:
        with atomic_file(args.out) as temporary:
            temporary.write_text(text)


if __name__ == "__main__":
    main()
