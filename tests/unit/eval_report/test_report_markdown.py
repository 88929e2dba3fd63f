import re

import pytest
from made_report import SYSTEMS, write_metrics

from eval import markdown, tables


def page(number, results, scale="lite", systems=SYSTEMS):
    scored = tables.read_results(results, systems)
    return markdown.page(number, tables.build(number, systems, tables.read_paper(), scored, "snakemake {row}"), scored, scale)


def cells(text, system):
    line = next(line for line in text.splitlines() if line.startswith("|") and system in line)
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def column(text, heading, system):
    return cells(text, system)[cells(text, "system").index(heading)]


def test_best_and_second_within_each_side(tmp_path):
    write_metrics(tmp_path, {"base": 0.5, "tcan_mm1": 0.9, "copy": 1.0})
    text = page(2, tmp_path)
    full, base, floor = "APPA + T-CtrlN + PTM", "no APPA / no T-CtrlN / no PTM", "floor"
    assert column(text, "FID ↓<br>paper", full) == "**29.07**<sup>a</sup>"
    assert column(text, "FID ↓<br>paper", "| APPA + T-CtrlN |") == "<u>30.83</u><sup>a</sup>"
    assert column(text, "FID[efficientnet-lite0] ↓<br>here", base) == "**14.50**<sup>h</sup><br><sub>[13.77, 15.23]</sub>"
    assert column(text, "FID[efficientnet-lite0] ↓<br>here", full).startswith("<u>26.10</u>")
    assert column(text, "FID[efficientnet-lite0] ↓<br>here", floor).startswith("29.00")
    assert column(text, "SSIM ↑<br>here", base).startswith("**1.110**")
    assert column(text, "**here**", "| APPA |") == "not run"
    assert column(text, "L1 ↓<br>paper", full) == "**8.85e-5**<sup>a</sup>"
    assert column(text, "L1-grey ↓<br>paper", full) == "23.2<sup>a</sup><br><sub>512×512</sub>"
    assert column(text, "L1 ↓<br>here", floor).startswith("1.34e-3") and column(text, "L1-grey ↓<br>here", floor).startswith("5.50")


def test_table_1_marks_cited_values_and_inferred_sizes(tmp_path):
    text = page(1, tmp_path)
    assert column(text, "LPIPS ↓<br>paper", "MagicAnimate") == "**0.239**<sup>c</sup>"
    assert column(text, "LPIPS ↓<br>paper", "DisCo") == "<u>0.292</u><sup>c</sup>"
    assert column(text, "L1-grey ↓<br>paper", "MagicAnimate").endswith("<sub>256×256?</sub>")
    assert column(text, "**here**", "MagicAnimate") == "cited only"
    assert "<br>here" not in text and "`snakemake tcan_mm1`" in text and "## What these numbers" not in text


def test_equal_texts_share_a_place_and_a_lone_value_gets_no_mark():
    assert markdown.ranked([0.73401, 0.73399, 0.7, float("nan")], "SSIM") == ["**0.734**", "**0.734**", "<u>0.700</u>", "–"]
    assert markdown.ranked([0.734], "SSIM") == ["0.734"]
    assert markdown.ranked([-0.002, 0.03], "KID[x]") == ["**-0.0020**", "<u>0.0300</u>"]


def test_who_ties_the_best_is_marked(tmp_path):
    """A steady difference is seen though videos differ by half; one that changes its sign from video to video is not."""
    write_metrics(tmp_path, {"base": 0.90, "copy": 1.0})
    write_metrics(tmp_path, {"tcan_mm1": 0.91}, noise=0.2, seed=1)
    text = page(2, tmp_path)
    for heading in ("L1-grey ↓<br>here", "SSIM ↑<br>here", "FID[efficientnet-lite0] ↓<br>here"):
        best, tie, floor = (column(text, heading, system) for system in ("no APPA / no T-CtrlN / no PTM", "APPA + T-CtrlN + PTM", "floor"))
        assert best.startswith("**") and "≈" not in best and "≈" not in floor and tie.startswith("<u>") and "</u> ≈<sup>h</sup>" in tie, heading
    assert column(text, "FID ↓<br>paper", "APPA + T-CtrlN + PTM") == "**29.07**<sup>a</sup>", "the paper's side has no videos to pair"
    assert "≈ not distinguishable from the best, paired over videos" in markdown.LEGEND and markdown.LEGEND in text


def test_equal_systems_are_each_others_tie(tmp_path):
    write_metrics(tmp_path, {"base": 0.9, "tcan_mm1": 0.9, "copy": 1.0})
    text = page(2, tmp_path)
    equal = {column(text, "SSIM ↑<br>here", system) for system in ("no APPA / no T-CtrlN / no PTM", "APPA + T-CtrlN + PTM")}
    assert len(equal) == 1 and "≈" in equal.pop() and "≈" not in column(text, "SSIM ↑<br>here", "floor")


def test_one_video_ties_all_and_says_so(tmp_path):
    write_metrics(tmp_path, {"base": 0.5, "copy": 1.0}, clips=("real_walk",))
    text = page(2, tmp_path)
    assert "≈" in column(text, "SSIM ↑<br>here", "floor") and "too few for a verdict" not in text
    write_metrics(tmp_path, {"base": 0.5, "copy": 1.0}, clips=("real_walk", "puppet_01", "puppet_02"))
    assert "> **Warning:** 3 videos are too few for a verdict: if chance alone decided, all of them would agree in 25 % of all cases" in page(2, tmp_path)


def test_the_floor_is_answered_in_a_sentence(tmp_path):
    write_metrics(tmp_path, {"base": 1.3, "tcan_mm1": 0.9, "copy": 1.0})
    write_metrics(tmp_path, {"unfrozen": 0.99}, noise=0.2, seed=1)
    text = page(2, tmp_path)
    base = next(line for line in text.splitlines() if line.startswith("- no APPA"))
    lost = "L1 (1.75e-3 against 1.34e-3, better in 0 of 6 videos), SSIM (0.518 against 0.740, better in 0 of 6 videos)"
    assert f"**Does not beat the floor on: {lost}" in base and "Beats" not in base and "Not" not in base
    full = next(line for line in text.splitlines() if line.startswith("- APPA + T-CtrlN + PTM"))
    assert "Beats it on: L1 (6 of 6 videos)" in full and "FID[efficientnet-lite0], FID-VID" in full and "ot beat" not in full and "Not" not in full
    near = next(line for line in text.splitlines() if line.startswith("- unfrozen"))
    assert "Not distinguishable from it on: L1 (1.33e-3 against 1.34e-3, better in 3 of 6 videos)" in near
    assert "FID[efficientnet-lite0] (28.71 against 29.00)" in near
    assert "*floor*" in text
    (tmp_path / "copy" / "metrics.json").unlink()
    assert "No floor (such as the source frame, copied) has run" in page(2, tmp_path)


def test_a_ceiling_has_no_rank_and_every_floor_its_sentences(tmp_path):
    systems = {**SYSTEMS, "warp": tables.System("warped", (2,), tables.FLOOR), "autoencoder": tables.System("the truth", (2,), tables.CEILING)}
    write_metrics(tmp_path, {"base": 1.3, "copy": 1.1, "warp": 1.0, "autoencoder": 0.1})
    text = page(2, tmp_path, systems=systems)
    best, ceiling = (column(text, "FID[efficientnet-lite0] ↓<br>here", name) for name in ("warped", "the truth"))
    assert best.startswith("**29.00**") and ceiling.startswith("2.90<sup>") and "*the truth*" in text
    for floor in ("floor", "warped"):
        lines = text.partition(f"Against *{floor}*:")[2].split("\n\n")[1].splitlines()
        assert [line.partition(":")[0] for line in lines] == ["- no APPA / no T-CtrlN / no PTM"]


def test_captions_and_warnings(tmp_path):
    write_metrics(tmp_path, {"tcan_mm1": 0.98, "copy": 1.0})
    text = page(3, tmp_path)
    assert "Here: protocol disco-1, frames of 64×64, 6 videos; n = 84 frames (L1, " in text and "39 windows of 16 frames (FID-VID[transnetv2]" in text
    assert "FID[efficientnet-lite0] (84 < 1280)" in text and "KID[efficientnet-lite0] (" not in text.partition("**Warning:**")[2].partition("\n")[0]
    assert "## Here, protocol corrected-1" in text and "39 disjoint windows of 16 frames (FID-VID-disjoint[transnetv2]" in text
    assert "**What it is not.** A reproduction of the paper's numbers." in text and "64 x 64 pixels" in text
    assert "scale of the user's own" in page(3, tmp_path, scale="mine")


@pytest.mark.parametrize("title", ["a | b", "<script>x</script>", "two\nlines", "**bold** _it_", "![x](http://y)", "a \\| b", "`code`"])
def test_titles_stay_text_in_their_own_cell(tmp_path, title):
    write_metrics(tmp_path, {"unfrozen": 0.98})
    text = page(2, tmp_path, systems={"unfrozen": tables.System(title, (2,))})
    rows = [line for line in text.splitlines() if line.startswith("|")]
    split = [re.split(r"(?<!\\)(?:\\\\)*\|", line) for line in rows]
    assert len({len(cells) for cells in split[:2]}) == 1 and len(split[0]) == len(split[6])
    assert "<script>" not in text and "![x](" not in text and "**bold**" not in text


def test_every_scale_of_the_project_has_its_own_words():
    import yaml

    scales = yaml.safe_load(open("params.yaml"))["scales"]
    assert all((markdown.TEMPLATES / f"about_{scale}.md").exists() for scale in scales)
