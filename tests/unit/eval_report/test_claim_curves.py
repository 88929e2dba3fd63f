"""The curves under the claims: the planted slopes in the CSV, intervals of changes, labels that don't overlap, equal pictures for equal values."""

import made_claims
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from eval.claims import curves
from eval.claims.results import Results


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root = tmp_path_factory.mktemp("curves") / "results"
    made_claims.write(root, {}, videos=0.02, seeds=0.004)
    return Results(root, "lite")


def test_errors_cost_what_was_planted(results):
    values = curves.robustness(results)
    assert list(dict.fromkeys(values["of"])) == ["appa", "appa_tctrln", "tcan_mm1"] and list(dict.fromkeys(values["kind"])) == ["missing", "swap", "dropout"]
    assert len(values) == 3 * 3 * 3 * 4
    for of, slope in (("appa", 1.6), ("appa_tctrln", 1.6 * 0.6)):
        line = values[(values["kind"] == "dropout") & (values["quality"] == "keypoint-error") & (values["of"] == of)]
        assert list(line["rate"]) == [0, 0.1, 0.3, 0.5] and set(line["videos"]) == {7}
        np.testing.assert_allclose(line["value"] / line["value"].iloc[0], 1 + slope * line["rate"], rtol=1e-9)
        assert list(line["change_clear"]) == [False, True, True, True]
        assert ((line["change_low"] <= line["change"]) & (line["change"] <= line["change_high"])).all()
        assert (line["change_high"] - line["change_low"] < line["high"] - line["low"]).all(), "pairing takes out which clips are hard"
    first, second = (values[(values["of"] == of) & (values["quality"] == "FVD")] for of in ("appa", "appa_tctrln"))
    assert (first["difference"] == 0).all() and not first["difference_clear"].any()
    np.testing.assert_allclose(second["difference"].to_numpy(), second["value"].to_numpy() - first["value"].to_numpy())


def test_tau_calms_the_background_alone(results):
    values = curves.tau(results)
    flicker, lpips = (values[values["quality"] == quality] for quality in ("background-flicker", "LPIPS"))
    assert list(flicker["tau"]) == [0, 1, 2, 3, 5, 10] and list(flicker["own"]) == [False, False, False, True, False, False]
    assert (np.diff(flicker["value"]) < 0).all() and list(flicker["change_clear"]) == [False] + [True] * 5
    assert (lpips["change"] == 0).all() and not lpips["change_clear"].any()


def test_values_and_pictures_are_written(results, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "claims").mkdir(parents=True)
        drawn = curves.draw(results, tmp_path / name / "claims")
    assert [files[:2] for files in drawn.values()] == [("claims/robustness.png", "claims/robustness.csv"), ("claims/tau.png", "claims/tau.csv")]
    for picture, data, caption in drawn.values():
        assert (tmp_path / "one" / picture).read_bytes() == (tmp_path / "two" / picture).read_bytes()
        with Image.open(tmp_path / "one" / picture) as opened:
            assert opened.size[0] < 1200 and not opened.info.keys() - {"dpi"} and len(opened.convert("L").getcolors()) > 50
        assert len(pd.read_csv(tmp_path / "one" / data)) > 10 and "seed 2024" in caption


def test_labels_keep_apart_and_in_order():
    moved = curves._spread([0.5, 0.52, 0.51, 0.9])
    assert np.argsort(moved).tolist() == [0, 2, 1, 3] and moved[3] == 0.9
    assert (np.diff(sorted(moved)) >= curves.APART - 1e-9).all()
    assert np.mean(moved[:3]) == pytest.approx(0.51) and curves._spread([0.1, 0.8]) == [0.1, 0.8]
