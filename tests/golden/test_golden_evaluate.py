"""`evaluate` on small folders against the protocols read literally: every window decoded and resized again, nothing shared."""

from itertools import chain

import cv2
import numpy as np
import plain
import pytest
import torch
from made_clips import moving, noisy, write
from made_networks import small_networks
from PIL import Image

from eval import evaluate

NUMBERS = [*range(3, 21), *range(40, 58)]       # a gap: 3 windows on either side of it


@pytest.fixture(scope="module")
def clips():
    true = {name: moving(36, 32, seed) for name, seed in (("anna", 1), ("bert", 2), ("carl", 3))}
    return {name: noisy(x[::-1] // 2 + x // 2, 12, seed=9) for name, x in true.items()}, true


@pytest.fixture(scope="module")
def folders(tmp_path_factory, clips):
    folder = tmp_path_factory.mktemp("clips")
    return tuple(write(folder / side, x, numbers=NUMBERS) for side, x in zip(("gen", "true"), clips))


@pytest.fixture(scope="module")
def result(folders):
    return evaluate(*folders, networks=small_networks(), gaps=True)


def values(result, protocol):
    return {key: entry["value"] for key, entry in result["protocols"][protocol]["metrics"].items()}


def stacked(clips):
    return [np.concatenate(list(side.values())) for side in clips]


def literal_windows(network, clip, disjoint=False):
    """Features of each window by itself, role -> (windows, d)."""
    found = {"fid_vid": [], "fvd": []}
    windows = plain.windows(NUMBERS)
    for window in [windows[0], windows[3]] if disjoint else windows:
        frames_of_window = []
        for index in window:
            planes = [Image.fromarray(clip[index][..., c].astype(np.float32)).resize((20, 20), Image.BICUBIC) for c in range(3)]
            frames_of_window.append(np.stack([np.asarray(plane) for plane in planes]))
        with torch.inference_mode():
            out = network.network(torch.from_numpy(np.stack(frames_of_window, axis=1)[None]) / 128)
        for role in found:
            found[role].append(out[role][0].double().numpy())
    return {role: np.stack(rows) for role, rows in found.items()}


def literal_features(clips, role, disjoint=False):
    network = small_networks()[role]
    return [np.concatenate([literal_windows(network, clip, disjoint)[role] for clip in side.values()]) for side in clips]


def test_pixel_metrics(result, clips):
    a, b = stacked(clips)
    disco, corrected = values(result, "disco-1"), values(result, "corrected-1")
    assert disco["L1"] == pytest.approx(plain.l1(a, b), rel=1e-6)
    assert disco["L1-grey"] == pytest.approx(plain.l1(a, b) * 1024, rel=1e-6)
    assert corrected["L1"] == pytest.approx(plain.l1(a, b) * 1024 / 255, rel=1e-6)
    assert disco["PSNR"] == pytest.approx(plain.psnr(a, b), rel=1e-6)
    per_video = result["protocols"]["disco-1"]["metrics"]["SSIM"]["per_video"]
    generated, true = clips
    assert per_video["bert"] == pytest.approx(np.mean([plain.ssim_uniform(plain.grey(x), plain.grey(y))
                                                       for x, y in zip(generated["bert"], true["bert"])]), rel=1e-6)
    assert disco["SSIM"] == pytest.approx(np.mean(list(per_video.values())), rel=1e-12)       # the clips are of one length


def test_lpips_is_fed_as_each_protocol_says(result, clips):
    network = small_networks()["lpips"]
    a, b = (torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255 for x in stacked(clips))
    with torch.inference_mode():
        unit, signed = network(a, b).mean().item(), network(2 * a - 1, 2 * b - 1).mean().item()
    assert values(result, "disco-1")["LPIPS[tiny]"] == pytest.approx(unit, rel=1e-5)
    assert values(result, "corrected-1")["LPIPS[tiny]"] == pytest.approx(signed, rel=1e-5)
    assert unit != pytest.approx(signed, rel=0.05)


def test_fid_and_kid(result, clips):
    network, found = small_networks()["fid"].network, {}
    for resize in ("bilinear", "bicubic"):
        for side, x in enumerate(stacked(clips)):
            if resize == "bilinear":
                y = torch.nn.functional.interpolate(torch.from_numpy(x).permute(0, 3, 1, 2) / 255, (24, 24), mode="bilinear")
            else:
                y = torch.tensor(np.stack([[np.asarray(Image.fromarray(f[..., c].astype(np.float32)).resize((24, 24), Image.BICUBIC))
                                            for c in range(3)] for f in x])) / 255
            with torch.inference_mode():
                found[resize, side] = network(y)["fid"].double().numpy()
    disco, corrected = values(result, "disco-1"), values(result, "corrected-1")
    assert disco["FID[small]"] == pytest.approx(plain.frechet(found["bilinear", 0], found["bilinear", 1]), rel=1e-4)
    assert corrected["FID[small]"] == pytest.approx(plain.frechet(found["bicubic", 0], found["bicubic", 1]), rel=1e-4)
    assert corrected["KID[small]"] == pytest.approx(plain.mmd(found["bicubic", 0], found["bicubic", 1]), rel=1e-4)


@pytest.mark.parametrize("role, name", [("fid_vid", "FID-VID"), ("fvd", "FVD")])
def test_video_metrics(result, clips, role, name):
    every, disjoint = literal_features(clips, role), literal_features(clips, role, disjoint=True)
    disco, corrected = values(result, "disco-1"), values(result, "corrected-1")
    assert disco[f"{name}[small3d]"] == pytest.approx(plain.frechet(*every), rel=1e-4)
    assert corrected[f"{name}[small3d]"] == disco[f"{name}[small3d]"]
    assert corrected[f"{name}-disjoint[small3d]"] == pytest.approx(plain.frechet(*disjoint), rel=1e-4)
    if role == "fvd":
        assert corrected["KVD[small3d]"] == pytest.approx(plain.mmd(*every), rel=1e-4)
    counts = {key: entry["n"] for key, entry in result["protocols"]["corrected-1"]["metrics"].items()}
    assert counts[f"{name}[small3d]"] == 18 and counts[f"{name}-disjoint[small3d]"] == 6      # 3 videos x 2 runs of 18 frames


def test_a_generated_frame_of_another_size_is_brought_to_the_true_one_by_opencv(tmp_path, clips):
    small = {"anna": np.stack([cv2.resize(frame, (20, 20), interpolation=cv2.INTER_AREA) for frame in clips[0]["anna"]])}
    true = {"anna": clips[1]["anna"]}
    result = evaluate(write(tmp_path / "gen", small), write(tmp_path / "true", true), ["disco-1"], networks={})
    enlarged = np.stack([cv2.resize(frame, (32, 32)) for frame in small["anna"]])
    assert values(result, "disco-1")["L1"] == pytest.approx(plain.l1(enlarged, true["anna"]), rel=1e-6)
    assert result["frames"]["generated_size"] == [20, 20] and result["frames"]["size"] == [32, 32]


def test_a_declared_size(folders, clips):
    result = evaluate(*folders, ["corrected-1@16", "corrected-1"], networks={}, gaps=True)
    a, b = ([np.asarray(Image.fromarray(frame).resize((16, 16), Image.BICUBIC)) for frame in side] for side in stacked(clips))
    assert values(result, "corrected-1@16")["L1"] == pytest.approx(plain.l1(a, b) * 256 / 255, rel=1e-6)
    assert [result["protocols"][label]["size"] for label in ("corrected-1@16", "corrected-1")] == [[16, 16], [32, 32]]


def test_the_file_lists_are_sha256sums(folders, result):
    import hashlib

    for folder, digest in zip(folders, result["frames"]["sha256"].values()):
        lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n" for path in sorted(folder.glob("*/*"))]
        assert digest == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_numbers_are_plain_and_complete(result):
    entries = list(chain.from_iterable(body["metrics"].items() for body in result["protocols"].values()))
    assert len(entries) == 8 + 11       # every metric of both protocols but LPIPS-Alex, whose network was not named
    assert result["protocols"]["corrected-1"]["left_out"] == {"LPIPS-Alex": "no network was named for lpips_alex"}
    for key, entry in entries:
        low, high = entry["interval"]
        assert type(entry["value"]) is float and low <= entry["value"] <= high, key
        assert entry["videos"] == 3 and entry["n"] > 0
        assert (entry["kind"] in ("pixel", "lpips")) == ("per_video" in entry)
