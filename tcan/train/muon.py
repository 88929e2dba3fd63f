"""Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon): the optimiser of networks that are trained here from nothing.

torch.optim.Muon takes matrices only, one by one; here convolutions count as matrices too (a row for each output channel), those of one shape go
through the iteration together, and what is no matrix goes with AdamW in the same optimiser, so that a training has one.
"""

import math
from collections import defaultdict

import torch

from tcan.train.precision import fast

MATRIX_RATE = 25            # the rate of matrices in units of AdamW's: 0.02 beside 8e-4
MOMENTUM = 0.95
SMALLEST = 12               # rows and columns that a matrix has at least; smaller ones go with AdamW
BETAS, EPSILON = (0.9, 0.999), 1e-8
QUINTIC = (3.4445, -4.7750, 2.0315)     # the published coefficients: singular values of 0.01..1 come to lie in 0.7..1.2 after five rounds
ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """Each matrix moves along the orthogonal matrix next to its gradient's running mean, so that all its directions learn at one speed."""

    def __init__(self, parameters, lr, weight_decay=1e-2):
        """lr: AdamW's, of biases, normalisations and small layers; matrices have MATRIX_RATE times as much."""
        parameters = list(parameters)
        matrices = [value for value in parameters if _is_matrix(value)]
        others = [value for value in parameters if not _is_matrix(value)]
        groups = [{"params": params, "lr": rate, "matrices": kind}
                  for params, rate, kind in ((matrices, MATRIX_RATE * lr, True), (others, lr, False)) if params]
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            moved = [value for value in group["params"] if value.grad is not None]
            for value in moved:
                value.mul_(1 - group["lr"] * group["weight_decay"])
            (self._move_matrices if group["matrices"] else self._move_others)(moved, group["lr"])

    def _move_matrices(self, moved, rate):
        alike = defaultdict(list)
        for value in moved:
            mean = self.state[value].setdefault("exp_avg", torch.zeros_like(value))
            mean.lerp_(value.grad, 1 - MOMENTUM)
            alike[value.shape[0], value[0].numel()].append((value, value.grad.lerp(mean, MOMENTUM)))
        for (rows, columns), pairs in alike.items():
            directions = orthogonal(torch.stack([direction.reshape(rows, columns) for _, direction in pairs]))
            for (value, _), direction in zip(pairs, directions, strict=True):
                value.sub_(rate * math.sqrt(max(1, rows / columns)) * direction.reshape(value.shape))

    def _move_others(self, moved, rate):
        for value in moved:
            state = self.state[value]
            if not state:
                state.update(step=torch.zeros(()), exp_avg=torch.zeros_like(value), exp_avg_sq=torch.zeros_like(value))
            state["step"] += 1
            count = state["step"].item()
            state["exp_avg"].lerp_(value.grad, 1 - BETAS[0])
            state["exp_avg_sq"].lerp_(value.grad.square(), 1 - BETAS[1])
            mean, square = state["exp_avg"] / (1 - BETAS[0] ** count), state["exp_avg_sq"] / (1 - BETAS[1] ** count)
            value.sub_(rate * mean / (square.sqrt() + EPSILON))


def orthogonal(matrices):
    """About the orthogonal matrices next to `matrices` (n, rows, columns): their singular vectors, with singular values near 1, by Newton-Schulz."""
    a, b, c = QUINTIC
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    x = x.to(fast(x.device))     # the iteration was made for bfloat16
    for _ in range(ROUNDS):
        square = x @ x.mT
        x = a * x + (b * square + c * (square @ square)) @ x
    x = x.to(matrices.dtype)
    return x.mT if tall else x


def _is_matrix(value):
    return value.ndim >= 2 and min(value.shape[0], value[0].numel()) >= SMALLEST
