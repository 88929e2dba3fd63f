"""What the machine offers: GPUs, disk, packages, tools. torch is imported only where there is a GPU to ask about."""

import importlib.metadata
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

DEVICES = ("nvidia[0-9]*", "kfd")  # below /dev: NVIDIA's cards, AMD's
TOOLS = ("git", "snakemake", "dvc")
PIN = re.compile(r"([\w.-]+)==([\w.!+-]+)")


@dataclass(frozen=True)
class Card:
    name: str
    memory: int  # bytes


@dataclass(frozen=True)
class Package:
    """wanted: the version of requirements.txt; found: what is installed, None for nothing."""

    name: str
    wanted: str
    found: str | None

    @property
    def agrees(self):
        return self.found is not None and self.found.partition("+")[0] == self.wanted  # "+cpu" and "+cu128" are builds of one version


def cards(devices=Path("/dev")):
    """The GPUs that torch can use."""
    if not any(path for pattern in DEVICES for path in Path(devices).glob(pattern)):
        return []
    import torch

    found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return [Card(card.name, card.total_memory) for card in found]


def packages(requirements):
    """The pinned packages of a requirements file, each beside what is installed."""
    pins = [PIN.match(line) for line in Path(requirements).read_text().splitlines()]
    return [Package(pin[1], pin[2], _installed(pin[1])) for pin in pins if pin]


def _installed(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def tools():
    """{name: whether it is there, on the PATH or beside this Python}."""
    return {name: bool(shutil.which(name) or (Path(sys.executable).parent / name).exists()) for name in TOOLS}


def free(folder):
    """Bytes free on the disk of a folder."""
    return shutil.disk_usage(folder).free
