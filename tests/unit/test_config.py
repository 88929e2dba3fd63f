"""params.yaml: every mistake is one line that names the key, the value and what would do."""

import copy

import pytest
import yaml

from tcan.config import load
from tcan.errors import UserError


@pytest.fixture
def document():
    with open("params.yaml") as stream:
        return yaml.safe_load(stream)


def write(tmp_path, document):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.mark.parametrize("scale", ["smoke", "lite", "paper"])
def test_shipped_parameters_are_valid(scale):
    config = load("params.yaml", scale)
    assert config.scale == scale
    assert set(config.stage1_models) == {model.stage1 for model in config.every_model.values()}


def test_rows_override_only_what_they_name():
    config = load("params.yaml", "lite")
    assert config.generation("tcan_mm1").ptm and not config.generation("appa_tctrln").ptm
    assert config.generation("tcan_mm1").steps == config.generate.steps
    assert config.row("tcan_mm1").model == config.row("appa_tctrln").model, "PTM is inference only: no second training"


def external(**changes):
    return {"title": "Other", "frames": "their/frames", "scale": "lite", **changes}


def mutations():
    def at(*keys, value):
        def change(document):
            inner = document
            for key in keys[:-1]:
                inner = inner[key]
            inner[keys[-1]] = value
        return change

    def misspelt(document):
        document["scales"]["lite"]["stage1"]["stepps"] = document["scales"]["lite"]["stage1"].pop("steps")

    return {
        "did you mean 'steps'": misspelt,
        "stage1.steps: expected a whole number, got 'many'": at("scales", "lite", "stage1", "steps", value="many"),
        "stage1.steps: expected a whole number, got True": at("scales", "lite", "stage1", "steps", value=True),
        "stage1.steps: expected at least 1, got 0": at("scales", "lite", "stage1", "steps", value=0),
        "stage1.reference_dropout: expected at most 1, got 1.5": at("scales", "lite", "stage1", "reference_dropout", value=1.5),
        "generate.ptm: expected true or false, got 'yes'": at("scales", "lite", "generate", "ptm", value="yes"),
        "expected one of mm1, mm2, got 'mm3'": at("models", "base_mm1", "motion_module", value="mm3"),
        "rows.appa.model: expected one of": at("rows", "appa", "model", value="appa_mm7"),
        "rows.appa.generate: expected one of": at("rows", "appa", "generate", value={"tua": 3.0}),
        "rows.appa.generate.overlap: expected less than window": at("rows", "appa", "generate", value={"overlap": 16}),
        "rows.appa: expected either model or baseline, got both": at("rows", "appa", "baseline", value="copy"),
        "data.clip_frames: expected at least a window (16), got 9": at("scales", "lite", "data", "clip_frames", value=9),
        "foundation.denoiser.batch: expected a multiple of targets (3), got 16": at("scales", "lite", "foundation", "denoiser", "targets", value=3),
        "diffusion.prediction_type: expected sample, which the foundation of source shipped predicts, got epsilon":
            at("scales", "lite", "diffusion", "prediction_type", value="epsilon"),
        "stage1.adversary: expected 0 where diffusion.prediction_type isn't sample, got 0.5 with epsilon":
            lambda document: (at("scales", "lite", "foundation", "source", value="published")(document),
                              at("scales", "lite", "diffusion", "prediction_type", value="epsilon")(document)),
        "stage2.adversary: expected 0 where diffusion.prediction_type isn't sample, got 0.5 with epsilon":
            lambda document: (at("scales", "lite", "foundation", "source", value="published")(document),
                              at("scales", "lite", "stage1", "adversary", value=0)(document),
                              at("scales", "lite", "stage2", "adversary", value=0.5)(document),
                              at("scales", "lite", "diffusion", "prediction_type", value="epsilon")(document)),
        "models.appa_mm1.stage2.adversary: expected 0 where diffusion.prediction_type isn't sample, got 0.5 with epsilon":
            lambda document: (at("scales", "lite", "foundation", "source", value="published")(document),
                              at("scales", "lite", "stage1", "adversary", value=0)(document),
                              at("models", "appa_mm1", "stage2", value={"adversary": 0.5})(document),
                              at("scales", "lite", "diffusion", "prediction_type", value="epsilon")(document)),
        "data.clip_frames: expected at least a window (40)": at("models", "appa_mm1", "stage2", value={"frames": 40}),
        "models.appa_mm1.stage2.frames: expected at least 2 with an adversary": at("models", "appa_mm1", "stage2", value={"frames": 1, "adversary": 0.5}),
        "models.appa_mm1.stage2.errors.missing: expected at most 1, got 20": at("models", "appa_mm1", "stage2", value={"errors": {"missing": 20}}),
        "rows.appa.errors.jitter: expected at least 0, got -1": at("rows", "appa", "errors", value={"jitter": -1}),
        "no circle": at("scales", "lite", "extends", value="smoke"),
        "scales.lite.evaluate.gaps: expected true or false, got 'no'": at("scales", "lite", "evaluate", "gaps", value="no"),
        "external: expected a mapping, got none; write `external: {}`": at("external", value=None),
        "scales.lite.external: expected external beside scales, got it inside one": at("scales", "lite", "external", value={"other": external()}),
        "external.appa: expected a name of its own for results/lite/appa, got that of a row": at("external", "appa", value=external()),
        "external.appa_mm1: expected a name of its own for results/lite/appa_mm1, got that of a model": at("external", "appa_mm1", value=external()),
        "external.curves: expected a name of its own for results/lite/curves, got that of the folder": at("external", "curves", value=external()),
        "external.claims: expected a name of its own for results/lite/claims, got that of the folder": at("external", "claims", value=external()),
        "a/b: expected a name of letters, digits and _": at("external", "a/b", value=external()),
        "7: expected a name of letters, digits and _": at("external", 7, value=external()),
        "external.other.scale: expected one of lite, paper, smoke, got 'light'; did you mean 'lite'?": at("external", "other", value=external(scale="light")),
        "external.other.frames: expected a folder, relative to the project or absolute, got '~/x'": at("external", "other", value=external(frames="~/x")),
        "external.other.frames: expected a folder, relative to the project or absolute, got ' '": at("external", "other", value=external(frames=" ")),
        "external.other.frames: expected a path without braces": at("external", "other", value=external(frames="frames/{row}")),
        "external.other.frames: expected text, got 3": at("external", "other", value=external(frames=3)),
        "external.other.tables[0]: expected one of 1, 2, 3, got 4": at("external", "other", value=external(tables=[4])),
        "external.other: expected one of title, frames, scale, tables, got 'frame'; did you mean 'frames'?":
            at("external", "other", value={"title": "x", "frame": "x", "scale": "lite"}),
        "external.other.scale: expected a value, got none": at("external", "other", value={"title": "x", "frames": "x"}),
        "rows.oracle.scales: expected one of lite, paper, smoke, got 'lit'; did you mean 'lite'?": at("rows", "oracle", "scales", value=["lit"]),
        "data.sets.puppets.split: expected none or further for a set of kind puppets, got 'test'":
            at("scales", "lite", "data", "sets", "puppets", "split", value="test"),
        "data.sets.human.split: expected none for a set of kind video, got 'further'": at("scales", "lite", "data", "sets", "human", "split", value="further"),
        "data.sets.tiktok.split: expected train, test or bizarre for a set of kind tiktok, got None":
            at("scales", "lite", "data", "sets", "tiktok", value={"kind": "tiktok", "estimator": "openpose"}),
        "expected train, test or bizarre for a set of kind tiktok, got 'further'":
            at("scales", "lite", "data", "sets", "tiktok", value={"kind": "tiktok", "split": "further", "estimator": "openpose"}),
        "claims.held_out: expected a set of kind puppets with split further in data.sets, got none for copy, warp":
            at("scales", "lite", "data", "sets", value={"puppets": {"kind": "puppets", "estimator": "exact+errors"}}),
        "data.puppets.further_clips: expected at least 1 for the set puppets_further": at("scales", "lite", "data", "puppets", "further_clips", value=0),
        "and test_motions to make it of, got 40 and no motion": at("scales", "lite", "data", "puppets", "test_motions", value=[]),
        "data.puppets.test_motions: expected at least one for 7 test clips, got none":
            lambda document: (at("scales", "lite", "data", "sets", value={"puppets": {"kind": "puppets", "estimator": "exact+errors"}})(document),
                              at("scales", "lite", "claims", "held_out", value=[])(document),
                              at("scales", "lite", "data", "puppets", "test_motions", value=[])(document)),
        "data.videos.sports2d_walk.split: expected train or test, since a character of split bizarre is a single picture, got 'bizarre'":
            at("scales", "lite", "data", "videos", "sports2d_walk", "split", value="bizarre"),
        "claims.errors.rates: expected whole per cents above 0, which name the rows, got 0.124":
            at("scales", "lite", "claims", "errors", "rates", value=[0.12, 0.124, 0.3]),
        "data.sets.puppets_further: expected a set of kind puppets without a split beside it, got none":
            at("scales", "lite", "data", "sets", "puppets", "kind", value="video"),
        "data.sets.more: expected a name that ends in _further, by which DVC passes it by, got 'more'": at("scales", "lite", "data", "sets", value={
            "puppets": {"kind": "puppets", "estimator": "exact+errors"}, "more": {"kind": "puppets", "split": "further", "estimator": "exact+errors"}}),
        "without a split, got others and puppets, whose clips would have the same names":
            at("scales", "lite", "data", "sets", "others", value={"kind": "puppets", "estimator": "exact+errors"}),
        "data.sets.tiktok.shards: expected none, since clips of the train split alone are made in shards, got 2":
            at("scales", "lite", "data", "sets", "tiktok", value={"kind": "tiktok", "split": "test", "shards": 2, "estimator": "openpose"}),
        "data.tiktok.leakage: expected one of stop, drop, got 'ignore'": at("scales", "lite", "data", "tiktok", value={"leakage": "ignore"}),
        "sources: expected a mapping, got ['x']": at("sources", value=["x"]),
        "letters, digits and _, since": at("rows", "../up", value={"title": "x", "baseline": "copy", "tables": [1]}),
    }


@pytest.mark.parametrize("message", mutations())
def test_mistakes_are_named(tmp_path, document, message):
    mutations()[message](document)
    with pytest.raises(UserError) as error:
        load(write(tmp_path, document), "lite")
    assert message in str(error.value) and "\n" not in str(error.value)


def test_external_rows_are_those_of_the_scale(tmp_path, document):
    document["external"] = {"theirs": external(), "tiny": external(scale="smoke", tables=[1, 3], frames="/elsewhere/frames")}
    path = write(tmp_path, document)
    lite, smoke = load(path, "lite"), load(path, "smoke")
    assert (list(lite.external), lite.external["theirs"].tables) == (["theirs"], [1])
    assert (list(smoke.external), smoke.external["tiny"].tables, smoke.external["tiny"].frames) == (["tiny"], [1, 3], "/elsewhere/frames")
    assert list(lite.scored) == [*lite.rows, "theirs"] and lite.scored_row("theirs").title == "Other"
    with pytest.raises(UserError, match="row: expected one of .*, theirs, got 'tiny'"):
        lite.scored_row("tiny")


def test_clips_that_stage_2_could_not_use_are_not_kept(tmp_path, document):
    document["scales"]["paper"]["data"]["tiktok"]["min_frames"] = 15
    with pytest.raises(UserError, match=r"data.tiktok.min_frames: expected at least a window of stage 2 \(16\), got 15"):
        load(write(tmp_path, document), "paper")


def test_rows_are_those_of_the_scale(tmp_path, document):
    assert "oracle" in load("params.yaml", "lite").rows and "oracle" not in load("params.yaml", "paper").rows
    del document["rows"]["oracle"]["scales"]
    assert "oracle" in load(write(tmp_path, document), "paper").rows


def test_the_paper_scale_generates_as_the_paper_and_its_code_do():
    """What lite sets otherwise for its own sake must not reach the paper scale, which extends it."""
    generate = load("params.yaml", "paper").generate
    assert (generate.steps, generate.guidance, generate.window, generate.overlap) == (25, 7.5, 16, 4)
    assert load("params.yaml", "paper").stage2.noise == "window"
    assert generate.closed_loop and (generate.noise, generate.ptm_scope, generate.tau) == ("window", "window", 3.0)


def test_unknown_scale(tmp_path, document):
    with pytest.raises(UserError, match="expected one of lite, paper, smoke.*got 'huge'"):
        load(write(tmp_path, document), "huge")


def test_missing_value(tmp_path, document):
    del document["scales"]["lite"]["stage2"]["frames"]
    with pytest.raises(UserError, match="stage2.frames: expected a value"):
        load(write(tmp_path, document), "lite")


def test_extends_merges_deep_and_null_drops(tmp_path, document):
    changed = copy.deepcopy(document)
    changed["scales"]["smoke"]["stage1"] = {"steps": 7}
    config = load(write(tmp_path, changed), "smoke")
    assert config.stage1.steps == 7 and config.stage1.batch == load("params.yaml", "lite").stage1.batch
    assert "pose2sim_cam02" not in config.data.videos


def test_no_file(tmp_path):
    with pytest.raises(UserError, match="expected the parameter file"):
        load(tmp_path / "none.yaml")
