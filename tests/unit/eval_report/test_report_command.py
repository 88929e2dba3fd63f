import subprocess
import sys

import pandas as pd
import pytest
from made_report import PARAMS, write_metrics
from PIL import Image


def test_a_report_has_tables_pictures_and_an_index(report):
    code, out = report()
    assert code == 0
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert files == {"index.md", "overview.png", *(f"table{n}.{kind}" for n in (1, 2, 3) for kind in ("md", "csv")),
                     *(f"strips/{name}.webp" for name in ("real_walk", "puppet_01", "puppet_02", "chibi_01__puppet_01", "chibi_02__puppet_02"))}
    table = pd.read_csv(out / "table2.csv").set_index("row")
    assert table.at["tcan_mm1", "disco-1/FID[efficientnet-lite0]"] == 29 * 0.9 and table.at["appa", "here"] == "not run"
    assert table.at["appa", "command"] == "snakemake --cores all results/lite/appa/metrics.json"
    assert "ControlNet \\| trained &lt;b&gt;" in (out / "table2.md").read_text()
    index = (out / "index.md").read_text()
    assert all(f"]({name})" in index for name in ("table1.md", "overview.png", "strips/real_walk.webp", "strips/chibi_02__puppet_02.webp"))
    assert max(Image.open(out / "overview.png").size) < 1100


def test_sets_stand_apart(report):
    """The made values rise from clip to clip, so the mean of the one real clip is not that of the two puppets."""
    index = (report()[1] / "index.md").read_text()
    apart = index[index.index("## Each set of clips apart"):].splitlines()
    heading, line = apart[2], next(line for line in apart if "TCAN (w/ mm1)" in line)
    assert "human, n = 1<br>L1-grey ↓" in heading and "puppets, n = 2<br>SSIM ↑" in heading and "puppets, n = 2<br>LPIPS[hed-vgg16] ↓" in heading
    cells = [float(cell.strip(" *≈").removeprefix("<u>").removesuffix("</u>")) for cell in line.split("|")[2:-1]]
    typical = (5.5 * 0.9, 0.74 * 1.1, 0.29 * 0.9)
    assert cells == [pytest.approx(value * of_set, abs=0.006) for of_set in (1.4 / 1.15, 0.95 / 1.15) for value in typical]
    best, worst = line.split("|")[2:-1], next(line for line in apart if "no APPA" in line).split("|")[2:-1]
    assert best[0].strip().startswith("**") and "≈" not in "".join(best), "the best is not marked as its own tie"
    assert ["≈" in cell for cell in worst] == [True] * 3 + [False] * 3, "of one video nothing is said; two agree"
    assert "too few for a verdict: human (1), puppets (2)." in index


def test_equal_inputs_give_equal_bytes_and_old_strips_go(world, report):
    (world / "second" / "strips").mkdir(parents=True)
    (world / "second" / "strips" / "gone.webp").write_bytes(b"")
    (world / "second" / "notes.txt").write_text("the user's")
    _, first = report(out="first")
    _, second = report(out="second")
    for path in first.rglob("*"):
        assert path.is_dir() or path.read_bytes() == (second / path.relative_to(first)).read_bytes(), path
    assert not (second / "strips" / "gone.webp").exists() and (second / "notes.txt").exists()


def test_without_results_the_papers_side_stands(world, report):
    import shutil

    shutil.rmtree(world / "results")
    shutil.rmtree(world / "outputs")
    code, out = report()
    assert code == 0 and "29.07" in (out / "table1.md").read_text()
    assert not list((out / "strips").iterdir()) and "overview" not in (out / "index.md").read_text()


def test_a_mistake_is_one_line_and_leaves_nothing(world, report, capsys):
    (world / "results/base/metrics.json").write_text("{}")
    code, out = report()
    assert code == 2 and not out.exists() and not [path for path in world.rglob(".lite*")]
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and "base/metrics.json" in error
    assert report(scale="life")[0] == 2


def test_help_needs_neither_pandas_nor_torch():
    code = "import sys; from eval.cli import parser; parser('report'); print([m for m in ('torch', 'pandas', 'cv2', 'tcan') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


EXTERNAL = """
external:
  magicanimate: {title: "MagicAnimate | its <b>authors'</b> frames", frames: theirs, scale: lite, tables: [1]}
  other: {title: "![x](http://y) <script>", frames: others, scale: lite}
  elsewhere: {title: "of the small scale", frames: others, scale: smoke}
"""


def test_frames_from_elsewhere_stand_in_their_tables(world):
    write_metrics(world / "results", {"magicanimate": 0.8, "tcan_mm1": 0.9, "copy": 1.0})
    (world / "outputs/other/test").mkdir(parents=True)      # a stray folder is no reason to draw
    report = with_params(world, PARAMS + EXTERNAL)
    one, two, index = ((report / name).read_text() for name in ("table1.md", "table2.md", "index.md"))
    lines = {line.split("|")[1].strip(): line for line in one.partition("## Here")[0].splitlines() if line.startswith("|")}
    magicanimate = lines["MagicAnimate"].replace("**", "")
    assert "| 0.239<sup>c</sup> |" in magicanimate and "| scored here |" in magicanimate and "| 23.20<sup>h</sup>" in magicanimate
    assert "| not run |" in lines["!\\[x]\\(http://y) &lt;script&gt;"]
    assert "- MagicAnimate \\| its &lt;b&gt;authors'&lt;/b&gt; frames, in the line of MagicAnimate" in one
    assert "- !\\[x]\\(http://y) &lt;script&gt;: `snakemake --cores all results/lite/other/metrics.json`" in one
    assert "small scale" not in one + two + index and "http://y" not in two and "<script>" not in one + index and "![x]" not in one + index
    table = pd.read_csv(report / "table1.csv").set_index("row")
    assert table.at["magicanimate", "here"] == "scored here" and table.at["magicanimate", "disco-1/FID[efficientnet-lite0]"] == 29 * 0.8
    assert not {"floor", "frames_from"} & set(table) and list(table.index)[-3:] == ["tcan_mm2", "other", "copy"]


def with_params(world, text):
    """Run the command under these parameters -> the report's folder."""
    from eval.cli import main

    (world / "params.yaml").write_text(text)
    folders = [word for name in ("results", "outputs", "data") for word in (f"--{name}", str(world / name))]
    assert main(["report", "--params", str(world / "params.yaml"), "--scale", "lite", *folders, "--out", str(world / "out")]) == 0
    return world / "out"
