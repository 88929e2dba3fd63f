"""Each metric moves when it should and stays when it should: equal clips, more noise, blur, shuffled and frozen frames."""

import cv2
import numpy as np
import pytest

from eval import evaluate
from eval.score import summary
from tests.golden.made_clips import moving, noisy, write
from tests.golden.made_networks import small_networks

VIDEO = ("FID-VID[small3d]", "FVD[small3d]")


def change(kind, clip):
    rng = np.random.default_rng(7)
    return {
        "equal": lambda: clip,
        "noise 5": lambda: noisy(clip, 5), "noise 15": lambda: noisy(clip, 15), "noise 40": lambda: noisy(clip, 40),
        "blur 0.7": lambda: np.stack([cv2.GaussianBlur(frame, (0, 0), 0.7) for frame in clip]),
        "blur 2": lambda: np.stack([cv2.GaussianBlur(frame, (0, 0), 2) for frame in clip]),
        "shuffled": lambda: clip[rng.permutation(len(clip))],
        "frozen": lambda: np.repeat(clip[:1], len(clip), axis=0),
    }[kind]()


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """kind of change -> protocol -> metric -> value."""
    folder, networks = tmp_path_factory.mktemp("sanity"), small_networks()
    true = {f"clip{seed}": moving(20, 32, seed) for seed in range(4)}
    write(folder / "true", true)
    kinds = ["equal", "noise 5", "noise 15", "noise 40", "blur 0.7", "blur 2", "shuffled", "frozen"]
    return {kind: summary(evaluate(write(folder / kind, {name: change(kind, clip) for name, clip in true.items()}), folder / "true",
                                   networks=networks)) for kind in kinds}


def test_equal_clips(scores):
    disco, corrected = scores["equal"]["disco-1"], scores["equal"]["corrected-1"]
    assert (disco["L1"], disco["L1-grey"], corrected["L1"], disco["LPIPS[tiny]"], corrected["LPIPS[tiny]"]) == (0, 0, 0, 0, 0)
    assert (disco["PSNR"], disco["SSIM"], corrected["SSIM"]) == pytest.approx((100, 1, 1), abs=1e-12)
    for name, value in {**disco, **corrected}.items():
        if name.startswith(("FID", "FVD")):
            assert abs(value) < 1e-6, name
        if name.startswith(("KID", "KVD")):
            assert value < 0, name      # unbiased: a sample is nearer to itself than two samples of one distribution are


@pytest.mark.parametrize("order", [("equal", "noise 5", "noise 15", "noise 40"), ("equal", "blur 0.7", "blur 2")], ids=["noise", "blur"])
def test_more_damage_is_a_worse_value(scores, order):
    for protocol in ("disco-1", "corrected-1"):
        for metric in scores["equal"][protocol]:
            values = [scores[kind][protocol][metric] for kind in order]
            better_first = sorted(values, reverse=metric in ("SSIM", "PSNR"))
            assert values == better_first and values[0] != values[-1], (protocol, metric, values)


def test_shuffled_frames_are_seen_by_what_looks_at_motion_or_at_places_and_not_by_fid(scores):
    disco = scores["shuffled"]["disco-1"]
    assert abs(disco["FID[small]"]) < 1e-6       # the same pictures
    assert scores["shuffled"]["corrected-1"]["KID[small]"] == pytest.approx(scores["equal"]["corrected-1"]["KID[small]"], rel=1e-6)
    assert disco["L1"] > 0 and disco["SSIM"] < 1 and disco["LPIPS[tiny]"] > 0
    assert all(disco[name] > 1e-5 for name in VIDEO)


def test_frozen_frames_are_seen_by_video_metrics(scores):
    assert all(scores["frozen"]["disco-1"][name] > 1e-4 for name in VIDEO)


def test_l1_of_disco_is_a_quarter_at_twice_the_size(tmp_path, scores):
    """The unit, not the picture: grey levels stay, DisCo's L1 does not."""
    true = moving(4, 32, 1)
    values = []
    for factor in (1, 2):
        enlarged = {"a": true.repeat(factor, axis=1).repeat(factor, axis=2)}
        damaged = {"a": np.clip(enlarged["a"].astype(int) + 8, 0, 255).astype(np.uint8)}
        result = evaluate(write(tmp_path / f"gen{factor}", damaged), write(tmp_path / f"true{factor}", enlarged), ["disco-1"], {})
        values.append(summary(result)["disco-1"])
    assert values[1]["L1-grey"] == pytest.approx(values[0]["L1-grey"])
    assert values[1]["L1"] == pytest.approx(values[0]["L1"] / 4)
