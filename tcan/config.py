"""params.yaml, resolved for one scale and checked key by key. Imports no torch, so that a dry run answers in seconds."""

import dataclasses
import difflib
import re
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tcan.errors import UserError

SETS = ("video", "puppets")
ESTIMATORS = ("openpose", "blazepose", "exact+errors")
SPLITS = ("train", "test", "bizarre")


class Yaml12(yaml.SafeLoader):
    """Booleans and numbers of YAML 1.2, which `dvc exp run -S` writes: `no` is a word, and 1e-4 a number."""


Yaml12.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:float")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$", re.IGNORECASE), "tTfF")
Yaml12.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$"), "-+.0123456789")


# --- data -------------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class FrameSet:
    """How a set's frames are made, and what finds their key points."""

    kind: str = field(metadata={"choices": SETS})
    estimator: str = field(metadata={"choices": ESTIMATORS})


@dataclass(frozen=True)
class Video:
    """One clip of a real video. `crop`: [left, top, side] in the video's pixels, or two of them for a linear pan."""

    source: str
    file: str
    split: str = field(metadata={"choices": SPLITS})
    start: int = field(metadata={"min": 0})
    stride: int = field(metadata={"min": 1})
    crop: list


@dataclass(frozen=True)
class Puppets:
    """How many rendered clips there are, and which motions are kept for the test."""

    train_clips: int = field(metadata={"min": 1})
    test_clips: int = field(metadata={"min": 0})
    bizarre_characters: int = field(metadata={"min": 0})
    train_motions: list[str]
    test_motions: list[str]
    supersample: int = field(metadata={"min": 1})


@dataclass(frozen=True)
class Errors:
    """Rates of the pose estimator's error model for rendered clips."""

    missing: float = field(metadata={"min": 0, "max": 1})
    swap: float = field(metadata={"min": 0, "max": 1})
    dropout: float = field(metadata={"min": 0, "max": 1})
    jitter: float = field(metadata={"min": 0})


@dataclass(frozen=True)
class Data:
    size: int = field(metadata={"min": 8})
    clip_frames: int = field(metadata={"min": 1})
    sets: dict[str, FrameSet]
    videos: dict[str, Video]
    puppets: Puppets
    errors: Errors


@dataclass(frozen=True)
class Pose:
    """`canvas`: the size in pixels at which key points are drawn before they are averaged down to the frame's size."""

    canvas: int = field(metadata={"min": 8})


# --- foundation -------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Autoencoder:
    patch: int = field(metadata={"min": 1})  # a latent stands for patch x patch pixels
    channels: int = field(metadata={"min": 1})
    layers: int = field(metadata={"min": 1})
    steps: int = field(metadata={"min": 1})
    batch: int = field(metadata={"min": 1})
    learning_rate: float = field(metadata={"min": 0})


@dataclass(frozen=True)
class Denoiser:
    """The base UNet and its pose ControlNet."""

    channels: list[int]
    layers: int = field(metadata={"min": 1})
    heads: int = field(metadata={"min": 1})
    cross_attention_dim: int = field(metadata={"min": 1})
    steps: int = field(metadata={"min": 1})
    batch: int = field(metadata={"min": 1})
    learning_rate: float = field(metadata={"min": 0})
    ema: float = field(metadata={"min": 0, "max": 1})
    pool: int = field(metadata={"min": 1})
    pose_dropout: float = field(metadata={"min": 0, "max": 1})
    reference_dropout: float = field(metadata={"min": 0, "max": 1})


@dataclass(frozen=True)
class Motion:
    """The motion modules mm1 and mm2 before stage 2."""

    steps: int = field(metadata={"min": 1})
    batch: int = field(metadata={"min": 1})
    learning_rate: float = field(metadata={"min": 0})
    pool: int = field(metadata={"min": 1})
    layers: int = field(metadata={"min": 1})


@dataclass(frozen=True)
class Foundation:
    source: str = field(metadata={"choices": ("shipped", "trained", "published")})
    latent_channels: int = field(metadata={"min": 1})
    autoencoder: Autoencoder
    denoiser: Denoiser
    motion: Motion


# --- the paper's method -----------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Diffusion:
    """The noise schedule, in the words of diffusers' DDIMScheduler."""

    beta_schedule: str = field(metadata={"choices": ("linear", "scaled_linear", "squaredcos_cap_v2")})
    beta_start: float = field(metadata={"min": 0, "max": 1})
    beta_end: float = field(metadata={"min": 0, "max": 1})
    prediction_type: str = field(metadata={"choices": ("epsilon", "v_prediction", "sample")})
    zero_terminal_snr: bool


@dataclass(frozen=True)
class Appearance:
    """Reference attention (eq. 1) and APPA (eq. 2)."""

    blocks: list[str] = field(metadata={"choices": ("down", "mid", "up")})
    lora_rank: int = field(metadata={"min": 1})
    lora_alpha: int = field(metadata={"min": 1})
    lora_targets: list[str] = field(metadata={"choices": ("attn1", "attn2")})


@dataclass(frozen=True)
class Training:
    """What both stages' trainings have. A step takes `accumulate` batches, shared among the processes of `torchrun`."""

    steps: int = field(metadata={"min": 1})
    batch: int = field(metadata={"min": 1})
    accumulate: int = field(metadata={"min": 1})
    learning_rate: float = field(metadata={"min": 0})
    gradient_clip: float = field(metadata={"min": 0})
    ema: float = field(metadata={"min": 0, "max": 1})  # 0: none
    mixed_precision: str = field(metadata={"choices": ("no", "bf16")})
    gradient_checkpointing: bool
    checkpoint_every: int = field(metadata={"min": 1})
    live_curves: bool
    sample_every: int = field(metadata={"min": 0})  # 0: never


@dataclass(frozen=True)
class Stage1(Training):
    min_gap: int = field(metadata={"min": 0})
    reference_dropout: float = field(metadata={"min": 0, "max": 1})


@dataclass(frozen=True)
class Stage2(Training):
    frames: int = field(metadata={"min": 1})


@dataclass(frozen=True)
class Generate:
    steps: int = field(metadata={"min": 1})
    guidance: float = field(metadata={"min": 0})
    window: int = field(metadata={"min": 1})
    overlap: int = field(metadata={"min": 0})
    closed_loop: bool
    ptm: bool
    tau: float = field(metadata={"min": 0})
    ptm_scope: str = field(metadata={"choices": ("window", "clip")})
    pairing: str = field(metadata={"choices": ("diagonal", "product")})


@dataclass(frozen=True)
class Evaluate:
    protocols: list[str]
    window: int = field(metadata={"min": 1})
    networks: dict[str, str]


# --- models and rows --------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Model:
    """What is trained: the switches of Table 2."""

    appa: bool
    temporal_controlnet: bool
    motion_module: str = field(metadata={"choices": ("mm1", "mm2")})
    train_controlnet: bool = False

    @property
    def stage1(self):
        """The name of the stage-1 training that this model stands on; models that agree in it share it."""
        return ("appa" if self.appa else "plain") + ("_unfrozen" if self.train_controlnet else "")


@dataclass(frozen=True)
class Row:
    """What is generated and scored: a model or a baseline, and what it changes of the scale's `generate`."""

    title: str
    tables: list[int] = field(metadata={"choices": (1, 2, 3)})
    model: str | None = None
    baseline: str | None = field(default=None, metadata={"choices": ("copy",)})
    generate: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Config:
    """Everything of one scale. `rows[name]` comes resolved through `generation(name)`."""

    scale: str
    seed: int
    data: Data
    pose: Pose
    foundation: Foundation
    diffusion: Diffusion
    appearance: Appearance
    stage1: Stage1
    stage2: Stage2
    generate: Generate
    evaluate: Evaluate
    models: dict[str, Model]
    rows: dict[str, Row]

    def generation(self, row):
        """The `generate` section of a row: the scale's, with the row's own values over it."""
        where = f"rows.{row}.generate"
        return _parse(Generate, {**dataclasses.asdict(self.generate), **self.row(row).generate}, where)

    def row(self, name):
        return _named(self.rows, name, "row")

    def model(self, name):
        return _named(self.models, name, "model")

    @property
    def stage1_models(self):
        """Stage-1 trainings by name, each with the switches that define it."""
        return {model.stage1: model for model in self.models.values()}

    def resolved(self, *sections):
        """Sections as plain JSON-able values, for provenance and for rules that must rerun when they change."""
        return {section: _plain(getattr(self, section)) for section in sections}


def load(path="params.yaml", scale=None):
    """Read, resolve and check params.yaml for a scale (default: its own `scale`). Raises UserError naming key, value and what would do."""
    path = Path(path)
    try:
        document = yaml.load(path.read_text(), Loader=Yaml12)
    except FileNotFoundError as error:
        raise UserError(f"{path}: expected the parameter file, found none; run from the project's root or pass --params") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: expected YAML, got {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise UserError(f"{path}: expected a mapping with the keys scale, seed, scales, models, rows")
    unknown = set(document) - {"scale", "seed", "scales", "models", "rows"}
    if unknown:
        raise UserError(_unknown(sorted(unknown)[0], ["scale", "seed", "scales", "models", "rows"], ""))
    scales = document.get("scales") or {}
    scale = scale or document.get("scale")
    body = {**_resolve_scale(scales, scale), "scale": scale, "seed": document.get("seed"),
            "models": document.get("models"), "rows": document.get("rows")}
    config = _parse(Config, body, "", prefix=f"scales.{scale}.")
    _check(config)
    return config


def _resolve_scale(scales, name, seen=()):
    """A scale's values over those of the scale it extends; a null drops a key."""
    if name not in scales:
        raise UserError(f"scale: expected one of {', '.join(sorted(scales))}, got {name!r}; "
                        "pass --scale or snakemake --config scale=NAME")
    if name in seen:
        raise UserError(f"scales.{name}.extends: expected no circle, got {' -> '.join([*seen, name])}")
    values = dict(scales[name])
    parent = values.pop("extends", None)
    return _merge(_resolve_scale(scales, parent, (*seen, name)), values) if parent else values


def _merge(below, above):
    merged = dict(below)
    for key, value in above.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _check(config):
    """What one key alone can't tell."""
    for name, row in config.rows.items():
        if (row.model is None) == (row.baseline is None):
            raise UserError(f"rows.{name}: expected either model or baseline, got {'both' if row.model else 'neither'}")
        if row.model is not None and row.model not in config.models:
            raise UserError(_unknown(row.model, config.models, f"rows.{name}.model"))
        generation = config.generation(name)
        if generation.overlap >= generation.window:
            raise UserError(f"rows.{name}.generate.overlap: expected less than window ({generation.window}), got {generation.overlap}")
    for name in (*config.models, *config.rows, *config.data.videos, *config.data.sets):
        if not name.replace("_", "").isalnum() or not name.isascii():
            raise UserError(f"{name}: expected a name of letters, digits and _, since it becomes a folder; rename it in params.yaml")
    window = max(config.generation(name).window for name in config.rows)
    if config.data.clip_frames < max(window, config.stage2.frames, config.evaluate.window):
        raise UserError(f"data.clip_frames: expected at least a window ({max(window, config.stage2.frames, config.evaluate.window)}), "
                        f"got {config.data.clip_frames}; make clips longer or windows shorter")
    if config.data.size % 8:
        raise UserError(f"data.size: expected a multiple of 8, got {config.data.size}")


# --- the strict parser ------------------------------------------------------------------------------------------------

def _parse(kind, value, where, meta=types.MappingProxyType({}), prefix=""):
    """`value` as `kind` (a dataclass, a list, a dict or a scalar type), or a UserError that names the key."""
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise UserError(f"{where or 'params.yaml'}: expected a mapping, got {value!r}")
        fields = {item.name: item for item in dataclasses.fields(kind)}
        hints = typing.get_type_hints(kind)
        for key in value:
            if key not in fields:
                raise UserError(_unknown(key, fields, where or prefix.rstrip(".")))
        result = {}
        for name, item in fields.items():
            own = f"{where}.{name}" if where else (name if name in ("scale", "seed", "models", "rows") else prefix + name)
            if name in value:
                result[name] = _parse(hints[name], value[name], own, item.metadata)
            elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
                raise UserError(f"{own}: expected a value, got none; add it to params.yaml")
        return kind(**result)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else _parse(inner[0], value, where, meta)
    if kind is list or origin is list:
        if not isinstance(value, list):
            raise UserError(f"{where}: expected a list, got {value!r}")
        return [_parse(inner[0], item, f"{where}[{index}]", meta) for index, item in enumerate(value)] if inner else value
    if kind is dict or origin is dict:
        if not isinstance(value, dict):
            raise UserError(f"{where}: expected a mapping, got {value!r}")
        return {key: _parse(inner[1], item, f"{where}.{key}") for key, item in value.items()} if inner else value
    return _scalar(kind, value, where, meta)


def _scalar(kind, value, where, meta):
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
        raise UserError(f"{where}: expected {words[kind]}, got {value!r}")
    if "choices" in meta and value not in meta["choices"]:
        raise UserError(f"{where}: expected one of {', '.join(map(str, meta['choices']))}, got {value!r}")
    if "min" in meta and not value >= meta["min"]:
        raise UserError(f"{where}: expected at least {meta['min']}, got {value!r}")
    if "max" in meta and not value <= meta["max"]:
        raise UserError(f"{where}: expected at most {meta['max']}, got {value!r}")
    return value


def _unknown(key, known, where):
    close = difflib.get_close_matches(str(key), [str(name) for name in known], 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{where + ': ' if where else ''}expected one of {', '.join(map(str, known))}, got {key!r}{hint}"


def _named(table, name, kind):
    if name not in table:
        raise UserError(_unknown(name, table, kind))
    return table[name]


def _plain(value):
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
