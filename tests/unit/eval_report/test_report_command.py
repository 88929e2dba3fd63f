import subprocess
import sys

import pandas as pd
import pytest
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
    assert "human, n = 1<br>L1-grey ↓" in heading and "puppets, n = 2<br>SSIM ↑" in heading and "LPIPS" not in heading, "made without values per video"
    cells = [float(cell.strip(" *").removeprefix("<u>").removesuffix("</u>")) for cell in line.split("|")[2:-1]]
    assert cells == [pytest.approx(value, abs=0.006) for value in (5.5 * 0.9 * 0.9, 0.74 * 1.1 * 0.9, 5.5 * 0.9 * 1.05, 0.74 * 1.1 * 1.05)]


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
