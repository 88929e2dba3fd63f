"""Which place of the source a place of the target shows, from both poses, and a loss that teaches attention to look there.

Stable Diffusion brings the ability of finding in one picture what another shows from billions of pictures. A small base UNet that learns it from the
denoising loss alone takes most of its training for it; of rendered people the poses say where to look, so that can be taught outright.
"""

import math

import numpy as np
import torch

from tcan.baselines.warp import LIMBS, affine, ends

SPREAD = 0.6        # standard deviation, in cells, of what counts as the place itself
MARGIN = 0.75       # cells about a limb of which nothing is said: they show limb and background


def corresponding(source, target, side, grid):
    """Where in the source the cells of the target are found.

    source, target: key points (18, 2) of two pictures of one person in one scene, in pixels of `side` x `side`, NaN where a joint is missing.
    -> float32 (grid * grid, 2): x and y in cells of the source, row by row, NaN where nothing can be said: the edge of a limb, a limb that the source
    doesn't show, and background that a limb covers in the source. A cell on a limb is found on the same limb (of several, the foremost of
    tcan.baselines.warp.LIMBS), a cell of the background where it is.
    """
    cell = side / grid
    axis = (np.arange(grid) + 0.5) * cell - 0.5
    centres = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    found, free = centres.copy(), np.ones(len(centres), bool)
    covered = np.zeros(len(centres), bool)      # by the person, as the source shows it
    for limb in LIMBS:
        here, there = ends(target, limb), ends(source, limb)
        if there is not None:
            covered |= _distance(centres, there, limb) < MARGIN * cell
        if here is None:
            continue
        distance = _distance(centres, here, limb)
        inside = distance < 0.25 * cell
        found[inside] = np.nan if there is None else _moved(centres[inside], affine(here, there, stiff=limb[1][0] == "nose"))
        near = ~inside & (distance < MARGIN * cell) & free
        found[near] = np.nan
        free &= ~(inside | near)
    found[free & covered] = np.nan
    found = (found + 0.5) / cell - 0.5
    found[((found < -0.5) | (found > grid - 0.5)).any(axis=1)] = np.nan
    return found.astype(np.float32)


def _distance(points, place, limb):
    """From points (n, 2) to a limb's capsule, in pixels; negative within."""
    first, second = place
    _, _, radius, (before, after) = limb
    along = second - first
    length = np.linalg.norm(along)
    at = np.clip((points - first) @ along / length ** 2, -before, 1 + after)
    return np.linalg.norm(points - first - at[:, None] * along, axis=1) - radius * length


def _moved(points, matrix):
    return points @ matrix[:, :2].T + matrix[:, 2]


class AttentionTeacher:
    """The cross-entropy between where the first head of each reference attention looks in the source and where it should.

    Attach it to a UNet whose ReferenceAttention is attached, run `reference.read()`, then ask for `loss`.
    """

    def __init__(self, unet, reference, names, smallest=8):
        """names: of the reference attentions, as `ReferenceAttention.attach` returns them; smallest: side of the maps from which on they are taught."""
        self.reference, self.smallest = reference, smallest
        self.seen = {}
        for name in names:
            attention = unet.get_submodule(name.removesuffix(".processor"))
            for part in ("to_q", "to_k"):
                getattr(attention, part).register_forward_hook(self._note(name, part, attention.heads))

    def _note(self, name, part, heads):
        def hook(module, inputs, output):
            if self.reference.mode == "read":
                self.seen[name, part] = output[..., :output.shape[-1] // heads]
        return hook

    def loss(self, pairs, size):
        """pairs: for each item of the batch the key points (18, 2) of its source and of its target, in pixels of `size` x `size`; None: nothing is said of it.
        -> scalar tensor, in nats, the mean over the attentions that are taught."""
        found, places = [], {}
        for name in sorted({name for name, _ in self.seen}):    # a set's own order differs from process to process
            query, key = self.seen[name, "to_q"].float(), self.seen[name, "to_k"].float()
            grid = math.isqrt(query.shape[1])
            if grid < self.smallest:
                continue
            if grid not in places:
                nothing = np.full((grid * grid, 2), np.nan, np.float32)
                places[grid] = torch.from_numpy(np.stack([corresponding(*pair, size, grid) if pair else nothing for pair in pairs])).to(query.device)
            found.append(_cross_entropy(query, key[:, query.shape[1]:], places[grid], grid))
        self.seen = {}
        return torch.stack(found).mean() if found else torch.zeros(())


def _cross_entropy(query, key, places, grid):
    """Between where queries (b, n, d) look among keys (b, n, d), and places (b, n, 2), over those that aren't NaN; 0 where all are."""
    known = ~places.isnan().any(-1)
    if not known.any():
        return query.new_zeros(())
    axis = torch.arange(grid, dtype=torch.float32, device=query.device)
    cells = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).flatten(0, 1)
    wanted = torch.softmax(-(places[known][:, None] - cells).square().sum(-1) / (2 * SPREAD ** 2), dim=-1)
    scores = query @ key.transpose(1, 2) / math.sqrt(query.shape[-1])
    return -(wanted * torch.log_softmax(scores[known], dim=-1)).sum(-1).mean()
