"""A step of each training stage: seconds, and the memory of the process or card, with and without gradient checkpointing, against the plain way.

    python -m bench.train                                     the lite scale's networks on a CPU
    python -m bench.train --size sd15 --device cuda           Stable Diffusion 1.5's size, 512 x 512, bf16, random weights

The plain way encodes the frames of every step anew, and runs the appearance UNet for each frame of a clip instead of once.
Each case runs in a process of its own, since memory is only given back at a process's end.
"""

import argparse
import dataclasses
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from bench.networks import RandomFoundation
from tcan import models  # noqa: F401
from tcan.config import load
from tcan.models.autoencoder import encode, factor
from tcan.models.foundation import Foundation
from tcan.train.stage1 import Stage1
from tcan.train.stage2 import Stage2

MODEL = "appa_tctrln_mm2"
CASES = {"kept": ["--keep"], "checkpointed": [], "plain way": ["--keep", "--plain"]}


class PlainStage2(Stage2):
    """Stage 2 whose appearance UNet sees the source once for every frame."""

    def predict(self, source, noisy, timesteps, pose):
        frames = noisy.shape[1]
        with torch.no_grad(), self.reference.write():
            self.appearance(source.repeat_interleave(frames, 0), 0, self.prompt.expand(len(source) * frames, -1, -1))
        self.reference.features = {name: value[::frames] for name, value in self.reference.features.items()}
        return self._denoise(noisy, timesteps, pose)

    def _denoise(self, noisy, timesteps, pose):
        from tcan.models.controlnet import residuals

        batch, frames = noisy.shape[:2]
        prompt = self.prompt.expand(batch * frames, -1, -1)
        down, mid = residuals(self.controlnet, noisy.flatten(0, 1), timesteps.repeat_interleave(frames), prompt, pose.flatten(0, 1), frames)
        with self.reference.read():
            return self.unet(noisy.transpose(1, 2), timesteps, prompt, down_block_additional_residuals=down,
                             mid_block_additional_residual=mid).sample.transpose(1, 2)


def measure(args):
    """One case: prints seconds of each step and the peak memory in MiB."""
    config = load("params.yaml", "lite")
    kept = {name: dataclasses.replace(getattr(config, name), gradient_checkpointing=not args.keep) for name in ("stage1", "stage2")}
    config = dataclasses.replace(config, **kept)
    foundation = Foundation("weights/lite") if args.size == "lite" else RandomFoundation(args.size, args.device)
    device, generator = torch.device(args.device), torch.Generator().manual_seed(0)
    vae = foundation.vae().to(device)
    side = args.side // factor(vae)
    channels = vae.config.latent_channels
    if args.stage == 1:
        stage, shape = Stage1(config.models[MODEL], config, foundation, device), (args.batch or config.stage1.batch,)
    else:
        with tempfile.TemporaryDirectory() as folder:
            Stage1(config.models[MODEL], config, foundation, "cpu").save(Path(folder))
            stage, shape = (PlainStage2 if args.plain else Stage2)(config.models[MODEL], config, foundation, folder, device), (1, config.stage2.frames)
    trained = [value for module in stage.modules.values() for value in module.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5)
    seconds = []
    for _ in range(args.steps + 1):
        started = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=args.device == "cuda"):
            clean = torch.randn(*shape, channels, side, side, generator=generator)
            if args.plain:
                with torch.no_grad():
                    pictures = torch.rand(clean.flatten(0, -4).shape[0], 3, args.side, args.side, device=device)
                    clean = encode(vae, pictures, batch=8).reshape(clean.shape).float()
            source = torch.randn(shape[0], channels, side, side, generator=generator)
            loss = stage.loss(source, clean, torch.rand(*shape, 3, args.side, args.side, generator=generator), generator)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if args.device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    memory = torch.cuda.max_memory_allocated() / 2 ** 20 if args.device == "cuda" else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds[1:], "peak_mib": memory, "trained": sum(value.numel() for value in trained)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", choices=("lite", "toy", "sd15"), default="lite")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--side", type=int, help="pixels (default: 64, and 512 at sd15)")
    parser.add_argument("--batch", type=int, help="of stage 1 (default: the lite scale's; 2 at sd15)")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=2, help="rounds over all cases")
    parser.add_argument("--out", type=Path, help="JSON file of the figures")
    parser.add_argument("--stage", type=int, choices=(1, 2), help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.side, args.batch = args.side or (512 if args.size == "sd15" else 64), args.batch or (2 if args.size == "sd15" else None)
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("not measured: no CUDA device")
    if args.stage:
        return measure(args)
    results = {}
    for _ in range(args.repeats):
        for stage in (1, 2):
            for case, words in CASES.items():
                common = ["--size", args.size, "--device", args.device, "--side", str(args.side), "--steps", str(args.steps), "--stage", str(stage)]
                done = subprocess.run([sys.executable, "-m", "bench.train", *common, *(["--batch", str(args.batch)] if args.batch else []), *words],
                                      capture_output=True, text=True)
                if done.returncode:
                    sys.exit(f"stage {stage}, {case}: {done.stderr.strip().splitlines()[-1]}")
                one = json.loads(done.stdout.splitlines()[-1])
                results.setdefault(f"stage {stage}, {case}", []).append(one)
                print(f"stage {stage}, {case}: {statistics.median(one['seconds']):.2f} s a step, {one['peak_mib']:.0f} MiB", file=sys.stderr)
    figures = {name: {"s_per_step": statistics.median(second for one in rounds for second in one["seconds"]),
                      "peak_mib": max(one["peak_mib"] for one in rounds), "trained_parameters": rounds[0]["trained"]} for name, rounds in results.items()}
    document = {"command": " ".join(["python -m bench.train", *sys.argv[1:]]), "size": args.size, "side": args.side, "torch": torch.__version__,
                "device": torch.cuda.get_device_name() if args.device == "cuda" else f"{torch.get_num_threads()} CPU threads", "figures": figures}
    print(json.dumps(document, indent=2))
    if args.out:
        args.out.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
