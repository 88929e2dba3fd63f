"""`evaluate` on committed frames against committed values, which the plain implementation computed; and both against what makes them."""

import json

import numpy as np
import pytest
from make_fixture import FIXTURE, NUMBERS, clips
from make_golden import COMMAND, GOLDEN, PUBLISHED_CLIP, small
from plain_evaluate import read

from eval import evaluate
from tests.golden.filled import published_networks
from tests.golden.made_networks import small_networks

MEND = f"{GOLDEN} is not what the definitions give: write it anew with `{COMMAND}`"
golden = json.loads(GOLDEN.read_text())
TOLERANCE = {"pixel": 1e-6, "lpips": 1e-5, "frechet": 1e-4, "kernel": 1e-4}      # the networks' float32 sums run in another order on another machine


def near(value, kind):
    return pytest.approx(value, rel=TOLERANCE[kind])


def agree(result, expected):
    """Every metric of the result has its golden value, and none is missing."""
    for protocol, body in result["protocols"].items():
        found = {key.partition("[")[0]: entry for key, entry in body["metrics"].items()}
        assert set(found) == {key for key, entry in expected[protocol].items() if entry}
        for key, entry in found.items():
            assert (entry["value"], entry["n"]) == (near(expected[protocol][key]["value"], entry["kind"]), expected[protocol][key]["n"]), (protocol, key)
            yield entry, expected[protocol][key]


def test_fixture_is_what_its_script_makes():
    for side, of_side in clips().items():
        found = read(FIXTURE / side)
        assert {name: tuple(numbers) for name, (numbers, _) in found.items()} == {name: tuple(numbers) for name, numbers in NUMBERS.items()}
        for name, frames in of_side.items():
            np.testing.assert_array_equal(found[name][1], frames, err_msg="write the frames anew with `python -m tests.golden.make_fixture`")


def test_small_networks():
    """Values, means of the videos, intervals."""
    result = evaluate(FIXTURE / "gen", FIXTURE / "true", networks=small_networks(), gaps=True)
    for entry, expected in agree(result, golden["small"]):
        value, spread = expected["value"], expected["interval"][1] - expected["interval"][0]
        assert entry.get("per_video") == (near(expected["per_video"], entry["kind"]) if "per_video" in expected else None)
        assert np.array(entry["interval"]) - value == pytest.approx(np.array(expected["interval"]) - value, abs=1e-3 * spread)


def test_published_architectures(tmp_path):
    """I3D, the 3D ResNet-50, FID's Inception and LPIPS's VGG-16 as they are built here; for the golden values, other people's code or plain calls."""
    result = evaluate(FIXTURE / "gen" / PUBLISHED_CLIP, FIXTURE / "true" / PUBLISHED_CLIP, networks=published_networks(tmp_path))
    keys = [key for entry in result["protocols"].values() for key in entry["metrics"]]
    assert {"LPIPS", "FID", "FID-VID", "FVD", "KID", "KVD"} <= set(keys) and not any("[" in key for key in keys)
    assert all(entry["value"] > 1e-6 for entry, _ in agree(result, golden["published"]) if entry["kind"] == "frechet")     # the features tell the sides apart


def test_golden_values_are_what_the_definitions_give():
    """The plain implementation again, where it is cheap. An interval's end may lie beside 0, so that it is told by the interval's width."""
    for protocol, metrics in small().items():
        assert set(metrics) == set(golden["small"][protocol])
        for key, entry in metrics.items():
            for part, value in entry.items():
                expected = golden["small"][protocol][key][part]
                if value is None:
                    assert expected is None
                else:
                    width = expected[1] - expected[0] if part == "interval" else 0
                    assert value == pytest.approx(expected, rel=1e-5, abs=max(1e-9, 1e-5 * width)), f"{protocol} {key} {part}: {MEND}"
