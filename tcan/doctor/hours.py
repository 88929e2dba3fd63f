"""Hours of a device that trainings and rows take: units (pairs, clips, windows) times the seconds of a unit, measured or from counted operations."""

from dataclasses import dataclass

from tcan import claims as claimed
from tcan.doctor.figures import driven, figures, lengths, total, windows
from tcan.sections import HELD_OUT

FRAMES = 16  # of the units that were measured and counted
GENERATION = "bf16"  # whose rate float16 has as well, in which `tcan generate` runs on a card


@dataclass(frozen=True)
class Pace:
    """seconds: {unit: seconds}, empty where nothing is known; device: in words; how: where the figures are from."""

    seconds: dict
    device: str
    how: str


@dataclass(frozen=True)
class Hours:
    what: str
    hours: float | None


def card_of(name):
    """The entry of throughput.yaml's cards that a card's name holds; None if it holds none."""
    return next((card for card in figures()["cards"] if card in name), None)


def pace(config, card=None):
    """The Pace of a scale; card: the name of the GPU there is, or is asked about; another stands in for one whose peak isn't listed.

    Raises nothing: for a scale that was neither measured nor is of the counted size, `seconds` is empty.
    """
    if measured := figures()["measured"].get(config.scale):
        seconds = {unit: value for unit, value in measured.items() if unit not in ("device", "disk")}
        return Pace(seconds, measured["device"], "measured (bench/results)")
    counted = figures()["counted"]
    if config.foundation.source != "published" or config.data.size != counted["side"]:
        return Pace({}, "", "not estimated: neither measured nor of the size that was counted")
    name = card_of(card or "") or figures()["card"]
    rates = {precision: peak * figures()["utilisation"][precision] for precision, peak in figures()["cards"][name].items()}  # TFLOP/s
    units = {unit: (unit, GENERATION) for unit in ("window_step", "source", "decode_frame")} | {"encode_frame": ("encode_frame", "float32")}
    for unit, stage in (("stage1_pair", config.stage1), ("stage1_pair_unfrozen", config.stage1), ("stage2_clip", config.stage2)):
        units[unit] = (unit + ("_checkpointed" if stage.gradient_checkpointing else ""), _precision(stage))
    seconds = {unit: counted["tflop"][key] / rates[precision] for unit, (key, precision) in units.items()}
    used = dict.fromkeys((_precision(config.stage1), _precision(config.stage2), GENERATION, "float32"))
    told = " and ".join(f"{rates[one]:.0f} TFLOP/s in {one} ({figures()['utilisation'][one]:.0%} of its data sheet, assumed)" for one in used)
    device = name if card is None or name in card else f"{name} in the place of {card}"
    return Pace(seconds, device, f"counted operations at {told}; trainings in {_precision(config.stage1)}, generation in float16, latents in float32")


def _precision(stage):
    return "bf16" if stage.mixed_precision == "bf16" else "float32"


def estimates(config, pace, data):
    """Hours of one device, item by item: the train split's encoding, the tables' trainings and rows, and what `claims` adds to them."""
    stages = sorted({model.stage1 for model in config.models.values()})
    items = [Hours("latents", _encoding(config, pace, data))] if "encode_frame" in pace.seconds else []
    items += [Hours(f"stage 1 {name}", stage1(config, name, pace)) for name in stages]
    items += [Hours(f"stage 2 {name}", stage2(config, name, pace)) for name in config.models]
    items += [Hours(f"row {name}", row(config, name, pace, data)) for name in config.rows if config.rows[name].model]
    return items


def claims(config, pace, data):
    """Hours of what `snakemake claims` makes beside the tables: its trainings and rows, each as if it were generated on the test clips and on odd
    characters, so at most this; and rows on all clips that are held out."""
    more = [stage1(config, name, pace) for name in config.stage1_models if name not in {model.stage1 for model in config.models.values()}]
    more += [stage2(config, name, pace) for name in config.every_model if name not in config.models]
    more += [row(config, name, pace, data) for name, one in config.every_row.items() if name not in config.rows and one.model]
    wide = [name for name, splits in claimed.splits(config).items() if HELD_OUT in splits]
    more += [row(config, name, pace, data, [HELD_OUT]) for name in wide if config.every_row[name].model]
    return Hours(f"claims: {len(more)} further trainings and rows", total(more))


def stage1(config, name, pace):
    """A stage-1 training. Where the two weren't told apart, one whose ControlNet is trained too is taken as the others."""
    options = config.stage1
    unit = "stage1_pair_unfrozen" if config.stage1_models[name].train_controlnet and "stage1_pair_unfrozen" in pace.seconds else "stage1_pair"
    return _hours(options.steps * options.batch * options.accumulate, pace, unit)


def stage2(config, name, pace):
    """A stage-2 training, without what an adversary takes where only the models of the claims have one."""
    options = config.second_stage(name)
    return _hours(options.steps * options.batch * options.accumulate * options.frames / FRAMES, pace, "stage2_clip")


def row(config, name, pace, data, splits=("test", "bizarre")):
    """A row's test clips and its characters of odd proportions, or what else it is generated on."""
    options = config.generation(name)
    clips = [driven(config, split, data, options.pairing) for split in splits]
    if None in clips:
        return None
    steps = sum(windows(frames, options.window, options.overlap, options.closed_loop) for split in clips for frames in split) * options.steps
    hours = _hours(steps * options.window / FRAMES, pace, "window_step")
    if hours is None or "decode_frame" not in pace.seconds:  # measured paces hold all of a call
        return hours
    return hours + _hours(sum(map(sum, clips)), pace, "decode_frame") + _hours(sum(map(len, clips)), pace, "source")


def _encoding(config, pace, data):
    clips = lengths(config, "train", data)
    return None if clips is None else _hours(sum(clips), pace, "encode_frame")


def _hours(units, pace, unit):
    return units * pace.seconds[unit] / 3600 if unit in pace.seconds else None
