"""What the foundation's attention is taught: the place of the source that a place of the target shows."""

import numpy as np
import pytest
import torch

from tcan import models  # noqa: F401  before diffusers
from tcan.models.attention import ReferenceAttention
from tcan.pose.keypoints import INDEX
from tcan.train.correspondence import AttentionTeacher, corresponding

SIZE, GRID = 64, 16


@pytest.fixture
def person():
    """Standing upright, arms out to the sides."""
    places = {"nose": (32, 14), "neck": (32, 20), "right_shoulder": (26, 20), "left_shoulder": (38, 20), "right_elbow": (18, 20), "left_elbow": (46, 20),
              "right_wrist": (10, 20), "left_wrist": (54, 20), "right_hip": (29, 36), "left_hip": (35, 36), "right_knee": (29, 46), "left_knee": (35, 46),
              "right_ankle": (29, 56), "left_ankle": (35, 56), "right_eye": (30, 13), "left_eye": (34, 13), "right_ear": (28, 13), "left_ear": (36, 13)}
    xy = np.full((18, 2), np.nan, np.float32)
    for name, place in places.items():
        xy[INDEX[name]] = place
    return xy


def at(found, x, y, cell=SIZE // GRID):
    """What is found for the cell that holds pixel (x, y), in pixels of the source."""
    return (found.reshape(GRID, GRID, 2)[y // cell, x // cell] + 0.5) * cell - 0.5


def test_a_picture_corresponds_to_itself(person):
    found = corresponding(person, person, SIZE, GRID)
    known = ~np.isnan(found).any(axis=1)
    cells = np.stack(np.meshgrid(np.arange(GRID), np.arange(GRID)), axis=-1).reshape(-1, 2)
    assert known.mean() > 0.6 and np.allclose(found[known], cells[known], atol=1e-4)


def test_a_limb_is_found_where_it_was(person):
    """The left forearm goes down: its cells are found on the forearm of the source, at the same part of its length."""
    moved = person.copy()
    moved[INDEX["left_wrist"]] = (46, 28)
    found = corresponding(person, moved, SIZE, GRID)
    assert at(found, 46, 26) == pytest.approx((52, 20), abs=2.5)


def test_the_background_stays_and_what_a_limb_covered_is_unknown(person):
    moved = person.copy()
    moved[INDEX["left_wrist"]] = (46, 28)
    found = corresponding(person, moved, SIZE, GRID)
    assert at(found, 5, 5) == pytest.approx((5.5, 5.5)) and at(found, 60, 60) == pytest.approx((61.5, 61.5))
    assert np.isnan(at(found, 54, 21)).all()        # the source shows a hand there


def test_nothing_is_said_of_what_the_source_does_not_show(person):
    hidden = person.copy()
    hidden[INDEX["left_wrist"]] = np.nan
    assert np.isnan(at(corresponding(hidden, person, SIZE, GRID), 51, 20)).all()
    away = person + (60, 0)
    assert np.isnan(at(corresponding(away, person, SIZE, GRID), 32, 28)).all()      # the trunk lies outside the source


def test_a_frame_without_a_person_is_background(person):
    nobody = np.full_like(person, np.nan)
    found = corresponding(nobody, nobody, SIZE, GRID)
    assert not np.isnan(found).any()


def taught():
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(sample_size=16, in_channels=4, out_channels=4, block_out_channels=(16, 16), layers_per_block=1, cross_attention_dim=8,
                                attention_head_dim=2, norm_num_groups=8, down_block_types=("CrossAttnDownBlock2D",) * 2,
                                up_block_types=("CrossAttnUpBlock2D",) * 2)
    reference = ReferenceAttention()
    names = reference.attach(unet, ["mid", "up"])
    return unet, reference, AttentionTeacher(unet, reference, names)


def look(unet, reference, latents, shifted):
    prompt, time = torch.zeros(len(latents), 1, 8), torch.zeros(len(latents), dtype=torch.long)
    with reference.write():
        unet(latents, time, prompt)
    with reference.read():
        return unet(shifted, time, prompt).sample


def test_the_loss_falls_by_looking_at_the_right_place_alone(person):
    unet, reference, teacher = taught()
    optimizer = torch.optim.Adam(unet.parameters(), 3e-3)
    latents, values = torch.randn(2, 4, 16, 16), []
    for _ in range(60):
        look(unet, reference, latents, latents)
        loss = teacher.loss([(person, person)] * 2, SIZE)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[0] > 4 and values[-1] < values[0] - 1.5


def test_an_item_of_which_nothing_is_said_teaches_nothing(person):
    unet, reference, teacher = taught()
    look(unet, reference, torch.randn(2, 4, 16, 16), torch.randn(2, 4, 16, 16))
    loss = teacher.loss([None, None], SIZE)
    assert loss.item() == 0 and not teacher.seen
    latents = torch.randn(1, 4, 16, 16)
    both = []
    for pairs, batch in (([(person, person)], latents), ([(person, person), None], torch.cat([latents, torch.randn(1, 4, 16, 16)]))):
        look(unet, reference, batch, batch)
        both.append(teacher.loss(pairs, SIZE).item())
    assert both[0] == pytest.approx(both[1], rel=1e-5)


def test_outside_the_reading_nothing_is_kept(person):
    unet, reference, teacher = taught()
    unet(torch.randn(1, 4, 16, 16), 0, torch.zeros(1, 1, 8))
    assert teacher.loss([(person, person)], SIZE).item() == 0
