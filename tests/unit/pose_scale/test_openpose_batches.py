"""OpenPose in batches finds what controlnet_aux's own Body finds picture by picture: the same joints, places and scores."""

import numpy as np
import pytest
from made_people import maps, network, person, pictures

from tcan.errors import UserError
from tcan.pose import part_affinity
from tcan.pose.openpose import SIDE, WEIGHTS, OpenPose, network_input
from tcan.pose.people import pick

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """OpenPose's weight file with pseudo-random weights (He's initialisation), scaled so that the maps' values are like those of real ones."""
    from tcan import torchvision_ops
    torchvision_ops.ensure()
    from controlnet_aux.open_pose.model import bodypose_model

    torch.manual_seed(0)
    state = {}
    for name, value in bodypose_model().state_dict().items():
        if name.endswith("weight"):
            torch.nn.init.kaiming_normal_(value)
            if "Mconv7_stage6" in name:
                value *= 0.1
        else:
            value.zero_()
        state[name.partition(".")[2]] = value
    path = tmp_path_factory.mktemp("annotators")
    torch.save(state, path / WEIGHTS)
    return path


@pytest.fixture(scope="module")
def look(folder):
    return OpenPose(folder)


def body_of(model):
    """controlnet_aux's Body around a network."""
    from controlnet_aux.open_pose.body import Body

    body = Body.__new__(Body)
    body.model = model
    return body


def read_by_body(body, picture):
    """What Body finds in a picture of the size that it looks at: joints (p, 18, 3), NaN where missing, and total scores (p,)."""
    people = body.format_body_result(*body(np.ascontiguousarray(picture[:, :, ::-1])))
    joints = [[(joint.x, joint.y, joint.score) if joint else (np.nan,) * 3 for joint in one.keypoints] for one in people]
    return np.array(joints).reshape(-1, 18, 3), np.array([one.total_score for one in people])


def same(found, joints, total):
    size = found.size[::-1]
    np.testing.assert_array_equal(np.isnan(found.xy), np.isnan(joints[..., :2]))
    np.testing.assert_allclose(found.xy * size, joints[..., :2], atol=1e-4)
    np.testing.assert_allclose(found.score, np.nan_to_num(np.minimum(joints[..., 2], 1)), atol=1e-5)
    np.testing.assert_allclose(found.surety, total, atol=1e-5)


def far_apart(people):
    return [person(*place) for place in people]


SCENES = {
    "nobody": [],
    "one": far_apart([(0.3, 0.1, 0.8)]),
    "two": far_apart([(0.1, 0.1, 0.8), (0.6, 0.3, 0.6, 0.8)]),
    "two who overlap": far_apart([(0.3, 0.1, 0.8), (0.42, 0.15, 0.75, 0.6)]),
    "five": far_apart([(x, 0.2 + 0.05 * number, 0.5, 0.05 * number) for number, x in enumerate((0.045, 0.23, 0.415, 0.595, 0.775))]),
    "over the left edge": far_apart([(-0.1, 0.1, 0.8)]),
    "on all edges": far_apart([(0.0, -0.08, 1.1, 1.2), (0.75, 0.0, 1.03)]),
    "joints missing": [np.where(np.isin(np.arange(18), (4, 9, 10, 14))[:, None], np.nan, person(0.3, 0.1, 0.8))],
    "on one place": far_apart([(0.3, 0.1, 0.8), (0.3, 0.1, 0.8)]),
}


@pytest.mark.parametrize("name", SCENES)
def test_known_people_as_body_finds_them(look, monkeypatch, name):
    scenes = [maps(SCENES[name], 23, 23, noise=0.0 if name == "on one place" else 0.02)]
    model = network(scenes)
    monkeypatch.setattr(look, "_network", model)
    (found,) = look.people(pictures(1))
    joints, total = read_by_body(body_of(model), pictures(1)[0])
    same(found, joints, total)
    if name in ("nobody", "one", "two", "five"):
        assert len(found) == len(SCENES[name])
        for truth in SCENES[name]:  # and Body finds what is there, to a fraction of the network's cell of 22 pixels
            nearest = min(np.nanmax(np.abs(one - truth)) for one in found.xy)
            assert nearest < 0.02


@pytest.mark.parametrize("shape", [(512, 768), (832, 512), (64, 64)])
def test_other_shapes(look, monkeypatch, shape):
    """Padding to the stride, and maps that are not square."""
    scenes = [(np.zeros((19, 1, 1)), np.zeros((38, 1, 1)))]
    model = network(scenes)
    monkeypatch.setattr(look, "_network", model)
    small = look._resize(pictures(1, *shape)[0], SIDE)
    height, width = (-(-int(side * 184 / small.shape[0]) // 8) for side in small.shape[:2])
    scenes[0] = maps(SCENES["two"], height, width)
    (found,) = look.people(pictures(1, *shape))
    joints, total = read_by_body(body_of(model), small)
    assert len(found) == 2
    same(found, joints, total)


def test_pseudo_random_weights(look):
    """The network itself, whose last biases let each heat map exceed the threshold at a few per cent of its places."""
    picture = np.random.default_rng(1).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    small = look._resize(picture, SIDE)
    heat, _ = look.maps(network_input(small)[0][None])
    with torch.no_grad():
        look._network.model6_2.Mconv7_stage6_L2.bias -= torch.from_numpy(np.quantile(heat[0], 0.97, axis=(1, 2))).float() - 0.1
    (found,) = look.people([picture])
    joints, total = read_by_body(body_of(look._network), small)
    same(found, joints, total)
    assert (look.maps(network_input(small)[0][None])[0] > 0.1).any()


def test_crowded_maps(look, monkeypatch):
    """Dozens of peaks in each map: joints that several people share, merged and thrown away."""
    random = np.random.default_rng(3)
    scenes = [tuple((0.3 * random.standard_normal((count, 23, 23))).astype(np.float32) for count in (19, 38))]
    scenes[0][0][:] -= 0.33
    scenes[0][1][:] += np.repeat(random.choice([-0.4, 0.4], 38), 23 * 23).reshape(38, 23, 23).astype(np.float32)
    model = network(scenes)
    monkeypatch.setattr(look, "_network", model)
    (found,) = look.people(pictures(1))
    same(found, *read_by_body(body_of(model), pictures(1)[0]))
    assert len(found) > 5


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_batches_are_equal(look, monkeypatch, batch):
    scenes = [maps(people, 23, 23, noise=0.02, seed=number) for number, people in enumerate(SCENES.values())]
    monkeypatch.setattr(look, "_network", network(scenes))
    monkeypatch.setattr(look, "batch", batch)
    found = list(look.people(iter(pictures(len(scenes)))))
    alone = [people for picture in pictures(len(scenes)) for people in look.people([picture])]
    assert len(found) == len(scenes)
    for one, other in zip(found, alone, strict=True):
        np.testing.assert_array_equal(one.xy, other.xy)
        np.testing.assert_array_equal(one.score, other.score)


def test_the_network_in_batches(look):
    """What the network gives for a picture among others and alone differs by rounding only."""
    inputs = np.random.default_rng(0).uniform(-0.5, 0.5, (3, 3, 64, 64)).astype(np.float32)
    together = look.maps(inputs)
    for number in range(3):
        for one, all_of_them in zip(look.maps(inputs[number:number + 1]), together, strict=True):
            np.testing.assert_allclose(all_of_them[number], one[0], atol=1e-5)


def test_a_batch_is_of_one_shape_and_no_more_is_read_ahead(look, monkeypatch):
    scenes = [maps(SCENES["one"], 23, 23)]
    monkeypatch.setattr(look, "_network", network(scenes))
    monkeypatch.setattr(look, "batch", 2)
    taken, sizes = [], []
    monkeypatch.setattr(look, "maps", lambda inputs: sizes.append(len(inputs)) or OpenPose.maps(look, inputs))

    def clip():
        for number in range(5):
            taken.append(number)
            yield pictures(1)[0]

    people = look.people(clip())
    next(people)
    assert len(taken) <= 3
    assert len(list(people)) == 4 and sizes == [2, 2, 1]


def test_a_clip_is_one_persons(look, monkeypatch):
    scenes = [maps([person(0.1 + 0.01 * number, 0.1, 0.8), person(0.6, 0.3, 0.5)], 23, 23) for number in range(4)]
    monkeypatch.setattr(look, "_network", network(scenes))
    xy, score = look(pictures(4))
    expected = pick(list(look.people(pictures(4))), "steadiest")
    np.testing.assert_array_equal(xy, expected[0])
    np.testing.assert_allclose(xy[:, 1], [[0.22 + 0.01 * number, 0.26] for number in range(4)], atol=0.02)
    assert (score > 0.5).all()


def test_nothing_but_noise_below_the_threshold():
    heat = np.full((512, 512), 0.0999, np.float32)
    assert part_affinity.find_peaks(heat).shape == (0, 3)


def test_no_such_device(folder):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(UserError, match="device: expected one that is here, got 'cuda'"):
        OpenPose(folder, device="cuda")
