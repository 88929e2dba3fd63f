"""Paired comparison: cases with a known answer, and what can't be compared."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from eval import bootstrap, compare_command, pairs, tables, values
from eval.cli import main
from eval.compare import A, B, FORMAT, NEITHER, alone, compare, difference
from eval.errors import UserError
from eval.protocol import PROTOCOLS
from tests.golden.made_clips import noisy, write
from tests.golden.made_networks import small_networks

VIDEOS = 10
FRAMES = {f"video{number}": 20 + number for number in range(VIDEOS)}


def means(values, better="lower"):
    per_video = dict(zip(FRAMES, map(float, values)))
    return {"kind": "pixel", "better": better, "value": sum(FRAMES[name] * value for name, value in per_video.items()) / sum(FRAMES.values()),
            "per_video": per_video}


def distances(value, replicates, better="lower"):
    return {"kind": "frechet", "better": better, "value": float(value), "replicates": list(map(float, replicates))}


def result(**metrics):
    return {"format": 2, "frames": {"per_video": dict(FRAMES), "sha256": {"generated": "0", "true": "1"}},
            "bootstrap": {"seed": 0, "level": 0.95}, "networks": {"fid": {"name": "inception", "weights": {"w": "2"}}},
            "protocols": {"disco-1": {"version": 1, "size": [8, 8], "metrics": metrics}}}


@pytest.fixture
def hard():
    """How hard ten videos are: they differ far more than any two systems do."""
    return np.random.default_rng(0).normal(50, 20, VIDEOS)


def test_a_small_steady_difference_is_seen_through_videos_that_differ_widely(hard):
    one = difference(means(hard), means(hard - 0.5), FRAMES, 0)
    assert one.verdict == B and one.better == (0, 10) and one.difference == pytest.approx(-0.5)
    assert one.interval == pytest.approx((-0.5, -0.5))
    assert difference(means(hard - 0.5), means(hard), FRAMES, 0).verdict == A


def test_a_difference_of_changing_sign_is_not(hard):
    one = difference(means(hard), means(hard + np.array([5, -5] * 5) + 0.1), FRAMES, 0)
    assert one.verdict == NEITHER and one.interval[0] < 0 < one.interval[1] and one.better == (5, 5)


def test_more_is_better_where_it_is(hard):
    assert difference(means(hard, "higher"), means(hard + 1, "higher"), FRAMES, 0).verdict == B


def test_the_interval_is_that_of_the_scores():
    """Against a system that is 0 everywhere, the difference is the other's value and its interval the one that was scored."""
    rng = np.random.default_rng(4)
    mean = values.mean({name: rng.normal(50, 20, frames) for name, frames in FRAMES.items()}, seed=3)
    zero = {**mean, "value": 0.0, "per_video": dict.fromkeys(FRAMES, 0.0)}
    assert difference({**zero, "better": "lower"}, {**mean, "better": "lower"}, FRAMES, 3).interval == pytest.approx(mean["interval"], rel=1e-12)
    made, truth = (np.concatenate([rng.normal(shift, 1, (frames, 4)) for frames in FRAMES.values()]) for shift in (0.3, 0))
    for kind in ("frechet", "kernel"):
        distance = values.distance(kind, made, truth, list(FRAMES.values()), seed=3)
        zero = {**distance, "value": 0.0, "replicates": [0.0] * len(distance["replicates"])}
        found = difference({**zero, "better": "lower"}, {**distance, "better": "lower"}, FRAMES, 3)
        assert found.interval == pytest.approx(distance["interval"], rel=1e-5) and found.verdict == A


def test_a_video_counts_by_its_frames():
    a, b = ({"better": "lower", "value": value, "per_video": {"long": step, "short": 0.0}} for step, value in ((0.0, 0.0), (1.0, 0.99)))
    replicates = [np.mean([1.0] * 99 * long + [0.0] * short) for long, short in bootstrap.draws(2, bootstrap.MEANS, 0)]
    assert difference(a, b, {"long": 99, "short": 1}, 0).interval == pytest.approx(bootstrap.interval(0.99, replicates))


def test_equal_is_not_distinguishable(hard):
    one = difference(means(hard), means(hard), FRAMES, 0)
    assert (one.verdict, one.difference, one.better) == (NEITHER, 0, (0, 0))


def test_replicates_are_paired():
    """Two distances that rise and fall together: their difference is far surer than either."""
    rng = np.random.default_rng(1)
    common = rng.normal(100, 10, bootstrap.DISTANCES)
    one = difference(distances(90, common), distances(92, common + 2 + rng.normal(0, 0.2, len(common))), FRAMES, 0)
    assert one.verdict == A and one.interval[1] - one.interval[0] < 1 < np.ptp(np.quantile(common, [0.025, 0.975]))
    assert one.better is None
    unpaired = difference(distances(90, common), distances(92, rng.permutation(common) + 2), FRAMES, 0)
    assert unpaired.verdict == NEITHER


def test_one_video_tells_nothing():
    a, b = ({"kind": "frechet", "better": "lower", "value": value, "replicates": None} for value in (1.0, 2.0))
    assert difference(a, b, {"video0": 20}, 0).interval is None and difference(a, b, {"video0": 20}, 0).verdict == NEITHER
    a, b = ({"kind": "pixel", "better": "lower", "value": value, "per_video": {"video0": value}} for value in (1.0, 2.0))
    assert difference(a, b, {"video0": 20}, 0).verdict == NEITHER


def test_it_errs_as_rarely_as_it_says():
    """Two systems that are alike: it sees a difference in about one of twenty (a little more, as the bootstrap of ten is narrow)."""
    rng, seen = np.random.default_rng(2), 0
    for trial in range(300):
        a = rng.normal(0, 10, VIDEOS)
        seen += difference(means(a), means(a + rng.normal(0, 1, VIDEOS)), FRAMES, trial).verdict != NEITHER
    assert 0.02 < seen / 300 < 0.14


UNLIKE = {
    "true frames": lambda r: r["frames"]["sha256"].update(true="9"),
    "videos": lambda r: r["frames"]["per_video"].pop("video0"),
    "version of the protocol": lambda r: r["protocols"]["disco-1"].update(version=2),
    "frame size": lambda r: r["protocols"]["disco-1"].update(size=[9, 9]),
    "networks": lambda r: r["networks"]["fid"].update(weights={"w": "8"}),
    "bootstrap": lambda r: r["bootstrap"].update(seed=1),
}


@pytest.mark.parametrize("what", UNLIKE)
def test_what_was_scored_otherwise_is_refused(hard, what):
    a = result(L1=means(hard))
    b = copy.deepcopy(a)
    UNLIKE[what](b)
    with pytest.raises(UserError, match=f"on the same {what}, got others"):
        compare(a, b)


def test_another_format_is_refused_and_the_format_is_that_of_the_scores(hard):
    from eval import score

    assert FORMAT == score.FORMAT == tables.FORMAT
    with pytest.raises(UserError, match="expected results of format 2, got 1; score it again"):
        compare(result(L1=means(hard)), {**result(L1=means(hard)), "format": 1})


def test_what_parts_two_results_is_named(hard):
    a = result(L1=means(hard))
    b = copy.deepcopy(a)
    b["networks"]["fid"]["weights"]["w"] = "8"
    with pytest.raises(UserError, match=r"networks, got others \(fid: weights: w: 2 and 8\); score both again alike"):
        compare(a, b)
    b = copy.deepcopy(a)
    del b["frames"]["per_video"]["video3"]
    with pytest.raises(UserError, match=r"videos, got others \(video3: 23 and nothing\)"):
        compare(a, b)


def test_a_network_that_one_lacks_is_no_obstacle(hard):
    a, b = result(L1=means(hard), SSIM=means(hard, "higher")), result(SSIM=means(hard + 1, "higher"), L1=means(hard + 1), PSNR=means(hard, "higher"))
    del b["networks"]["fid"]
    found = compare(a, b)["disco-1"]
    assert list(found) == ["L1", "SSIM"] and (found["L1"].verdict, found["SSIM"].verdict) == (A, B)
    assert alone(a, b) == {"a": [], "b": ["disco-1 PSNR"]}


def test_who_ties_the_best(hard):
    better, wavering, worse = means(hard + 1, "higher"), means(hard + 0.9 + np.array([5, -5] * 5), "higher"), means(hard, "higher")
    assert better["value"] > max(wavering["value"], worse["value"])
    assert pairs.ties([worse, None, better, wavering], FRAMES, 0) == [False, False, False, True]
    assert pairs.ties([better, worse, copy.deepcopy(better)], FRAMES, 0) == [True, False, True], "equal ones tie each other"
    assert pairs.ties([None, None], FRAMES, 0) == [False, False]
    lower = [{**entry, "better": "lower"} for entry in (worse, better)]
    assert pairs.ties(lower, FRAMES, 0) == [False, False] and pairs.ties([lower[0], None], FRAMES, 0) == [False, False]


def test_few_videos_are_too_few():
    """Of fewer than six, agreeing by chance alone is more likely than an interval of 95 % may be wrong."""
    assert [bool(pairs.few_videos(videos)) for videos in (1, 2, 5, 6, 10)] == [False, True, True, False, False]
    assert 2 * 0.5 ** (pairs.FEW - 1) > 1 - bootstrap.LEVEL > 2 * 0.5**pairs.FEW


def test_nothing_in_common(hard):
    with pytest.raises(UserError, match="expected a protocol and a metric that both have"):
        compare(result(L1=means(hard)), result(SSIM=means(hard)))


def test_two_scored_systems(folders, clips, tmp_path):
    """What `evaluate` gives can be compared, after a file as well: much noise is worse than little, by the metrics of single frames."""
    from eval import evaluate

    noisier = write(tmp_path / "noisier", {name: noisy(frames, 40) for name, frames in clips.items()})
    a, b = (json.loads(json.dumps(evaluate(generated, folders[1], networks=small_networks()), sort_keys=True)) for generated in (folders[0], noisier))
    found = compare(a, b)
    assert list(found) == ["disco-1", "corrected-1"] and {label: list(metrics) for label, metrics in found.items()} == {
        label: [key for metric in PROTOCOLS[label].metrics for key in body["metrics"] if key.partition("[")[0] == metric.name]
        for label, body in a["protocols"].items()}
    assert all(one.videos == 2 and one.interval for metrics in found.values() for one in metrics.values())
    assert {found["disco-1"][key].verdict for key in ("L1", "SSIM", "PSNR")} == {A}
    assert {one.verdict for metrics in compare(a, a).values() for one in metrics.values()} == {NEITHER}
    assert {one.interval for metrics in compare(a, a).values() for one in metrics.values()} == {(0, 0)}


@pytest.fixture
def files(tmp_path, hard):
    for name, shift in (("ours", 0.0), ("theirs", 1.0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.json").write_text(json.dumps(result(L1=means(hard + shift))))
    return tmp_path / "ours/metrics.json", tmp_path / "theirs/metrics.json"


def test_the_command(files, tmp_path, capsys):
    assert main(["compare", *map(str, files), "--out", str(tmp_path / "out.json")]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == json.loads((tmp_path / "out.json").read_text())
    assert json.loads(printed.out)["protocols"]["disco-1"]["L1"]["verdict"] == A
    assert "a = ours, b = theirs" in printed.err and "L1 ↓" in printed.err and "a better in 10 and b in 0 of 10 videos" in printed.err


def test_it_says_what_it_leaves_out_and_when_there_is_little_to_go_by(files, capsys):
    three = list(FRAMES)[:3]
    for path in files:
        body = json.loads(path.read_text())
        body["frames"]["per_video"] = {name: FRAMES[name] for name in three}
        body["protocols"]["disco-1"]["metrics"]["L1"]["per_video"] = dict.fromkeys(three, 1.0)
        path.write_text(json.dumps(body))
    body["protocols"]["disco-1"]["metrics"]["PSNR"] = means(np.ones(VIDEOS))
    files[1].write_text(json.dumps(body))
    assert main(["compare", *map(str, files)]) == 0
    printed = capsys.readouterr()
    assert "warning: 3 videos are too few for a verdict" in printed.err and "only theirs has: disco-1 PSNR" in printed.err
    assert json.loads(printed.out)["only"] == {"a": [], "b": ["disco-1 PSNR"]}


def test_a_result_that_it_reads_is_not_overwritten(files, capsys):
    before = files[0].read_bytes()
    assert main(["compare", *map(str, files), "--out", str(files[0])]) == 2
    assert "got one path twice" in capsys.readouterr().err and files[0].read_bytes() == before


def test_it_warns_of_frames_that_were_stored_otherwise(files, capsys):
    body = json.loads(files[1].read_text())
    files[1].write_text(json.dumps(body | {"warnings": ["generated frames come from a video (.mp4): compression changes every metric"]}))
    assert main(["compare", *map(str, files)]) == 0
    assert "warning: stored differently (a: without a loss; b: generated frames come from a video (.mp4))" in capsys.readouterr().err


def test_a_network_without_its_weights_is_refused(hard):
    a, b = (result(FID=distances(1, np.ones(5))) for _ in range(2))
    a["networks"] = {}
    with pytest.raises(UserError, match="on the same networks, got others"):
        compare(a, b)


def test_names():
    assert compare_command._names(Path("results/lite/appa/metrics.json"), Path("theirs.json")) == ["appa", "theirs"]
    same = ["results/lite/appa/metrics.json", "results/smoke/appa/metrics.json"]
    assert compare_command._names(*map(Path, same)) == same


@pytest.mark.parametrize("content, message", [
    (None, "found no file"), ("no json", "expected JSON"), ('{"format": NaN}', "NaN is no number"), ("[]", "expected format 2"),
    ('{"format": 1}', "expected format 2, got 1"),
    ('{"format": "2"}', "expected format 2, got '2'"), ("[" * 100000, "expected JSON"), ('{"format": 2, "x": 1e999}', "1e999 is no number"),
    ('{"format": 2}', "the number of frames of each video"), ('{"format": 2, "frames": {"per_video": {"a": 0}}}', "the number of frames of each video"),
    ('{"format": 2, "frames": {"per_video": {"a": 3}}, "protocols": {"disco-1": 3}}', "score both again")])
def test_files_that_are_something_else(files, tmp_path, capsys, content, message):
    if content is None:
        files[1].unlink()
    else:
        files[1].write_text(content)
    assert main(["compare", *map(str, files), "--out", str(tmp_path / "out.json")]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and len(printed.err.splitlines()) == 1 and not (tmp_path / "out.json").exists() and printed.out == ""


def test_it_needs_no_torch():
    code = "import sys, eval.compare, eval.compare_command; print({'torch', 'pandas', 'cv2'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
