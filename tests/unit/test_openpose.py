"""OpenPose through controlnet_aux: its own network and weight file, without a person's worth of training."""

import numpy as np
import pytest

from tcan.errors import UserError
from tcan.pose.openpose import SIDE, WEIGHTS, OpenPose


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder with a weight file in OpenPose's format. All zeros: the network of these weights sees nobody anywhere."""
    import torch

    from tcan import torchvision_ops
    torchvision_ops.ensure()
    from controlnet_aux.open_pose.model import bodypose_model

    folder = tmp_path_factory.mktemp("annotators")
    # the published file has the layers' names without the network's own first level
    state = {name.partition(".")[2]: torch.zeros_like(value) for name, value in bodypose_model().state_dict().items()}
    torch.save(state, folder / WEIGHTS)
    return folder


def test_nobody_is_explicit(weights):
    xy, score = OpenPose(weights)([np.full((64, 48, 3), 128, np.uint8)])
    assert xy.shape == (1, 18, 2) and np.isnan(xy).all() and (score == 0).all()


def test_the_surest_person_in_units_of_the_picture(weights, monkeypatch):
    look = OpenPose(weights)
    seen = []

    def network(picture):
        """Two people: a nose (score 0.4), and a nose and a neck (0.9 and 0.5)."""
        seen.append(picture)
        candidate = np.array([[10, 20, 0.4, 0], [256, 128, 0.9, 1], [256, 256, 0.5, 2]])
        subset = np.full((2, 20), -1.0)
        subset[0, [0, 18, 19]] = 0, 4, 4
        subset[1, [0, 1, 18, 19]] = 1, 2, 9, 5
        return candidate, subset

    network.format_body_result = look._detector.body_estimation.format_body_result
    monkeypatch.setattr(look._detector, "body_estimation", network)
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[..., 0] = 255
    (xy,), (score,) = look([picture])
    assert np.allclose(xy[:2], [[256 / 1024, 128 / SIDE], [256 / 1024, 256 / SIDE]]) and np.isnan(xy[2:]).all()
    assert np.allclose(score[:3], [0.9, 0.5, 0])
    assert seen[0].shape == (SIDE, 2 * SIDE, 3) and seen[0][0, 0].tolist() == [0, 0, 255], "the network was trained on BGR"


def test_missing_and_other_weights(tmp_path):
    import torch

    with pytest.raises(UserError, match=f"{WEIGHTS}: expected OpenPose's weights, found no file"):
        OpenPose(tmp_path)
    torch.save({"conv": torch.zeros(3)}, tmp_path / WEIGHTS)
    with pytest.raises(UserError, match=f"{WEIGHTS}: expected the weights of OpenPose's body network"):
        OpenPose(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"broken")
    with pytest.raises(UserError, match=f"{WEIGHTS}: expected the weights of OpenPose's body network"):
        OpenPose(tmp_path)
