"""Bytes that a scale takes on disk, each by a rule that is said beside it."""

import os
from dataclasses import dataclass
from pathlib import Path

from tcan.doctor.figures import driven, figures, lengths, total

WEIGHT, HALF = 4, 2  # bytes of a float32, of a float16
JOINTS = 18 * 3 * 4  # bytes of a frame's key points beside its latents


@dataclass(frozen=True)
class Item:
    """size: bytes as far as they are known, None where nobody says; unknown: what they leave out; rule: how they were reckoned; there: bytes that
    are there already."""

    what: str
    size: int | None
    rule: str
    unknown: tuple = ()
    there: int = 0

    @property
    def needed(self):
        return max(0, (self.size or 0) - self.there)


def items(config, needs, data):
    """What a scale takes. needs: its sources' Needs, of which those that are there take no more; data: data/<scale>."""
    lacking = [need for need in needs if need.lacking]
    found = [_of_sources("downloads", lacking, f"{len(lacking)} sources that aren't there")] if lacking else []
    if archives := [need for need in lacking if need.archive]:
        found.append(_of_sources("unpacked", archives, "as large as packed: pictures and videos"))
    if config.foundation.source != "published":
        measured = figures()["measured"].get(config.scale, {}).get("disk")
        return [*found, Item("all that is made", measured, f"measured ({figures()['measured'][config.scale]['device']})" if measured else "not measured")]
    return found + _made(config, data)


def _of_sources(what, needs, rule):
    sizes, unknown = [need.size for need in needs if need.size is not None], tuple(need.name for need in needs if need.size is None)
    return Item(what, None if unknown and not sizes else sum(sizes), rule, unknown)


def _made(config, data):
    size, parts = config.data.size, figures()["parameters"]
    splits = {split: lengths(config, split, data) for split in ("train", "test", "bizarre")}
    picture = round(size ** 2 * figures()["png_bytes_per_pixel"])
    every = total(None if clips is None else sum(clips) for clips in splits.values())
    train = None if splits["train"] is None else sum(splits["train"])
    latent = (size // 8) ** 2 * 4 * WEIGHT + JOINTS
    generated = total(None if clips is None else sum(clips)
                     for name in config.rows for split in ("test", "bizarre")
                     for clips in [driven(config, split, data, config.generation(name).pairing)])
    foundation = WEIGHT * (parts["vae"] + 2 * parts["unet"] + parts["controlnet"] + parts["mm1"] + parts["mm2"])
    models = list(config.models.values())
    stage1 = {model.stage1: HALF * (parts["unet"] + (parts["controlnet"] if model.train_controlnet else 0)) for model in models}
    stage2 = [HALF * (parts["vae"] + 2 * parts["unet"] + parts[model.motion_module] + parts["controlnet"]
                      + (parts["temporal"] if model.temporal_controlnet else 0)) for model in models]
    checkpoint = max(_trained(config, model, stage) * WEIGHT * (4 if getattr(config, stage).ema else 3)
                     for model in models for stage in ("stage1", "stage2"))
    root, scale = data.parents[1], config.scale
    made = root / "models" / scale
    return [
        Item("frames", _times(every, picture), f"{_frames(every)} of {size} x {size} as PNG, {figures()['png_bytes_per_pixel']} bytes a pixel (assumed)",
             there=bytes_of(data / "frames")),
        Item("latents", _times(train, 2 * latent), f"{_frames(train)} of the train split as float32, twice while they are put together",
             there=bytes_of(made / "latents", root / "runs" / scale / "latents")),
        Item("foundation", foundation, "the networks that training starts from, as float32", there=bytes_of(made / "foundation")),
        Item("models", sum(stage1.values()) + sum(stage2), f"{len(stage1)} of stage 1, {len(stage2)} of stage 2, as float16",
             there=bytes_of(*(made / "stage1" / name for name in stage1), *(made / name for name in config.models))),
        Item("checkpoint", checkpoint, "of one training at a time: weights and AdamW's state"),
        Item("generated frames", _times(generated, picture), f"{_frames(generated)} of {len(config.rows)} rows", there=bytes_of(root / "outputs" / scale)),
    ]


def bytes_of(*folders):
    """Bytes of folders' files but their run.json, through links as well (a source on the user's disk is linked)."""
    return sum(Path(above, name).stat().st_size
               for folder in folders for above, _, names in os.walk(folder, followlinks=True) for name in names if name != "run.json")


def training_memory(config):
    """Bytes of a card that the larger training fills before activations: its networks, and gradients and AdamW's state of what it trains."""
    parts = figures()["parameters"]
    networks = {"stage1": lambda model: 2 * parts["unet"] + parts["controlnet"],
                "stage2": lambda model: 2 * parts["unet"] + parts["controlnet"] + _trained(config, model, "stage2")}
    return max(WEIGHT * (count(model) + 3 * _trained(config, model, stage)) for model in config.models.values() for stage, count in networks.items())


def _trained(config, model, stage):
    """Parameters that a stage trains (APPA's, less than a million, left out)."""
    parts = figures()["parameters"]
    if stage == "stage1":
        return parts["unet"] + (parts["controlnet"] if model.train_controlnet else 0)
    return parts[model.motion_module] + (parts["temporal"] if model.temporal_controlnet else 0)


def _times(count, size):
    return None if count is None else count * size


def _frames(count):
    return "an unknown number of frames" if count is None else f"{count:,} frames"
