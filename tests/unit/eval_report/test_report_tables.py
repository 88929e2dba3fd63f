import json

import pandas as pd
import pytest
from made_report import SYSTEMS, metrics, write_metrics

from eval import tables
from eval.errors import UserError


EXTERNAL = "{{scale: lite, scales: {{lite: {{}}, smoke: {{}}}}, rows: {{a: {{title: A, tables: [1]}}}}, external: {{{}}}}}"


def build(number, results):
    return tables.build(number, SYSTEMS, tables.read_paper(), tables.read_results(results, SYSTEMS), "make {row}").set_index("row", drop=False)


def test_paper_values_are_the_papers():
    paper = tables.read_paper().set_index(["table", "row"])
    assert len(paper) == 12
    assert paper.loc[(1, "tcan_mm1"), ["l1", "ssim", "lpips", "fid", "fid_vid", "fvd"]].tolist() == [8.85e-5, 0.734, 0.299, 29.07, 29.74, 189.77]
    assert paper.loc[(1, "magicanimate"), "source"] == "cited from MagicAnimate"
    assert set(paper.xs(2, level="table")["source"]) == {"run by the TCAN authors"}


def test_a_line_for_each_system_the_papers_first_the_floor_last(tmp_path):
    write_metrics(tmp_path, {"tcan_mm1": 0.9, "copy": 1.0, "unfrozen": 1.1})
    assert list(build(1, tmp_path)["row"]) == ["ipa_ctrln", "ipa_ctrln_v", "disco", "magicanimate", "tcan_mm1", "tcan_mm2", "copy"]
    two = build(2, tmp_path)
    assert list(two["row"]) == ["base", "appa", "appa_tctrln", "tcan_mm1", "unfrozen", "copy"]
    assert two["here"].to_dict() == {"base": "not run", "appa": "not run", "appa_tctrln": "cited only", "tcan_mm1": "run here",
                                     "unfrozen": "run here", "copy": "run here"}
    assert two.at["appa", "command"] == "make appa"
    assert pd.isna(two.at["copy", "paper/FID"]) and two.at["tcan_mm1", "paper/FID"] == 29.07


def test_l1_of_the_paper_in_grey_levels(tmp_path):
    one = build(1, tmp_path)
    assert one.at["tcan_mm1", "paper/L1-grey"] == pytest.approx(23.2, abs=0.01)
    assert one.at["magicanimate", "paper/L1-grey"] == pytest.approx(20.5, abs=0.02)
    assert "inferred" in one.at["magicanimate", "paper/size_from"]


def test_a_stand_in_has_a_column_of_its_own(tmp_path):
    write_metrics(tmp_path, {"tcan_mm1": 0.9})
    columns = set(build(3, tmp_path))
    assert {"paper/FID", "disco-1/FID[efficientnet-lite0]", "disco-1/FID[efficientnet-lite0]/low", "disco-1/FID[efficientnet-lite0]/n"} <= columns
    assert "disco-1/FID" not in columns


def test_reads_what_score_writes(world):
    from eval.score import evaluate

    true = [world / "data" / "frames" / name for name in ("human", "puppets")]
    result = evaluate(world / "outputs" / "base" / "test", true, ["disco-1"], networks={}, split="test")
    path = world / "metrics.json"
    path.write_text(json.dumps(result, sort_keys=True))
    scores = tables.read_metrics(path)
    assert list(scores) == ["disco-1"]
    assert list(scores["disco-1"].metrics) == ["L1", "L1-grey", "SSIM", "PSNR"]
    assert (scores["disco-1"].height, scores["disco-1"].videos, scores["disco-1"].metrics["L1"].n) == (16, 3, 27)
    assert set(scores["disco-1"].metrics["L1"].per_video) == {"real_walk", "puppet_01", "puppet_02"}
    assert "FID" in scores["disco-1"].left_out


@pytest.mark.parametrize(("change", "word"), [
    (lambda result: result["protocols"].pop("disco-1"), "protocols"),
    (lambda result: result["frames"]["sha256"].update(true="2" * 64), "true frames"),
    (lambda result: result["protocols"]["disco-1"].update(version=2), "version"),
    (lambda result: result["protocols"]["disco-1"].update(size=[32, 32]), "frame size"),
    (lambda result: result["networks"]["fid"].update(name="inception"), "networks"),
    (lambda result: result["protocols"]["disco-1"]["metrics"].pop("SSIM"), "metrics"),
    (lambda result: result["bootstrap"].update(seed=1), "bootstrap"),
    (lambda result: result["frames"].update(per_video=dict.fromkeys(result["frames"]["per_video"], 13)), "videos"),
    (lambda result: result.update(format=1), "format 2, got 1; score the row again"),
    (lambda result: result["protocols"]["disco-1"]["metrics"]["L1"]["per_video"].pop("real_walk"), "L1 without a value for each video"),
    (lambda result: result["protocols"]["disco-1"]["metrics"]["FVD[transnetv2]"].pop("replicates"), "FVD.* without replicates"),
    (lambda result: result.pop("frames"), "eval score"),
])
def test_rows_scored_otherwise_do_not_share_a_table(tmp_path, change, word):
    write_metrics(tmp_path, {"base": 1.1, "copy": 1.0})
    other = metrics(1.0)
    change(other)
    (tmp_path / "copy" / "metrics.json").write_text(json.dumps(other))
    with pytest.raises(UserError, match=f"copy/metrics.json: expected.*{word}") as error:
        tables.read_results(tmp_path, SYSTEMS)
    assert "\n" not in str(error.value)


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "metrics.json").write_text("{")
    with pytest.raises(UserError, match="base/metrics.json: expected what `python -m eval score` writes"):
        tables.read_results(tmp_path, SYSTEMS)


@pytest.mark.parametrize(("text", "word"), [("rows: {}", "scale"), ("- 1", "expected scale"), ("{", "expected scale"),
                                            ("{scale: lite, scales: {lite: {}}, rows: {a: {tables: [1]}}}", "title"),
                                            (EXTERNAL.format("b: {title: B, frames: b}"), "scale"),
                                            (EXTERNAL.format("b: 3"), "external"),
                                            (EXTERNAL.format("a: {title: B, frames: b, scale: lite}"), "names in external that no row has, got a")])
def test_broken_parameters_are_named(tmp_path, text, word):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=word):
        tables.read_systems(path, "lite")


def test_external_systems_follow_the_rows(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(EXTERNAL.format("b: {title: B, frames: b, scale: lite, tables: [1, 3]}, c: {title: C, frames: c, scale: lite}, "
                                    "d: {title: D, frames: d, scale: smoke}"))
    systems, command = tables.read_systems(path, "lite")
    assert list(systems) == ["a", "b", "c"] and [system.external for system in systems.values()] == [False, True, True]
    assert (systems["b"].tables, systems["c"].tables) == ((1, 3), (1,))
    assert command.format(row="b") == "snakemake --cores all results/lite/b/metrics.json"
    path.write_text("{scale: lite, scales: {lite: {}}, rows: {a: {title: A, tables: [1]}}}")
    assert list(tables.read_systems(path, "lite")[0]) == ["a"]


def test_a_line_of_the_papers_takes_the_frames_of_its_name(tmp_path):
    systems = {"magicanimate": tables.System("theirs", (1, 2), external=True), **SYSTEMS, "zebra": tables.System("Z", (1,), external=True)}
    write_metrics(tmp_path, {"magicanimate": 0.8, "copy": 1.0})
    one, two = (tables.build(number, systems, tables.read_paper(), tables.read_results(tmp_path, systems), "make {row}").set_index("row", drop=False)
                for number in (1, 2))
    assert list(one["row"]) == ["ipa_ctrln", "ipa_ctrln_v", "disco", "magicanimate", "tcan_mm1", "tcan_mm2", "zebra", "copy"]
    assert one.loc["magicanimate", ["system", "here", "paper/LPIPS"]].tolist() == ["MagicAnimate", "scored here", 0.239]
    assert one.at["magicanimate", "disco-1/FVD[transnetv2]"] == 154 * 0.8
    assert one.loc["zebra", ["here", "command"]].tolist() == ["not run", "make zebra"]
    assert list(two["row"])[-3:] == ["unfrozen", "magicanimate", "copy"] and two.at["magicanimate", "system"] == "theirs"


def test_parameters_of_this_project():
    systems, command = tables.read_systems("params.yaml", "smoke")
    assert {name: system.kind for name, system in systems.items() if system.kind != tables.SYSTEM} == {
        "copy": "floor", "warp": "floor", "oracle": "ceiling", "autoencoder": "ceiling"}
    assert command.format(row="appa") == "snakemake --cores all results/smoke/appa/metrics.json --config scale=smoke"
    cited = set(tables.read_paper()["row"])
    assert {"base", "appa", "appa_tctrln", "tcan_mm1", "tcan_mm2"} <= cited & set(systems)
    with pytest.raises(UserError, match="--scale: expected one of .*lite"):
        tables.read_systems("params.yaml", "life")
