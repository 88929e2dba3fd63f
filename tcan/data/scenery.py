"""What stands behind a character: a wall, a floor and some furniture, the same in every frame of a clip."""

import colorsys
from dataclasses import dataclass

import cv2
import numpy as np

from tcan.data.clutter import Clutter

WALLS = ("plain", "gradient", "stripes", "bricks", "panels")
FURNITURE = ("window", "poster", "plant", "block", "frame", "lamp")


CLUTTERED = 0.5     # of random scenes


def random_scene(rng):
    """A room with a wall, a floor and furniture, or (half of them) a cluttered scene: what has `.light` and `.draw(size)`."""
    return Clutter.random(rng, _light(rng)) if rng.random() < CLUTTERED else Background.random(rng)


@dataclass(frozen=True)
class Background:
    """wall, second (its pattern) and floor: RGB; style: of WALLS; horizon: height of the floor's edge in the frame (0 top .. 1 bottom);
    things: (kind, x, y, size, colour) with coordinates in 0..1; light: unit vector towards the light, in the camera's axes (right, down, away)."""

    wall: tuple
    second: tuple
    floor: tuple
    style: str
    horizon: float
    things: tuple
    light: tuple

    @staticmethod
    def random(rng):
        hue = rng.random()
        wall = _muted(rng, hue, 0.45, 0.95)
        second = tuple(int(c * rng.uniform(0.8, 0.93)) for c in wall)
        floor = _muted(rng, hue + rng.uniform(0.3, 0.7), 0.3, 0.75)
        things = []
        for _ in range(rng.integers(0, 4)):
            x = rng.uniform(0.06, 0.94)
            things.append((str(rng.choice(FURNITURE)), float(x), float(rng.uniform(0.12, 0.45)), float(rng.uniform(0.1, 0.2)),
                           _muted(rng, rng.random(), 0.2, 0.9, 0.7)))
        light = _light(rng)
        return Background(wall, second, floor, str(rng.choice(WALLS)), float(rng.uniform(0.62, 0.82)), tuple(things), light)

    def draw(self, size):
        """The empty scene, uint8 RGB (size, size, 3)."""
        image = np.empty((size, size, 3), np.uint8)
        edge = int(self.horizon * size)
        image[:edge] = self.wall
        unit = max(size // 16, 1)
        if self.style == "gradient":
            image[:edge] = _fade(self.wall, 1.0, 0.6, edge)
        elif self.style == "stripes":
            for left in range(0, size, 4 * unit):
                image[:edge, left:left + 2 * unit] = self.second
        elif self.style == "bricks":
            for row, top in enumerate(range(0, edge, 2 * unit)):
                image[top:min(top + unit // 4 + 1, edge)] = self.second
                for left in range((row % 2) * 2 * unit, size, 4 * unit):
                    image[top:min(top + 2 * unit, edge), left:left + unit // 4 + 1] = self.second
        elif self.style == "panels":
            image[edge * 2 // 3:edge] = self.second
        image[edge:] = _fade(self.floor, 0.75, 1.05, size - edge)
        image[max(edge - unit // 4 - 1, 0):edge] = np.asarray(self.second) * 0.7
        for thing in self.things:
            _draw_thing(image, *thing, edge)
        return image


def _light(rng):
    """From above and before the scene, from the left or the right."""
    side = rng.choice([-1.0, 1.0])
    light = np.array([side * rng.uniform(0.4, 0.8), -rng.uniform(0.4, 0.8), -rng.uniform(0.5, 0.9)])
    return tuple(light / np.linalg.norm(light))


def _fade(colour, top, bottom, rows):
    """A column (rows, 1, 3) uint8 of a colour whose brightness goes from `top` to `bottom`."""
    return np.clip(np.asarray(colour) * np.linspace(top, bottom, rows)[:, None, None], 0, 255).astype(np.uint8)


def _muted(rng, hue, darkest, lightest, saturation=0.45):
    """A colour quieter than clothes are, so that people stand out."""
    return tuple(int(255 * part) for part in colorsys.hsv_to_rgb(hue % 1, rng.uniform(0.08, saturation), rng.uniform(darkest, lightest)))


def _draw_thing(image, kind, x, y, size, colour, edge):
    side = len(image)
    x, y, r = int(x * side), int(y * side), int(size * side)
    dark = tuple(int(c * 0.6) for c in colour)
    match kind:
        case "window":
            cv2.rectangle(image, (x - r, y - r), (x + r, y + r), (240, 240, 236), -1)
            cv2.rectangle(image, (x - r * 5 // 6, y - r * 5 // 6), (x + r * 5 // 6, y + r * 5 // 6), (158, 206, 240), -1)
            cv2.line(image, (x, y - r), (x, y + r), (240, 240, 236), max(r // 6, 1))
            cv2.line(image, (x - r, y), (x + r, y), (240, 240, 236), max(r // 6, 1))
        case "poster":
            cv2.rectangle(image, (x - r * 2 // 3, y - r), (x + r * 2 // 3, y + r), colour, -1)
            cv2.circle(image, (x, y - r // 4), max(r // 3, 1), dark, -1)
            cv2.rectangle(image, (x - r // 2, y + r // 3), (x + r // 2, y + r * 2 // 3), dark, -1)
        case "frame":
            cv2.rectangle(image, (x - r, y - r * 2 // 3), (x + r, y + r * 2 // 3), dark, -1)
            cv2.rectangle(image, (x - r * 3 // 4, y - r // 2), (x + r * 3 // 4, y + r // 2), colour, -1)
        case "block":
            cv2.rectangle(image, (x - r, edge - r), (x + r, edge + r), colour, -1)
            cv2.rectangle(image, (x - r, edge - r), (x + r, edge - r * 2 // 3), tuple(min(int(c * 1.2), 255) for c in colour), -1)
        case "plant":
            for turn in np.linspace(-1.1, 1.1, 7):
                tip = (int(x + 1.6 * r * np.sin(turn)), int(edge - r * 0.4 - 1.6 * r * np.cos(turn)))
                cv2.line(image, (x, edge - r // 3), tip, (46, 120 + int(30 * np.cos(3 * turn)), 60), max(r // 4, 1))
            cv2.rectangle(image, (x - r // 2, edge - r // 2), (x + r // 2, edge + r // 2), (176, 96, 60), -1)
        case "lamp":
            cv2.line(image, (x, edge), (x, y), (70, 66, 66), max(r // 8, 1))
            corners = [(x - r // 3, y - r // 2), (x + r // 3, y - r // 2), (x + r * 2 // 3, y + r // 2), (x - r * 2 // 3, y + r // 2)]
            cv2.fillConvexPoly(image, np.array(corners, np.int32), (250, 226, 150))
