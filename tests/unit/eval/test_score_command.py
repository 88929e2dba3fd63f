"""`python -m eval score`: what it writes and prints, what it refuses, and what it must not import."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from eval import bootstrap, evaluate, features, score
from eval.cli import main
from eval.errors import UserError
from eval.features.extractor import Extractor
from tests.golden.made_clips import moving, write
from tests.golden.made_networks import small_networks

NETWORKS = ["--networks", "lpips=hed-vgg16", "fid=efficientnet-lite0", "fid_vid=transnetv2", "fvd=transnetv2"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The named networks, played by small ones, so that no weights are needed."""
    parts = dict(zip(("hed-vgg16", "efficientnet-lite0", "transnetv2"), (small_networks()[role] for role in ("lpips", "fid", "fvd"))))
    for name, network in parts.items():
        object.__setattr__(network, "name", name)
    monkeypatch.setattr(features, "load", lambda name, folder, device: (parts[name], {f"{name}.pth": "0" * 64}))
    monkeypatch.setattr(bootstrap, "DISTANCES", 20)


@pytest.fixture
def command(folders, tmp_path, monkeypatch):
    """Run it in this process: (*words) -> exit code. It writes tmp_path/out/metrics.json."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return lambda *words: main(["score", *map(str, folders), "--out", str(tmp_path / "out" / "metrics.json"), *words])


def test_it_writes_everything_and_prints_the_summary(command, tmp_path, capsys):
    assert command("--split", "test", *NETWORKS) == 0
    printed = capsys.readouterr()
    result, flat = (json.loads((tmp_path / "out" / name).read_text()) for name in ("metrics.json", "summary.json"))
    assert json.loads(printed.out) == flat == score.summary(result)
    assert list(flat["disco-1"]) == ["FID-VID[transnetv2]", "FID[efficientnet-lite0]", "FVD[transnetv2]", "L1", "L1-grey", "LPIPS[hed-vgg16]", "PSNR", "SSIM"]
    assert result["networks"]["fid"] == {"name": "efficientnet-lite0", "published": False, "weights": {"efficientnet-lite0.pth": "0" * 64}}
    assert result["frames"]["count"] == 35 and result["frames"]["videos"] == 2 and result["frames"]["size"] == [24, 24]
    fvd = result["protocols"]["disco-1"]["metrics"]["FVD[transnetv2]"]
    assert (fvd["n"], fvd["dimension"], fvd["videos"]) == (5, 10, 2)        # 18 and 17 frames: 3 and 2 windows
    assert "disco-1 FVD[transnetv2]: 5 samples for 10 features" in " ".join(result["warnings"])
    assert "warning: disco-1 FVD[transnetv2]" in printed.err and "35/35 frames" in printed.err


def test_splits_may_stand_before_the_folders_and_be_several(folders, tmp_path):
    after = ["--no-cache", "--networks", "lpips=hed-vgg16"]
    assert main(["score", "--split", "test", *map(str, folders), "--out", str(tmp_path / "metrics.json"), *after]) == 0
    assert main(["score", "--split", "test", "--split", "more", *map(str, folders), "--out", str(tmp_path / "again.json"), *after]) == 0
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads((tmp_path / "metrics.json").read_text())


def test_equal_input_gives_equal_bytes(command, tmp_path, monkeypatch):
    assert command(*NETWORKS) == 0
    first = [(tmp_path / "out" / name).read_bytes() for name in ("metrics.json", "summary.json")]
    moved = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / "gen", moved)
    os.utime(moved / "anna" / "0000.png", (0, 0))
    assert main(["score", str(moved), str(tmp_path / "true"), "--out", str(tmp_path / "out" / "metrics.json"), *NETWORKS]) == 0
    assert first == [(tmp_path / "out" / name).read_bytes() for name in ("metrics.json", "summary.json")]
    assert not re.search(rb"20\d\d-\d\d|tmp|/home", first[0])


def test_how_many_frames_are_read_at_once_changes_nothing(folders, monkeypatch):
    whole = score.summary(evaluate(*folders, networks=small_networks()))
    monkeypatch.setattr(score, "FRAMES_AT_ONCE", 5)
    pieces = score.summary(evaluate(*folders, networks=small_networks()))
    for protocol, values in whole.items():
        for name, value in values.items():      # a distance between sets takes the last bits of float32 features up as a difference of large numbers
            assert pieces[protocol][name] == pytest.approx(value, rel=1e-4 if name.startswith(("FID", "FVD", "KID", "KVD")) else 1e-6, abs=1e-8), name


def test_without_networks_the_pixel_metrics_are_left(command, tmp_path):
    assert command("--networks") == 0
    result = json.loads((tmp_path / "out/metrics.json").read_text())
    assert set(score.summary(result)["disco-1"]) == {"L1", "L1-grey", "PSNR", "SSIM"}
    assert set(result["protocols"]["disco-1"]["left_out"]) == {"LPIPS", "FID", "FID-VID", "FVD"}


def test_published_networks_give_bare_names(folders):
    fid = small_networks()["fid"]
    object.__setattr__(fid, "name", "inception")
    result = evaluate(*folders, ["disco-1"], {"fid": fid})
    assert "FID" in score.summary(result)["disco-1"] and result["networks"]["fid"]["published"]


def test_one_video_has_no_interval(tmp_path):
    clip = {"anna": moving(17, 24)}
    result = evaluate(write(tmp_path / "g", clip), write(tmp_path / "t", clip), networks=small_networks())
    assert {entry["interval"] for entry in result["protocols"]["disco-1"]["metrics"].values()} == {None}
    left_out = result["protocols"]["corrected-1"]["left_out"]      # of 17 frames one window is disjoint, and one is no covariance
    assert left_out.pop("LPIPS-Alex") and set(left_out) == {"FID-VID-disjoint", "FVD-disjoint", "KVD-disjoint"}
    assert set(left_out.values()) == {"1 sample, of 2 that a distance between sets needs"}


def short(gen, true):
    (true / "clips.csv").unlink()
    for folder in (gen, true):
        for number in range(15, 18):
            (folder / "anna" / f"{number:04d}.png").unlink()


def gap(gen, true):
    (true / "clips.csv").unlink()
    for folder in (gen, true):
        (folder / "anna" / "0008.png").unlink()


# what is wrong -> words of the command, what is done to GEN and TRUE, and what stderr must say
REFUSED = {
    "an unknown protocol": (["--protocol", "disco-2"], None, "expected one of disco-1, corrected-1"),
    "disco at a size": (["--protocol", "disco-1@256"], None, "use corrected-1@256"),
    "an unknown role": (["--networks", "fic=inception"], None, "ROLE=NAME with a role of lpips"),
    "an unknown network": (["--networks", "fid=inceptoin"], None, "did you mean inception"),
    "a network in another's role": (["--networks", "fvd=inception"], None, "expected one of i3d, transnetv2"),
    "a role twice": (["--networks", "fid=efficientnet-lite0", "fid=efficientnet-lite0"], None, "one network for a role"),
    "a device without numbers": (["--networks", "--device", "meta"], None, "--device meta: expected a device that torch can use"),
    "a seed below zero": (["--networks", "--seed", "-1"], None, "--seed: expected 0 or more, got -1"),
    "a size beyond all": (["--protocol", "corrected-1@99999999"], None, "expected one of disco-1, corrected-1"),
    "another window": (["--window", "8"], None, "another window is another protocol"),
    "an unknown split": (["--split", "tset"], None, "expected clips of split tset in clips.csv, found none"),
    "two unknown splits": (["--split", "tset", "--split", "furthest"], None, "expected clips of split tset or furthest in clips.csv, found none"),
    "a clip shorter than a window": (NETWORKS, short, "clip anna: expected at least 16 consecutive frames"),
    "a gap in a clip": (NETWORKS, gap, "clip anna: expected consecutive frame numbers"),
    "a grey frame": (NETWORKS, lambda gen, true: Image.new("L", (24, 24)).save(gen / "bert/0009.png"), "mode L"),
    "a frame of 16 bits": (NETWORKS, lambda gen, true: cv2.imwrite(str(gen / "bert/0009.png"), np.zeros((24, 24, 3), np.uint16)), "of 16 bits"),
    "an empty folder": (NETWORKS, lambda gen, true: (shutil.rmtree(gen), gen.mkdir()), "expected folders of frames, frames or videos, found none"),
    "a misnamed frame": (NETWORKS, lambda gen, true: (gen / "anna/0004.png").rename(gen / "anna/four.png"), "named like 0000.png"),
    "a device that is not there": (["--device", "cudda"], None, "--device cudda: expected a device that torch can use"),
    "an unpaired frame": (NETWORKS, lambda gen, true: (gen / "anna/0003.png").unlink(), "1 missing (0003.png)"),
    "an undecodable frame": (NETWORKS, lambda gen, true: (gen / "bert/0009.png").write_bytes(b"PNG"), "bert/0009.png: expected a PNG or JPEG"),
    "a frame of another size": (NETWORKS, lambda gen, true: Image.new("RGB", (30, 24)).save(gen / "bert/0009.png"), "got 30x24"),
    "a true frame with alpha": (NETWORKS, lambda gen, true: Image.new("RGBA", (24, 24)).save(true / "bert/0009.png"), "mode RGBA"),
    "generated frames of another size": (NETWORKS, lambda gen, true: [Image.open(p).resize((20, 20)).save(p) for p in gen.glob("*/*.png")],
                                         "declare a size as corrected-1@SIZE"),
    "frames smaller than SSIM's window": (["--networks"], lambda gen, true: [Image.open(p).resize((9, 9)).save(p) for f in (gen, true)
                                                                            for p in f.glob("*/*.png")], "at least 11x11"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(command, folders, tmp_path, capsys, case):
    words, damage, message = REFUSED[case]
    if damage:
        damage(*folders)
    assert command(*words) == 2
    printed = capsys.readouterr()
    last = printed.err.splitlines()[-1]
    assert last.startswith("error: ") and message in last and printed.out == ""
    assert not (tmp_path / "out").exists()      # nothing written


def test_missing_weights_name_the_file(command, capsys, monkeypatch, tmp_path):
    monkeypatch.undo()
    assert command("--weights", str(tmp_path / "none"), *NETWORKS) == 2
    assert "none/" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_features_that_are_not_numbers(folders):
    class Broken(torch.nn.Module):
        def forward(self, x):
            return {"fid": x.mean(dim=(2, 3)) * torch.nan}

    broken = Extractor("broken", {"fid": 3}, lambda x, resize: resize(x, (8, 8)), Broken())
    with pytest.raises(UserError, match="broken: expected finite features for fid"):
        evaluate(*folders, networks={"fid": broken})


def test_a_full_disk_leaves_nothing(command, tmp_path, capsys, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(os, "replace", full)
    assert command("--networks") == 2
    assert "No space left on device" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("words, message", [
    (["--out", "there"], "there: expected a file to write, found a folder"), (["--out", ""], "expected a file to write, found a folder"),
    (["--out", "/"], "found a folder"), (["--out", "null"], "null: expected a file to write, found no plain file"),
    (["--out", "summary.json"], "got one path twice"), (["--html", "out/summary.json"], "got one path twice"),
    (["--out", "made.txt/metrics.json"], "expected a folder that can be written")])
def test_places_that_cannot_be_written_are_told_before_the_work(command, tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    os.mkfifo(tmp_path / "null")
    (tmp_path / "made.txt").write_text("mine")
    assert command("--networks", *words) == 2
    printed = capsys.readouterr().err.splitlines()
    assert message in printed[-1] and len(printed) == 1
    assert {path.name for path in tmp_path.iterdir()} >= {"there", "null", "made.txt"} and not (tmp_path / "out").exists()


def test_a_video_that_is_scored_is_not_written_over(tmp_path, capsys):
    for name in ("gen.mp4", "true.mp4"):
        (tmp_path / name).write_bytes(b"a video")
    for name in ("gen.mp4", "true.mp4"):
        assert main(["score", str(tmp_path / "gen.mp4"), str(tmp_path / "true.mp4"), "--networks", "--out", str(tmp_path / name)]) == 2
        assert f"{name}: expected a file of its own" in capsys.readouterr().err and (tmp_path / name).read_bytes() == b"a video"


def test_a_link_is_followed(command, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "kept" / "metrics.json")
    assert command("--networks", "--out", str(tmp_path / "link.json")) == 0
    assert (tmp_path / "link.json").is_symlink() and json.loads((tmp_path / "kept" / "metrics.json").read_text())["format"] == 2


def test_a_page_that_cannot_be_written_leaves_nothing(command, tmp_path, monkeypatch):
    from eval import html_report

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(html_report, "html_of", interrupted)
    assert command("--networks", "--html", str(tmp_path / "page.html")) == 130
    assert not (tmp_path / "out").exists() and not (tmp_path / "page.html").exists()


def test_the_truth_is_known_by_its_frames_not_by_its_folder(tmp_path, clips):
    sums = set()
    for name in ("one", "other"):
        for number, frame in enumerate(clips["anna"]):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(frame).save(tmp_path / name / f"anna_{number:04d}.png")
        sums.add(evaluate(tmp_path / name, tmp_path / name, networks={})["frames"]["sha256"]["true"])
    assert len(sums) == 1


def test_a_name_with_line_ends_stays_one_line(command, folders, capsys):
    (folders[0] / "anna" / "a\nb\x1b[31m.png").write_bytes(b"")
    assert command("--networks") == 2
    last = capsys.readouterr().err.splitlines()
    assert len(last) == 1 and r"a\nb\x1b[31m.png" in last[0]


def test_a_closed_stderr_leaves_stdout_to_machines(command, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert command("--networks") == 0
    json.loads(capsys.readouterr().out)


def test_a_log_that_cannot_be_written(command, tmp_path, capsys):
    assert command("--networks", "--log", str(tmp_path)) == 2
    assert "Traceback" not in (told := capsys.readouterr().err) and "Is a directory" in told


def test_the_traceback_goes_to_the_log(command, tmp_path, capsys):
    log = tmp_path / "logs" / "score.log"
    assert command("--protocol", "none", "--log", str(log)) == 2
    assert f"(traceback: {log})" in capsys.readouterr().err
    assert "Traceback" in log.read_text() and "UserError" in log.read_text()


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]).stdout


def test_help_and_protocols_need_no_torch():
    print_heavy = "import sys; print([m for m in ('torch', 'cv2', 'skimage', 'pandas', 'torchmetrics') if m in sys.modules])"
    assert run("from eval import protocol, features; from eval.cli import parser; parser('score').format_help();" + print_heavy) == "[]\n"


def test_eval_knows_neither_the_pipeline_nor_the_workflow():
    """Importing every module of eval brings in nothing of tcan, snakemake or dvc."""
    code = ("import importlib, pkgutil, sys, eval\n"
            "for m in pkgutil.walk_packages(eval.__path__, 'eval.'):\n"
            "    if not m.name.endswith('__main__'): importlib.import_module(m.name)\n"
            "print(sorted({name.split('.')[0] for name in sys.modules} & {'tcan', 'snakemake', 'dvc'}))")
    assert run(code) == "[]\n"
