"""The paper scale on stand-ins of its layouts, from servers like the hubs to its tables: tiny videos and characters, toy networks under the published names."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from tests import paper_world
from tests.unit.fetch.faulty_server import drop, serve_drive, serve_huggingface
from tests.unit.test_conversion import NETWORKS, seeded, write_folder, write_text
from tests.unit.test_published import SIZES, made
from tests.workflow.conftest import set_param, times

ROWS = ("tcan_mm2", "copy")
FRAMES = 18  # of a train clip: a window of stage 2 and more
TOY = {
    "data": {"size": 64, "bizarre": {"draw": 2}},
    "pose": {"canvas": 64},
    "foundation": {"published": {"shape": "any"}},
    "stage1": {"steps": 2, "batch": 1, "min_gap": 4, "checkpoint_every": 1, "sample_every": 0, "mixed_precision": "no"},
    "stage2": {"steps": 2, "checkpoint_every": 1, "sample_every": 0, "mixed_precision": "no"},
    "generate": {"steps": 2},
    "claims": {"rows": ["tcan_mm2"], "proportions": [], "errors": {"rows": [], "repeated_rows": []}, "learnt_errors": {"rows": [], "control": []},
               "tau": {"row": "tcan_mm2"}},
}


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def hub(tmp_path_factory, monkeypatch_module):
    """A folder for each declared repository of the hub, as its owners fill it."""
    folder = tmp_path_factory.mktemp("hub")
    lines = paper_world.MANIFEST.read_text().replace("201_002_1x1,18,5,jpg.png,0-8 10-18,0", "201_002_1x1,18,5,jpg.png,0-15 18-19,1")
    (folder / "manifest.csv").write_text(lines.replace("201_024_1x1,8,5,jpg.png,0-2 4-7 9,0", "201_024_1x1,16,5,jpg.png,0-15,1"))
    monkeypatch_module.setattr(paper_world, "MANIFEST", folder / "manifest.csv")  # every clip has a window of the metrics
    paper_world.zip_parts(paper_world.tiktok(folder / "unzipped", frames=FRAMES), folder / "tiktok")
    raw = folder / "weights"
    with pytest.MonkeyPatch.context() as patch:
        from tcan.models import published

        patch.setattr(published, "KINDS", {kind: dataclasses.replace(spec, sizes=SIZES[kind]) for kind, spec in published.KINDS.items()})
        for number, (source, (kind, place)) in enumerate(NETWORKS.items()):
            write_folder(raw / source / place, kind, seeded(kind, number)[1])
        for kind in ("mm1", "mm2"):
            write_folder(raw / f"animatediff_{kind}" / kind, kind, made(kind)[1])
    write_text(raw / "stable_diffusion")
    (raw / "stable_diffusion/tokenizer/special_tokens_map.json").write_text("{}")
    bizarre = paper_world.bizarre(folder / "characters")
    (only,) = paper_world.zip_parts(bizarre, folder / "drive", 1, "bizarre_pose_dataset.zip")
    only.rename(only.with_suffix(""))
    return folder


def declared(checkout):
    """{source: its declaration}, without the published sizes and sha256, which the stand-ins don't have."""
    found = {}
    for name in ("data", "weights"):
        path = checkout / f"tcan/fetch/declared/{name}.yaml"
        document = yaml.safe_load(path.read_text())
        for source, entry in document.items():
            if source.startswith("animatediff"):  # a single file says nothing of a toy network's sizes
                kind = source.removeprefix("animatediff_")
                entry["files"] = {f"{kind}/{name}": {"file": name} for name in ("config.json", "diffusion_pytorch_model.safetensors")}
            for file in entry["files"].values():
                file.pop("sha256", None), file.pop("size", None)
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        found |= document
    return found


def write_key_points(folder):
    """What OpenPose would have written for all videos: somebody who walks."""
    random = np.random.default_rng(3)
    clips = {clip: range(1, FRAMES + 1) for clip in paper_world.TRAIN} | {name: video.numbers for name, video in paper_world.manifest_videos().items()}
    standing = np.stack([random.uniform(20, 44, 18), random.uniform(6, 58, 18), np.ones(18)], axis=1)
    for clip, numbers in clips.items():
        (folder / clip).mkdir(parents=True)
        for number in numbers:
            points = standing + [3 * np.sin(number / 3), 0, 0]
            (folder / clip / f"{clip}_{number:012d}_keypoints.json").write_text(json.dumps({"people": [{"pose_keypoints_2d": points.ravel().tolist()}]}))


@pytest.fixture(scope="module")
def toy_paper(make_checkout, tmp_path_factory, raw, hub):
    """A Checkout whose paper scale is toy-sized and whose sources are local servers', and the environment that says so."""
    checkout = make_checkout(tmp_path_factory.mktemp("paper") / "tcan")
    shutil.copytree(raw, checkout / "data/raw")
    write_key_points(checkout / "data/raw/openpose_json")
    sources = declared(checkout)
    for path, value in ((f"scales.paper.{section}.{key}", value) for section, values in TOY.items() for key, value in values.items()):
        set_param(checkout, path, value)
    set_param(checkout, "scales.paper.data.tiktok.manifest", str(paper_world.MANIFEST))
    document = yaml.safe_load((checkout / "params.yaml").read_text())
    paper = document["scales"]["paper"]
    paper["evaluate"]["networks"] = {**document["scales"]["lite"]["evaluate"]["networks"], "lpips_alex": None}
    paper["evaluate"]["networks"].pop("lpips_alex")
    paper["data"]["sets"]["tiktok_train"]["shards"] = 2
    for name in ("tiktok_train", "tiktok_test"):
        paper["data"]["sets"][name]["estimator"] = "openpose_json"
    document["rows"] = {row: document["rows"][row] for row in ROWS}
    document["models"] = {"appa_tctrln_mm2": document["models"]["appa_tctrln_mm2"]}
    (checkout / "params.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    repositories = {}
    for name, entry in sources.items():
        if entry["kind"] == "huggingface" and (folder := hub / "tiktok" if name == "tiktok" else hub / "weights" / name).is_dir():
            revision = entry["revision"].ljust(40, "0")
            repositories[entry["repository_type"], entry["repository"], revision] = merged(repositories.get(
                (entry["repository_type"], entry["repository"], revision)), folder)
    faults = {"datasets/rlawjdghek/TikTok/resolve/" + sources["tiktok"]["revision"].ljust(40, "0") + "/TikTok.zip.002": [drop(1000)]}
    drives = {sources["bizarre"]["folder"]: {"file1": hub / "drive/bizarre_pose_dataset.zip"}}
    with serve_huggingface(repositories, faults) as hugging_face, serve_drive(drives) as drive:
        yield checkout, {"HF_ENDPOINT": hugging_face.url, "DRIVE_ENDPOINT": drive.url}


def merged(before, folder):
    """Two sources of one repository: their files together."""
    if before is not None:
        shutil.copytree(before, folder, dirs_exist_ok=True)
    return folder


def test_terms_first_then_from_the_hubs_to_the_tables(toy_paper):
    checkout, hubs = toy_paper
    refused = checkout.snakemake("--cores", "all", "data/raw/bizarre/run.json", "--config", "scale=paper", fails=True, **hubs)
    assert "add bizarre to `acknowledged` in params.yaml" in refused and not list((checkout / "data/raw/bizarre").glob("*"))

    set_param(checkout, "acknowledged", ["tiktok", "bizarre", "stable_diffusion", "realistic_vision", "controlnet_openpose", "annotators"])
    checkout.snakemake("--cores", "all", "reproduce", "--config", "scale=paper", **hubs)
    pins = yaml.safe_load((checkout / "data/sources.lock.yaml").read_text())
    assert {"tiktok", "bizarre", "stable_diffusion"} <= pins.keys()

    train = pd.read_csv(checkout / "data/paper/frames/tiktok_train/clips.csv", dtype={"id": str, "shard": str})
    assert train.id.tolist() == list(paper_world.TRAIN) and set(train.shard) == {"0000", "0001"}
    assert json.loads((checkout / "data/paper/leakage.json").read_text())["left_out"] == []

    gap = paper_world.manifest_videos()["201_002_1x1"]
    names = [f"{number:04d}.png" for number in gap.numbers]
    for folder in ("data/paper/frames/tiktok_test", *(f"outputs/paper/{row}/test" for row in ROWS)):
        assert sorted(path.name for path in (checkout / folder / gap.name).glob("*.png")) == names, folder
    metrics = json.loads((checkout / "results/paper/tcan_mm2/metrics.json").read_text())
    assert metrics["frames"]["count"] == sum(len(video.numbers) for video in paper_world.manifest_videos().values())
    table = pd.read_csv(checkout / "reports/paper/table1.csv").set_index("row")
    assert table.loc[["tcan_mm2", "copy"], "here"].tolist() == ["run here"] * 2
    assert (checkout / "reports/paper/overview.png").exists()
    assert len(list((checkout / "outputs/paper/tcan_mm2/bizarre").glob("bizarre_*__*"))) == 2

    before = times(checkout, ("data/paper", "models/paper", "outputs/paper", "results/paper", "reports/paper"))
    assert checkout.planned("--config", "scale=paper") == {} and before == times(
        checkout, ("data/paper", "models/paper", "outputs/paper", "results/paper", "reports/paper"))


def test_the_doctor_finds_it_all(toy_paper):
    checkout, hubs = toy_paper
    report = json.loads(checkout.run("python", "-m", "tcan", "doctor", "--scale", "paper", "--json", fails=True).rpartition("error:")[0])
    assert {source["name"] for source in report["sources"]} >= {"tiktok", "bizarre", "stable_diffusion"}
