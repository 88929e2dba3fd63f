"""The four walls between Snakemake and DVC, with the real commands at smoke size."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from tests.conftest import Checkout
from tests.workflow.conftest import made, times

SNAKEMAKE_RAN = "Select jobs to execute"


def test_after_snakemake_dvc_repro_runs_nothing(recorded):
    checkout, before, printed = recorded
    assert printed.count("> snakemake ") == len(checkout.run("dvc", "stage", "list", "--name-only").split())
    assert SNAKEMAKE_RAN not in printed
    assert times(checkout) == before


def test_a_second_dvc_repro_does_nothing(recorded):
    checkout, _, _ = recorded
    printed = checkout.run("dvc", "repro")
    assert "Data and pipelines are up to date." in printed
    assert "> snakemake" not in printed


def test_a_forced_repro_of_an_unchanged_row_runs_nothing(recorded):
    checkout, _, _ = recorded
    before = times(checkout)
    assert SNAKEMAKE_RAN not in checkout.run("dvc", "repro", "--force", "--single-item", "row@appa_tctrln")
    assert times(checkout) == before


def others(checkout):
    """Times of all but what the claims alone need."""
    return {path: time for path, time in times(checkout).items() if "puppets_further" not in path and "held_out" not in path}


def test_what_the_claims_alone_need_is_none_of_dvcs(recorded, copy_of):
    """Further clips, a row's frames of them and their metrics lie in folders that DVC tracks; it passes them by. The row's own summary stays."""
    checkout = copy_of(recorded[0])
    before = others(checkout)
    checkout.snakemake("results/lite/copy/held_out/metrics.json")
    assert (checkout / "data/lite/poses/puppets_further/run.json").exists() and (checkout / "outputs/lite/copy/held_out/run.json").exists()
    assert len(json.loads((checkout / "results/lite/copy/held_out/metrics.json").read_text())["frames"]["per_video"]) == 3
    assert others(checkout) == before
    assert checkout.planned("reproduce") == {}
    assert "Data and pipelines are up to date." in checkout.run("dvc", "status")


def test_an_experiment_with_a_rows_parameter_makes_that_row(recorded, copy_of):
    checkout = copy_of(recorded[0])
    before = times(checkout)
    checkout.run("dvc", "exp", "run", "--set-param", "rows.tcan_mm1.generate.tau=5")
    assert made(before, times(checkout)) == {"outputs/tcan_mm1/test", "outputs/tcan_mm1/bizarre", "results/tcan_mm1", "reports"}
    run = json.loads((checkout / "outputs/lite/tcan_mm1/test/run.json").read_text())
    assert run["config"]["generate"]["tau"] == 5
    assert json.loads(checkout.run("dvc", "metrics", "diff", "--json")).keys() == {"results/lite/tcan_mm1/summary.json"}
    assert "tau" in checkout.run("dvc", "params", "diff", "--md")
    checkout.run("dvc", "plots", "show", "--json", "results/lite/curves/appa_tctrln_mm1.csv")
    assert "Data and pipelines are up to date." in checkout.run("dvc", "repro")


def test_an_edited_input_remakes_what_depends_on_it(recorded, copy_of):
    """With cache links instead of copies, and `persist`, this kept stale outputs without a word."""
    checkout = copy_of(recorded[0])
    before = times(checkout)
    weights = next((checkout / "weights/lite/mm2").glob("*.safetensors"))
    save_file({key: value * 1.5 for key, value in load_file(weights).items()}, weights)
    checkout.run("dvc", "repro")
    after = times(checkout)
    assert made(before, after) == {"models/appa_tctrln_mm2", "results/curves", "outputs/tcan_mm2/test", "outputs/tcan_mm2/bizarre", "results/tcan_mm2",
                                   "reports"}
    assert "Data and pipelines are up to date." in checkout.run("dvc", "repro")
    assert checkout.planned("reproduce") == {}


def test_a_clone_restored_from_a_remote_has_nothing_to_do(recorded, tmp_path):
    original, _, _ = recorded
    original.run("dvc", "remote", "add", "--force", "--local", "--default", "store", tmp_path / "remote")
    original.run("dvc", "push")
    original.run("git", "clone", "--quiet", ".", tmp_path / "tcan")
    clone = Checkout(tmp_path / "tcan")
    clone.run("dvc", "remote", "add", "--local", "--default", "store", tmp_path / "remote")
    clone.run("make", "--assume-old", ".venv/.installed", "restore")
    assert clone.planned("reproduce") == {}
    assert "Data and pipelines are up to date." in clone.run("dvc", "repro")
    assert not (clone / "data/raw").exists()
    assert (clone / "outputs/lite/tcan_mm1/test/run.json").read_text() == (original / "outputs/lite/tcan_mm1/test/run.json").read_text()
    with clone.kept("params.yaml"):  # what was restored is known with its parameters: an edit is seen
        text = (clone / "params.yaml").read_text()
        assert text.count("tau: 3.0") >= 2
        (clone / "params.yaml").write_text(text.replace("tau: 3.0", "tau: 4.0"))
        planned = clone.planned("reproduce")
        assert planned["generate"] > 0 and not {"stage1", "stage2", "latents"} & planned.keys()
    shutil.rmtree(tmp_path / "remote")


@pytest.mark.parametrize(("command", "message"), [
    (("dvc", "repro", "row@apa"), "row@apa"),
    (("dvc", "exp", "run", "--set-param", "rows.tcan_mm1.generate.tua=5"), "rows.tcan_mm1.generate.tua"),
])
def test_unknown_names_are_named(recorded, command, message):
    assert message in recorded[0].run(*command, fails=True)
