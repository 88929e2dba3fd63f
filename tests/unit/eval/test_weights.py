"""Weight files: strict names and shapes, pins, and nothing that runs."""

import hashlib
import os
import pickle
import subprocess

import pytest
import torch

from eval import features
from eval.errors import UserError
from eval.features import i3d, lpips_trunks, resnet3d, transnetv2, weights
from eval.features.hdf5 import read_arrays
from tests.golden.made_clips import fill

# Key names and shapes of the public files, as their publishers' networks print them.
PUBLIC = {
    i3d.I3D: {
        "Conv3d_1a_7x7.conv3d.weight": (64, 3, 7, 7, 7), "Conv3d_1a_7x7.bn.running_var": (64,), "Conv3d_2b_1x1.conv3d.weight": (64, 64, 1, 1, 1),
        "Conv3d_2c_3x3.conv3d.weight": (192, 64, 3, 3, 3), "Mixed_3b.b1a.conv3d.weight": (96, 192, 1, 1, 1),
        "Mixed_3b.b1b.conv3d.weight": (128, 96, 3, 3, 3), "Mixed_3b.b3b.bn.bias": (32,), "Mixed_4e.b1b.conv3d.weight": (288, 144, 3, 3, 3),
        "Mixed_5c.b0.conv3d.weight": (384, 832, 1, 1, 1), "logits.conv3d.weight": (400, 1024, 1, 1, 1), "logits.conv3d.bias": (400,)},
    resnet3d.ResNet3d: {
        "conv1.weight": (64, 3, 7, 7, 7), "bn1.running_mean": (64,), "layer1.0.conv1.weight": (64, 64, 1, 1, 1),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1, 1), "layer1.0.downsample.1.running_var": (256,), "layer1.2.conv3.weight": (256, 64, 1, 1, 1),
        "layer2.0.conv2.weight": (128, 128, 3, 3, 3), "layer3.5.bn3.weight": (1024,), "layer4.2.conv3.weight": (2048, 512, 1, 1, 1),
        "fc.weight": (400, 2048), "fc.bias": (400,)},
    lpips_trunks.vgg16_trunk: {"features.0.weight": (64, 3, 3, 3), "features.2.weight": (64, 64, 3, 3), "features.28.bias": (512,)},
    lpips_trunks.alexnet_trunk: {"features.0.weight": (64, 3, 11, 11), "features.3.weight": (192, 64, 5, 5), "features.10.bias": (256,)},
    transnetv2.Trunk: {"SDDCNN.0.DDCNN.0.Conv3D_1.layers.0.weight": (32, 3, 1, 3, 3), "SDDCNN.2.DDCNN.1.Conv3D_8.layers.1.weight": (64, 128, 3, 1, 1),
                       "SDDCNN.1.DDCNN.1.bn.running_var": (128,)},
}
# torchvision's 2D ResNet-50 has 25,557,032 weights; its 3x3 kernels (11,317,248) become three times, its first (9,408) seven times as
# large, and 1,000 classes become 400.
LEARNT = {i3d.I3D: 12_697_264, resnet3d.ResNet3d: 25_557_032 + 2 * 11_317_248 + 6 * 9_408 - 600 * 2_049}


@pytest.mark.parametrize("build", PUBLIC, ids=lambda build: build.__name__)
def test_names_and_shapes_are_the_public_ones(build):
    state = build().state_dict()
    assert {key: tuple(state[key].shape) for key in PUBLIC[build]} == PUBLIC[build]


@pytest.mark.parametrize("build", LEARNT, ids=lambda build: build.__name__)
def test_number_of_weights(build):
    assert sum(parameter.numel() for parameter in build().parameters()) == LEARNT[build]


def old(state):
    """As torch wrote state dicts before it counted batches: the public video networks are of that age."""
    return {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}


def test_i3d_loads_its_public_layout(tmp_path):
    state = old(fill(i3d.I3D()).state_dict())
    torch.save(state, tmp_path / "i3d.pt")
    loaded = i3d.build(tmp_path / "i3d.pt")
    assert not loaded.training and torch.equal(loaded.Mixed_4b.b0.conv3d.weight, state["Mixed_4b.b0.conv3d.weight"])


def test_resnet3d_loads_its_public_layout(tmp_path):
    state = old(resnet3d.ResNet3d().state_dict())
    torch.save({"arch": "resnet-50", "epoch": 1, "state_dict": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "r.pth")
    assert torch.equal(resnet3d.build(tmp_path / "r.pth").fc.bias, state["fc.bias"])
    torch.save(state, tmp_path / "bare.pth")
    with pytest.raises(UserError, match="`state_dict` and keys that begin with `module.`"):
        resnet3d.build(tmp_path / "bare.pth")


DAMAGE = {
    "a key too many": lambda state: state.update(more=torch.zeros(1)),
    "a key too few": lambda state: state.pop("SDDCNN.0.DDCNN.0.bn.weight"),
    "another shape": lambda state: state.update({"SDDCNN.0.DDCNN.0.bn.weight": torch.zeros(3)}),
    "another name": lambda state: state.update({"SDDCNN.0.DDCNN.0.norm.weight": state.pop("SDDCNN.0.DDCNN.0.bn.weight")}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_loading_is_strict(tmp_path, damage):
    state = dict(transnetv2.Trunk().state_dict())
    DAMAGE[damage](state)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(UserError, match="w.pth: expected the layers of transnetv2, got others") as error:
        transnetv2.build(tmp_path / "w.pth")
    assert "\n" not in str(error.value)


def test_heads_of_the_shot_detector_are_left(tmp_path):
    torch.save({**transnetv2.Trunk().state_dict(), "fc1.weight": torch.zeros(2), "cls_layer2.bias": torch.zeros(2)}, tmp_path / "w.pth")
    transnetv2.build(tmp_path / "w.pth")


class Evil:
    def __reduce__(self):
        return os.mkdir, ("it_ran",)


def test_a_pickle_that_wants_to_run_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, write in (("torch.pth", lambda path: torch.save({"w": Evil()}, path)), ("plain.pth", lambda path: path.write_bytes(pickle.dumps(Evil())))):
        write(tmp_path / name)
        with pytest.raises(UserError, match="tensors and nothing else"):
            weights.read_state(tmp_path / name)
    assert not (tmp_path / "it_ran").exists()


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 cut"])
def test_a_file_that_is_no_weight_file(tmp_path, content):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(UserError, match="w.pth"):
        weights.read_state(tmp_path / "w.pth")


def test_pins(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    blob = subprocess.run(["git", "hash-object", str(path)], capture_output=True, text=True, check=True).stdout.strip()
    for pin in (f"sha256:{digest}", f"sha256:{digest[:8]}", f"git:{blob}", None):
        assert weights.verify(path, pin) == digest
    for pin in ("sha256:00000000", "git:00000000"):
        with pytest.raises(UserError, match="fetch the file again"):
            weights.verify(path, pin)
    with pytest.raises(UserError, match="found none"):
        weights.verify(tmp_path / "none.pth", None)


def test_every_network_is_pinned_or_known_to_have_no_published_hash():
    assert [name for name, network in features.NETWORKS.items() if network.pin is None] == ["resnet3d"]


def test_an_unknown_network_names_those_that_would_do():
    with pytest.raises(UserError, match="expected one of efficientnet-lite0, inception; did you mean efficientnet-lite0"):
        features.check("efficientnet_lite0", "fid")
    with pytest.raises(UserError, match="expected one of i3d, transnetv2"):
        features.check("inception", "fvd")


def test_hdf5_arrays(tiny_hdf5):
    path, arrays = tiny_hdf5
    found = read_arrays(path)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (found[name] == array).all() and found[name].shape == array.shape


def test_hdf5_cut_short_or_of_another_kind(tiny_hdf5, tmp_path):
    data = tiny_hdf5[0].read_bytes()
    for name, content in (("cut", data[:700]), ("other", b"PK" + data[2:]), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=f"{name}: expected an HDF5 file"):
            read_arrays(tmp_path / name)
