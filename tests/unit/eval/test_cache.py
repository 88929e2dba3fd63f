"""Features that are kept: the same numbers, fewer forwards, and never the wrong features."""

import numpy as np
import pytest

from eval import evaluate, features
from eval.cache import FeatureCache
from tests.golden.made_clips import noisy, write
from tests.golden.made_networks import small_networks

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
