"""The metrics as their definitions read, in plain loops. Nothing here is fast, and nothing is taken from eval/."""

import numpy as np


def l1(a, b):
    """DisCo: mean over pixels, channels and frames of |a - b| / (H W)."""
    total = 0.0
    for x, y in zip(a, b):
        total += np.mean(np.abs(x.astype(float) - y.astype(float)) / (x.shape[0] * x.shape[1]))
    return total / len(a)


def psnr(a, b):
    values = []
    for x, y in zip(a, b):
        mse = np.mean((x.astype(float) - y.astype(float)) ** 2)
        values.append(100.0 if mse == 0 else 20 * np.log10(255 / np.sqrt(mse)))
    return np.mean(values)


def grey(frame):
    """OpenCV's 8-bit grey: 0.299 R + 0.587 G + 0.114 B in fixed point of 15 bits."""
    r, g, b = (frame[..., c].astype(np.int64) for c in range(3))
    return ((9798 * r + 19235 * g + 3735 * b + (1 << 14)) >> 15).astype(np.uint8)


def ssim_uniform(x, y):
    """Wang et al. 2004 with a 7x7 uniform window and sample (co)variances, the mean over windows that lie inside."""
    x, y = x.astype(float), y.astype(float)
    c1, c2, values = (0.01 * 255) ** 2, (0.03 * 255) ** 2, []
    for i in range(x.shape[0] - 6):
        for j in range(x.shape[1] - 6):
            a, b = x[i:i + 7, j:j + 7].ravel(), y[i:i + 7, j:j + 7].ravel()
            covariance = np.cov(a, b)
            values.append((2 * a.mean() * b.mean() + c1) * (2 * covariance[0, 1] + c2)
                          / ((a.mean() ** 2 + b.mean() ** 2 + c1) * (covariance[0, 0] + covariance[1, 1] + c2)))
    return np.mean(values)


def ssim_gaussian(x, y):
    """One channel: an 11x11 Gaussian window of sigma 1.5 at every place of the picture, which is mirrored beyond its border."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    x, y = (np.pad(p.astype(float), 5, mode="reflect") for p in (x, y))
    c1, c2, values = (0.01 * 255) ** 2, (0.03 * 255) ** 2, []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            a, b = x[i:i + 11, j:j + 11], y[i:i + 11, j:j + 11]
            ma, mb = (window * a).sum(), (window * b).sum()
            va, vb, cov = (window * a * a).sum() - ma**2, (window * b * b).sum() - mb**2, (window * a * b).sum() - ma * mb
            values.append((2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    return np.mean(values)


def frechet(x, y):
    """|mu1 - mu2|^2 + Tr(S1 + S2 - 2 (S1 S2)^(1/2)) by S1^(1/2) S2 S1^(1/2), whose eigenvalues are those of S1 S2."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    s1, s2 = np.atleast_2d(np.cov(x, rowvar=False)), np.atleast_2d(np.cov(y, rowvar=False))
    values, vectors = np.linalg.eigh(s1)
    root = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T
    eigenvalues = np.linalg.eigvalsh(root @ s2 @ root)
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * np.sqrt(np.clip(eigenvalues, 0, None)).sum()


def mmd(x, y):
    """Unbiased squared MMD with the kernel (x.y / d + 1)^3, pair by pair."""
    def kernel(a, b):
        return (float(a.astype(np.float64) @ b.astype(np.float64)) / len(a) + 1) ** 3

    n, within, between = len(x), 0.0, 0.0
    for i in range(n):
        for j in range(n):
            within += 0 if i == j else kernel(x[i], x[j]) + kernel(y[i], y[j])
            between += kernel(x[i], y[j])
    return within / (n * (n - 1)) - 2 * between / n**2


def windows(numbers, length=16):
    """Every list of `length` indices whose frame numbers follow one another."""
    found = []
    for start in range(len(numbers) - length + 1):
        if all(numbers[start + k] == numbers[start] + k for k in range(length)):
            found.append(list(range(start, start + length)))
    return found
