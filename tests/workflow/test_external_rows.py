"""Somebody else's frames: one entry of params.yaml plans and makes a row's scores like ours, and whatever changes in its folder is seen."""

import contextlib
import os
import shutil
import time

import pytest
import yaml

from tests.workflow.conftest import set_param
from tests.workflow.test_messages import told

ENTRY = {"title": "Someone else's", "frames": "their frames", "scale": "lite"}
SCORE, REPORT = {"score": 1}, {"report": 1}


@contextlib.contextmanager
def entered(checkout, **changes):
    """An external row `theirs` in the checkout's params.yaml, for the block."""
    with checkout.kept("params.yaml"):
        set_param(checkout, "external.theirs", {**ENTRY, **changes})
        yield


@pytest.fixture(scope="module")
def fresh(make_checkout, tmp_path_factory):
    return make_checkout(tmp_path_factory.mktemp("fresh") / "tcan")


@pytest.mark.parametrize("target", ["reproduce", "models", "results/lite/theirs/metrics.json"])
def test_a_missing_folder_is_one_line(fresh, target):
    with entered(fresh):
        lines = told(fresh, target)
    assert len(lines) == 1, lines
    assert lines[0] == ("error: external.theirs.frames: expected a folder of generated frames at their frames, found nothing; "
                        "put the frames there, or take external.theirs out of params.yaml")


def test_another_scales_entry_is_no_target_of_this_one(fresh):
    with entered(fresh, scale="smoke"):
        assert "theirs" not in fresh.snakemake("--dry-run", "reproduce")
        (line,) = told(fresh, "results/lite/theirs/metrics.json")
    assert line.startswith("error: row: expected one of base, appa, ") and line.endswith("got 'theirs'")


def test_its_frames_are_nothing_to_generate(fresh):
    (fresh / "their frames/clip").mkdir(parents=True)
    (fresh / "their frames/clip/0000.png").write_bytes(b"x")
    with entered(fresh):
        (line,) = told(fresh, "outputs/lite/theirs/test/run.json")
    assert line.startswith("error: row: expected one of base, appa, ") and "got 'theirs'" in line


def test_thousands_of_frames_plan_in_seconds(fresh):
    """As many files as the published test set has. The first plan reads them, the second looks at the folder; neither lists them."""
    for clip in range(10):
        folder = fresh / f"many/{clip:03d}"
        folder.mkdir(parents=True)
        for number in range(412):
            (folder / f"{number:04d}.png").write_bytes(os.urandom(1000))

    def seconds():
        started = time.monotonic()
        printed = fresh.snakemake("--dry-run", "reproduce")
        assert "0411.png" not in printed
        return time.monotonic() - started

    alone = seconds()
    with entered(fresh, frames=str(fresh / "many")):
        assert "results/lite/theirs/metrics.json" in fresh.snakemake("--dry-run", "results/lite/theirs/metrics.json")
        assert seconds() < alone + 5
    shutil.rmtree(fresh / "many")


@pytest.fixture(scope="module")
def theirs(world, tmp_path_factory):
    """A copy of the world with an external row whose frames are those of tcan_mm1, scored and reported; and what was planned for it."""
    checkout = world.copy(tmp_path_factory.mktemp("theirs") / "tcan")
    shutil.copytree(checkout / "outputs/lite/tcan_mm1/test", checkout / "their frames", ignore=shutil.ignore_patterns("run.json"))
    set_param(checkout, "external.theirs", ENTRY)
    planned = checkout.planned("reproduce")
    checkout.snakemake("reproduce")
    return checkout, planned


def test_plans_its_score_and_the_report(theirs):
    checkout, planned = theirs
    assert planned == {**SCORE, **REPORT}
    assert checkout.planned("reproduce") == {}


def test_equal_frames_have_equal_scores(theirs):
    checkout, _ = theirs
    for name in ("metrics.json", "summary.json"):
        assert (checkout / f"results/lite/theirs/{name}").read_bytes() == (checkout / f"results/lite/tcan_mm1/{name}").read_bytes()
    assert (checkout / "logs/lite/score/theirs.log").is_file() and (checkout / "benchmarks/lite/score/theirs.tsv").is_file()


def test_stands_in_table_1(theirs):
    checkout, _ = theirs
    tables = {number: (checkout / f"reports/lite/table{number}.md").read_text() for number in (1, 2, 3)}
    assert [number for number, text in tables.items() if ENTRY["title"] in text] == [1]
    (line,) = [line for line in tables[1].split("## Here")[0].splitlines() if line.startswith(f"| {ENTRY['title']} |")]
    (ours,) = [line for line in tables[1].split("## Here")[0].splitlines() if line.startswith("| TCAN (w/ mm1) |")]
    assert "<sup>h</sup>" in line and line.split("|")[-3].strip("* ") == ours.split("|")[-3].strip("* ")


def test_an_edited_frame_is_scored_again(theirs):
    checkout, _ = theirs
    frame = sorted((checkout / "their frames").rglob("*.png"))[-1].relative_to(checkout.folder)
    with checkout.kept(frame):
        (checkout / frame).write_bytes((checkout / sorted((checkout / "their frames").rglob("*.png"))[0]).read_bytes())
        os.utime(checkout / frame, (0, 0))  # as old as an archive unpacks them
        assert checkout.planned("reproduce") == {**SCORE, **REPORT}
    assert checkout.planned("reproduce") == {}, "a time alone changes nothing"


def test_a_removed_entry_leaves_the_tables(theirs):
    checkout, _ = theirs
    with checkout.kept("params.yaml"):
        set_param(checkout, "external", {})
        assert checkout.planned("reproduce") == REPORT


def test_dvc_records_it(theirs):
    checkout, _ = theirs
    printed = checkout.run("dvc", "repro", "--single-item", "external@theirs")
    assert "> snakemake results/lite/theirs/metrics.json --config scale=lite" in printed and "Select jobs to execute" not in printed
    recorded = yaml.safe_load((checkout / "dvc.lock").read_text())["stages"]["external@theirs"]
    assert {dep["path"] for dep in recorded["deps"]} == {"their frames", "data/lite/frames", "tcan/fetch/declared", "eval"}
    assert "results/lite/theirs/summary.json" in checkout.run("dvc", "metrics", "show", "results/lite/theirs/summary.json", "--json")
    assert "external@theirs" not in checkout.run("dvc", "status", "external@theirs")
