"""OpenPose through controlnet_aux: its own network and weight file, without a person's worth of training."""

import numpy as np
import pytest

from tcan.errors import UserError
from tcan.pose import part_affinity
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


def test_people_in_units_of_the_picture(weights, monkeypatch):
    look = OpenPose(weights)
    seen = []

    def maps(inputs):
        seen.append(inputs)
        return np.zeros((1, 19, 23, 46), np.float32), np.zeros((1, 38, 23, 46), np.float32)

    def people(heat, fields, shape, size):
        """A nose (score 0.4), and a nose and a neck (1.2 and 0.5)."""
        assert shape == (184, 368) and size == (SIDE, 2 * SIDE)
        joints = np.full((2, 18, 3), np.nan)
        joints[0, 0], joints[1, :2] = (10, 20, 0.4), [(256, 128, 1.2), (256, 256, 0.5)]
        return joints, np.array([4.0, 9.0])

    monkeypatch.setattr(look, "maps", maps)
    monkeypatch.setattr(part_affinity, "people", people)
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[..., 0] = 255
    (found,) = look.people([picture])
    assert np.allclose(found.xy[1, :2], [[256 / 1024, 128 / SIDE], [256 / 1024, 256 / SIDE]]) and np.isnan(found.xy[1, 2:]).all()
    assert np.allclose(found.score[:, :3], [[0.4, 0, 0], [1, 0.5, 0]]) and found.surety.tolist() == [4, 9]
    assert seen[0].shape == (1, 3, 184, 368) and np.allclose(seen[0][0, :, 0, 0], [-0.5, -0.5, 255 / 256 - 0.5]), "the network was trained on BGR"


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
