"""Features that are kept: the same numbers, fewer forwards, and never the wrong features."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import eval.cache
from eval import evaluate, features
from eval.cache import SOURCES, FeatureCache, code_digest
from tcan.imports import sources_of
from tests.golden.made_clips import noisy, write
from tests.golden.made_networks import small_networks

PACKAGE = Path(eval.cache.__file__).parent

NAMES = {"lpips": "hed-vgg16", "fid": "efficientnet-lite0", "fid_vid": "transnetv2", "fvd": "transnetv2"}


@pytest.fixture
def networks(monkeypatch):
    """The small networks under stand-ins' names, with the digest of their weights in a list that a test may change, and what they were shown."""
    small, shown, weights = small_networks(), [], ["0" * 64]
    for role in ("lpips", "fid", "fvd"):
        object.__setattr__(small[role], "name", NAMES[role])
        if role != "lpips":
            network = small[role].network
            network.register_forward_hook(lambda module, inputs, output: shown.append(len(inputs[0])))
    monkeypatch.setattr(features, "load", lambda name, folder, device: ({NAMES[r]: small[r] for r in ("lpips", "fid", "fvd")}[name], {"w.pth": weights[0]}))
    return shown, weights


def score(folders, cache):
    return evaluate(*folders, networks=NAMES, cache=cache)


def test_the_second_time_no_network_looks_and_the_result_is_the_same(folders, networks, tmp_path):
    shown, _ = networks
    plain = score(folders, None)
    shown.clear()
    first = score(folders, tmp_path / "cache")
    assert shown
    shown.clear()
    assert score(folders, tmp_path / "cache") == first == plain
    assert not shown


def test_another_system_pays_for_its_own_frames_only(folders, networks, tmp_path, clips):
    shown, _ = networks
    score(folders, tmp_path / "cache")
    whole, _ = sum(shown), shown.clear()
    other = write(tmp_path / "other", {name: noisy(clip, 30) for name, clip in clips.items()})
    assert score((other, folders[1]), tmp_path / "cache") == score((other, folders[1]), None) or pytest.fail("cached features changed the result")
    shown.clear()
    third = write(tmp_path / "third", {name: noisy(clip, 20) for name, clip in clips.items()})
    score((third, folders[1]), tmp_path / "cache")
    assert sum(shown) == whole / 2


def test_an_edited_frame_and_other_weights_are_seen(folders, networks, tmp_path, clips):
    shown, weights = networks
    first = score(folders, tmp_path / "cache")
    from PIL import Image

    Image.fromarray(clips["bert"][3]).save(folders[0] / "anna" / "0005.png")
    edited = score(folders, tmp_path / "cache")
    assert edited == score(folders, None) and edited["protocols"] != first["protocols"]
    shown.clear()
    weights[0] = "1" * 64
    score(folders, tmp_path / "cache")
    assert shown


@pytest.fixture
def package(tmp_path):
    """A copy of the package, as installed somewhere else."""
    return Path(shutil.copytree(PACKAGE, tmp_path / "elsewhere/eval"))


def digest_of(package):
    code_digest.cache_clear()       # as in another process
    return code_digest(package)


def test_features_of_edited_code_are_computed_anew(folders, networks, tmp_path, package, monkeypatch):
    shown, _ = networks
    (package / "frames.py").write_text((package / "frames.py").read_text() + "\nEDITED = True\n")
    first = score(folders, tmp_path / "cache")
    shown.clear()
    monkeypatch.setattr(eval.cache, "code_digest", lambda: digest_of(package))
    assert score(folders, tmp_path / "cache") == first
    assert shown


@pytest.mark.parametrize("source", ["features/transnetv2.py", "features/extractor.py", *SOURCES])
def test_edited_code_gives_another_key(tmp_path, package, monkeypatch, source):
    before = FeatureCache(tmp_path).key(x=1)
    monkeypatch.setattr(eval.cache, "code_digest", lambda: digest_of(package))
    assert FeatureCache(tmp_path).key(x=1) == before, "the same code, elsewhere"
    (package / source).write_text((package / source).read_text() + "\nEDITED = True\n")
    assert FeatureCache(tmp_path).key(x=1) != before


def test_a_network_more_and_a_file_of_another_name_are_seen(package):
    before = digest_of(package)
    (package / "features/more.py").write_text("")
    more = digest_of(package)
    (package / "features/more.py").rename(package / "features/other.py")
    assert len({before, more, digest_of(package)}) == 3


def test_other_code_is_not(package):
    """Wherever the package lies, whenever its files were written, and whatever else is edited."""
    (package / "report.py").write_text("EDITED = True\n")
    (package / "features/__pycache__").mkdir(exist_ok=True)
    (package / "features/__pycache__/i3d.cpython-311.pyc").write_bytes(b"compiled")
    os.utime(package / "frames.py", (0, 0))
    assert digest_of(package) == digest_of(PACKAGE)


def test_all_that_a_score_imports_is_seen_or_computes_no_features():
    """A module that comes to be imported belongs in one of the two lists."""
    others = ("bootstrap.py", "cache.py", "compare.py", "files.py", "frechet.py", "perceptual.py", "pixel.py", "protocol.py", "values.py")
    modules = ["eval.score", *(f"eval.features.{network.module}" for network in features.NETWORKS.values())]
    imported = {path for module in modules for path in sources_of(module, PACKAGE.parent)}
    assert {path for path in imported if not path.startswith("eval/features/")} == {f"eval/{name}" for name in (*SOURCES, *others)}


def test_a_broken_file_is_made_anew(folders, networks, tmp_path):
    first = score(folders, tmp_path / "cache")
    files = sorted((tmp_path / "cache").rglob("*.npz"))
    files[0].write_bytes(b"")
    files[1].write_bytes(files[1].read_bytes()[:100])
    files[2].write_text("not features")
    np.savez(files[3], others=np.zeros(3))
    np.save(files[4].with_suffix(".npy"), np.zeros(3))
    files[4].with_suffix(".npy").replace(files[4])
    assert score(folders, tmp_path / "cache") == first
    assert all(np.load(path, allow_pickle=False).files for path in files)


def test_a_pickle_in_the_cache_is_not_run(tmp_path):
    cache = FeatureCache(tmp_path)
    key = cache.key(x=1)
    cache.put(key, {"a": np.zeros(1)})
    np.savez(next(tmp_path.rglob("*.npz")), a=np.array([{}], dtype=object))
    assert cache.get(key, ["a"]) is None


def test_networks_that_are_handed_over_are_not_kept(folders, tmp_path):
    evaluate(*folders, networks=small_networks(), cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("workers", [0, 1, 5])
def test_the_number_of_workers_changes_nothing(folders, workers):
    assert evaluate(*folders, networks=small_networks(), workers=workers) == evaluate(*folders, networks=small_networks(), workers=2)
