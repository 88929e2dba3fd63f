"""Floating-point operations of the trainings and of generation at Stable Diffusion 1.5's size: counted, on no device, in a minute.

    python bench/flops.py --out bench/results/flops.json

The networks and losses are the pipeline's own, on torch's meta device, which knows shapes and computes nothing. torch's FlopCounterMode counts
products of matrices, convolutions and attention, a multiplication and an addition as two; what is left out (normalisations, activations) is small beside them.
`tcan doctor` makes its estimates of these figures (tcan/doctor/throughput.yaml).
"""

import argparse
import dataclasses
import json
from pathlib import Path
from unittest.mock import patch

import torch
from torch.utils.flop_counter import FlopCounterMode

from networks import RandomFoundation
from measure import about
from diffusers import UNet2DConditionModel, UNetMotionModel

from tcan.config import load
from tcan.files import atomic_file
from tcan.models import lora
from tcan.models.attention import ReferenceAttention
from tcan.models.controlnet import TemporalControlNet, residuals
from tcan.models.sharing import SharedBlocks
from tcan.train import stage2
from tcan.train.stage1 import Stage1

MODEL = "appa_tctrln_mm2"  # the largest: mm2's modules, T-CtrlN and APPA
UNFROZEN = "unfrozen_mm1"  # whose ControlNet is trained in stage 1
FRAMES = 16


def tflop(work):
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e12


def empty(*shape):
    return torch.empty(shape, device="meta")


class Counts:
    """Counts of one size of picture, `side` x `side` pixels."""

    def __init__(self, size, side):
        self.config, self.side = load("params.yaml", "lite"), side
        self.foundation = RandomFoundation(size, "meta")
        self.places = side // 2 ** (len(self.foundation.sizes["vae"]["block_out_channels"]) - 1)

    def latents(self, *shape):
        return empty(*shape, self.foundation.sizes["vae"].get("latent_channels", 4), self.places, self.places)

    def poses(self, *shape):
        return empty(*shape, 3, self.side, self.side)

    def stage1(self, checkpointed, model=MODEL):
        """A step's forward and backward pass for one pair of frames."""
        config = self._checkpointed("stage1", checkpointed)
        with torch.device("meta"):
            stage = Stage1(config.models[model], config, self.foundation, "meta")
        return tflop(lambda: stage.loss(self.latents(1), self.latents(1), self.poses(1), torch.Generator()).backward())

    def stage2(self, checkpointed):
        """A step's forward and backward pass for one clip of 16 frames."""
        config = self._checkpointed("stage2", checkpointed)
        with (torch.device("meta"), patch.object(UNet2DConditionModel, "from_pretrained", lambda *path, **options: self.foundation.unet()),
              patch.object(lora, "load", lambda unet, folder: lora.add(unet, config.appearance))):
            stage = stage2.Stage2(config.models[MODEL], config, self.foundation, "nowhere", "meta")
        return tflop(lambda: stage.loss(self.latents(1), self.latents(1, FRAMES), self.poses(1, FRAMES), torch.Generator()).backward())

    def window_step(self):
        """A sampling step of a window of 16 frames with guidance: the ControlNet, and the UNet twice, whose contracting path runs once."""
        reference, shared = ReferenceAttention(), SharedBlocks()
        with torch.device("meta"), torch.no_grad():
            adapter = self.foundation.motion("mm2")
            unet = UNetMotionModel.from_unet2d(self.foundation.unet(), adapter)
            controlnet = TemporalControlNet.from_controlnet(self.foundation.controlnet(), adapter)
            appearance = self.foundation.appearance()
        for network in (unet, appearance):
            reference.attach(network, self.config.appearance.blocks)
        shared.attach(unet)
        prompt, latents, timestep = self.foundation.prompt().expand(FRAMES, -1, -1), self.latents(1, FRAMES).transpose(1, 2), empty(1)

        def forwards():
            down, mid = residuals(controlnet, latents[0].transpose(0, 1), timestep, prompt, self.poses(FRAMES), FRAMES)
            given = dict(down_block_additional_residuals=down, mid_block_additional_residual=mid)
            with reference.read(), shared.keep():
                unet(latents, timestep, prompt, **given)
            with shared.reuse():
                unet(latents, timestep, prompt, **given)

        with torch.no_grad():
            with reference.write():
                source = tflop(lambda: appearance(self.latents(1), timestep, prompt[:1]))
            return {"window_step": tflop(forwards), "source": source}

    def autoencoder(self):
        vae = self.foundation.vae()
        with torch.no_grad():
            return {"encode_frame": tflop(lambda: vae.encode(self.poses(1)).latent_dist.mean), "decode_frame": tflop(lambda: vae.decode(self.latents(1)))}

    def _checkpointed(self, stage, checkpointed):
        options = dataclasses.replace(getattr(self.config, stage), gradient_checkpointing=checkpointed)
        return dataclasses.replace(self.config, **{stage: options})


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", choices=("toy", "sd15"), default="sd15")
    parser.add_argument("--side", type=int, default=512, help="pixels")
    parser.add_argument("--out", type=Path, help="JSON file of the figures")
    args = parser.parse_args()
    counts = Counts(args.size, args.side)
    figures = about("cpu") | {"device": "none", "size": args.size, "side": args.side, "frames": FRAMES, "tflop": {
        "stage1_pair": counts.stage1(False), "stage1_pair_checkpointed": counts.stage1(True),
        "stage1_pair_unfrozen": counts.stage1(False, UNFROZEN), "stage1_pair_unfrozen_checkpointed": counts.stage1(True, UNFROZEN),
        "stage2_clip": counts.stage2(False), "stage2_clip_checkpointed": counts.stage2(True), **counts.window_step(), **counts.autoencoder()}}
    text = json.dumps(figures, indent=2) + "\n"
    print(text, end="")
    if args.out:
        with atomic_file(args.out) as temporary:
            temporary.write_text(text)


if __name__ == "__main__":
    main()
