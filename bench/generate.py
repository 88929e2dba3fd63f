"""Generation against the plain way and against the bare forwards; cost and memory over the length of a clip.

    python bench/generate.py [--model models/lite/appa_tctrln_mm2]           the lite model on a CPU
    python bench/generate.py --size sd15 --device cuda                       Stable Diffusion 1.5's size, 512 x 512, bf16, random weights

The plain way is the method written down literally: the appearance UNet runs again for every window and step, every attention makes its whole map
(softmax of explicit logits), and pictures are decoded one by one. Noise, windows, guidance and schedule are the same, and so is the video.
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from bench.networks import RandomFoundation
from tcan import TCANPipeline, models  # noqa: F401
from diffusers import DDIMScheduler, UNetMotionModel
from diffusers.models.attention_processor import AttnProcessor

from tcan.generate.windows import windows
from tcan.models import attention
from tcan.models.autoencoder import decode
from tcan.models.controlnet import TemporalControlNet, residuals

STEPS, WINDOW, OVERLAP, GUIDANCE, TAU = 10, 16, 4, 2.0, 3.0


class PlainWay(TCANPipeline):
    """TCANPipeline's results, computed as a reader of the paper would write it."""

    def _note_source(self, source, device, dtype):
        self.noting = source, device, dtype

    def _predict(self, *arguments):
        super()._note_source(*self.noting)
        return super()._predict(*arguments)

    def _decode(self, latents, output_type):
        from tcan.models.autoencoder import to_pictures

        return np.concatenate([to_pictures(decode(self.vae, latents[:, :, frame])) for frame in range(latents.shape[2])])

    def __call__(self, *arguments, **options):
        fused, attention.attend = attention.attend, explicit
        try:
            return super().__call__(*arguments, **options)
        finally:
            attention.attend = fused


def explicit(attn, query, context, mask=None):
    """tcan.models.attention.attend with the whole attention map."""
    def heads(tensor):
        return tensor.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

    query, key, value = heads(query), heads(attn.to_k(context)), heads(attn.to_v(context))
    logits = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    if mask is not None:
        logits = logits.masked_fill(~mask, -torch.inf)
    return attn.to_out[0]((logits.softmax(-1) @ value).transpose(1, 2).flatten(2)) / attn.rescale_output_factor


def plain_of(make):
    """A PlainWay with networks of its own, whose other attentions make their maps too."""
    pipeline = make(PlainWay)
    for network in (pipeline.unet, pipeline.appearance_unet, getattr(pipeline.controlnet, "controlnet", pipeline.controlnet)):
        ours = (attention.ReferenceProcessor, attention.TemperatureProcessor)
        network.set_attn_processor({name: processor if isinstance(processor, ours) else AttnProcessor()
                                    for name, processor in network.attn_processors.items()})
    return pipeline


def maker(args):
    """A function from a pipeline's class to a pipeline."""
    def lite(kind):
        pipeline = kind.from_pretrained(args.model, dtype=torch.float32)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def random(kind):
        torch.manual_seed(0)
        foundation, adapter = RandomFoundation(args.size, args.device), None
        adapter = foundation.motion("mm2")
        pipeline = kind(foundation.vae(), UNetMotionModel.from_unet2d(foundation.unet(), adapter), foundation.unet(),
                        TemporalControlNet.from_controlnet(foundation.controlnet(), adapter),
                        DDIMScheduler(beta_start=0.00085, beta_end=0.012, clip_sample=False, steps_offset=1, set_alpha_to_one=False),
                        prompt=foundation.prompt())
        pipeline.to(args.device, torch.bfloat16 if args.device == "cuda" else torch.float32)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline
    return lite if args.size == "lite" else random


def clip(frames, side):
    """A source and drawn poses of random content."""
    random = np.random.default_rng(0)
    poses = np.zeros((frames, side, side, 3), np.uint8)
    poses[:, side // 4:-side // 4, side // 3:-side // 3] = random.integers(1, 255, poses[:, side // 4:-side // 4, side // 3:-side // 3].shape)
    return random.integers(0, 255, (side, side, 3)).astype(np.uint8), poses


def generate(pipeline, frames, side, steps=STEPS):
    """(seconds, frames)."""
    source, poses = clip(frames, side)
    return timed(lambda: pipeline(source, poses, num_inference_steps=steps, guidance_scale=GUIDANCE, window=WINDOW, overlap=OVERLAP, tau=TAU,
                                  generator=torch.Generator().manual_seed(0)).frames)


def timed(work):
    wait = torch.cuda.synchronize if torch.cuda.is_available() else (lambda: None)
    wait()
    started = time.perf_counter()
    result = work()
    wait()
    return time.perf_counter() - started, result


@torch.no_grad()
def bare(pipeline, frames, side, steps=STEPS):
    """Seconds of the forwards that a clip needs, and nothing else: for each step and window one of the ControlNet and two of the UNet."""
    source, poses = clip(frames, side)
    device, dtype = pipeline.unet.device, pipeline.unet.dtype
    pipeline._note_source(source, device, dtype)
    length = min(WINDOW, frames)
    latents = pipeline._initial_noise(source.shape, length, length, torch.Generator().manual_seed(0), device, dtype)
    pose = torch.from_numpy(poses[:length]).to(device).permute(0, 3, 1, 2).to(dtype) / 255
    prompt = pipeline.prompt.to(device, dtype).expand(length, -1, -1)
    flat = latents[0].transpose(0, 1)

    def work():
        for _ in range(steps * len(windows(frames, WINDOW, OVERLAP))):
            down, mid = residuals(pipeline.controlnet, flat, 500, prompt, pose, length)
            given = dict(down_block_additional_residuals=down, mid_block_additional_residual=mid, return_dict=False)
            with pipeline.reference.read():
                pipeline.unet(latents, 500, prompt, **given)
            pipeline.unet(latents, 500, prompt, **given)
    return timed(work)[0]


def peak(args, frames):
    """Peak memory in MiB of a process that generates a clip of so many frames: the card's, or the process's own."""
    words = [sys.executable, "-m", "bench.generate", "--size", args.size, "--device", args.device, "--model", str(args.model), "--side", str(args.side),
             "--measure", str(frames)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def measure(args):
    generate(maker(args)(TCANPipeline), args.measure, args.side, steps=1)
    if args.device == "cuda":
        print(torch.cuda.max_memory_allocated() / 2 ** 20)
    else:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", choices=("lite", "toy", "sd15"), default="lite")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", type=Path, default=Path("models/lite/appa_tctrln_mm2"))
    parser.add_argument("--side", type=int, help="pixels (default: 64, and 512 at sd15)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--frames", type=int, default=28)
    parser.add_argument("--lengths", type=int, nargs="+", default=[16, 40, 64, 112])
    parser.add_argument("--memory", type=int, nargs="+", default=[16, 64, 256, 1024])
    parser.add_argument("--out", type=Path, help="JSON file of the figures")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.side = args.side or (512 if args.size == "sd15" else 64)
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("not measured: no CUDA device")
    if args.measure:
        return measure(args)
    make = maker(args)
    fast, plain = make(TCANPipeline), plain_of(make)
    generate(fast, WINDOW, args.side, steps=1), generate(plain, WINDOW, args.side, steps=1)  # warm up
    rounds = []
    for number in range(args.repeats):
        ours, frames = generate(fast, args.frames, args.side)
        theirs, expected = generate(plain, args.frames, args.side)
        rounds.append({"pipeline_s": ours, "plain_s": theirs, "bare_s": bare(fast, args.frames, args.side)})
        difference = np.abs(frames.astype(int) - expected)
        print(f"round {number + 1}: " + ", ".join(f"{key} {value:.2f}" for key, value in rounds[-1].items()), file=sys.stderr)

    def ratio(over, under):
        values = sorted(one[over] / one[under] for one in rounds)
        return {"median": statistics.median(values), "least": values[0], "largest": values[-1]}

    lengths = {}
    for frames in args.lengths:
        seconds = statistics.median(generate(fast, frames, args.side)[0] for _ in range(args.repeats))
        lengths[frames] = {"s": seconds, "windows": len(windows(frames, WINDOW, OVERLAP)), "s_per_window": seconds / len(windows(frames, WINDOW, OVERLAP))}
    memory = {frames: peak(args, frames) for frames in args.memory}
    first, last = args.memory[0], args.memory[-1]
    figures = {
        "command": " ".join(["python -m bench.generate", *sys.argv[1:]]), "size": args.size, "side": args.side, "frames": args.frames, "steps": STEPS,
        "device": torch.cuda.get_device_name() if args.device == "cuda" else f"{torch.get_num_threads()} CPU threads", "torch": torch.__version__,
        "python": platform.python_version(), "plain_over_pipeline": ratio("plain_s", "pipeline_s"), "pipeline_over_bare": ratio("pipeline_s", "bare_s"),
        "largest_difference_grey_levels": int(difference.max()), "mean_difference_grey_levels": float(difference.mean()), "rounds": rounds,
        "lengths": lengths, "peak_mib": memory, "kib_per_frame": 1024 * (memory[last] - memory[first]) / (last - first),
        "kib_of_a_frame_in_and_out": 6 * args.side ** 2 / 1024,
    }
    print(json.dumps(figures, indent=2))
    if args.out:
        args.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
