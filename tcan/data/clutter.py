"""Cluttered scenes: leaves of all sizes that fall upon each other, under uneven light, in or out of focus.

The "dead leaves" model (Lee, Mumford and Huang 2001): shapes whose sizes follow a power law cover each other, which gives a picture the edges, areas and
scales of a photograph without showing any. Networks learn to see from such pictures (Baradad et al. 2021). Here they keep a model that has to carry
a real room from the source over to every frame from learning that rooms are plain.
"""

import colorsys
from dataclasses import dataclass

import cv2
import numpy as np

SMALLEST, LARGEST = 0.035, 0.5      # half sides of leaves, in sides of the frame


@dataclass(frozen=True)
class Clutter:
    """seed: of everything that is drawn; light: unit vector towards the light, in the camera's axes (right, down, away)."""

    seed: int
    light: tuple

    @staticmethod
    def random(rng, light):
        return Clutter(int(rng.integers(2**63)), light)

    def draw(self, size):
        """The empty scene, uint8 RGB (size, size, 3); the same one at any size."""
        rng = np.random.default_rng(self.seed)
        palette = _palette(rng)
        upright = rng.uniform(0.3, 0.95)        # how many leaves stand straight, as things in rooms do
        image = np.empty((size, size, 3), np.uint8)
        image[:] = palette[0]
        for _ in range(rng.integers(15, 90)):
            _leaf(image, rng, palette, upright)
        if rng.random() < 0.6:
            _floor(image, rng, palette)
        picture = _lit(image, rng)
        blur = rng.uniform(0, 0.006) if rng.random() < 0.8 else rng.uniform(0.006, 0.02)
        return cv2.GaussianBlur(picture, (0, 0), max(blur * size, 0.3))


def _palette(rng):
    """A few colours that go together: some quiet, some loud, some next to white and black, uint8-ranged floats (n, 3)."""
    hue, spread = rng.random(), rng.choice([0.05, 0.15, 0.5])
    loud = rng.beta(1.0, 2.5)
    colours = [colorsys.hsv_to_rgb((hue + rng.normal(0, spread)) % 1, loud * rng.uniform(0.1, 1.3) if rng.random() < 0.8 else 0.03,
                                   rng.beta(1.3, 1.1)) for _ in range(rng.integers(4, 9))]
    return 255 * np.clip(np.array(colours), 0, 1)


def _colour(rng, palette):
    return tuple(float(part) for part in np.clip(palette[rng.integers(len(palette))] + rng.normal(0, 9) + rng.normal(0, 4, 3), 0, 255))


def _leaf(image, rng, palette, upright):
    """One shape: a rectangle, an ellipse, a triangle or a line, plain or striped."""
    side = len(image)
    r = SMALLEST * (1 / (1 - rng.random() * (1 - SMALLEST / LARGEST)))    # density falls with the square of the size, up to LARGEST
    half = np.array([r * rng.uniform(0.35, 1.0), r * rng.uniform(0.35, 1.0)])
    centre = rng.uniform(-0.05, 1.05, 2)
    turn = 0.0 if rng.random() < upright else rng.uniform(0, np.pi)
    colour = _colour(rng, palette)
    match rng.choice(["rectangle", "ellipse", "triangle", "line"], p=[0.5, 0.18, 0.12, 0.2]):
        case "rectangle":
            _fill(image, _turned(np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half, turn) + centre, colour)
            if rng.random() < 0.3:
                _stripes(image, rng, centre, half, turn, _colour(rng, palette))
        case "ellipse":
            angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
            _fill(image, _turned(np.stack([np.cos(angle), np.sin(angle)], axis=1) * half, turn) + centre, colour)
        case "triangle":
            _fill(image, _turned(rng.uniform(-1, 1, (3, 2)) * half * 1.4, rng.uniform(0, np.pi)) + centre, colour)
        case "line":
            along = np.array([0.0, 1.0]) if rng.random() < 0.5 else np.array([1.0, 0.0])
            ends = _turned(np.stack([-along, along]) * 2.5 * r, turn) + centre
            thick = max(round(side * rng.uniform(0.006, 0.025)), 1)
            cv2.line(image, *(tuple(np.round(end * side).astype(int).tolist()) for end in ends), colour, thick, cv2.LINE_AA)


def _stripes(image, rng, centre, half, turn, colour):
    count, part = int(rng.integers(2, 7)), rng.uniform(0.25, 0.6)
    across = int(rng.integers(2))
    for at in np.linspace(-1, 1, count, endpoint=False):
        low, high = np.array([-1.0, -1.0]), np.array([1.0, 1.0])
        low[across], high[across] = at, at + part * 2 / count
        corners = np.array([(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])])
        _fill(image, _turned(corners * half, turn) + centre, colour)


def _floor(image, rng, palette):
    """The lower part is covered by a floor with a few things upon it."""
    side, edge = len(image), rng.uniform(0.5, 0.85)
    slope = rng.normal(0, 0.04) if rng.random() < 0.5 else 0.0
    _fill(image, np.array([(-0.1, edge - slope), (1.1, edge + slope), (1.1, 1.1), (-0.1, 1.1)]), _colour(rng, palette))
    lower = image[int(edge * side):]
    for _ in range(rng.integers(0, 12)):
        colour, centre = _colour(rng, palette), rng.uniform(0, 1, 2)
        corners = rng.uniform(-1, 1, (4, 2)) * (rng.uniform(0.05, 0.5), rng.uniform(0.02, 0.15))
        points = (corners + (centre[0], centre[1] * (1 - edge))) * side
        cv2.fillConvexPoly(lower, cv2.convexHull(np.round(points).astype(np.int32)), colour, cv2.LINE_AA)


def _lit(image, rng):
    """Light that falls unevenly, and the grain of surfaces, uint8."""
    side = len(image)
    field = cv2.resize(rng.normal(1, rng.uniform(0.02, 0.2), (4, 4)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    grain = np.zeros((side, side), np.float32)
    for cells in (16, 32, 64):
        grain += cv2.resize(rng.normal(0, 1, (cells, cells)).astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
    picture = image * field[..., None] + rng.exponential(4.0) * grain[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def _fill(image, corners, colour):
    """corners (n, 2), coordinates in 0..1."""
    cv2.fillPoly(image, [np.round(corners * len(image) * 8).astype(np.int32)], colour, cv2.LINE_AA, 3)


def _turned(points, angle):
    cosine, sine = np.cos(angle), np.sin(angle)
    return points @ np.array([[cosine, sine], [-sine, cosine]])
