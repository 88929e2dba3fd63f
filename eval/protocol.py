"""The evaluation protocols, as data. A value without its protocol means nothing; changing anything here is a new version.

`disco-1` is what DisCo's public evaluation computes, flaws included: LPIPS fed with 0..1, L1 divided by the number of pixels,
SSIM of grey pictures, Inception fed through a resize that aliases. `corrected-1` is what those metrics were meant to be.
This module imports no torch, so that a workflow can read it in no time.
"""

import dataclasses
import re
from dataclasses import dataclass

from eval.errors import UserError

WINDOW = 16             # consecutive frame numbers that FID-VID and FVD see at once, in both protocols
ROLES = {               # role -> the network that the protocols mean; any other is a stand-in, and its metrics are named after it
    "lpips": "vgg16", "lpips_alex": "alexnet", "fid": "inception", "fid_vid": "resnet3d", "fvd": "i3d",
}


@dataclass(frozen=True)
class Metric:
    """One number of a protocol.

    kind: `pixel` and `lpips` are means over frames, `frechet` and `kernel` compare sets of features.
    measure: a function of eval.pixel (kind pixel), or the range that LPIPS is fed with (kind lpips).
    role: which network it needs; resize: how FID's frames reach the network's size; windows: which windows of a clip count.
    """

    name: str
    kind: str
    unit: str
    better: str = "lower"
    measure: str | None = None
    role: str | None = None
    resize: str | None = None
    windows: str | None = None


@dataclass(frozen=True)
class Protocol:
    """`size`: frames are resized to size x size (antialiased bicubic) before anything is computed; None: the true frames' size."""

    id: str
    version: int
    metrics: tuple[Metric, ...]
    size: int | None = None

    @property
    def label(self):
        return f"{self.id}-{self.version}" + (f"@{self.size}" if self.size else "")


SQUARED, DISTANCE, SIMILARITY = "squared feature distance", "distance", "1 is equal"

PROTOCOLS = {
    "disco-1": Protocol("disco", 1, (
        Metric("L1", "pixel", "grey levels / (height * width)", measure="l1_per_pixel"),
        Metric("L1-grey", "pixel", "grey levels, 0..255", measure="l1_grey"),
        Metric("SSIM", "pixel", SIMILARITY, "higher", measure="ssim_grey_uniform"),
        Metric("PSNR", "pixel", "dB", "higher", measure="psnr"),
        Metric("LPIPS", "lpips", DISTANCE, measure="0..1", role="lpips"),
        Metric("FID", "frechet", SQUARED, role="fid", resize="bilinear"),
        Metric("FID-VID", "frechet", SQUARED, role="fid_vid", windows="every"),
        Metric("FVD", "frechet", SQUARED, role="fvd", windows="every"))),
    "corrected-1": Protocol("corrected", 1, (
        Metric("L1", "pixel", "grey levels / 255", measure="l1_unit"),
        Metric("SSIM", "pixel", SIMILARITY, "higher", measure="ssim_gaussian"),
        Metric("LPIPS", "lpips", DISTANCE, measure="-1..1", role="lpips"),
        Metric("LPIPS-Alex", "lpips", DISTANCE, measure="-1..1", role="lpips_alex"),
        Metric("FID", "frechet", SQUARED, role="fid", resize="antialiased"),
        Metric("KID", "kernel", "squared MMD", role="fid", resize="antialiased"),
        Metric("FID-VID", "frechet", SQUARED, role="fid_vid", windows="every"),
        Metric("FID-VID-disjoint", "frechet", SQUARED, role="fid_vid", windows="disjoint"),
        Metric("FVD", "frechet", SQUARED, role="fvd", windows="every"),
        Metric("FVD-disjoint", "frechet", SQUARED, role="fvd", windows="disjoint"),
        Metric("KVD", "kernel", "squared MMD", role="fvd", windows="every"),
        Metric("KVD-disjoint", "kernel", "squared MMD", role="fvd", windows="disjoint"))),
}


def get(label):
    """The protocol of a label: `disco-1`, `corrected-1`, or `corrected-1@256` for frames brought to 256 x 256 first."""
    name, at, size = label.partition("@")
    if name not in PROTOCOLS or (at and not re.fullmatch("[1-9][0-9]{0,3}", size)):
        raise UserError(f"protocol {label!r}: expected one of {', '.join(PROTOCOLS)}, or corrected-1@SIZE; give one of these")
    if size and name.startswith("disco"):
        raise UserError(f"protocol {label!r}: disco-1 compares frames at the true frames' size; use corrected-1@{size} for a declared size")
    return dataclasses.replace(PROTOCOLS[name], size=int(size) if size else None)


def metric_key(metric, network=None):
    """The name a value is printed under: `FID` with the protocol's own network, `FID[name]` with a stand-in."""
    return metric.name if metric.role is None or network == ROLES[metric.role] else f"{metric.name}[{network}]"
