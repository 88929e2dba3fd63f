"""`python -m eval measure`: what it writes and prints, and what it refuses."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from eval import features, keypoint_network
from eval.cli import main
from tests.golden.made_clips import moving, noisy, write
from tests.golden.made_networks import small_networks
from tests.unit.eval.test_measures import STANDING

SIZE = 32
JOINTS = STANDING / 2       # of a person of 25 pixels
NAMES = {"keypoint-error", "keypoints-within-10%", "limb-ratio-error", "identity-distance", "background-flicker"}       # of the test split


def save_driving(path, xy, estimator="exact", size=SIZE):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, xy=xy.astype(np.float32), score=np.ones(xy.shape[:2], np.float32), size=np.array([size, size]), estimator=np.array(estimator))


def save_network(folder, **options):
    from diffusers import UNet2DModel

    UNet2DModel(**{"sample_size": 16, "in_channels": 12, "out_channels": 72, "block_out_channels": [8, 16], "layers_per_block": 1, "norm_num_groups": 8,
                   "down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2, **options}).save_pretrained(folder)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("network")
    save_network(folder)
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The network of the identity, played by a small one, so that no weights are needed."""
    monkeypatch.setattr(features, "load", lambda name, folder: (small_networks()["fid"], {f"{name}.pth": "0" * 64}))


@pytest.fixture
def made(tmp_path):
    """Test clips walk (exact key points) and film (estimated), and the character chibi, driven by both; all of it generated, with some noise."""
    clips = {"walk": moving(5, SIZE, seed=1), "film": moving(4, SIZE, seed=2), "chibi": moving(1, SIZE, seed=3)}
    write(tmp_path / "data/frames/puppets", clips, table={"walk": "test", "film": "test", "chibi": "bizarre"})
    driven = {"chibi__walk": np.repeat(clips["chibi"], 5, axis=0), "chibi__film": np.repeat(clips["chibi"], 4, axis=0)}
    for split, cases in (("test", {name: clips[name] for name in ("walk", "film")}), ("bizarre", driven)):
        write(tmp_path / "generated" / split, {name: noisy(frames, 4) for name, frames in cases.items()})
        for name, frames in cases.items():
            exact = "exact" if name.endswith("walk") else "blazepose"
            save_driving(tmp_path / "driving" / split / f"{name}.npz", np.repeat(JOINTS[None], len(frames), axis=0), exact)
            save_driving(tmp_path / "driving" / split / f"{name}.source.npz", JOINTS[None], exact)
    return tmp_path


@pytest.fixture
def command(made, network):
    """Run it in this process: (split, *words) -> exit code. It writes out.json."""
    def run(split, *words, network=network):
        return main(["measure", str(made / "generated" / split), "--split", split, "--data", str(made / "data"), "--driving", str(made / "driving" / split),
                     "--network", str(network), "--out", str(made / "out.json"), *words])
    return run


def test_it_writes_and_prints(command, made, capsys):
    assert command("test") == 0
    printed, result = capsys.readouterr(), json.loads((made / "out.json").read_text())
    assert json.loads(printed.out) == {name: entry["value"] for name, entry in result["measures"].items()} and "2/2 walk" in printed.err
    assert set(result["measures"]) == NAMES and (result["format"], result["split"]) == (1, "test")
    assert result["frames"]["per_video"] == {"film": 4, "walk": 5} and len(result["network"]) == len(result["frames"]["sha256"]) == 64
    for name, entry in result["measures"].items():
        joints = {"walk"} if name[:4] in ("keyp", "limb") else {"film", "walk"}       # what is not exact says nothing of joints
        assert set(entry["per_video"]) == set(entry["truth"]["per_video"]) == joints, name
        assert entry["value"] == pytest.approx(np.mean(list(entry["per_video"].values()))) and entry["better"] in ("lower", "higher") and entry["unit"]


def test_what_is_held_out_is_the_test_clips_and_the_further_ones(command, made):
    """Each like a test clip: of a rendered one the truth is known, and the error of the measure itself with it."""
    jog = moving(6, SIZE, seed=4)
    write(made / "data/frames/puppets_further", {"jog": jog}, table={"jog": "further"})
    for folder in ("generated", "driving"):
        shutil.copytree(made / folder / "test", made / folder / "held_out")
    write(made / "generated/held_out", {"jog": noisy(jog, 4)})
    save_driving(made / "driving/held_out/jog.npz", np.repeat(JOINTS[None], 6, axis=0), "exact")
    save_driving(made / "driving/held_out/jog.source.npz", JOINTS[None], "exact")
    assert command("held_out") == 0
    result = json.loads((made / "out.json").read_text())
    assert result["split"] == "held_out" and result["frames"]["per_video"] == {"film": 4, "jog": 6, "walk": 5} and set(result["measures"]) == NAMES
    assert set(result["measures"]["keypoint-error"]["truth"]["per_video"]) == {"jog", "walk"}
    assert command("test") == 0
    alone = json.loads((made / "out.json").read_text())
    assert "jog" not in alone["frames"]["per_video"] and alone["measures"]["background-flicker"]["per_video"]["walk"] == \
        result["measures"]["background-flicker"]["per_video"]["walk"]


def test_its_values_are_those_that_are_known(command, made, monkeypatch):
    """The network finds each joint 3 pixels right of where it should be; the frames are their source's, with noise of 4 grey levels."""
    monkeypatch.setattr(keypoint_network, "find", lambda network, frames: np.repeat(JOINTS[None] + (3, 0), len(frames), axis=0))
    assert command("bizarre") == 0
    measures = json.loads((made / "out.json").read_text())["measures"]
    assert measures["keypoint-error"]["per_video"] == {"chibi__walk": pytest.approx(12)}
    assert measures["keypoints-within-10%"]["value"] == 0 and measures["limb-ratio-error"]["value"] == pytest.approx(0, abs=1e-6)
    assert measures["background-flicker"]["value"] == pytest.approx(4, rel=0.1)
    assert 0 < measures["identity-distance"]["value"] < 0.05 and "truth" not in measures["identity-distance"]
    write(made / "again", {"chibi__walk": np.repeat(moving(1, SIZE, seed=3), 5, axis=0), "chibi__film": np.repeat(moving(1, SIZE, seed=3), 4, axis=0)})
    shutil.rmtree(made / "generated/bizarre")
    (made / "again").rename(made / "generated/bizarre")
    assert command("bizarre") == 0      # the source picture itself, again and again
    measures = json.loads((made / "out.json").read_text())["measures"]
    assert measures["background-flicker"]["value"] == 0 and measures["identity-distance"]["value"] == pytest.approx(0, abs=1e-9)


def test_proportions_are_judged_by_true_limbs_and_joints_by_the_pose_that_was_given(command, made, monkeypatch):
    """The network finds the person 5 pixels to the right of where it should be, with shins half as long as they truly are."""
    short = JOINTS + (5, 0)
    for knee, ankle in ((9, 10), (12, 13)):
        short[ankle] = short[knee] + 0.5 * (short[ankle] - short[knee])
    monkeypatch.setattr(keypoint_network, "find", lambda network, frames: np.repeat(short[None], len(frames), axis=0))
    folder = made / "driving/bizarre"
    for clip, frames in (("walk", 5), ("film", 4)):
        save_driving(folder / f"chibi__{clip}.as_driven.npz", np.repeat(short[None], frames, axis=0), "exact" if clip == "walk" else "blazepose")
    assert command("bizarre") == 0
    assert json.loads((made / "out.json").read_text())["measures"]["proportion-error"]["per_video"] == {}, "the true limbs aren't known"
    for what in ("true_limbs", "first_lengths", "clip_lengths"):
        save_driving(folder / f"chibi__walk.{what}.npz", np.repeat(JOINTS[None], 5, axis=0))
    found = {}
    for aim in ((), ("--aim", "as_driven")):
        assert command("bizarre", *aim) == 0
        found[aim] = {name: entry["value"] for name, entry in json.loads((made / "out.json").read_text())["measures"].items()}
        assert found[aim]["proportion-error"] == pytest.approx(np.log(2) / 4, rel=1e-3), "two limbs of eight, whatever pose was given"
    (retargeted, own) = found.values()
    assert own["keypoint-error"] == own["limb-ratio-error"] == pytest.approx(0, abs=1e-4) and retargeted["keypoint-error"] > 15
    assert retargeted["limb-ratio-error"] == pytest.approx(np.log(2) / 4, rel=1e-3)


def test_all_rows_proportions_are_measured_by_the_same_joints(command, made, monkeypatch):
    """One way to give the pose has the right ankle below the frame, and there the picture is worst: no row is the better for it, nor the worse."""
    legs = JOINTS.copy()
    legs[10], legs[13] = legs[9] + 0.1 * (legs[10] - legs[9]), legs[12] + 0.5 * (legs[13] - legs[12])
    monkeypatch.setattr(keypoint_network, "find", lambda network, frames: np.repeat(legs[None], len(frames), axis=0))
    folder, out_of_sight = made / "driving/bizarre", JOINTS.copy()
    out_of_sight[10] = (JOINTS[10, 0], 2 * SIZE)
    for what, joints in (("true_limbs", JOINTS), ("first_lengths", JOINTS), ("clip_lengths", JOINTS), ("as_driven", out_of_sight)):
        save_driving(folder / f"chibi__walk.{what}.npz", np.repeat(joints[None], 5, axis=0))
    save_driving(folder / "chibi__film.as_driven.npz", np.repeat(JOINTS[None], 4, axis=0), "blazepose")
    for aim in ((), ("--aim", "as_driven")):
        assert command("bizarre", *aim) == 0
        value = json.loads((made / "out.json").read_text())["measures"]["proportion-error"]["value"]
        assert value == pytest.approx(np.log(2) / 7, rel=1e-3), "one limb of the seven that can be seen in every way"
    save_driving(folder / "chibi__walk.clip_lengths.npz", np.repeat(JOINTS[None], 4, axis=0))
    assert command("bizarre") == 2


def test_an_aim_is_of_the_bizarre_split_and_must_be_there(command, capsys):
    assert command("test", "--aim", "as_driven") == 2 and "--aim: expected split bizarre" in capsys.readouterr().err
    assert command("bizarre", "--aim", "clip_lengths") == 2 and "clip_lengths.npz: expected key points" in capsys.readouterr().err


def test_joints_outside_the_frame_have_no_place_to_be(command, made, monkeypatch):
    """The pose throws an arm out of the frame; where the network puts that doesn't count, and the person grows no taller by it."""
    monkeypatch.setattr(keypoint_network, "find", lambda network, frames: np.repeat(JOINTS[None] + (3, 0), len(frames), axis=0))
    thrown = np.repeat(JOINTS[None], 5, axis=0)
    thrown[:, 4] = (10, -200)
    save_driving(made / "driving/bizarre/chibi__walk.npz", thrown)
    assert command("bizarre") == 0
    assert json.loads((made / "out.json").read_text())["measures"]["keypoint-error"]["value"] == pytest.approx(12)


def test_equal_input_gives_equal_bytes(command, made):
    assert command("test") == 0
    first = (made / "out.json").read_bytes()
    assert command("test") == 0 and (made / "out.json").read_bytes() == first
    assert str(made).encode() not in first


def test_clips_without_exact_key_points_alone(command, made):
    for path in (made / "driving/test").glob("walk*"):
        shutil.copy(path.with_name(path.name.replace("walk", "film")), path)
    shutil.rmtree(made / "generated/test/walk")
    shutil.copytree(made / "generated/test/film", made / "generated/test/walk")
    shutil.copytree(made / "data/frames/puppets/film", made / "data/frames/puppets/walk", dirs_exist_ok=True)
    (made / "data/frames/puppets/walk/0004.png").unlink()
    assert command("test") == 0
    assert json.loads((made / "out.json").read_text())["measures"]["keypoint-error"] == {
        "unit": "% of the person's height", "better": "lower", "value": None, "per_video": {}, "truth": {"value": None, "per_video": {}}}


# what is wrong -> what is done to the folder, and what stderr must say
REFUSED = {
    "a missing frame": (lambda made: (made / "generated/test/walk/0002.png").unlink(), "missing: 0002.png"),
    "a frame too many": (lambda made: Image.new("RGB", (SIZE, SIZE)).save(made / "generated/test/walk/0005.png"), "over: 0005.png"),
    "a missing true frame": (lambda made: (made / "data/frames/puppets/walk/0004.png").unlink(), "missing: 0004.png"),
    "a frame of another size": (lambda made: Image.new("RGB", (20, SIZE)).save(made / "generated/test/walk/0002.png"), "got 20x32"),
    "a broken frame": (lambda made: (made / "generated/test/walk/0002.png").write_bytes(b"PNG"), "0002.png: expected a PNG or JPEG"),
    "a case that was not generated": (lambda made: shutil.rmtree(made / "generated/test/film"), "missing: film"),
    "a case too many": (lambda made: (made / "generated/test/other").mkdir(), "over: other"),
    "nothing generated": (lambda made: shutil.rmtree(made / "generated"), "missing: film"),
    "no driving": (lambda made: (made / "driving/test/walk.npz").unlink(), "walk.npz: expected key points"),
    "no driving of the source": (lambda made: (made / "driving/test/walk.source.npz").unlink(), "walk.source.npz: expected key points"),
    "a driving file of text": (lambda made: (made / "driving/test/walk.npz").write_text("x"), "walk.npz: expected key points"),
    "a source of two frames": (lambda made: save_driving(made / "driving/test/walk.source.npz", np.stack([JOINTS] * 2)), "of one source picture, got 2"),
    "nobody in a clip": (lambda made: save_driving(made / "driving/test/walk.npz", np.full((5, 18, 2), np.nan)), "found nobody"),
    "no data": (lambda made: shutil.rmtree(made / "data"), "expected clips of split test"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(command, made, capsys, case):
    damage, message = REFUSED[case]
    damage(made)
    assert command("test") == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ") and message in last and not (made / "out.json").exists()


def test_what_is_refused_of_bizarre_cases(command, made, capsys):
    for path in (made / "driving/bizarre").glob("*"):
        path.rename(path.with_name(path.name.replace("chibi", "giant")))
    assert command("bizarre") == 2 and "found no giant" in capsys.readouterr().err
    shutil.rmtree(made / "driving/bizarre")
    assert command("bizarre") == 2 and "expected key points CASE.npz of split bizarre" in capsys.readouterr().err


def test_networks_that_are_none(command, made, capsys, tmp_path):
    assert command("test", network=tmp_path / "none") == 2 and "run `tcan keypoint_network` first" in capsys.readouterr().err
    save_network(tmp_path / "pictures", in_channels=3, out_channels=3)
    assert command("test", network=tmp_path / "pictures") == 2 and "got 3 channels in, 3 out" in capsys.readouterr().err
    save_network(tmp_path / "broken")
    (tmp_path / "broken" / keypoint_network.WEIGHTS).write_bytes(b"no weights")
    assert command("test", network=tmp_path / "broken") == 2 and "it can't be loaded" in capsys.readouterr().err
    save_network(tmp_path / "deep", block_out_channels=[8] * 6, down_block_types=("DownBlock2D",) * 6, up_block_types=("UpBlock2D",) * 6)
    assert command("test", network=tmp_path / "deep") == 2 and "sides of a multiple of 64, got 32x32" in capsys.readouterr().err
