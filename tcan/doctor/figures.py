"""throughput.yaml, and the lengths of a scale's clips: what the estimates of disk and hours stand on."""

import csv
from functools import cache
from pathlib import Path

import yaml

from tcan.sections import FURTHER, GENERATED

FIGURES = Path(__file__).with_name("throughput.yaml")


@cache
def figures():
    return yaml.safe_load(FIGURES.read_text())


def lengths(config, split, data):
    """Lengths of the clips of a split over all sets, [frames, ...]; None where a set says nothing of it yet.

    Counted where a set's frames are there (`data`: data/<scale>), else as declared in params.yaml, else as published.
    """
    found = []
    for name in config.data.sets_for(split):
        own = _counted(Path(data) / "frames" / name / "clips.csv", split)
        if own is None:
            own = _declared(config, name, config.data.sets[name], split)
        if own is None:
            return None
        found += own
    return found


def driven(config, split, data, pairing):
    """Lengths of the clips that a row generates of a split: each of its own; each character with one or with every test clip (`pairing`)."""
    if split != "bizarre":
        found = [lengths(config, part, data) for part in GENERATED[split]]
        return None if None in found else sum(found, [])
    clips, characters = lengths(config, "test", data), lengths(config, "bizarre", data)
    if None in (clips, characters):
        return None
    if not clips:
        return []
    if pairing == "product":
        return clips * len(characters)
    return [clips[index % len(clips)] for index in range(len(characters))]


def windows(frames, window, overlap, closed_loop):
    """How many windows cover a clip (tcan.generate.windows, which imports torch)."""
    if frames <= window:
        return 1
    stride = window - overlap
    return -(-frames // stride) if closed_loop else -(-(frames - window) // stride) + 1


def _counted(table, split):
    if not table.is_file():
        return None
    with open(table, newline="") as stream:
        return [int(row["frames"]) for row in csv.DictReader(stream) if row["split"] == split]


def _declared(config, name, frame_set, split):
    data = config.data
    if frame_set.kind == "video":
        return [data.clip_frames for video in data.videos.values() if video.split == split]
    if frame_set.kind == "puppets":
        count = {"train": data.puppets.train_clips, "test": data.puppets.test_clips, "bizarre": data.puppets.bizarre_characters,
                 FURTHER: data.puppets.further_clips}[split]
        return [data.clip_frames] * count
    for key in (getattr(frame_set, "source", None), frame_set.kind, name):
        if key in figures()["sets"]:
            return _spread(figures()["sets"][key].get(split, []))
    return None


def _spread(published):
    """Lengths as published: a list, or {clips, frames} in all, spread evenly."""
    if isinstance(published, list):
        return published
    short, longer = divmod(published["frames"], published["clips"])
    return [short + (index < longer) for index in range(published["clips"])]


def total(values):
    """None where one of them is unknown: no total is better than one too small."""
    values = list(values)
    return None if None in values else sum(values)
