"""Photographed people and places: a few people, cut out, in several poses each, before photographs of places.

A network that learnt from drawn people alone takes part of a real one for background, and leaves it where the source's person stood. The pictures are those
that come with Scratch 1.4 (source `photographs`); the key points are found by BlazePose.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tcan.data.scenery import random_scene
from tcan.errors import UserError
from tcan.pose.keypoints import MIRRORED

PEOPLE, PLACES = "usr/share/scratch/Media/Costumes/People", "usr/share/scratch/Media/Backgrounds"
POSES = (  # of each person the files' names. Left out: drawn characters, and those whose key points are found wrongly (crouching, whirling, behind a fan)
    ("amon1",), ("anjuli-1", "anjuli-2", "anjuli-3", "anjuli-4", "anjuli-5"), ("anna-1", "anna-2", "anna-3"), ("breakdancer1",), ("breakdancer3",),
    ("calvrett", "calvrett-jumping", "calvrett-thinking"),
    ("cassy-chillin", "cassy-dancing-1", "cassy-dancing-2", "cassy-dancing-3", "cassy-dancing-4", "cassy-jumping-1", "cassy-jumping-2", "cassy-phone-1",
     "cassy-sitting-1", "cassy-standing-1"),
    ("chamak1",), ("chamak2",), ("dan1", "dan2", "dan3", "dan4", "dan5", "dan6"), ("ed",), ("football-run", "football-stand"), ("jay",), ("jodi1", "jodi2"),
    ("mako-laughing", "mako-screaming", "mako-stop"), ("marissa", "marissa-sitting"), ("nathan",), ("nina1",), ("paul1",), ("referee1", "referee2"),
    ("ribbon-dancer",), ("sam",), ("thai-dancer", "thai-dancer2"))
NO_PLACES = ("stars", "xy-grid")
READ_AT = 512           # pixels of the square in which a cut-out's key points are found
PLACE_ROWS = 256        # pixels: what a place's picture is reduced to


@dataclass(frozen=True)
class CutOut:
    """picture: uint8 RGBA (h, w, 4); xy: float32 (18, 2), its key points in its own pixels, NaN where not found."""

    picture: np.ndarray
    xy: np.ndarray


@dataclass(frozen=True)
class Place:
    """A square of a photograph, as a background: picture uint8 RGB (h, w, 3); side, left, top: of the square, in parts of the shorter side and of what is
    left; mirrored; gain: factor of each colour (3,); light: as of Background, for the people drawn before it."""

    picture: np.ndarray
    side: float
    left: float
    top: float
    mirrored: bool
    gain: tuple
    light: tuple

    def draw(self, size):
        """uint8 RGB (size, size, 3)."""
        height, width = self.picture.shape[:2]
        side = int(self.side * min(height, width))
        top, left = int(self.top * (height - side)), int(self.left * (width - side))
        square = self.picture[top:top + side, left:left + side]
        square = np.ascontiguousarray(square[:, ::-1] if self.mirrored else square)
        square = cv2.resize(square, (size, size), interpolation=cv2.INTER_CUBIC if side < size else cv2.INTER_AREA)
        return np.clip(square * np.asarray(self.gain), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Photographs:
    """people: a tuple of each person's CutOuts; places: RGB pictures."""

    people: tuple
    places: tuple

    @staticmethod
    def load(folder, weights):
        """The source `photographs` unpacked in `folder`; weights: the folder of the source mediapipe."""
        from tcan.pose.blazepose import BlazePose

        estimator = BlazePose(weights, threads=os.cpu_count())
        people = tuple(tuple(_cut_out(Path(folder), name, estimator) for name in names) for names in POSES)
        files = sorted(path for path in Path(folder, PLACES).rglob("*") if path.suffix in (".jpg", ".png", ".gif") and path.stem not in NO_PLACES)
        if not files:
            raise UserError(f"{Path(folder, PLACES)}: expected pictures of places, found none; fetch the source photographs again")
        return Photographs(people, tuple(_reduced(_read(path)[..., :3]) for path in files))

    def place(self, rng, light=(0.0, -0.7, -0.7)):
        """A random Place."""
        gain = tuple(np.exp(rng.normal(0, 0.15) + rng.normal(0, 0.05, 3)))
        side, left, top = (float(part) for part in rng.uniform((0.5, 0, 0), 1))
        return Place(self.places[rng.integers(len(self.places))], side, left, top, bool(rng.random() < 0.5), gain, light)

    def scene(self, rng, count, size, supersample):
        """One person in one scene, `count` pictures: uint8 RGB (count, size, size, 3) and key points float32 (count, 18, 2) in pixels, NaN where a joint isn't
        found or lies outside. Poses are other cut-outs of the person where there are some, else the same one turned, mirrored and moved."""
        canvas = size * supersample
        background = self.place(rng) if rng.random() < 0.8 else random_scene(rng)
        empty = background.draw(canvas).astype(np.float32)
        often = np.array([len(poses) ** 0.7 + 0.5 * (len(poses) > 1) for poses in self.people])
        poses = self.people[rng.choice(len(self.people), p=often / often.sum())]
        order = np.resize(rng.permutation(len(poses)), count)
        scale = rng.uniform(0.6, 0.95) * canvas / max(pose.picture.shape[0] for pose in poses)
        gain, hue = np.exp(rng.normal(0, 0.12) + rng.normal(0, 0.06, 3)), rng.normal(0, 6) if rng.random() < 0.7 else rng.uniform(-90, 90)
        floor, shade = rng.uniform(0.85, 1.0), rng.uniform(0.1, 0.5)
        shown = [_put(rng, poses[index], empty, scale, gain, hue, floor, shade) for index in order]
        frames = np.stack([cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA) for picture, _ in shown])
        xy = np.stack([(points + 0.5) / supersample - 0.5 for _, points in shown]).astype(np.float32)
        xy[((xy < -0.5) | (xy > size - 0.5)).any(axis=-1)] = np.nan
        return frames, xy


def _put(rng, pose, empty, scale, gain, hue, floor, shade):
    """A cut-out somewhere on `empty` (canvas, canvas, 3), feet about `floor` of the way down: uint8 picture, and key points in its pixels."""
    canvas, (height, width) = len(empty), pose.picture.shape[:2]
    colour, alpha, points = _recoloured(pose.picture, hue, gain), pose.picture[..., 3:] / np.float32(255), pose.xy
    if rng.random() < 0.35:
        colour, alpha = colour[:, ::-1], alpha[:, ::-1]
        points = (points * (-1, 1) + (width - 1, 0))[list(MIRRORED)]
    own, turn = scale * np.exp(rng.normal(0, 0.06)), np.deg2rad(rng.normal(0, 5))
    feet = np.array([canvas * np.clip(rng.normal(0.5, 0.16), 0.2, 0.8), canvas * (floor + rng.normal(0, 0.015))])
    matrix = own * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shift = feet - matrix @ ((width - 1) / 2, height - 1)
    layers = np.concatenate([colour * alpha, alpha], axis=2).astype(np.float32)     # multiplied, so that edges don't take the colour of what was cut away
    if own < 1:
        layers = cv2.GaussianBlur(layers, (0, 0), 0.35 / own)
    layers = cv2.warpAffine(layers, np.column_stack([matrix, shift]), (canvas, canvas), flags=cv2.INTER_LINEAR)
    shadow = np.zeros((canvas, canvas), np.float32)
    cv2.ellipse(shadow, np.round(feet).astype(int).tolist(), (round(0.35 * width * own) + 6, round(0.03 * canvas) + 4), 0, 0, 360, 1.0, -1)
    shadow = shade * cv2.GaussianBlur(shadow, (0, 0), 0.02 * canvas)[..., None]
    picture = empty * (1 - shadow) * (1 - layers[..., 3:]) + layers[..., :3]
    return np.clip(np.round(picture), 0, 255).astype(np.uint8), points @ matrix.T + shift


def _recoloured(picture, hue, gain):
    """RGB float32 (h, w, 3) of other clothes: hue turned, in degrees, and a factor for each colour."""
    values = cv2.cvtColor(np.ascontiguousarray(picture[..., :3]), cv2.COLOR_RGB2HSV)
    values[..., 0] = (values[..., 0].astype(int) + round(hue / 2)) % 180     # OpenCV counts half degrees
    return np.clip(cv2.cvtColor(values, cv2.COLOR_HSV2RGB) * gain, 0, 255).astype(np.float32)


def _cut_out(folder, name, estimator):
    path = folder / PEOPLE / f"{name}.gif"
    if not path.exists():
        raise UserError(f"{path}: expected the cut-out, found none; fetch the source photographs again")
    picture = _read(path)
    height, width = picture.shape[:2]
    side = round(1.5 * max(height, width))
    corner = np.array([(side - width) // 2, (side - height) // 2])
    room, alpha = np.full((side, side, 3), 140, np.float32), picture[..., 3:] / 255
    part = room[corner[1]:corner[1] + height, corner[0]:corner[0] + width]
    part[:] = picture[..., :3] * alpha + part * (1 - alpha)
    xy, _ = estimator([cv2.resize(room.round().astype(np.uint8), (READ_AT, READ_AT), interpolation=cv2.INTER_CUBIC)])
    return CutOut(picture, (xy[0] * side - 0.5 - corner).astype(np.float32))


def _reduced(picture):
    height, width = picture.shape[:2]
    if height <= PLACE_ROWS:
        return np.ascontiguousarray(picture)
    return cv2.resize(np.ascontiguousarray(picture), (round(width * PLACE_ROWS / height), PLACE_ROWS), interpolation=cv2.INTER_AREA)


def _read(path):
    """uint8 RGBA; OpenCV reads no GIF."""
    from PIL import Image

    with Image.open(path) as picture:
        return np.array(picture.convert("RGBA"))
