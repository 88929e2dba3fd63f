"""Distances between two sets of features: Frechet (FID, FID-VID, FVD) and kernel (KID, KVD). All in float64.

Features are (n, d). `counts`, where given, says how often each row is in the set: 2 is the same as the row twice.
No scipy sqrtm: it was wrong in some versions, and a square root of a product of covariances need not be real.
"""

import numpy as np
import torch


def frechet_distance(x, y, counts=None):
    """|mu1 - mu2|^2 + Tr(S1 + S2 - 2 (S1 S2)^(1/2)), covariances with n - 1 (Dowson and Landau 1982; Heusel et al. 2017).

    x, y: (n1, d) and (n2, d); counts: a pair of (n1,) and (n2,), or one array for both. Not clipped: equal sets give about
    +-1e-12, and what is below 0 is printed so.
    """
    cx, cy = counts if isinstance(counts, tuple) else (counts, counts)
    mean_x, a = centred(x, cx)
    mean_y, b = centred(y, cy)
    return float(np.square(mean_x - mean_y).sum() + np.square(a).sum() + np.square(b).sum() - 2 * trace_sqrt_product(a, b))


def centred(x, counts=None):
    """Mean (d,), and rows A (n', d) with A^T A the covariance; rows that are not counted are left out."""
    x = np.asarray(x, np.float64)
    counts = np.ones(len(x)) if counts is None else np.asarray(counts, np.float64)
    if not counts.all():
        x, counts = x[counts > 0], counts[counts > 0]
    n = counts.sum()
    if n < 2:
        raise ValueError(f"a covariance needs two rows, got {n:.0f}")
    mean = counts @ x / n
    rows = x - mean
    rows *= np.sqrt(counts / (n - 1))[:, None]      # in place: one copy of all features less
    return mean, rows


def trace_sqrt_product(a, b):
    """Tr((S1 S2)^(1/2)) for S1 = A^T A, S2 = B^T B: the sum of the singular values of A B^T.

    They are the square roots of the eigenvalues of S1 S2. With fewer rows than features no (d, d) matrix is formed. With more,
    the triangular factors of A and B take their place: they have the same products, and nothing is squared on the way, which
    would cost half of the digits.
    """
    a, b = (_triangular(torch.from_numpy(m)) for m in (a, b))
    return float(torch.linalg.svdvals(a @ b.T).sum())


def _triangular(m):
    """A matrix of no more rows than columns with the same M^T M."""
    return torch.linalg.qr(m, mode="r").R if m.shape[0] > m.shape[1] else m


class FrechetResamples:
    """frechet_distance for resamples of groups of rows (videos): called with how often each group is taken, (g,).

    sizes: rows of each group, in order, the same in x and y. Where there are more rows than features, the singular values come as square
    roots of the eigenvalues of R1 S2 R1^T: half the digits, which an interval can spare, in a third of the time. With each group once it
    is the distance itself.
    """

    def __init__(self, x, y, sizes):
        self.x, self.y, self.sizes = np.asarray(x, np.float64), np.asarray(y, np.float64), np.asarray(sizes)

    def __call__(self, counts):
        counts = np.repeat(counts, self.sizes)
        (mean_x, a), (mean_y, b) = centred(self.x, counts), centred(self.y, counts)
        if len(a) > a.shape[1]:
            first, other = _triangular(torch.from_numpy(a)), torch.from_numpy(b)
            eigenvalues = torch.linalg.eigvalsh(first @ (other.T @ other) @ first.T)
            trace = float(eigenvalues.clamp(min=0).sqrt().sum())
        else:
            trace = trace_sqrt_product(a, b)
        return float(np.square(mean_x - mean_y).sum() + np.square(a).sum() + np.square(b).sum() - 2 * trace)


def kernel_distance(x, y):
    """Squared MMD with the kernel (x.y / d + 1)^3, unbiased (Binkowski et al. 2018): KID of Inception's features, KVD of a video net's.

    torchmetrics' own function in float64, on one subset that holds everything: its random subsets would give another value each
    time. x, y: (n, d) of equal n.
    """
    from eval import torchvision_ops

    torchvision_ops.declare()       # torchmetrics imports torchvision
    from torchmetrics.image.kid import poly_mmd

    return float(poly_mmd(torch.from_numpy(np.asarray(y, np.float64)), torch.from_numpy(np.asarray(x, np.float64))))


class KernelSums:
    """kernel_distance for resamples of groups of rows: the kernel is summed once over pairs of groups, a resample costs nothing.

    sizes: rows of each group (video), in order, the same in x and y; called with how often each group is taken, (g,). With each
    group once it is kernel_distance.
    """

    def __init__(self, x, y, sizes):
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        if x.shape != y.shape:
            raise ValueError(f"expected two sets of one shape, got {x.shape} and {y.shape}")
        self.sizes = np.asarray(sizes)
        starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        self.xx, self.xy, self.yy = (self._groups(a, b, starts) for a, b in ((x, x), (x, y), (y, y)))
        self.diagonal = sum(np.add.reduceat((np.square(a).sum(axis=1) / a.shape[1] + 1) ** 3, starts) for a in (x, y))

    @staticmethod
    def _groups(a, b, starts):
        kernel = (a @ b.T / a.shape[1] + 1) ** 3
        return np.add.reduceat(np.add.reduceat(kernel, starts, axis=0), starts, axis=1)

    def __call__(self, counts):
        counts = np.asarray(counts, np.float64)
        n = counts @ self.sizes
        within = counts @ (self.xx + self.yy) @ counts - counts @ self.diagonal
        return within / (n * (n - 1)) - 2 * (counts @ self.xy @ counts) / n**2
