"""Pixel metrics against the definitions read literally, and against the packages that the protocols name."""

import cv2
import numpy as np
import plain
import pytest
import torch
from made_clips import moving, noisy

from eval import pixel, torchvision_ops

TIGHT = dict(rel=1e-9)


@pytest.fixture(scope="module")
def pair():
    true = moving(3, 24, seed=1, width=28)
    return np.stack([noisy(true, 25)[0], cv2.GaussianBlur(true[1], (0, 0), 1.5), true[2]]), true


def test_l1(pair):
    assert pixel.l1_per_pixel(*pair).mean() == pytest.approx(plain.l1(*pair), **TIGHT)
    assert pixel.l1_grey(*pair).mean() == pytest.approx(plain.l1(*pair) * 24 * 28, **TIGHT)
    assert pixel.l1_unit(*pair).mean() == pytest.approx(plain.l1(*pair) * 24 * 28 / 255, **TIGHT)


def test_psnr_is_100_where_frames_are_equal(pair):
    values = pixel.psnr(*pair)
    assert values.mean() == pytest.approx(plain.psnr(*pair), **TIGHT)
    assert values[2] == 100


def test_psnr_agrees_with_torchmetrics(pair):
    torchvision_ops.declare()
    from torchmetrics.functional.image import peak_signal_noise_ratio

    a, b = (torch.from_numpy(x).double() for x in pair)
    assert pixel.psnr(*pair)[0] == pytest.approx(peak_signal_noise_ratio(a[0], b[0], data_range=255.0).item(), rel=1e-6)     # theirs ends in float32


def test_ssim_of_disco(pair):
    literal = [plain.ssim_uniform(plain.grey(a), plain.grey(b)) for a, b in zip(*pair)]
    assert pixel.ssim_grey_uniform(*pair) == pytest.approx(literal, **TIGHT)
    for frame in pair[1]:
        np.testing.assert_array_equal(plain.grey(frame), cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))


def test_ssim_corrected(pair):
    literal = [np.mean([plain.ssim_gaussian(a[..., c], b[..., c]) for c in range(3)]) for a, b in zip(*pair)]
    assert pixel.ssim_gaussian(*pair) == pytest.approx(literal, **TIGHT)


def test_ssim_corrected_agrees_with_torchmetrics(pair):
    torchvision_ops.declare()
    from torchmetrics.functional.image import structural_similarity_index_measure

    a, b = (torch.from_numpy(x).permute(0, 3, 1, 2).double() for x in pair)
    theirs = structural_similarity_index_measure(a, b, gaussian_kernel=True, sigma=1.5, kernel_size=11, data_range=255.0, reduction="none")
    assert pixel.ssim_gaussian(*pair) == pytest.approx(theirs.flatten().numpy(), **TIGHT)


@pytest.mark.parametrize("measure", pixel.MEASURES.values(), ids=list(pixel.MEASURES))
def test_values_are_float64_and_one_for_each_frame(pair, measure):
    values = measure(*pair)
    assert values.dtype == np.float64 and values.shape == (3,)
    np.testing.assert_array_equal(values[1:], measure(pair[0][1:], pair[1][1:]))      # a frame's value is its own
