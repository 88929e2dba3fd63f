"""Generation against the plain way (bench/plain.py) and against the bare forwards; its cost and its memory over the length of a clip.

    python bench/generate.py [--model models/lite/appa_tctrln_mm2]                       the lite model, on the CPU
    python bench/generate.py --size sd15 --device cuda --dtype bfloat16                  Stable Diffusion 1.5's size, random weights, 512 x 512
    python bench/generate.py --size toy                                                  the same code as sd15 in the small, to see that it runs

Ratios are of whole calls that take turns in one process. Peak memory is that of a process for each length.
"""

import argparse
import functools
import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from networks import RandomFoundation
from measure import about, child, demand, peak_mib, ratios, spread, timed
from plain import PlainPipeline, materialise
from diffusers import DDIMScheduler, UNetMotionModel

from tcan import TCANPipeline
from tcan.config import load
from tcan.files import atomic_file
from tcan.generate.windows import windows
from tcan.models.controlnet import TemporalControlNet, residuals

TAU = 3.0


@dataclass(frozen=True)
class Setting:
    """How a clip is generated; the defaults are the paper's."""

    sides: tuple = (512,)  # pixels; the first is used where one will do
    frames: int = 16
    steps: int = 25
    guidance: float = 7.5
    window: int = 16
    overlap: int = 4

    def parts(self, frames):
        return windows(frames, self.window, self.overlap)


def setting(args):
    if args.size == "lite":
        config = load("params.yaml", "lite")
        given, side = config.generate, config.data.size
        usual = Setting((side, 2 * side), config.data.clip_frames, given.steps, given.guidance, given.window, given.overlap)
    else:
        usual = Setting() if args.size == "sd15" else Setting(sides=(64,), frames=20, steps=2)
    named = {name: getattr(args, name) for name in ("sides", "frames", "steps") if getattr(args, name)}
    return Setting(**vars(usual) | named)


def make(kind, args):
    """A pipeline of a class: the trained lite model, or networks with random weights."""
    dtype = getattr(torch, args.dtype)
    if args.size == "lite":
        pipeline = kind.from_pretrained(args.model, dtype=dtype).to(args.device)
    else:
        torch.manual_seed(0)
        foundation = RandomFoundation(args.size, args.device)
        adapter = foundation.motion("mm2")
        scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, steps_offset=1, set_alpha_to_one=False)
        with torch.device(args.device):
            networks = dict(vae=foundation.vae(), unet=UNetMotionModel.from_unet2d(foundation.unet(), adapter), appearance_unet=foundation.unet(),
                            controlnet=TemporalControlNet.from_controlnet(foundation.controlnet(), adapter))
        networks = {name: nn.Module.to(network, dtype).eval() for name, network in networks.items()}
        pipeline = kind(**networks, scheduler=scheduler, prompt=foundation.prompt().to(dtype))
    pipeline.set_progress_bar_config(disable=True)
    if kind is PlainPipeline:
        for network in (pipeline.vae, pipeline.unet, pipeline.appearance_unet, pipeline.controlnet):
            materialise(network)
    return pipeline


def clip(frames, side):
    """A source and drawn poses of random content, the poses with a black margin."""
    random = np.random.default_rng(0)
    poses = np.zeros((frames, side, side, 3), np.uint8)
    body = poses[:, side // 4:-(side // 4), side // 3:-(side // 3)]
    body[:] = random.integers(1, 255, body.shape, dtype=np.uint8)
    return random.integers(0, 255, (side, side, 3), dtype=np.uint8), poses


def generate(pipeline, how, frames, side, steps):
    """(seconds, frames) of a whole call, with the PTM."""
    source, poses = clip(frames, side)
    return timed(lambda: pipeline(source, poses, num_inference_steps=steps, guidance_scale=how.guidance, window=how.window, overlap=how.overlap, tau=TAU,
                                  generator=torch.Generator().manual_seed(0)).frames, pipeline.device.type)


class Forwards:
    """The forwards that a window and a step need, one of the ControlNet and two of the UNet, with their inputs at hand."""

    @torch.no_grad()
    def __init__(self, pipeline, how, frames, side):
        source, poses = clip(min(how.window, frames), side)
        self.pipeline, self.frames, device, dtype = pipeline, len(poses), pipeline.device, pipeline.unet.dtype
        pipeline._note_source(source, device, dtype)
        self.latents = pipeline._initial_noise(source.shape, self.frames, self.frames, torch.Generator().manual_seed(0), device, dtype)
        self.flat = self.latents[0].transpose(0, 1).contiguous()
        self.pose = torch.from_numpy(poses).to(device).permute(0, 3, 1, 2).to(dtype) / 255
        self.prompt = pipeline.prompt.to(device, dtype).expand(self.frames, -1, -1)

    @torch.no_grad()
    def run(self, count):
        pipeline, timestep = self.pipeline, torch.tensor(500, device=self.pipeline.device)
        for _ in range(count):
            down, mid = residuals(pipeline.controlnet, self.flat, timestep, self.prompt, self.pose, self.frames)
            given = dict(down_block_additional_residuals=down, mid_block_additional_residual=mid, return_dict=False)
            with pipeline.reference.read():
                pipeline.unet(self.latents, timestep, self.prompt, **given)
            pipeline.unet(self.latents, timestep, self.prompt, **given)


def compare(fast, plain, how, side, repeats):
    """The pipeline, the bare forwards and the plain way in turns, on one clip."""
    parts, rounds = how.parts(how.frames), []
    for pipeline in (fast, plain):  # warm up
        generate(pipeline, how, how.window, side, steps=1)
    for number in range(repeats):
        ours, frames = generate(fast, how, how.frames, side, how.steps)
        bare = Forwards(fast, how, how.frames, side)
        forwards, _ = timed(functools.partial(bare.run, how.steps * len(parts)), fast.device.type)
        theirs, expected = generate(plain, how, how.frames, side, how.steps)
        rounds.append({"pipeline_s": ours, "bare_s": forwards, "plain_s": theirs})
        print(f"{side} pixels, round {number + 1}: " + ", ".join(f"{key} {value:.2f}" for key, value in rounds[-1].items()), file=sys.stderr)
    difference = np.abs(frames.astype(int) - expected)
    seconds = statistics.median(one["pipeline_s"] for one in rounds)
    return {"rounds": rounds, "plain_over_pipeline": ratios(rounds, "plain_s", "pipeline_s"), "pipeline_over_bare": ratios(rounds, "pipeline_s", "bare_s"),
            "largest_difference_grey_levels": int(difference.max()), "mean_difference_grey_levels": float(difference.mean()),
            "windows": len(parts), "s_per_step": seconds / how.steps, "frames_per_s": how.frames / seconds}


def over_lengths(pipeline, how, lengths, repeats):
    """Seconds of a window and a step in clips of several lengths, which take turns."""
    rounds = [{frames: generate(pipeline, how, frames, how.sides[0], 2)[0] for frames in lengths} for _ in range(repeats)]
    counts = {frames: len(how.parts(frames)) for frames in lengths}
    each = {frames: spread([one[frames] / 2 / counts[frames] for one in rounds]) for frames in lengths}
    medians = [value["median"] for value in each.values()]
    return {"s_per_window_step": each, "windows": counts, "largest_over_least": max(medians) / min(medians)}


def memory(args, how):
    """Peak MiB of processes that generate clips of several lengths, in one step, and what a further frame adds."""
    side, frames = how.sides[0], args.memory
    words = ["--size", args.size, "--device", args.device, "--dtype", args.dtype, "--model", args.model, "--sides", side]
    peaks = {count: child(__file__, *words, "--measure", count)["peak_mib"] for count in frames}
    return {"peak_mib": peaks, "kib_per_frame": 1024 * np.polyfit(frames, list(peaks.values()), 1)[0], "kib_of_a_frame_in_and_out": 6 * side ** 2 / 1024}


def card(pipeline, how, rounds):
    """How near the forwards come to the card's arithmetic: floating-point operations a second, beside those of one large product of matrices."""
    forwards = Forwards(pipeline, how, how.window, how.sides[0])
    with FlopCounterMode(display=False) as counter:
        forwards.run(1)
    count = 10
    seconds = statistics.median(timed(lambda: forwards.run(count), pipeline.device.type)[0] for _ in range(rounds)) / count
    left, right = torch.randn(2, 8192 if pipeline.device.type == "cuda" else 512, 8192, device=pipeline.device, dtype=pipeline.unet.dtype)
    timed(lambda: left @ right.T, pipeline.device.type)
    product = statistics.median(timed(lambda: [left @ right.T for _ in range(count)], pipeline.device.type)[0] for _ in range(rounds)) / count
    return {"tflop_per_window_step": counter.get_total_flops() / 1e12, "s_per_window_step": seconds,
            "tflop_per_s": counter.get_total_flops() / 1e12 / seconds, "matrix_product_tflop_per_s": 2 * len(left) ** 2 * left.shape[1] / 1e12 / product}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", choices=("lite", "toy", "sd15"), default="lite")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--model", type=Path, default=Path("models/lite/appa_tctrln_mm2"))
    parser.add_argument("--sides", type=int, nargs="+", help="pixels (default: 64 and 128; 512 at sd15)")
    parser.add_argument("--frames", type=int, help="of the clip that is compared (default: 28; 16 at sd15)")
    parser.add_argument("--steps", type=int, help="of the clip that is compared (default: the scale's; 25 at sd15)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--lengths", type=int, nargs="+", default=[16, 40, 64, 112, 208])
    parser.add_argument("--memory", type=int, nargs="+", default=[16, 64, 256, 1024])
    parser.add_argument("--out", type=Path, help="JSON file of the figures")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    demand(args.device)
    how = setting(args)
    if args.measure:
        generate(make(TCANPipeline, args), how, args.measure, how.sides[0], steps=1)
        return print(json.dumps({"peak_mib": peak_mib(args.device)}))
    figures = about(args.device) | {"size": args.size, "dtype": args.dtype, "setting": vars(how), "memory": memory(args, how)}  # first, with the card empty
    fast, plain = make(TCANPipeline, args), make(PlainPipeline, args)
    figures["card"] = card(fast, how, args.repeats)
    figures["sides"] = {side: compare(fast, plain, how, side, args.repeats) for side in how.sides}
    figures["lengths"] = over_lengths(fast, how, args.lengths, args.repeats)
    text = json.dumps(figures, indent=2) + "\n"
    print(text, end="")
    if args.out:
        with atomic_file(args.out) as temporary:
            temporary.write_text(text)


if __name__ == "__main__":
    main()
