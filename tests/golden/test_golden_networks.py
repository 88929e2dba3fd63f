"""The feature networks against other people's code for the same architecture, or against their layers called one by one."""

import lpips_reference  # noqa: F401  declares torchvision's operators before anything imports torchvision
import numpy as np
import plain_networks
import pytest
import torch
import torch.nn.functional as F
from made_clips import fill, moving
from PIL import Image

from eval import frames
from eval.features import efficientnet_lite0, i3d, inception, resnet3d, transnetv2
from eval.features.extractor import Extractor, Windows

CLOSE = dict(rtol=1e-4, atol=1e-5)      # float32, and sums in another order


@pytest.fixture(scope="module")
def window():
    return moving(16, 40, seed=3)


def test_resnet3d_of_a_still_picture_is_torchvisions_resnet50():
    """With kernels that look at their middle frame only, a still clip passes as one picture does: strides, padding, shortcuts and all."""
    from torchvision.models import resnet50

    flat, deep = fill(resnet50(num_classes=400)), resnet3d.ResNet3d()
    state = {}
    for key, value in flat.state_dict().items():
        if value.dim() == 4:
            depth = deep.state_dict()[key].shape[2]
            value = F.pad(value[:, :, None], (0, 0, 0, 0, depth // 2, depth // 2))
        state[key] = value
    deep.load_state_dict(state)         # strict: the same names
    picture = torch.randn(1, 3, 112, 112, generator=torch.Generator().manual_seed(0)) * 60
    flat.fc = torch.nn.Identity()
    with torch.inference_mode():
        expected = flat(picture)
        got = deep.eval()(picture[:, :, None].expand(-1, -1, 16, -1, -1))["fid_vid"]
    assert got.shape == (1, 2048)
    torch.testing.assert_close(got, expected, **CLOSE)


def test_i3d_layer_by_layer():
    """The 400 logits from the state dict alone: TensorFlow's SAME padding, BN eps 1e-3, a zero-padded max-pool, a 2x7x7 mean at the end."""
    network = fill(i3d.I3D())
    x = torch.randn(1, 3, 16, 224, 224, generator=torch.Generator().manual_seed(0)) / 2
    with torch.inference_mode():
        got, expected = network(x)["fvd"], plain_networks.i3d(network.state_dict(), x)
    assert got.shape == (1, 400)
    torch.testing.assert_close(got, expected, **CLOSE)


def test_resnet3d_layer_by_layer():
    """Over time too, which the still picture above doesn't see."""
    network = fill(resnet3d.ResNet3d())
    x = torch.randn(1, 3, 16, 56, 56, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        got, expected = network(x)["fid_vid"], plain_networks.resnet3d(network.state_dict(), x)
    torch.testing.assert_close(got, expected, **CLOSE)


def test_transnetv2_layer_by_layer():
    """Features of a run from the state dict alone."""
    state = fill(transnetv2.Trunk()).state_dict()
    x = torch.rand(1, 3, 20, 27, 27, generator=torch.Generator().manual_seed(0))

    def cell(name, x):
        parts = []
        for dilation in (1, 2, 4, 8):
            space, time = (state[f"{name}.Conv3D_{dilation}.layers.{i}.weight"] for i in (0, 1))
            y = F.conv3d(x, space, padding=(0, 1, 1))
            y = torch.cat([y[:, :, :1]] * dilation + [y] + [y[:, :, -1:]] * dilation, dim=2)     # the ends go on
            parts.append(F.conv3d(y, time, dilation=(dilation, 1, 1)))
        statistics = [state[f"{name}.bn.{kind}"] for kind in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(torch.cat(parts, 1), *statistics, eps=1e-3)

    with torch.inference_mode():
        got = transnetv2.pooled(fill(transnetv2.Trunk())(x, 0, 20)["frames"], 16)
        y = x
        for stage in range(3):
            first = F.relu(cell(f"SDDCNN.{stage}.DDCNN.0", y))
            y = F.avg_pool3d(F.relu(cell(f"SDDCNN.{stage}.DDCNN.1", first)) + first, (1, 2, 2))
        by_frame = y.mean(dim=(3, 4))[0].T
        for start in range(5):
            part = by_frame[start:start + 16]
            torch.testing.assert_close(got["fid_vid"][start], part.mean(0), **CLOSE)
            torch.testing.assert_close(got["fvd"][start], torch.cat([part.mean(0), (part[1:] - part[:-1]).abs().mean(0)]), **CLOSE)
    assert got["fid_vid"].shape == (5, 256) and got["fvd"].shape == (5, 512)


def test_efficientnet_lite0_is_timms(tmp_path):
    """timm's port of TensorFlow's network with the same weights in the same order; ours is also fused."""
    import timm

    theirs, ours = fill(timm.create_model("tf_efficientnet_lite0")), efficientnet_lite0.EfficientNetLite0()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    path = tmp_path / "weights.pth"
    torch.save(ours.state_dict(), path)
    x = torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = theirs.forward_features(x).mean(dim=(2, 3))
        got = efficientnet_lite0.build(path)(x)["fid"]
    assert got.shape == (2, 1280)
    torch.testing.assert_close(got, expected, **CLOSE)


def test_inception_is_pytorch_fids(tmp_path, monkeypatch):
    """Frames through our resize and pytorch-fid's network, against pytorch-fid resizing for itself."""
    from pytorch_fid import inception as package

    bare = package._inception_v3(num_classes=1008, aux_logits=False, weights=None)      # shapes of fid_inception_v3, block by block
    for name, block in {"Mixed_5b": package.FIDInceptionA(192, 32), "Mixed_5c": package.FIDInceptionA(256, 64),
                        "Mixed_5d": package.FIDInceptionA(288, 64), "Mixed_6b": package.FIDInceptionC(768, 128),
                        "Mixed_6c": package.FIDInceptionC(768, 160), "Mixed_6d": package.FIDInceptionC(768, 160),
                        "Mixed_6e": package.FIDInceptionC(768, 192), "Mixed_7b": package.FIDInceptionE_1(1280),
                        "Mixed_7c": package.FIDInceptionE_2(2048)}.items():
        setattr(bare, name, block)
    state = fill(bare).state_dict()
    torch.save(state, tmp_path / "weights.pth")
    pictures = moving(2, 64, seed=4)
    network = Extractor("inception", {"fid": 2048}, inception.prepare, inception.build(tmp_path / "weights.pth"))
    got = network.pictures(pictures, frames.resize_bilinear)["fid"]

    monkeypatch.setattr(package, "load_state_dict_from_url", lambda url, progress: state)
    with torch.inference_mode():
        expected = package.InceptionV3((3,)).eval()(torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255)[0].flatten(1)
    assert got.shape == (2, 2048)
    assert np.abs(got[0] - got[1]).mean() > 1e-4        # it looks at the pictures
    np.testing.assert_allclose(got, expected.numpy(), rtol=1e-4, atol=1e-6)


def test_a_window_is_prepared_as_the_protocol_says(window):
    """PIL's bicubic of each channel in float, not clipped, not rounded; then each network's own scale."""
    def literal(frame, size):
        return np.stack([np.asarray(Image.fromarray(frame[..., c].astype(np.float32)).resize((size, size), Image.BICUBIC)) for c in range(3)])

    for network, size, scale in ((resnet3d, 112, lambda x: x - np.array([114.7748, 107.7354, 99.4750])[:, None, None]),
                                 (i3d, 224, lambda x: x / 127.5 - 1)):
        expected = np.stack([scale(literal(frame, size)) for frame in window])
        np.testing.assert_allclose(network.prepare(window).numpy(), expected, rtol=1e-5, atol=1e-4)
    assert literal(window[0], 224).max() > window[0].max()      # an overshoot that clipping would have taken away


def test_windows_of_a_run_in_pieces(window):
    """Frames that come in pieces give the windows of the whole run, and each frame is prepared once."""
    frames_of_run, prepared = np.concatenate([window, window[:5]]), []

    class First(torch.nn.Module):       # says which frames a window holds
        def forward(self, x):
            return {"fvd": x[:, 0, :, 0, 0]}

    def prepare(pictures):
        prepared.append(len(pictures))
        return torch.from_numpy(pictures).permute(0, 3, 1, 2).float()

    stream = Windows(Extractor("first", {"fvd": 16}, prepare, First()), 16)
    found = [*(stream.push(frames_of_run[start:start + 4]) for start in range(0, 21, 4)), stream.finish()]
    values = frames_of_run[:, 0, 0, 0].astype(float)
    np.testing.assert_array_equal(np.concatenate([part["fvd"] for _, part in found]), [values[start:start + 16] for start in range(6)])
    assert [first for first, _ in found] == [0, 0, 0, 0, 1, 5, 6], "the number of the first window of each push"
    assert sum(prepared) == 21
