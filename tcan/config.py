"""params.yaml, resolved for one scale and checked key by key. Imports no torch, so that a dry run answers in seconds."""

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tcan.errors import UserError
from tcan.sections import (FURTHER, SPLITS, Appearance, Claims, Data, Diffusion, Errors, Evaluate, External, Foundation, Generate, Measures, Model, Pose,
                           Row, Stage1, Stage2)
from tcan.strict import named, parse, unknown

TOP = ("scale", "seed", "models", "rows", "external", "sources", "acknowledged")  # keys of params.yaml beside `scales`
OPTIONAL = ("sources", "acknowledged")


class Yaml12(yaml.SafeLoader):
    """Booleans and numbers of YAML 1.2, which `dvc exp run -S` writes: `no` is a word, and 1e-4 a number."""


Yaml12.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:float")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$", re.IGNORECASE), "tTfF")
Yaml12.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$"), "-+.0123456789")


@dataclass(frozen=True)
class Config:
    """Everything of one scale. `rows[name]` comes resolved through `generation(name)`; `rows` and `external` hold this scale's entries alone.
    `sources`: folders of sources that are on disk already; `acknowledged`: sources whose terms were accepted."""

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
    measures: Measures
    claims: Claims
    models: dict[str, Model]
    rows: dict[str, Row]
    external: dict[str, External]
    sources: dict[str, str] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)

    def generation(self, row):
        """The `generate` section of a row: the scale's, with the row's own values over it."""
        where = f"rows.{row}.generate"
        return parse(Generate, {**dataclasses.asdict(self.generate), **self.row(row).generate}, where)

    def second_stage(self, model):
        """The `stage2` section of a model: the scale's, with the model's own values over it."""
        return parse(Stage2, {**dataclasses.asdict(self.stage2), **self.model(model).stage2}, self.stage2_key(model))

    def stage2_key(self, model):
        """Where params.yaml says what a model changes of `stage2`, for messages."""
        return f"models.{model}.stage2" if model in self.models else "claims.learnt_errors.stage2"

    @property
    def stages(self):
        """[(key in params.yaml, options)] of every training; models of one key may have other values."""
        return [("stage1", self.stage1), ("stage2", self.stage2), *((self.stage2_key(name), self.second_stage(name)) for name in self.every_model)]

    def row(self, name):
        return self.rows[name] if name in self.rows else named(self.every_row, name, "row")

    def model(self, name):
        return named(self.every_model, name, "model")

    @property
    def every_row(self):
        """The rows of the tables, then those that the claims need beside them."""
        from tcan import claims

        return {**self.rows, **claims.rows(self)}

    @property
    def every_model(self):
        """The models of the tables' rows, then those that the claims need beside them."""
        from tcan import claims

        return {**self.models, **claims.models(self)}

    def seeded(self, seed):
        """This configuration with another seed; None leaves it."""
        return self if seed is None else dataclasses.replace(self, seed=seed)

    @property
    def scored(self):
        """What is scored, by name: the rows that are generated here, then the external ones."""
        return {**self.rows, **self.external}

    def scored_row(self, name):
        return named({**self.every_row, **self.external}, name, "row")

    @property
    def stage1_models(self):
        """Stage-1 trainings of `every_model` by name, each with the switches that define it."""
        return {model.stage1: model for model in self.every_model.values()}

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
    body = {**values, **{key: document.get(key) for key in TOP if key in document or key not in OPTIONAL}, "scale": scale}
    config = parse(Config, body, "", prefix=f"scales.{scale}.", apart=TOP)
    _check_scales(config, scales)
    rows = {name: row for name, row in config.rows.items() if row.scales is None or scale in row.scales}
    config = dataclasses.replace(config, rows=rows)
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
        if name == "claims":
            raise UserError("rows.claims: expected another name, that is the folder of the rows that the claims need; rename it in params.yaml")
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
    _check_sources(config)
    _check_claims(config)
    _check_sets(config)
    for name, row in config.rows.items():
        _rates(row.errors, f"rows.{name}.errors")
    _, *stages = config.stages
    window = max(*(config.generation(name).window for name in config.rows), *(stage.frames for _, stage in stages), config.evaluate.window)
    if config.data.clip_frames < window:
        raise UserError(f"data.clip_frames: expected at least a window ({window}), got {config.data.clip_frames}; make clips longer or windows shorter")
    if config.foundation.denoiser.batch % config.foundation.denoiser.targets:
        raise UserError(f"foundation.denoiser.batch: expected a multiple of targets ({config.foundation.denoiser.targets}), "
                        f"got {config.foundation.denoiser.batch}; a batch holds all targets of its scenes")
    if config.foundation.source != "published" and config.diffusion.prediction_type != "sample":
        raise UserError(f"diffusion.prediction_type: expected sample, which the foundation of source {config.foundation.source} predicts, "
                        f"got {config.diffusion.prediction_type}; set it, or foundation.source to published")
    for where, options in config.stages:
        if options.adversary and config.diffusion.prediction_type != "sample":
            raise UserError(f"{where}.adversary: expected 0 where diffusion.prediction_type isn't sample, got {options.adversary} with "
                            f"{config.diffusion.prediction_type}; an adversary judges latents, so they must be what is predicted")
    for where, options in stages:
        _rates(options.errors, f"{where}.errors")
        if options.adversary and options.frames < 2:
            raise UserError(f"{where}.frames: expected at least 2 with an adversary, which judges each frame beside the next, got {options.frames}")
    if config.data.size % 8:
        raise UserError(f"data.size: expected a multiple of 8, got {config.data.size}")


def _rates(errors, where):
    """Raises UserError for {kind: rate} that has another kind than Errors, or a rate out of its range."""
    parse(Errors, {kind.name: 0.0 for kind in dataclasses.fields(Errors)} | errors, where)


def _check_sources(config):
    from tcan.fetch import sources

    for key, names in (("sources", config.sources), ("acknowledged", config.acknowledged)):
        known = sources.load() if names else ()
        for name in names:
            if name not in known:
                raise UserError(unknown(name, known, key))


def _check_sets(config):
    """Sets of published data hold one split, and may be made in shards; the others hold several splits, and are made whole; a set of puppets may hold the
    further clips instead."""
    for name, frame_set in config.data.sets.items():
        published = frame_set.kind in ("tiktok", "bizarre")
        allowed = SPLITS if published else (None, FURTHER) if frame_set.kind == "puppets" else (None,)
        if frame_set.split not in allowed:
            *others, last = ("none" if split is None else split for split in allowed)
            raise UserError(f"data.sets.{name}.split: expected {', '.join(others)}{' or ' if others else ''}{last} for a set of kind {frame_set.kind}, "
                            f"got {frame_set.split!r}")
        longest = max(config.second_stage(model).frames for model in config.every_model)
        if frame_set.kind == "tiktok" and config.data.tiktok.min_frames < longest:
            raise UserError(f"data.tiktok.min_frames: expected at least a window of stage 2 ({longest}), got {config.data.tiktok.min_frames}")
        if frame_set.shards and frame_set.split != "train":
            raise UserError(f"data.sets.{name}.shards: expected none, since clips of the train split alone are made in shards, got {frame_set.shards}")
    for name, video in config.data.videos.items():
        if video.split == "bizarre":
            raise UserError(f"data.videos.{name}.split: expected train or test, since a character of split bizarre is a single picture, got {video.split!r}")
    _check_puppets(config.data)


def _check_puppets(data):
    """One set of rendered clips, and perhaps one of further ones beside it, under a name that .dvcignore passes by."""
    main, further = ([name for name, frame_set in data.sets.items() if frame_set.kind == "puppets" and frame_set.split == split] for split in (None, FURTHER))
    for names in (main, further):
        if len(names) > 1:
            raise UserError(f"data.sets: expected one set of kind puppets with split {FURTHER} and one without a split, got {' and '.join(names)}, whose clips "
                            "would have the same names; drop one")
    for name in further:
        if not main:
            raise UserError(f"data.sets.{name}: expected a set of kind puppets without a split beside it, got none; drop it too ({name}: null)")
        if not name.endswith(f"_{FURTHER}"):
            raise UserError(f"data.sets.{name}: expected a name that ends in _{FURTHER}, by which DVC passes it by, got {name!r}")
        if not data.puppets.unseen(FURTHER):
            raise UserError(f"data.puppets.further_clips: expected at least 1 for the set {name}, and test_motions to make it of, got "
                            f"{data.puppets.further_clips} and {', '.join(data.puppets.test_motions) or 'no motion'}; drop the set ({name}: null), or add them")
    if main and data.puppets.test_clips and not data.puppets.test_motions:
        raise UserError(f"data.puppets.test_motions: expected at least one for {data.puppets.test_clips} test clips, got none; name one")


def _check_scales(config, scales):
    for name, row in config.rows.items():
        for scale in row.scales or ():
            if scale not in scales:
                raise UserError(unknown(scale, scales, f"rows.{name}.scales"))


def _check_claims(config):
    """The rows that the claims are about: rows of the tables with a model, and among those that have what they are asked for."""
    from tcan.claims import learnt

    claims = config.claims
    trained = [name for name, row in config.rows.items() if row.model is not None]
    for key, names, known in (("rows", claims.rows, trained), ("proportions", claims.proportions, claims.rows), ("errors.rows", claims.errors.rows, trained),
                              ("errors.repeated_rows", claims.errors.repeated_rows, [name for name in claims.errors.rows if name in claims.rows]),
                              ("held_out", claims.held_out, [*claims.rows, *(name for name, row in config.rows.items() if row.baseline)]),
                              ("learnt_errors.rows", claims.learnt_errors.rows, claims.errors.repeated_rows),
                              ("learnt_errors.control", claims.learnt_errors.control, claims.learnt_errors.rows),
                              ("learnt_errors.kinds", claims.learnt_errors.kinds, claims.errors.kinds),
                              ("tau.row", [claims.tau.row], trained), ("retargeting", [claims.retargeting], trained)):
        for name in names:
            if name not in known:
                raise UserError(unknown(name, known, f"claims.{key}"))
    if claims.held_out and not config.data.sets_for(FURTHER):
        raise UserError(f"claims.held_out: expected a set of kind puppets with split {FURTHER} in data.sets, got none for {', '.join(claims.held_out)}; add it "
                        "or empty claims.held_out")
    for rate in claims.errors.rates:
        if not 0 < rate <= 1 or abs(100 * rate - round(100 * rate)) > 1e-9:
            raise UserError(f"claims.errors.rates: expected whole per cents above 0, which name the rows, got {rate}")
    if claims.errors.repeated_rate not in claims.errors.rates:
        raise UserError(f"claims.errors.repeated_rate: expected one of the rates ({', '.join(map(str, claims.errors.rates))}), "
                        f"got {claims.errors.repeated_rate}")
    if not claims.learnt_errors.kinds:
        raise UserError("claims.learnt_errors.kinds: expected at least one kind, got none; where nothing is to learn from errors, empty its rows")
    for row in claims.learnt_errors.rows:
        if config.second_stage(learnt(config.rows[row].model)).errors == config.stage2.errors:
            raise UserError(f"claims.learnt_errors.stage2.errors: expected rates that the other rows' training doesn't have, got {config.stage2.errors}")
    if config.seed in claims.seeds or len(set(claims.seeds)) < len(claims.seeds):
        raise UserError(f"claims.seeds: expected seeds beside {config.seed}, each once, got {claims.seeds}")


def _check_external(config, scales):
    """Entries of all scales: a name that is taken at one scale is taken at every one."""
    for name, entry in config.external.items():
        where = f"external.{name}"
        folders = {"curves": "the folder of training curves", "claims": "the folder of the rows that the claims need"}
        if name in (*config.rows, *config.models, *folders):
            taken = folders.get(name) or ("a row" if name in config.rows else "a model")
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
