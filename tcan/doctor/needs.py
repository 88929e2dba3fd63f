"""The sources that a scale needs, and what of each is there."""

from dataclasses import dataclass
from pathlib import Path

from tcan.doctor.disk import bytes_of
from tcan.fetch.sources import Package
from tcan.strict import named

ESTIMATORS = {"blazepose": ["mediapipe"], "openpose": ["annotators"], "dwpose": ["dwpose"]}
NETWORKS = {  # of `evaluate.networks`: where each one's weights are from (eval/features; a test holds the two in step)
    "vgg16": "vgg16", "alexnet": "alexnet", "inception": "fid_inception", "resnet3d": "resnet3d_kinetics", "i3d": "i3d_kinetics",
    "hed-vgg16": "hed", "efficientnet-lite0": "efficientnet_lite0", "transnetv2": "transnetv2",
}
RENDERED = "pybullet"  # motion capture
PHOTOGRAPHED = ("photographs", "mediapipe")  # and what finds their key points
LACKING = ("missing", "partly")


@dataclass(frozen=True)
class Need:
    """A source and what of it is there: state is present, partly, missing or from disk.

    size: bytes on disk where it is there, else as declared, pinned or about; None where nobody says. exact: whether that is all of it to the byte.
    accepted: whether its terms are (what `tcan fetch` has brought was accepted then); None where there are none, or none to accept here.
    """

    name: str
    kind: str
    licence: str
    terms: str | None
    accepted: bool | None
    state: str
    size: int | None
    exact: bool
    archive: bool

    @property
    def lacking(self):
        return self.state in LACKING


def names(config, declared):
    """Names of the sources that a scale needs, sorted. declared: {name: source}, of which those count that its sets are called after."""
    needed = {named(NETWORKS, network, "evaluate.networks") for network in config.evaluate.networks.values()}
    for name, frame_set in config.data.sets.items():
        needed.update(ESTIMATORS.get(frame_set.estimator, []))
        if frame_set.kind == "video":
            needed.update(video.source for video in config.data.videos.values())
        elif frame_set.kind == "puppets":
            needed.add(RENDERED)
        else:
            needed.update({key for key in (getattr(frame_set, "source", None), frame_set.kind, name) if key in declared})
    if config.foundation.source == "published":
        needed.update(networks(config))
    if config.foundation.source == "trained":
        sharpenings = (config.foundation.sharpening, config.foundation.photographs)
        needed.update((RENDERED, *(PHOTOGRAPHED if any(part.photographed for part in sharpenings) else ())))
    return sorted(needed)


def networks(config):
    """Sources of what training starts from, as `foundation.published` chooses them."""
    chosen = config.foundation.published
    return tuple(sorted({"stable_diffusion", "vae_ft_mse", "animatediff_mm1", "animatediff_mm2", chosen.denoising, chosen.controlnet, chosen.appearance}))


def look(source, raw, *, own=None, acknowledged=(), pins=None):
    """A Need. raw: data/raw; own: the user's folder, if the source is on their disk; pins: a tcan.fetch.pins.Pins. Nothing is hashed."""
    folder = Path(own).expanduser() if own else Path(raw) / source.name
    package = isinstance(source, Package)
    files = list(source.members if package else source.files)
    sizes = {file.file: _declared_size(source, file, pins) for file in files}
    archive = not package and source.archive is not None
    if archive or any(getattr(file, "is_pattern", False) for file in files):
        there = [path for path in folder.iterdir() if path.name != "run.json"] if folder.is_dir() else []
        whole = bool(there) and (bool(own) or (folder / "run.json").is_file())
    else:
        there = [folder / name for name in sizes if _holds(folder / name, sizes[name])]
        whole = len(there) == len(sizes) and (bool(own) or (folder / "run.json").is_file())
    begun = (folder.is_dir() and any(folder.iterdir())) or (Path(raw) / f".{source.name}.parts").exists()  # where `tcan fetch` keeps what has arrived
    state = ("from disk" if own else "present") if whole else "partly" if begun else "missing"
    size, exact = (bytes_of(folder), True) if whole and not archive else _expected(sizes, getattr(source, "about", None))
    accepted = whole or source.name in acknowledged if source.terms and not own else None
    return Need(source.name, source.kind, source.licence, source.terms, accepted, state, size, exact, archive)


def _holds(path, size):
    return path.is_file() and (size is None or path.stat().st_size == size)


def _declared_size(source, file, pins):
    size = getattr(file, "size", None)
    if size is None and pins is not None and (pin := pins.find(source.name, file.file)):
        return pin.size
    return size


def _expected(sizes, about):
    """(bytes, whether they are all): the files' own sizes, else what the declaration says of the whole."""
    if all(size is not None for size in sizes.values()):
        return sum(sizes.values()), True
    return about, False
