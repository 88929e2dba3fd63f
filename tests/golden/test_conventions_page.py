"""The pages about conventions are what their figures give."""

import importlib.util
import json
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "conventions.py"
MEND = "write it anew with `python bench/conventions.py --pages`"


@pytest.fixture(scope="module")
def conventions():
    spec = importlib.util.spec_from_file_location("conventions", BENCH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_are_of_the_figures(conventions):
    result, text = json.loads(conventions.RESULT.read_text()), conventions.DOC.read_text()
    assert conventions.PAGE.read_text() == conventions.page(result), f"{conventions.PAGE}: {MEND}"
    assert text == conventions.doc(text, result), f"{conventions.DOC}: {MEND}"


def test_figures_agree_with_themselves(conventions):
    """A ratio is of its two values, and the same frames have the same value wherever they stand."""
    effects = [(group["title"], e) for group in json.loads(conventions.RESULT.read_text())["groups"] for e in group["effects"]]
    for title, e in effects:
        if e["ratio"] is not None:
            assert e["ratio"] == pytest.approx(e["b"]["value"] / e["a"]["value"]), (title, e["metric"])
    undamaged = {(title, e["metric"]): e["a"]["value"] for title, e in effects if title in ("Frame size", "How generated frames are stored")}
    for (title, metric), value in undamaged.items():
        assert value == undamaged["Frame size", metric], (title, metric)


def test_damage_is_the_same_each_time(conventions):
    import numpy as np

    clip = np.random.default_rng(0).integers(0, 256, (3, conventions.SIDE, conventions.SIDE, 3), dtype=np.uint8)
    first = conventions.damage(clip, 1)
    np.testing.assert_array_equal(conventions.damage(clip.copy(), 1), first)
    assert 5 < np.abs(first.astype(int) - clip).mean() < 100 and (conventions.damage(clip, 2) != first).any()      # and another clip has other noise
