"""`python -m eval claims` on a made tree with known effects: the right verdicts, found by what a row is; errors that name the file and the command."""

import json
import re
import shutil

import made_claims
import pandas as pd
import pytest

from eval.claims import command as claims, page as claim_page
from eval.claims.results import Results
from eval.claims.statistics import FAILS, HOLDS, NEITHER
from eval.cli import main

# appa is better than base; FVD alone is clearly better with T-CtrlN; mm2 is worse than mm1; the frozen ControlNet is as good as the trained one; copying the
# source has the better FID. Retargeting, PTM and wrong poses have the generator's own effects: trained on wrong poses, both bear them half as badly.
EFFECTS = {"base": 1.2, "unfrozen": 1.2, ("appa_tctrln", "FVD"): 0.8, ("tcan_mm1", "FVD"): 0.8, "tcan_mm2": 1.2, "copy": 2.0, ("copy", "FID"): 0.4, "warp": 2.0}
VERDICTS = {"appa": HOLDS, "tctrln": NEITHER, "tctrln_missing": HOLDS, "tctrln_swap": HOLDS, "tctrln_dropout": HOLDS,
            "tctrln_learnt_missing": NEITHER, "tctrln_learnt_dropout": NEITHER, "ptm": HOLDS, "mm2": FAILS, "frozen": NEITHER, "retargeting": HOLDS,
            "floors": FAILS}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("claims")
    made_claims.write(root / "results", EFFECTS, videos=0.02, seeds=0.004)
    return root


@pytest.fixture
def small(tmp_path):
    """A tree as small as can be: two seeds, two test clips and characters, of each one with exact poses, no further clips, one kind of error."""
    made_claims.write(tmp_path / "results", EFFECTS, clips=("real_a", "puppet_0"), characters=("chibi_0__real_a", "chibi_1__puppet_0"),
                      planned=made_claims.plan((2024, 2025), ("missing",), (0.3,), taus=(0, 10), held_out=()))
    return tmp_path


def command(root, out="reports/lite", scale="lite"):
    return main(["claims", "--scale", scale, "--results", str(root / "results"), "--out", str(root / out)])


def change(path, function):
    body = json.loads(path.read_text())
    function(body)
    path.write_text(json.dumps(body))


def test_planted_effects_get_their_verdicts(made):
    outcomes = {outcome.claim.key: outcome for outcome in claims.judge_all(Results(made / "results", "lite"))}
    assert {key: outcome.verdict for key, outcome in outcomes.items()} == VERDICTS
    assert outcomes["tctrln"].why == "not clear on FID-VID; clear on FVD"
    assert outcomes["floors"].why.startswith("clearly the other way round on FID against copy; clear on LPIPS against copy, FID-VID against copy")
    assert outcomes["appa"].why == "clear on all 7: L1-grey, PSNR, SSIM, LPIPS, FID, FID-VID, FVD"
    assert outcomes["appa"].seeds == ((2024, 2025, 2026),) and outcomes["retargeting"].seeds == ((2024, 2025, 2026),) * 2
    rows = [[row.name for row in side] for side in outcomes["tctrln_swap"].rows[0]]
    assert rows[0] == ["claims/appa_swap30", "claims/appa_swap30_seed2025", "claims/appa_swap30_seed2026"], "the rate that all seeds have"
    swap, missing = ([finding.label for finding in outcomes[key].findings if finding.counted] for key in ("tctrln_swap", "tctrln_missing"))
    assert swap == ["change of LPIPS", "change of FVD", "LPIPS", "FVD"] and missing == [*swap[:2], "change of keypoint-error", *swap[2:], "keypoint-error"], \
        "swaps can't be seen in the key points' error"
    told = [finding for finding in outcomes["tctrln_learnt_missing"].findings if finding.comparison.b.learnt and not finding.comparison.a.learnt]
    assert [finding.comparison.a.longer for finding in told] == [False] * 3 + [True] * 3, "by what it was before, then by as long a training without errors"
    assert {finding.label: finding.effect.verdict for finding in told} == dict.fromkeys(("LPIPS", "FVD", "keypoint-error"), HOLDS)
    assert not any(finding.counted for finding in told), "what the training alone does is shown"
    shown = {finding.label: finding for finding in outcomes["ptm"].findings}
    assert not shown["FVD"].counted and shown["background-flicker"].counted


def test_better_under_exact_poses_as_well_is_no_robustness(tmp_path):
    """T-CtrlN takes a tenth off everything, and errors do the same to both: better under wrong poses, and no less moved by them."""
    made_claims.write(tmp_path / "results", {"appa_tctrln": 0.9, "robust": 1 / 0.9}, videos=0.005, seeds=0.001)
    outcome = next(outcome for outcome in claims.judge_all(Results(tmp_path / "results", "lite")) if outcome.claim.key == "tctrln_missing")
    verdicts = {finding.label: finding.effect.verdict for finding in outcome.findings}
    assert verdicts["LPIPS"] == HOLDS and verdicts["change of LPIPS"] != HOLDS and outcome.verdict != HOLDS


def test_worse_under_exact_poses_and_no_better_under_wrong_ones_is_no_robustness_either(tmp_path):
    """T-CtrlN costs a fifth on exact poses, and under wrong ones both are as bad: it changes less, having less to lose."""
    made_claims.write(tmp_path / "results", {"appa_tctrln": 1.2, "robust": 0.16}, videos=0.005, seeds=0.001)
    outcome = next(outcome for outcome in claims.judge_all(Results(tmp_path / "results", "lite")) if outcome.claim.key == "tctrln_missing")
    verdicts = {finding.label: finding.effect.verdict for finding in outcome.findings}
    assert verdicts["change of LPIPS"] == HOLDS and verdicts["LPIPS"] != HOLDS and outcome.verdict != HOLDS


def test_better_on_ordinary_bodies_as_well_is_no_generalisation(tmp_path, monkeypatch):
    monkeypatch.setitem(made_claims.MEASURES, "bizarre", {**made_claims.MEASURES["bizarre"], **made_claims.MEASURES["test"]})
    made_claims.write(tmp_path / "results", {"unfrozen": 1.5}, videos=0.005, seeds=0.001)
    outcome = next(outcome for outcome in claims.judge_all(Results(tmp_path / "results", "lite")) if outcome.claim.key == "frozen")
    counted = {finding.label: finding.effect.verdict for finding in outcome.findings if finding.counted}
    assert counted == {"keypoint-error": HOLDS, "identity-distance": HOLDS, "difference in keypoint-error": NEITHER, "difference in identity-distance": NEITHER}
    assert outcome.verdict == NEITHER


def splits(results):
    """{claim: {its two rows: the split that they are judged on}} of what is driven by ordinary poses."""
    return {claim.key: {(comparison.a.of, comparison.b.of): comparison.split for comparison in claim.comparisons}
            for claim in claims.claims(Results(results, "lite")) if claim.key in ("appa", "tctrln", "ptm", "mm2", "floors")}


def test_what_is_driven_by_ordinary_poses_is_judged_on_all_that_is_held_out(made, small, capsys):
    """As far as both sides were generated there: the plan says so, not what lies about."""
    ordinary = {"appa": [("base", "appa")], "tctrln": [("appa", "appa_tctrln")], "ptm": [("appa_tctrln", "tcan_mm1")], "mm2": [("tcan_mm1", "tcan_mm2")],
                "floors": [("copy", "tcan_mm2"), ("warp", "tcan_mm2")]}
    assert splits(made / "results") == {key: dict.fromkeys(rows, "held_out") for key, rows in ordinary.items()}
    assert splits(small / "results") == {key: dict.fromkeys(rows, "test") for key, rows in ordinary.items()}
    made_claims.write(small / "wide", EFFECTS, planned=made_claims.plan((2024, 2025), ("missing",), (0.3,), taus=(0, 10), held_out=("copy", "tcan_mm2")))
    assert splits(small / "wide")["floors"] == {("copy", "tcan_mm2"): "held_out", ("warp", "tcan_mm2"): "test"}
    outcomes = {outcome.claim.key: outcome for outcome in claims.judge_all(Results(made / "results", "lite"))}
    videos = {finding.metric.partition("[")[0]: finding.effect.videos for finding in outcomes["floors"].findings if finding.counted}
    assert videos == dict.fromkeys(("LPIPS", "FID", "FID-VID", "FVD"), 22)
    (small / "wide/copy/held_out/metrics.json").unlink()
    (small / "wide").rename(small / "results" / "wide")
    assert main(["claims", "--scale", "lite", "--results", str(small / "results/wide"), "--out", str(small / "reports")]) == 2
    assert "wide/copy/held_out/metrics.json: expected a result that the claims need, found no file" in capsys.readouterr().err


def test_all_splits_are_scored_alike(made, tmp_path, capsys):
    """One set of rows under another network than the other: a page that names one would be wrong of half its claims."""
    shutil.copytree(made / "results", tmp_path / "results")
    for path in (tmp_path / "results").glob("**/held_out/metrics.json"):
        change(path, lambda result: result["networks"].update(fid={"name": "other"}))
    assert command(tmp_path) == 2
    assert "expected two systems scored on the same networks" in capsys.readouterr().err


def test_rows_are_found_by_what_they_are(made, tmp_path):
    """Under other names, the same numbers."""
    names = {}
    for name in json.loads((made / "results/claims/plan.json").read_text())["rows"]:
        names[name] = name if "/" not in name else f"claims/row{len(names)}"
        (tmp_path / "results" / names[name]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "results" / names[name]).symlink_to(made / "results" / name)
    plan = json.loads((made / "results/claims/plan.json").read_text())
    plan["rows"] = {names[name]: row for name, row in plan["rows"].items()}
    (tmp_path / "results/claims/plan.json").write_text(json.dumps(plan))
    frames = [claim_page.frame(claims.judge_all(Results(root / "results", "lite"))).drop(columns=["a_row", "b_row"]) for root in (made, tmp_path)]
    pd.testing.assert_frame_equal(*frames)


def test_the_page(made):
    assert command(made) == 0
    out = made / "reports/lite"
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == {
        "claims.md", "claims.csv", "claims/robustness.png", "claims/robustness.csv", "claims/tau.png", "claims/tau.csv"}
    page, table = (out / "claims.md").read_text(), pd.read_csv(out / "claims.csv")
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower().replace("\\", "")).replace(" ", "-") for heading in re.findall("^## (.*)$", page, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]*)\)", page)) <= anchors
    assert len(re.findall(r"^\| .*\]\(#", page, re.MULTILINE)) == len(VERDICTS), "each claim's line of the summary leads to it"
    assert "warp &lt;b&gt;limb \\| by limb&lt;/b&gt; (floor)" in page and "<b>" not in page
    assert "seeds 2024, 2025, 2026" in page and "one seed (" not in page
    assert "FID 40.6 → 31.13" in page and "| *the truth itself* |  | 1.333 |" in page
    assert "snakemake --cores all claims --config scale=lite" in page and "test clips and further ones" in page
    line = table.query("key == 'appa' and metric == 'LPIPS[hed-vgg16]'").iloc[0]
    assert line["low"] < line["difference"] < line["high"] < 0 and line["seeds_for"] == 3 and line["verdict"] == HOLDS
    apart = table.query("key == 'floors' and clips != 'all'")
    assert set(apart["clips"]) == {"rendered clips", "rendered clips, dance", "rendered clips, kick", "real clips"} and not apart["counted"].any()
    assert set(apart["videos"]) == {19, 9, 10, 3} and set(apart["split"]) == {"held_out"}
    assert "fewer than 6 videos (LPIPS, real clips, 3)" in page
    for text in page.splitlines():
        assert not text.startswith("|") or text.count("|") - text.count("\\|") in (5, 7, 8), text


def test_equal_results_give_equal_bytes_and_other_files_stay(made):
    (made / "second/claims").mkdir(parents=True)
    (made / "second/claims/old.png").write_bytes(b"")
    (made / "second/table1.md").write_text("the report's")
    assert command(made, "first") == command(made, "second") == 0
    for path in (made / "first").rglob("*"):
        assert path.is_dir() or path.read_bytes() == (made / "second" / path.relative_to(made / "first")).read_bytes(), path
    assert not (made / "second/claims/old.png").exists() and (made / "second/table1.md").read_text() == "the report's"


def test_two_videos_and_two_seeds_are_enough_to_run(small):
    assert command(small, scale="smoke") == 0
    table = pd.read_csv(small / "reports/lite/claims.csv")
    assert set(table["key"]) == VERDICTS.keys() - {"tctrln_swap", "tctrln_dropout", "tctrln_learnt_dropout"}
    assert set(table.query("metric == 'keypoint-error' and split == 'test'")["verdict"]) == {NEITHER}, "of one rendered clip nothing is said"
    assert "one video" in (small / "reports/lite/claims.md").read_text()


def test_what_is_written_by_hand_warns_when_its_verdict_has_changed(made, tmp_path):
    results = Results(made / "results", "lite")
    outcomes = claims.judge_all(results)
    (tmp_path / "appa.md").write_text("<!-- verdict: holds -->\nAPPA *does* it.\n")
    (tmp_path / "mm2.md").write_text("<!-- verdict: holds -->\nThe second is better.\n")
    (tmp_path / "ptm.md").write_text("Of no verdict.\n")
    page = claim_page.page(outcomes, results, {}, tmp_path)
    assert page.count("### What it means here") == 3
    assert page.count("> **Note:** written of the numbers of another run") == 2, "of which it is written it has to say"
    assert "> **Warning:** written when the verdict was *holds*; it is now *does not hold*.\n\nThe second is better." in page


def test_what_is_written_by_hand_says_when_its_numbers_have_changed(made, tmp_path):
    results = Results(made / "results", "lite")
    outcomes, prose = claims.judge_all(results), tmp_path / "appa.md"
    prose.write_text("<!-- verdict: holds; numbers: 0 -->\nBetter by 2 %.\n")
    page = claim_page.page(outcomes, results, {}, tmp_path)
    assert "> **Note:** written of the numbers of another run" in page
    mark = re.search(r"`numbers: (\w{12})`", page)[1]
    prose.write_text(f"<!-- verdict: holds; numbers: {mark} -->\nBetter by 2 %.\n")
    assert "### What it means here\n\nBetter by 2 %.\n" in claim_page.page(outcomes, results, {}, tmp_path)
    prose.write_text(f"<!-- verdict: does not hold; numbers: {mark} -->\nBetter by 2 %.\n")
    assert "> **Warning:** written when the verdict was *does not hold*" in claim_page.page(outcomes, results, {}, tmp_path)


@pytest.mark.parametrize(("file", "says"), [
    ("claims/plan.json", "expected a result that the claims need, found no file"),
    ("claims/appa_seed2025/metrics.json", "expected a result that the claims need, found no file"),
    ("claims/no_retargeting/measures.bizarre.json", "expected a result that the claims need, found no file")])
def test_a_missing_file_is_named_with_the_command(small, capsys, file, says):
    (small / "results" / file).unlink()
    assert command(small) == 2
    told = capsys.readouterr().err
    assert str(small / "results" / file) in told and says in told and "snakemake --cores all claims --config scale=lite" in told
    assert told.count("\n") == 1 and not (small / "reports/lite").exists()


@pytest.mark.parametrize(("file", "spoil", "says"), [
    ("claims/plan.json", lambda plan: plan["rows"].pop("claims/no_retargeting"), "expected rows of tcan_mm2"),
    ("claims/plan.json", lambda plan: plan["rows"].pop("claims/appa_missing30"), "expected rows of appa with errors of kind missing on test"),
    ("claims/plan.json", lambda plan: plan["rows"].pop("unfrozen"), "expected a row unfrozen"),
    ("claims/plan.json", lambda plan: [plan["rows"].pop(name) for name in list(plan["rows"]) if "missing" in name], "expected rows with errors in their poses"),
    ("claims/plan.json", lambda plan: plan["rows"]["claims/appa_tctrln_exact"].update(of="appa"), "that don't differ"),
    ("claims/plan.json", lambda plan: plan.update(format=2), "expected format 1, got 2"),
    ("claims/plan.json", lambda plan: plan["rows"]["appa"].pop("seed"), "expected seed, seeds, motions and rows, got KeyError"),
    ("appa/metrics.json", lambda result: result["networks"].update(fid={"name": "other"}), "expected two systems scored on the same networks"),
    ("appa/metrics.json", lambda result: result.update(protocols={}), "expected what `python -m eval score` writes, with disco-1"),
    ("tcan_mm1/measures.test.json", lambda body: body["measures"].pop("background-flicker"), "expected background-flicker, found none"),
    ("unfrozen/measures.bizarre.json", lambda body: body["measures"]["keypoint-error"].update(value=None, per_video={}), "expected keypoint-error, found"),
    ("tcan_mm1/measures.test.json", lambda body: body.update(network="5"), "expected the same networks as"),
    ("tcan_mm1/measures.test.json", lambda body: body["frames"]["per_video"].update(real_a=9), "expected the same clips and frames of background-flicker"),
    ("tcan_mm1/measures.test.json", lambda body: body["frames"].update(sha256="5"), "expected measures of the frames that metrics.json is of")])
def test_a_result_that_is_not_what_it_should_be(small, capsys, file, spoil, says):
    change(small / "results" / file, spoil)
    assert command(small) == 2
    told = capsys.readouterr().err
    assert says in told and "snakemake --cores all claims" in told and told.count("\n") == 1, told
