"""Distances between two sets of features: Frechet (FID, FID-VID, FVD) and kernel (KID, KVD). All in float64.

Features are (n, d), arrays or eval.rows.Rows, which are read piece by piece: memory grows with d, not with n. `counts`, where given, says how often
each row is in the set: 2 is the same as the row twice.
No scipy sqrtm: it was wrong in some versions, and a square root of a product of covariances need not be real.
"""

import numpy as np
import torch

from eval.rows import PIECE, pieces


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
    """Mean (d,), and rows A (n', d) with A^T A the covariance: the centred rows that are counted, or their triangular factor where there are many more
    than d of them."""
    n, mean = mean_of(x, counts)
    most = 2 * max(len(mean), PIECE)
    rows, held = [], 0
    for piece in spread(x, counts, n, mean):
        if held + len(piece) > most:
            rows = [_triangular(torch.from_numpy(np.concatenate(rows))).numpy()]
            held = len(rows[0])
        rows.append(piece)
        held += len(piece)
    return mean, np.concatenate(rows) if len(rows) > 1 else rows[0]


def mean_of(x, counts):
    """How many rows are counted, and their mean (d,)."""
    n = len(x) if counts is None else np.sum(counts)
    if n < 2:
        raise ValueError(f"a covariance needs two rows, got {n:.0f}")
    return n, sum((piece.sum(axis=0) if weights is None else weights @ piece) for piece, weights in _counted(x, counts)) / n


def spread(x, counts, n, mean):
    """Yield the counted rows in pieces, centred and scaled so that the sum of their squares is the covariance."""
    for piece, weights in _counted(x, counts):
        piece = piece - mean
        piece *= np.sqrt((1 if weights is None else weights[:, None]) / (n - 1))
        yield piece


def _counted(x, counts):
    """(rows, their counts or None) in pieces, without those that are not counted."""
    for first, piece in pieces(x):
        if counts is None:
            yield piece, None
            continue
        weights = np.asarray(counts[first:first + len(piece)], np.float64)
        if not weights.all():
            piece, weights = piece[weights > 0], weights[weights > 0]
        yield piece, weights


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
        self.x, self.y, self.sizes = x, y, np.asarray(sizes)

    def __call__(self, counts):
        counts = np.repeat(counts, self.sizes)
        if np.count_nonzero(counts) <= self.x.shape[1]:
            return frechet_distance(self.x, self.y, counts)
        mean_x, a = centred(self.x, counts)
        n, mean_y = mean_of(self.y, counts)
        covariance = sum(rows.T @ rows for rows in spread(self.y, counts, n, mean_y))
        first = _triangular(torch.from_numpy(a))
        eigenvalues = torch.linalg.eigvalsh(first @ torch.from_numpy(covariance) @ first.T)
        trace = float(eigenvalues.clamp(min=0).sqrt().sum())
        return float(np.square(mean_x - mean_y).sum() + np.square(a).sum() + np.trace(covariance) - 2 * trace)


def kernel_distance(x, y):
    """Squared MMD with the kernel (x.y / d + 1)^3, unbiased (Binkowski et al. 2018): KID of Inception's features, KVD of a video net's.

    On one subset that holds everything: random subsets, as torchmetrics' own metric draws them, would give another value each time. x, y: (n, d) of equal n.
    """
    return KernelSums(x, y, [len(y)])([1])


class KernelSums:
    """kernel_distance for resamples of groups of rows: the kernel (torchmetrics' own, in float64) is summed once over pairs of groups, a resample costs
    nothing.

    sizes: rows of each group (video), in order, the same in x and y; called with how often each group is taken, (g,). With each
    group once it is kernel_distance.
    """

    def __init__(self, x, y, sizes):
        if x.shape != y.shape:
            raise ValueError(f"expected two sets of one shape, got {x.shape} and {y.shape}")
        self.sizes = np.asarray(sizes)
        self.group = np.repeat(np.arange(len(sizes)), sizes)
        self.xx, self.xy, self.yy = (self._sums(a, b) for a, b in ((x, x), (x, y), (y, y)))
        self.diagonal = np.zeros(len(sizes))
        for side in (x, y):
            for first, piece in pieces(side):
                groups, starts = self._groups(first, len(piece))
                self.diagonal[groups] += np.add.reduceat((np.square(piece).sum(axis=1) / piece.shape[1] + 1) ** 3, starts)

    def _sums(self, a, b):
        """(g, g): the kernel's sums over the pairs of two groups' rows."""
        from eval import torchvision_ops

        torchvision_ops.declare()       # torchmetrics imports torchvision
        from torchmetrics.image.kid import poly_kernel

        sums = np.zeros((len(self.sizes), len(self.sizes)))
        for i, rows in pieces(a):
            for j, columns in pieces(b):
                (those, down), (others, across) = self._groups(i, len(rows)), self._groups(j, len(columns))
                kernel = poly_kernel(torch.from_numpy(rows), torch.from_numpy(columns)).numpy()
                sums[np.ix_(those, others)] += np.add.reduceat(np.add.reduceat(kernel, down, axis=0), across, axis=1)
        return sums

    def _groups(self, first, count):
        """The groups that some consecutive rows are of, and where in these rows each begins."""
        return np.unique(self.group[first:first + count], return_index=True)

    def __call__(self, counts):
        counts = np.asarray(counts, np.float64)
        n = counts @ self.sizes
        within = counts @ (self.xx + self.yy) @ counts - counts @ self.diagonal
        return float(within / (n * (n - 1)) - 2 * (counts @ self.xy @ counts) / n**2)
