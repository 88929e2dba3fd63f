"""Metrics of pixels: two stacks of frames, uint8 RGB (n, h, w, 3), in; a float64 value for each frame, (n,), out."""

import cv2
import numpy as np

from eval.errors import UserError


def l1_grey(generated, true):
    """Mean over pixels and channels of |a - b|, in grey levels (0..255)."""
    return np.abs(generated.astype(np.int16) - true).mean(axis=(1, 2, 3), dtype=np.float64)


def l1_per_pixel(generated, true):
    """DisCo's L1: the mean of |a - b| in grey levels, divided by height * width. It falls with the size of the frame."""
    return l1_grey(generated, true) / (true.shape[1] * true.shape[2])


def l1_unit(generated, true):
    """Mean of |a - b| of pixels in 0..1."""
    return l1_grey(generated, true) / 255


def psnr(generated, true):
    """20 log10(255 / sqrt(mse)) in dB; 100 where the frames are equal, as DisCo has it."""
    mse = np.square(generated.astype(np.float64) - true).mean(axis=(1, 2, 3))
    return np.where(mse == 0, 100.0, 20 * np.log10(255 / np.sqrt(np.where(mse == 0, 1, mse))))


def ssim_grey_uniform(generated, true):
    """DisCo's SSIM: scikit-image's defaults (uniform 7x7 window, sample covariance) on OpenCV's grey uint8 pictures."""
    from skimage.metrics import structural_similarity

    _large_enough(true, 7)
    grey = [[cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames] for frames in (generated, true)]
    return np.array([structural_similarity(a, b, data_range=255) for a, b in zip(*grey)], np.float64)


def ssim_gaussian(generated, true):
    """SSIM of Wang et al. 2004 as torchmetrics computes it: Gaussian 11x11 window, sigma 1.5, borders reflected, data range 255, the
    mean over places and colour channels.

    The window is applied along rows, then columns: in float64, torchmetrics' own takes 15 s for a frame of 512x512.
    """
    _large_enough(true, 11)
    window = cv2.getGaussianKernel(11, 1.5, cv2.CV_64F)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

    def blur(x):
        return cv2.sepFilter2D(x, cv2.CV_64F, window, window, borderType=cv2.BORDER_REFLECT_101)

    values = []
    for a, b in zip(generated.astype(np.float64), true.astype(np.float64)):
        mean_a, mean_b = blur(a), blur(b)
        variances = blur(a * a) - mean_a**2 + blur(b * b) - mean_b**2
        covariance = blur(a * b) - mean_a * mean_b
        values.append(((2 * mean_a * mean_b + c1) * (2 * covariance + c2) / ((mean_a**2 + mean_b**2 + c1) * (variances + c2))).mean())
    return np.array(values)


def _large_enough(frames, window):
    if min(frames.shape[1:3]) < window:
        raise UserError(f"SSIM: expected frames of at least {window}x{window} pixels, got {frames.shape[2]}x{frames.shape[1]}; give larger ones")


MEASURES = {measure.__name__: measure for measure in (l1_grey, l1_per_pixel, l1_unit, psnr, ssim_grey_uniform, ssim_gaussian)}
