"""The tiles that several figures share: generated frames, crops of the figure, differences, poses over pictures, maps with a scale."""

import re
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw

from eval import strips
from eval.errors import UserError
from eval.lettering import FAINT, INK, PAPER, font

MADE_BY = "run `snakemake claims`"
AROUND = 0.4        # of the key points' extent, added to it: the head and the feet reach beyond them
BAR = 0.16          # a colour bar's width, of a tile
FADED = 0.35        # what is left of a picture under a pose
WHOLE = (0.0, 0.0, 1.0, 1.0)


def system_titles(rows, params, scale):
    """{row: title}: params.yaml's; of a row that only the claims need, claims/ROW_WHAT, that of the row it is made of and what differs."""
    from eval import tables

    known = tables.read_systems(params, scale)[0]
    return {row: known[row].title if row in known else _title_of_claim(row.removeprefix("claims/"), known) for row in rows}


def _title_of_claim(name, known):
    of = max((row for row in known if name.startswith(f"{row}_")), key=len, default=None)
    what = re.sub(r"^learnt_", "trained on wrong poses, ", name[len(of) + 1:] if of else name)
    what = re.sub(r"(missing|swap|dropout|jitter)(\d+)", lambda found: f"{int(found[2])} % {found[1]}", what).replace("_", " ")
    return f"{known[of].title}, {what}" if of else what


def frames_of(outputs, row, split, case):
    """The folder of a row's generated clip. Raises UserError where it was not generated."""
    folder = Path(outputs) / row / split / case
    if not folder.is_dir():
        raise UserError(f"{folder}: expected the frames that the row {row} makes, found no such folder; {MADE_BY}")
    return folder


def frame(folder, number):
    """The path of a clip's frame."""
    return Path(folder) / f"{number:04d}.png"


def pixels(path):
    """A picture file as it is, float32 (h, w, 3) in grey levels."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"), np.float32)
    except OSError as error:
        raise UserError(f"{path}: expected a picture, got {error.strerror or 'something else'}; {MADE_BY}") from error


def points_of(path, number=None):
    """Key points in the units of their frame's sides, (f, 18, 2), or (18, 2) of one frame; NaN where a joint is missing."""
    try:
        with np.load(path, allow_pickle=False) as poses:
            points = poses["xy"].astype(np.float64) / poses["size"][::-1]
            return points if number is None else points[number]
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise UserError(f"{path}: expected key points (.npz with xy, size){'' if number is None else f' of frame {number}'}, got {error}; {MADE_BY}") from error


def best_poses(data, clip):
    """The file of a clip's key points: exact where they are known (rendered clips), else as the estimator found them."""
    exact = Path(data) / "exact" / clip.set / f"{clip.id}.npz"
    return exact if exact.exists() else clip.poses


def box_around(points):
    """The square around key points (18, 2) in the units of a square frame's side, (left, upper, right, lower) in 0..1; all of it without any."""
    found = points[~np.isnan(points).any(axis=1)]
    if not len(found):
        return WHOLE
    low, high = found.min(axis=0), found.max(axis=0)
    size = min(1.0, (1 + AROUND) * float((high - low).max()))
    left, upper = np.clip((low + high) / 2 - size / 2, 0, 1 - size)
    return float(left), float(upper), float(left + size), float(upper + size)


def crop(path, box, side):
    """The part of a picture file in a box (of `box_around`) as a tile."""
    picture = Image.fromarray(pixels(path).astype(np.uint8))
    return picture.resize((side, side), Image.LANCZOS, box=_in_pixels(box, picture.size))


def difference(path, truth, box):
    """The absolute difference of two picture files in a box, the mean over the channels, (h', w') in grey levels."""
    one, other = pixels(path), pixels(truth)
    if one.shape != other.shape:
        raise UserError(f"{path}: expected a frame of {other.shape[1]} x {other.shape[0]} as {truth}, got {one.shape[1]} x {one.shape[0]}; {MADE_BY}")
    left, upper, right, lower = (round(edge) for edge in _in_pixels(box, one.shape[1::-1]))
    return np.abs(one - other)[upper:max(lower, upper + 1), left:max(right, left + 1)].mean(axis=2)


def heat_tile(values, low, high, side, colours="inferno", outline=None):
    """A map (h, w) in colours from `low` to `high`, its cells left square; outline: None, or a mask (h, w) of any size whose edge is drawn in white."""
    scaled = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    painted = (matplotlib.colormaps[colours](scaled)[..., :3] * 255).round().astype(np.uint8)
    tile = cv2.resize(painted, (side, side), interpolation=cv2.INTER_NEAREST)
    if outline is not None:
        mask = cv2.resize(outline.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST)
        edges, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(tile, edges, -1, (255, 255, 255), 1)
    return Image.fromarray(tile)


def colour_bar(low, high, side, unit, colours="inferno"):
    """A tile with the scale of `heat_tile`: the bar at its left, the numbers beside it, the unit beneath them."""
    tile, width, pad = Image.new("RGB", (side, side), PAPER), round(BAR * side), 8
    ramp = np.linspace(high, low, side - 2 * pad)[:, None]
    painted = (matplotlib.colormaps[colours]((ramp - low) / max(high - low, 1e-12))[..., :3] * 255).round().astype(np.uint8)
    tile.paste(Image.fromarray(painted).resize((width, side - 2 * pad), Image.NEAREST), (4, pad))
    pen = ImageDraw.Draw(tile)
    for part in (0, 0.5, 1):
        y = side - pad - 1 - part * (side - 2 * pad - 1)
        pen.line((4 + width, y, 8 + width, y), INK)
        pen.text((12 + width, y), f"{low + part * (high - low):.4g}", INK, font(12), anchor="lm")
    pen.multiline_text((12 + width, side / 4), unit, FAINT, font(12), anchor="lm", spacing=3)
    return tile


def over(points, picture):
    """Key points (18, 2) in 0..1 drawn over a tile, which is faded."""
    side = picture.width
    skeleton = strips.draw_skeleton(points * side, side).astype(np.float32)
    faded = 255 - FADED * (255 - np.asarray(picture, np.float32))
    strength = np.clip(skeleton.max(axis=2, keepdims=True) / 150, 0, 1)
    return Image.fromarray((faded * (1 - strength) + skeleton).clip(0, 255).astype(np.uint8))


def words(text, side):
    """A tile with a few lines of text."""
    tile = Image.new("RGB", (side, side), PAPER)
    ImageDraw.Draw(tile).multiline_text((side / 2, side / 2), text, INK, font(12), anchor="mm", align="center", spacing=4)
    return tile


def marked(tile, text):
    """A copy of a tile with a short text in its lower left corner."""
    copy = tile.copy()
    pen = ImageDraw.Draw(copy)
    width = round(pen.textlength(text, font(12)))
    pen.rectangle((0, tile.height - 19, width + 9, tile.height), (0, 0, 0))
    pen.text((5, tile.height - 10), text, (255, 255, 255), font(12), anchor="lm")
    return copy


def _in_pixels(box, size):
    return tuple(edge * size[axis % 2] for axis, edge in enumerate(box))
