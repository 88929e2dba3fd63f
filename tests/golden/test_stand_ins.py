"""The stand-ins with their real weights, where `snakemake fetch` has brought them to data/raw: they see what they should."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from made_clips import moving, noisy
from PIL import Image

from eval import features, frames
from eval.features.extractor import Windows

RAW = Path(__file__).parents[2] / "data" / "raw"


def load(name):
    if not (RAW / features.NETWORKS[name].file).is_file():
        pytest.skip(f"no {features.NETWORKS[name].file} below data/raw; fetch it with `snakemake fetch`")
    return features.load(name, RAW)[0]


def photograph(name, size=224):
    """One of scikit-image's own photographs, its square middle, uint8 (1, size, size, 3)."""
    from skimage import data

    picture = getattr(data, name)()
    side = min(picture.shape[:2])
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    square = Image.fromarray(picture[top:top + side, left:left + side, :3])
    return np.asarray(square.resize((size, size), Image.BICUBIC))[None]


@pytest.mark.parametrize("name, classes", [("chelsea", {281, 282, 285}), ("coffee", {504, 967, 968})], ids=["a cat", "a cup of coffee"])
def test_efficientnet_names_photographs(name, classes):
    """Pixels, padding and weights are right when the classifier behind the features is: ImageNet's class numbers."""
    network = load("efficientnet-lite0")
    found = torch.from_numpy(network.pictures(photograph(name), frames.resize_bicubic)["fid"]).float()
    assert network.network._fc(found).argmax().item() in classes


def test_hed_vgg16_orders_damage():
    network, true = load("hed-vgg16"), np.concatenate([photograph("astronaut", 64), photograph("chelsea", 64)])
    for damaged in ([noisy(true, amount) for amount in (4, 12, 36)],
                    [np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in true]) for sigma in (0.5, 1, 2)]):
        values = [network.frames(x, true, "-1..1").mean() for x in damaged]
        assert 0 < values[0] < values[1] < values[2] < network.frames(true[::-1].copy(), true, "-1..1").mean()
    assert network.frames(true, true, "0..1").max() == 0


def test_transnetv2_sees_motion():
    """A frozen clip does not change at all, one that goes twice as fast changes more."""
    network, clip = load("transnetv2"), moving(40, 64, seed=5)

    def found(frames_of_run):
        stream = Windows(network, 16)
        parts = [stream.push(frames_of_run)[1], stream.finish()[1]]
        return {role: np.concatenate([part[role] for part in parts]).mean(axis=0) for role in parts[0]}

    true, frozen, fast = found(clip[:20]), found(np.repeat(clip[:1], 20, axis=0)), found(clip[::2])
    assert true["fid_vid"].shape == (256,) and true["fvd"].shape == (512,)
    np.testing.assert_array_equal(true["fvd"][:256], true["fid_vid"])
    change = {name: np.linalg.norm(x["fvd"][256:]) for name, x in (("true", true), ("frozen", frozen), ("fast", fast))}
    assert change["frozen"] < 1e-4 * change["true"] and change["true"] < change["fast"]


def test_a_wrong_weight_file_is_refused(tmp_path):
    from eval.errors import UserError

    for name, network in features.NETWORKS.items():
        path = tmp_path / network.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"something else")
        with pytest.raises(UserError, match=path.name):
            features.load(name, tmp_path)
