"""`tcan doctor`: what it sees of a project folder with nothing, some, and all there; and its estimates against sums by hand."""

import dataclasses
import json
import sys
from argparse import ArgumentParser
from pathlib import Path

import pytest
import yaml

from eval.features import NETWORKS
from tcan.cli import main
from tcan.config import load
from tcan.doctor import command, disk, hours, machine, needs, text
from tcan.doctor.figures import driven, figures, lengths, windows
from tcan.errors import UserError
from tcan.fetch import sources
from tcan.fetch.pins import Pins
from tcan.sections import FrameSet, Published

ROOT = Path(__file__).parents[2]
REPLACE = dataclasses.replace
DECLARED = {  # the paper scale's sources, of a few bytes
    "stable_diffusion": {"kind": "https", "licence": "RAIL", "terms": "https://example.org/rail", "url": "https://example.org/sd",
                         "files": {"unet.bin": {"file": "unet/it.bin", "size": 1000}, "config.json": {"file": "unet/config.json"}}, "about": 1100},
    "vae_ft_mse": {"kind": "https", "licence": "MIT", "url": "https://example.org", "files": {"vae.bin": {"file": "vae.bin", "size": 2000}}},
    **{name: {"kind": "https", "licence": "MIT", "url": "https://example.org", "files": {"it.bin": {"file": "it.bin", "size": 3000}}}
       for name in ("controlnet_openpose", "realistic_vision", "animatediff_mm1", "animatediff_mm2", "annotators")},
    "fid_inception": {"kind": "https", "licence": "Apache-2.0", "url": "https://example.org", "files": {"inception.pth": {"file": "inception.pth"}}},
    "tiktok": {"kind": "https", "licence": "none stated", "terms": "https://example.org/tiktok", "url": "https://example.org",
               "files": {"it.zip": {"file": "it.zip"}}, "archive": {"format": "zip"}, "about": 50_000_000_000},
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project folder on a machine without GPUs, with those sources declared and 200 GB free."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "declared.yaml").write_text(yaml.safe_dump(DECLARED))
    declared = sources.load(tmp_path / "declared.yaml")
    monkeypatch.setattr(sources, "load", lambda: declared)
    monkeypatch.setattr(machine, "cards", lambda: [])
    monkeypatch.setattr(machine, "free", lambda folder: 200_000_000_000)
    monkeypatch.setattr(machine, "tools", lambda: {"git": True, "dvc": True})
    (tmp_path / "requirements.txt").write_text(f"# tried together\npyyaml=={yaml.__version__}\n")
    return tmp_path


@pytest.fixture
def paper():
    """The lite scale's configuration, at the paper's size and with its sources."""
    config = load(ROOT / "params.yaml", "lite")
    sets = {"tiktok": FrameSet("tiktok", "openpose"), "bizarre": FrameSet("bizarre", "openpose")}
    models = {name: config.models[name] for name in ("appa_mm1", "unfrozen_mm1")}
    rows = {name: config.rows[name] for name in ("appa", "unfrozen", "copy")}
    return REPLACE(config, scale="paper", models=models, rows=rows, data=REPLACE(config.data, size=512, videos={}, sets=sets),
                   foundation=REPLACE(config.foundation, source="published"), evaluate=REPLACE(config.evaluate, networks={"fid": "inception"}),
                   stage1=REPLACE(config.stage1, steps=100_000, batch=2, ema=0.0, adversary=0.0, mixed_precision="bf16"),
                   stage2=REPLACE(config.stage2, steps=30_600, mixed_precision="bf16", gradient_checkpointing=True),
                   generate=REPLACE(config.generate, steps=25), claims=REPLACE(config.claims, seeds=[], rows=[], proportions=[], held_out=[],
                   retargeting="appa", errors=REPLACE(config.claims.errors, rows=[], repeated_rows=[]),
                   learnt_errors=REPLACE(config.claims.learnt_errors, rows=[], control=[]), tau=REPLACE(config.claims.tau, row="appa", values=[])))


def arguments(*words):
    parser = ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(words)


def run(config, capsys, *words):
    """(what is printed, the closing line or None)"""
    try:
        command.run(arguments(*words), config)
        closing = None
    except UserError as error:
        closing = str(error)
    return capsys.readouterr().out, closing


def put(path, size):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))


def fetched(folder, name):
    """As `tcan fetch` leaves it."""
    entry = DECLARED[name]
    for file in entry["files"].values():
        put(folder / name / ("clip/0000.png" if "archive" in entry else file["file"]), file.get("size", 500))
    put(folder / name / "run.json", 10)


# --- the table --------------------------------------------------------------------------------------------------------

NOTHING = """\
Sources of scale paper
  source               state        size  from   terms      licence
  animatediff_mm1      missing    3.0 kB  https  -          MIT
  animatediff_mm2      missing    3.0 kB  https  -          MIT
  annotators           missing    3.0 kB  https  -          MIT
  controlnet_openpose  missing    3.0 kB  https  -          MIT
  fid_inception        missing         ?  https  -          Apache-2.0
  realistic_vision     missing    3.0 kB  https  -          MIT
  stable_diffusion     missing   ~1.1 kB  https  to accept  RAIL
  tiktok               missing  ~50.0 GB  https  to accept  none stated
  vae_ft_mse           missing    2.0 kB  https  -          MIT
  terms of stable_diffusion: https://example.org/rail
  terms of tiktok: https://example.org/tiktok

Machine
  GPU         none, and this scale needs one
  GPU memory  23.0 GB for the larger training's weights, gradients and AdamW, before activations
  packages    1 of 1 as pinned
  tools       git, dvc

Disk
  what                  size  how it is reckoned
  downloads         >50.0 GB  9 sources that aren't there; without fid_inception, whose size nobody says
  unpacked           50.0 GB  as large as packed: pictures and videos
  frames             40.9 GB  104,133 frames of 512 x 512 as PNG, 1.5 bytes a pixel (assumed)
  latents            13.2 GB  100,000 frames of the train split as float32, twice while they are put together
  foundation         12.1 GB  the networks that training starts from, as float32
  models             14.5 GB  2 of stage 1, 2 of stage 2, as float16
  checkpoint         14.6 GB  of one training at a time: weights and AdamW's state
  generated frames    9.7 GB  24,738 frames of 3 rows
  needed             >205 GB  from now on; 200 GB free

Hours of one GPU
  what                    hours   cost
  latents                   1.2   2.32
  stage 1 appa              1.6   3.22
  stage 1 plain_unfrozen    1.8   3.64
  stage 2 appa_mm1          3.9   7.86
  stage 2 unfrozen_mm1      3.9   7.86
  row appa                  1.2   2.43
  row unfrozen              1.2   2.43
  all of the tables        14.9  29.75
  H100: counted operations at 148 TFLOP/s in bf16 (15% of its data sheet, assumed) and 27 TFLOP/s in float32 (40% of its
  data sheet, assumed); trainings in bf16, generation in float16, latents in float32. Key points and scores aren't
  estimated.
"""


def test_nothing_there(project, paper, capsys):
    out, closing = run(paper, capsys, "--price", "2")
    assert out.splitlines() == NOTHING.splitlines()
    assert closing == ("doctor: expected all that scale paper needs, missing: 2 sources' terms, 5.1 GB of disk, 9 sources, 1 GPU; next: read the terms of "
                       "stable_diffusion, tiktok (above) and add the names to `acknowledged` in params.yaml, then `tcan doctor --scale paper` again")


def test_some_there(project, paper, capsys, monkeypatch):
    """Fetched, begun, cut, of another size, pinned, and the user's own; and where nothing but the sources is missing, what fetches them."""
    for name in ("vae_ft_mse", "annotators", "animatediff_mm1", "fid_inception", "controlnet_openpose"):
        fetched(project / "data/raw", name)
    put(project / "data/raw/annotators/it.bin", 2999)                     # cut
    (project / "data/raw/animatediff_mm1/run.json").unlink()              # what `tcan fetch` didn't finish
    (project / "data/raw/.tiktok.parts").mkdir()                          # what it has begun
    put(project / "own/unet/it.bin", 1000)
    put(project / "own/unet/config.json", 100)
    (project / "data/sources.lock.yaml").write_text(yaml.safe_dump({"fid_inception": {"inception.pth": {"size": 501, "sha256": "0" * 64}}}))
    monkeypatch.setattr(machine, "cards", lambda: [machine.Card("NVIDIA A100-SXM4-80GB", 85_000_000_000)])
    monkeypatch.setattr(machine, "free", lambda folder: 300_000_000_000)
    config = Configured(paper, {"stable_diffusion": str(project / "own")}, ["tiktok"])
    out, closing = run(config, capsys, "--json")
    report = json.loads(out)
    found = {need["name"]: (need["state"], need["size"], need["accepted"]) for need in report["sources"]}
    assert found["vae_ft_mse"] == ("present", 2000, None)
    assert found["annotators"] == ("partly", 3000, None)
    assert found["animatediff_mm1"] == ("partly", 3000, None)
    assert found["tiktok"] == ("partly", 50_000_000_000, True)
    assert found["stable_diffusion"] == ("from disk", 1100, None)
    assert found["fid_inception"] == ("partly", 501, None), "the pin says that it is another file"
    assert found["controlnet_openpose"] == ("present", 3000, None)
    assert report["missing"] == {"sources": ["animatediff_mm1", "animatediff_mm2", "annotators", "fid_inception", "realistic_vision", "tiktok"]}
    assert closing.endswith("next: run `snakemake --cores all fetch --config scale=paper`, then `tcan doctor --scale paper` again")
    assert report["hours"]["device"] == "A100"


def test_all_there(project, paper, capsys, monkeypatch):
    for name in DECLARED:
        fetched(project / "data/raw", name)
    monkeypatch.setattr(machine, "cards", lambda: [machine.Card("NVIDIA H100 80GB HBM3", 85_000_000_000)])
    out, closing = run(paper, capsys, "--price", "2.5")
    assert closing is None
    assert "downloads" not in out and "unpacked" not in out
    assert "  GPU         NVIDIA H100 80GB HBM3, 85.0 GB\n" in out
    assert "terms of" not in out and "to accept" not in out, "there already: nothing is asked"
    assert all(len(line) <= text.WIDTH for line in out.splitlines())
    report = json.loads(run(paper, capsys, "--price", "2.5", "--json")[0])
    assert report["missing"] == {} and report["hours"]["price"] == 2.5
    row = next(item["hours"] for item in report["hours"]["items"] if item["what"] == "row appa")
    assert f"row appa {' ' * 36}{row:.1f}".split() + [f"{2.5 * row:.2f}"] == next(line for line in out.splitlines() if " row appa " in line).split()


class Configured:
    """A configuration with the user's own sources and what terms they accept."""

    def __init__(self, config, sources, acknowledged):
        self.config, self.sources, self.acknowledged = config, sources, acknowledged

    def __getattr__(self, name):
        return getattr(self.config, name)


def test_what_else_can_be_missing(project, paper, capsys, monkeypatch):
    for name in DECLARED:
        fetched(project / "data/raw", name)
    monkeypatch.setattr(machine, "tools", lambda: {"git": False})
    (project / "requirements.txt").write_text("no-such-package==1.0\npyyaml==0.1\n")
    out, closing = run(paper, capsys)
    assert "packages    0 of 2 as pinned\n              missing: no-such-package\n              another version: pyyaml" in out
    assert "git (missing)" in out
    assert closing.startswith("doctor: expected all that scale paper needs, missing: 1 package, 1 tool, 1 GPU; next: run `pip install -r requirements.txt`")
    with pytest.raises(UserError, match="--card: expected one of H200, .*got 'H10'"):
        command.run(arguments("--card", "H10"), paper)


def test_a_foundation_trained_here_needs_what_its_scenes_are_made_of():
    """Rendered people alone, or photographed ones too, whose key points something must find."""
    config = load(ROOT / "params.yaml", "lite")
    shipped, plain = (REPLACE(config.foundation, source=source, photographs=REPLACE(config.foundation.photographs, photographed=part))
                      for source, part in (("shipped", 0.3), ("trained", 0.0)))
    assert {"pybullet", "photographs", "mediapipe"} <= set(needs.names(REPLACE(config, foundation=REPLACE(shipped, source="trained")), {}))
    assert not any("photographs" in needs.names(REPLACE(config, foundation=foundation), {}) for foundation in (shipped, plain))


@pytest.mark.parametrize("scale", ["lite", "smoke"])
def test_small_scales_through_the_command_line(scale, project, capfd, monkeypatch):
    """Exit codes; and as short as the scale is small."""
    declared = {name: small(name) for name in needs.names(load(ROOT / "params.yaml", scale), {})}
    monkeypatch.setattr(sources, "load", lambda: declared)
    assert main(["doctor", "--scale", scale, "--params", str(ROOT / "params.yaml")]) == 2
    told = capfd.readouterr()
    assert len(told.err.splitlines()) == 1 and told.err.startswith(f"error: doctor: expected all that scale {scale} needs, missing: ")
    for name in declared:
        put(project / "data/raw" / name / "it.bin", 10)
        put(project / "data/raw" / name / "run.json", 10)
    (project / "weights" / scale).mkdir(parents=True)
    assert main(["doctor", "--scale", scale, "--params", str(ROOT / "params.yaml"), "--json"]) == 0
    told = capfd.readouterr()
    assert told.err == "" and json.loads(told.out)["cards"] == []
    assert (json.loads(told.out)["hours"]["device"] != "") == (scale == "lite")


def small(name):
    return sources.Hosted(name=name, kind="https", licence="MIT", files=(sources.File(path="it.bin", file="it.bin", size=10),), url="https://example.org")


SCHEMA = {"scale": str, "sources": list, "packages": list, "tools": dict, "cards": list, "wants_card": bool, "training_memory": int, "disk": dict,
          "hours": dict, "missing": dict}


def test_json_is_of_one_form(project, paper, capsys):
    report = json.loads(run(paper, capsys, "--json")[0])
    assert {key: type(value) for key, value in report.items()} == SCHEMA
    assert {frozenset(need) for need in report["sources"]} == {frozenset(field.name for field in dataclasses.fields(needs.Need))}
    assert report["disk"].keys() == {"free", "needed", "whole", "items"} and report["disk"]["whole"] is False
    assert {frozenset(item) for item in report["disk"]["items"]} == {frozenset(("what", "size", "rule", "unknown", "there"))}
    assert all(item["size"] is None or item["size"] > 0 for item in report["disk"]["items"]), "what is unknown is no 0"
    assert {frozenset(item) for item in report["hours"]["items"]} == {frozenset(("what", "hours"))}


# --- estimates --------------------------------------------------------------------------------------------------------

def test_hours_by_hand(paper, tmp_path):
    """Trainings of 10 steps of 2 x 3 pairs and of 2 x 1 clips of 8 frames; a row of 3 windows and 1 in 5 steps."""
    config = REPLACE(paper, data=REPLACE(paper.data, clip_frames=40, videos={}, sets={"puppets": FrameSet("puppets", "exact+errors")}, puppets=REPLACE(
        paper.data.puppets, train_clips=5, test_clips=2, bizarre_characters=1)), stage1=REPLACE(paper.stage1, steps=10, batch=3, accumulate=2),
        stage2=REPLACE(paper.stage2, steps=10, batch=1, accumulate=2, frames=8), generate=REPLACE(paper.generate, steps=5, window=16, overlap=4))
    pace = hours.Pace({"stage1_pair": 36.0, "stage1_pair_unfrozen": 72.0, "stage2_clip": 360.0, "window_step": 18.0, "source": 3.6, "decode_frame": 0.36,
                       "encode_frame": 1.8}, "a card", "by hand")
    found = {item.what: item.hours for item in hours.estimates(config, pace, tmp_path)}
    assert found == pytest.approx({
        "latents": 5 * 40 * 1.8 / 3600, "stage 1 appa": 60 * 36 / 3600, "stage 1 plain_unfrozen": 60 * 72 / 3600,
        "stage 2 appa_mm1": 10 * 360 / 3600, "stage 2 unfrozen_mm1": 10 * 360 / 3600,
        # three clips of 40 frames (two of the test, one driven character), 3 windows each: 9 windows x 5 steps; 120 frames decoded, 3 sources
        **{f"row {name}": (45 * 18 + 120 * 0.36 + 3 * 3.6) / 3600 for name in ("appa", "unfrozen")}})
    further = {"x_further": FrameSet("puppets", "exact+errors", "further")}
    wide = REPLACE(config, claims=REPLACE(config.claims, rows=["appa"], held_out=["appa"], seeds=[1]), data=REPLACE(
        config.data, puppets=REPLACE(config.data.puppets, further_clips=4), sets=config.data.sets | further))
    held_out = 6 * (3 * 5 * 18 + 40 * 0.36 + 3.6) / 3600     # six clips, of the row and of its other seed
    once = hours.claims(REPLACE(wide, claims=REPLACE(wide.claims, held_out=[])), pace, tmp_path).hours
    assert hours.claims(wide, pace, tmp_path).hours == pytest.approx(once + 2 * held_out)
    claimed = hours.claims(config, pace, tmp_path)
    assert claimed.hours == pytest.approx(sum(
        found["row appa"] for name, row in config.every_row.items() if name not in config.rows and row.model)) and claimed.hours >= 0


def test_the_pace_of_a_card_by_hand(paper):
    pace = hours.pace(paper, "NVIDIA H100 80GB HBM3")
    assert pace.device == "H100"
    assert pace.seconds["stage1_pair"] == pytest.approx(4.297 / (989 * 0.15))
    assert pace.seconds["stage2_clip"] == pytest.approx(68.61 / (989 * 0.15))  # with gradient checkpointing
    assert pace.seconds["window_step"] == pytest.approx(36.28 / (989 * 0.15))  # in float16, at bf16's rate
    assert pace.seconds["encode_frame"] == pytest.approx(1.12 / (67 * 0.4), rel=0.01)   # in float32
    assert hours.pace(REPLACE(paper, stage1=REPLACE(paper.stage1, mixed_precision="no")), "NVIDIA A100").seconds["stage1_pair"] == pytest.approx(4.297 / 7.8)
    assert hours.pace(paper, "Tesla T4").device == "H100 in the place of Tesla T4"
    assert "15% of its data sheet, assumed" in pace.how
    assert hours.pace(REPLACE(paper, data=REPLACE(paper.data, size=256))).seconds == {}, "counted at another size"


def test_the_lite_scale_is_as_measured():
    config = load(ROOT / "params.yaml", "lite")
    pace = hours.pace(config)
    assert hours.stage1(config, "appa", pace) * 3600 == pytest.approx(config.stage1.steps * config.stage1.batch * 0.143)
    assert hours.pace(load(ROOT / "params.yaml", "smoke")).seconds == {}


def test_disk_by_hand(paper, tmp_path):
    """Two clips of train and a picture; 8 x 8 places of 4 channels, float32, and 18 joints of 3 numbers."""
    table = tmp_path / "frames/tiktok/clips.csv"
    put(table, 0)
    table.write_text("id,split,frames\na,train,10\nb,train,20\nc,test,4\n")
    config = REPLACE(paper, data=REPLACE(paper.data, size=64))
    found = {item.what: item.size for item in disk.items(config, [], tmp_path)}
    picture = 64 * 64 * 1.5
    assert found["frames"] == (30 + 4 + 10) * picture
    assert found["latents"] == 2 * 30 * (8 * 8 * 4 * 4 + 18 * 3 * 4)
    assert found["generated frames"] == 3 * (4 + 10 * 4) * picture
    assert found["checkpoint"] == 12 * (859_520_964 + 361_279_120)
    assert disk.items(load(ROOT / "params.yaml", "smoke"), [], tmp_path)[-1].size is None


def test_what_is_made_takes_no_more(paper, tmp_path):
    data = tmp_path / "data/paper"
    before = {item.what: item.needed for item in disk.items(paper, [], data)}
    for path, size in ((data / "frames/tiktok/00001/0000.png", 1000), (tmp_path / "models/paper/foundation/vae/it.safetensors", 2000),
                       (tmp_path / "models/paper/stage1/appa/it.safetensors", 3000), (tmp_path / "models/paper/appa_mm1/it.safetensors", 4000),
                       (tmp_path / "models/paper/latents/it.safetensors", 5000), (tmp_path / "outputs/paper/appa/test/it.png", 6000)):
        put(path, size)
    after = {item.what: item.needed for item in disk.items(paper, [], data)}
    assert {what: before[what] - after[what] for what in before} == {
        "frames": 1000, "foundation": 2000, "models": 7000, "latents": 5000, "generated frames": 6000, "checkpoint": 0}


def test_lengths_are_counted_declared_or_published(paper, tmp_path):
    config = load(ROOT / "params.yaml", "lite")
    assert lengths(config, "test", tmp_path) == [28] * (3 + 7) and lengths(config, "bizarre", tmp_path) == [28] * 10
    assert driven(config, "bizarre", tmp_path, "diagonal") == [28] * 10 and driven(config, "bizarre", tmp_path, "product") == [28] * 100
    assert sum(lengths(paper, "test", tmp_path)) == 4123 and sum(lengths(paper, "train", tmp_path)) == 100_000 and len(lengths(paper, "train", tmp_path)) == 340
    unknown = REPLACE(paper, data=REPLACE(paper.data, sets={"another": FrameSet("another", "openpose")}))
    assert lengths(unknown, "train", tmp_path) is None
    assert {item.what: item.size for item in disk.items(unknown, [], tmp_path)}["frames"] is None
    assert hours.row(unknown, "appa", hours.pace(paper), tmp_path) is None


def test_windows_are_those_of_generation():
    from tcan.generate.windows import windows as generated

    for frames in range(1, 80):
        for window, overlap in ((16, 4), (16, 0), (8, 7), (5, 2)):
            for closed in (False, True):
                assert windows(frames, window, overlap, closed) == len(generated(frames, window, overlap, closed)), (frames, window, overlap, closed)


def test_figures_are_the_counted_ones():
    counted = json.loads((ROOT / "bench/results/flops.json").read_text())
    assert counted["side"] == figures()["counted"]["side"]
    assert counted["tflop"] == pytest.approx(figures()["counted"]["tflop"], rel=1e-3)


# --- sources ----------------------------------------------------------------------------------------------------------

def test_every_network_of_a_metric_has_its_source():
    declared = sources.load(ROOT / "tcan/fetch/declared")
    assert needs.NETWORKS == {name: network.file.split("/")[0] for name, network in NETWORKS.items()}
    for name, network in NETWORKS.items():
        source, file = network.file.split("/", 1)
        held = declared[source].members if isinstance(declared[source], sources.Package) else declared[source].files
        found = next(one for one in held if one.file == file)
        kind, _, pin = (network.pin or "").partition(":")
        if kind == "sha256":
            assert found.sha256.startswith(pin), name


def test_the_networks_of_the_paper_scale_are_declared():
    from tcan.commands.weights import CONTROLNETS, UNETS

    declared = sources.load(ROOT / "tcan/fetch/declared")
    chosen = needs.networks(load(ROOT / "params.yaml", "paper"))
    for name in (*chosen, *UNETS, *CONTROLNETS, *needs.ESTIMATORS["openpose"], *needs.ESTIMATORS["dwpose"], "ip_adapter"):
        source = declared[name]
        assert source.kind == "huggingface" and len(source.revision) == 40, name
        assert source.about or all(file.size for file in source.files), "its size is known, at least roughly"
        weights = [file for file in source.files if file.file.endswith((".safetensors", ".ckpt", ".pth", ".onnx"))]
        assert weights and all(file.sha256 for file in weights) or name == "controlnet_openpose", "whose sha256 isn't published where we could see it"
    assert declared["annotators"].files[0].file == "body_pose_model.pth"


def test_the_authors_choices_are_asked_for(paper):
    config = REPLACE(paper, foundation=REPLACE(paper.foundation, published=Published("realistic_vision", "realistic_vision", "controlnet_v11p_openpose")))
    assert needs.networks(config) == ("animatediff_mm1", "animatediff_mm2", "controlnet_v11p_openpose", "realistic_vision", "stable_diffusion", "vae_ft_mse")
    assert needs.networks(paper) == ("animatediff_mm1", "animatediff_mm2", "controlnet_openpose", "realistic_vision", "stable_diffusion", "vae_ft_mse")


# --- machine and text -------------------------------------------------------------------------------------------------

def test_a_machine_without_cards_isnt_asked_for_them(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # an import would raise
    assert machine.cards(tmp_path) == []
    (tmp_path / "nvidia0").touch()
    with pytest.raises(ImportError):
        machine.cards(tmp_path)


def test_packages_beside_what_is_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_installed", {"torch": "2.13.0+cu128", "numpy": "2.0.0"}.get)
    (tmp_path / "requirements.txt").write_text("# torch==1\ntorch==2.13.0\nnumpy==2.4.6  # why\nlpips==0.1.4\n")
    found = machine.packages(tmp_path / "requirements.txt")
    assert [(package.name, package.found, package.agrees) for package in found] == [
        ("torch", "2.13.0+cu128", True), ("numpy", "2.0.0", False), ("lpips", None, False)]


@pytest.mark.parametrize(("count", "told"), [(None, "?"), (0, "0 B"), (999, "999 B"), (999.6, "1.0 kB"), (1500, "1.5 kB"), (99_400, "99.4 kB"),
                                             (123_456_789, "123 MB"), (3_900_000_000, "3.9 GB"), (2_500_000_000_000, "2.5 TB")])
def test_sizes_in_words(count, told):
    assert text.size(count) == told
    assert text.size(count, exact=False) == ("?" if count is None else f"~{told}")


def test_tables_are_aligned_and_cut():
    lines = text.table([("a", "1", "x"), ("bbb", "22", "y " * 100)], right={1})
    assert lines[0] == "  a     1  x"
    assert len(lines[1]) <= text.WIDTH and lines[1].startswith("  bbb  22  y y") and lines[1].endswith("...")


def test_pins_say_sizes(tmp_path):
    pins = Pins(tmp_path / "lock.yaml")
    pins.keep("it", "it.bin", 77, "0" * 64)
    source = sources.Hosted(name="it", kind="https", licence="MIT", files=(sources.File(path="it.bin", file="it.bin"),), url="https://example.org")
    assert needs.look(source, tmp_path, pins=pins).size == 77 and needs.look(source, tmp_path).size is None
