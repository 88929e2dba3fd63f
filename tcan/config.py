"""params.yaml, resolved for one scale and checked key by key. Imports no torch, so that a dry run answers in seconds."""

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tcan.errors import UserError
from tcan.strict import named, parse, unknown

SETS = ("video", "puppets")
ESTIMATORS = ("openpose", "blazepose", "exact+errors")
SPLITS = ("train", "test", "bizarre")
TOP = ("scale", "seed", "models", "rows", "external")  # keys of params.yaml beside `scales`


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
    """The base UNet and its pose ControlNet. `pool`: rendered scenes; `targets`: pictures of a scene in a batch, beside its source."""

    channels: list[int]
    layers: int = field(metadata={"min": 1})
    heads: int = field(metadata={"min": 1})
    cross_attention_dim: int = field(metadata={"min": 1})
    steps: int = field(metadata={"min": 1})
    batch: int = field(metadata={"min": 1})
    learning_rate: float = field(metadata={"min": 0})
    ema: float = field(metadata={"min": 0, "max": 1})
    pool: int = field(metadata={"min": 1})
    targets: int = field(metadata={"min": 1})
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
    gaps: bool  # whether the test set's frame numbers may have gaps; no window spans one
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
    """What is generated and scored: a model or a baseline, and what it changes of the scale's `generate`. `poses`: those that the estimator found, or
    the exact ones of rendered clips."""

    title: str
    tables: list[int] = field(metadata={"choices": (1, 2, 3)})
    model: str | None = None
    baseline: str | None = field(default=None, metadata={"choices": ("copy", "warp", "autoencoder")})
    poses: str = field(default="estimated", metadata={"choices": ("estimated", "exact")})
    generate: dict = field(default_factory=dict)


@dataclass(frozen=True)
class External:
    """A row whose frames somebody else generated. `frames`: their folder, relative to the project or absolute.

    `scale`: whose test clips they are of. It has no default: scales differ in clips, lengths and sizes, and the folder doesn't say which it was made for.
    """

    title: str
    frames: str
    scale: str
    tables: list[int] = field(default_factory=lambda: [1], metadata={"choices": (1, 2, 3)})


@dataclass(frozen=True)
class Config:
    """Everything of one scale. `rows[name]` comes resolved through `generation(name)`; `external` holds this scale's entries alone."""

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
    external: dict[str, External]

    def generation(self, row):
        """The `generate` section of a row: the scale's, with the row's own values over it."""
        where = f"rows.{row}.generate"
        return parse(Generate, {**dataclasses.asdict(self.generate), **self.row(row).generate}, where)

    def row(self, name):
        return named(self.rows, name, "row")

    def model(self, name):
        return named(self.models, name, "model")

    @property
    def scored(self):
        """What is scored, by name: the rows that are generated here, then the external ones."""
        return {**self.rows, **self.external}

    def scored_row(self, name):
        return named(self.scored, name, "row")

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
        raise UserError(f"{path}: expected a mapping with the keys scales, {', '.join(TOP)}")
    extra = set(document) - {"scales", *TOP}
    if extra:
        raise UserError(unknown(sorted(extra, key=str)[0], ["scales", *TOP], ""))
    if document.get("external") is None:
        raise UserError(f"external: expected a mapping, got none; write `external: {{}}` in {path}, since DVC reads it too")
    scales = document.get("scales") or {}
    scale = scale or document.get("scale")
    values = _resolve_scale(scales, scale)
    if misplaced := sorted(values.keys() & set(TOP)):
        raise UserError(f"scales.{scale}.{misplaced[0]}: expected {misplaced[0]} beside scales, got it inside one; move it to the left margin of {path}")
    body = {**values, **{key: document.get(key) for key in TOP}, "scale": scale}
    config = parse(Config, body, "", prefix=f"scales.{scale}.", apart=TOP)
    _check(config)
    _check_external(config, scales)
    return dataclasses.replace(config, external={name: entry for name, entry in config.external.items() if entry.scale == scale})


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
            raise UserError(unknown(row.model, config.models, f"rows.{name}.model"))
        generation = config.generation(name)
        if generation.overlap >= generation.window:
            raise UserError(f"rows.{name}.generate.overlap: expected less than window ({generation.window}), got {generation.overlap}")
    for name in (*config.models, *config.rows, *config.external, *config.data.videos, *config.data.sets):
        if not isinstance(name, str) or not name.replace("_", "").isalnum() or not name.isascii():
            raise UserError(f"{name}: expected a name of letters, digits and _, since it becomes a folder; rename it in params.yaml")
    window = max(config.generation(name).window for name in config.rows)
    if config.data.clip_frames < max(window, config.stage2.frames, config.evaluate.window):
        raise UserError(f"data.clip_frames: expected at least a window ({max(window, config.stage2.frames, config.evaluate.window)}), "
                        f"got {config.data.clip_frames}; make clips longer or windows shorter")
    if config.foundation.denoiser.batch % config.foundation.denoiser.targets:
        raise UserError(f"foundation.denoiser.batch: expected a multiple of targets ({config.foundation.denoiser.targets}), "
                        f"got {config.foundation.denoiser.batch}; a batch holds all targets of its scenes")
    if config.data.size % 8:
        raise UserError(f"data.size: expected a multiple of 8, got {config.data.size}")


def _check_external(config, scales):
    """Entries of all scales: a name that is taken at one scale is taken at every one."""
    for name, entry in config.external.items():
        where = f"external.{name}"
        if name in (*config.rows, *config.models, "curves"):  # results/<scale>/curves holds the models' curves
            taken = "a row" if name in config.rows else "a model" if name in config.models else "the folder of training curves"
            raise UserError(f"{where}: expected a name of its own for results/{entry.scale}/{name}, got that of {taken}; rename it in params.yaml")
        if entry.scale not in scales:
            raise UserError(unknown(entry.scale, scales, f"{where}.scale"))
        if not entry.frames.strip() or entry.frames.startswith("~"):
            raise UserError(f"{where}.frames: expected a folder, relative to the project or absolute, got {entry.frames!r}; write the path out")
        if {"{", "}"} & set(entry.frames):
            raise UserError(f"{where}.frames: expected a path without braces, which Snakemake takes for wildcards, got {entry.frames!r}; rename the folder")


def _plain(value):
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
