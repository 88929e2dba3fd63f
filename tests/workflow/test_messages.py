"""A mistake is one line on the screen: what was expected, what came, what to do."""

import pytest

from tests.workflow.conftest import set_param


@pytest.fixture(scope="module")
def fresh(make_checkout, tmp_path_factory):
    return make_checkout(tmp_path_factory.mktemp("fresh") / "tcan")


def told(checkout, *words):
    """What a dry run that fails prints, without Snakemake's line about its profile."""
    printed = checkout.snakemake("--dry-run", *words, fails=True).splitlines()
    return [line for line in printed if line.strip() and not line.startswith("Using workflow specific profile")]


@pytest.mark.parametrize(("words", "message"), [
    (("reproduce", "--config", "scale=smok"), "error: scale: expected one of lite, paper, smoke, got 'smok'; pass --scale or snakemake --config scale=NAME"),
    (("results/smoke/apa/metrics.json", "--config", "scale=smoke"), "error: row: expected one of base, appa, "),
    (("models/smoke/appa_mm3/run.json", "--config", "scale=smoke"), "error: model: expected one of base_mm1, "),
    (("results/lite/appa/metrics.json", "--config", "scale=smoke"), "error: results/lite/appa/metrics.json: expected a target of the scale 'smoke', "
                                                                    "got one of 'lite'; add --config scale=lite"),
    (("reproduce", "--config", "processes=all"), "error: processes: expected a whole number of at least 1, got 'all'"),
    (("reproduce", "--config", "processes=4"), "error: stage1.accumulate: expected a multiple of processes (4), got 1; "),
])
def test_unknown_target(fresh, words, message):
    lines = told(fresh, *words)
    assert len(lines) == 1 and lines[0].startswith(message), lines


@pytest.mark.parametrize(("path", "value", "message"), [
    ("rows.appa.generate", {"tua": 5}, "rows.appa.generate: expected one of"),
    ("rows.appa.model", "apa_mm1", "rows.appa.model: expected one of"),
    ("scales.smoke.stage1.steps", "many", "stage1.steps: expected a whole number, got 'many'"),
    ("scales.smoke.data.videos.sports2d_walk.source", "sports3d", "source: expected one of"),
    ("scales.smoke.evaluate", {"networks": {"fid": "transnetv2"}}, "expected one of"),
    ("scales.smoke.foundation.source", "shipped", "weights/smoke/vae: expected the shipped weights, found none"),
])
def test_bad_parameter(fresh, path, value, message):
    with fresh.kept("params.yaml"):
        set_param(fresh, path, value)
        lines = told(fresh, "reproduce", "--config", "scale=smoke")
    assert len(lines) == 1 and lines[0].startswith("error: ") and message in lines[0], lines


def test_a_job_that_fails_says_why_and_where(fresh, tmp_path):
    """No clip of the set is of the split asked for: the command's own line stands among Snakemake's, with the log's name."""
    printed = fresh.run("python", "-m", "tcan", "poses", "--scale", "smoke", "--log", tmp_path / "log", "--set", "human",
                        "--frames", "nowhere", "--raw", "data/raw", "--out", tmp_path / "out", fails=True)
    assert printed.startswith("error: ") and len(printed.splitlines()) == 1
    assert "Traceback" in (tmp_path / "log").read_text()
    assert not (tmp_path / "out").exists()
