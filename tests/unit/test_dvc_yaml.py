"""dvc.yaml in step with the rules: a stage names all that its rules read, so that DVC asks Snakemake whenever something may be out of date."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tcan.config import load
from tcan.imports import sources_of
from tests.conftest import environment

ROOT = Path(__file__).parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
MODULES = {  # stage: the modules of its rules' commands, and the folder that stage 2 imports for names alone
    "data": (["tcan.data.frames", "tcan.data.puppet_set", "tcan.pose.estimate"], ()),
    "latents": (["tcan.train.latents"], ()),
    "stage1": (["tcan.train.stage1"], ()),
    "model": (["tcan.train.stage1", "tcan.train.stage2"], ("tcan/generate/",)),
    "row": (["tcan.generate.rows", "eval.score_command"], ()),
    "external": (["eval.score_command"], ()),
    "report": (["eval.report"], ()),
}


def body(stage):
    return STAGES[stage].get("do", STAGES[stage])


@pytest.mark.parametrize("stage", STAGES)
def test_names_the_code_that_it_depends_on(stage):
    modules, without = MODULES[stage]
    deps = body(stage)["deps"]
    for source in sorted({path for module in modules for path in sources_of(module, ROOT, without)}):
        assert any(source == dep or source.startswith(f"{dep}/") for dep in deps), f"add {source} to the deps of {stage} in dvc.yaml"


@pytest.mark.parametrize(("stage", "rules"), [("stage1", ["stage1"]), ("model", ["stage1", "stage2"])])
def test_names_the_parameters_of_its_rules(stage, rules):
    """Else DVC takes for up to date what Snakemake trains anew at the next stage's command."""
    text = (ROOT / "workflow/rules/train.smk").read_text()
    named = {section for rule in rules for section in re.findall(r'"(\w+)"', re.search(rf"rule {rule}:.*?CONFIG\.resolved\((.*?)\)", text, re.DOTALL)[1])}
    assert {"seed" if section == "seed" else f"scales.lite.{section}" for section in named} <= set(body(stage)["params"])


@pytest.mark.parametrize("stage", ["latents", "stage1", "model", "row"])
def test_names_what_the_foundation_models_are(stage):
    assert "scales.lite.foundation.source" in body(stage)["params"]


@pytest.mark.parametrize("stage", ["data", "row", "external"])
def test_names_what_its_rules_fetch(stage):
    assert "tcan/fetch/declared" in body(stage)["deps"] and "sources" in body(stage)["params"]


def test_groups_are_the_dicts_of_params_yaml():
    assert [STAGES[group]["foreach"] for group in ("model", "row", "external")] == ["${models}", "${rows}", "${external}"]


def test_every_row_without_a_model_says_what_it_depends_on_instead():
    document = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    instead = {row: value["model"] for variables in document["vars"] for row, value in variables["rows"].items()}
    assert instead.keys() == {name for name, row in load(ROOT / "params.yaml").rows.items() if row.model is None}
    for path in instead.values():
        assert (ROOT / "weights/lite" / path).resolve().is_file(), path


@pytest.mark.parametrize("stage", STAGES)
def test_outputs_stay_while_a_stage_runs(stage):
    for kind in ("outs", "metrics", "plots"):
        for out in body(stage).get(kind, []):
            (options,) = out.values()
            assert options["persist"] is True


@pytest.mark.parametrize("stage", STAGES)
def test_target_comes_before_any_flag(stage):
    words, scale = body(stage)["cmd"].split(), "${item.scale}" if stage == "external" else "lite"
    assert words[0] == "snakemake" and not words[1].startswith("-") and words[-2:] == ["--config", f"scale={scale}"]


@pytest.fixture
def project(tmp_path):
    """This project's dvc.yaml in a repository of its own, and a function that runs `dvc` there."""
    shutil.copy(ROOT / "dvc.yaml", tmp_path)

    def dvc(*words):
        done = subprocess.run(["dvc", *words], cwd=tmp_path, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    dvc("init", "--no-scm", "--quiet")
    return tmp_path, dvc


@pytest.mark.parametrize("external", [{}, {"other": {"title": "Other", "frames": "their/frames", "scale": "lite"}}])
def test_a_stage_for_each_external_row_and_none_without(project, external):
    folder, dvc = project
    document = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"external": external}
    (folder / "params.yaml").write_text(yaml.safe_dump(document))
    stages = [name for name in dvc("stage", "list", "--name-only").split() if name.startswith("external")]
    assert stages == [f"external@{name}" for name in external]
    assert "params.yaml" in dvc("status", *stages, "report"), "DVC reads the parameters of both"
    if external:
        assert {"their/frames", "data/lite/frames", "eval"} <= set(re.findall(r"deleted: +(\S+)", dvc("status", *stages)))
