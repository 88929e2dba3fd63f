"""Picture strips: what a table cannot show. Source, driving pose, truth and every system's frames of a clip under one another."""

import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from eval.errors import UserError
from eval.lettering import FAINT, INK, PAPER, broken, font, label

TILE = 128          # side of a picture on the page, in pixels; frames of 64 are enlarged, frames of 512 made smaller
COLUMNS = 6         # frames of a clip on its strip: a page as wide as GitHub shows without shrinking it
FINE = 4            # poses are drawn this many times larger, then averaged down
MARGIN, GAP, LABEL = 16, 6, 132
# OpenPose-18: the 17 limbs in OpenPose's order, which is also the order of its colours around the wheel.
LIMBS = ((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
         (1, 0), (0, 14), (14, 16), (0, 15), (15, 17))


@dataclass(frozen=True)
class Clip:
    """A clip of the data: its id, the set and split it is of, its folder of frames, its file of key points, its number of frames."""

    id: str
    set: str
    split: str
    folder: Path
    poses: Path
    frames: int


def find_clips(data, *splits):
    """The clips of the splits below `data` (data/<scale>), sorted by set and id."""
    clips = []
    for path in sorted(Path(data).glob("frames/[!.]*/clips.csv")):      # a killed command may leave a half made set under a name with a dot
        table, name = pd.read_csv(path, dtype={"id": str, "split": str}), path.parent.name
        clips += [Clip(row.id, name, row.split, path.parent / row.id, Path(data) / "poses" / name / f"{row.id}.npz", int(row.frames))
                  for row in table.query("split in @splits").sort_values("id").itertuples()]
    return clips


def picture(path, side=TILE):
    """A picture file as a square RGB tile, resized by Lanczos."""
    try:
        with Image.open(path) as image:
            return image.convert("RGB").resize((side, side), Image.LANCZOS)
    except OSError as error:
        raise UserError(f"{path}: expected a picture, got {error.strerror or 'something else'}; "
                        "make the clip again (tcan frames, puppets or generate)") from error


def frame(folder, place, side=TILE):
    """The frame at a place in a clip's order, as a tile. Its name has the video's own number, which needn't be the place."""
    paths = sorted(Path(folder).glob("*.png"))
    if place >= len(paths):
        raise UserError(f"{folder}: expected more than {place} frames as PNG files, found {len(paths)}; make the clip again (tcan frames, puppets or generate)")
    return picture(paths[place], side)


def pose_tile(path, place, side=TILE):
    """The skeleton of one frame (its place in the clip) of a key-point file, drawn in OpenPose's colours on a black tile."""
    try:
        with np.load(path, allow_pickle=False) as poses:
            points, size = poses["xy"][place], poses["size"]
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise UserError(f"{path}: expected the key points of frame {place} (.npz with xy, size), got {error}; run `tcan poses` again") from error
    return Image.fromarray(draw_skeleton(points * (side / size[::-1]), side))


def draw_skeleton(points, side):
    """Draw OpenPose-18 key points, (18, 2) in pixels of the tile, NaN where missing; return uint8 RGB (side, side, 3)."""
    canvas, width = np.zeros((FINE * side, FINE * side, 3), np.uint8), max(1, round(FINE * side / 42))
    found = ~np.isnan(points).any(axis=1)
    pixels = np.where(found[:, None], np.round(points * FINE), 0).astype(int).tolist()
    wheel = np.array([[(10 * joint, 255, 255) for joint in range(18)]], np.uint8)
    colours = cv2.cvtColor(wheel, cv2.COLOR_HSV2RGB)[0].tolist()
    for (start, end), colour in zip(LIMBS, colours, strict=False):
        if found[start] and found[end]:
            cv2.line(canvas, pixels[start], pixels[end], [0.65 * channel for channel in colour], width, cv2.LINE_AA)
    for joint, colour in enumerate(colours):
        if found[joint]:
            cv2.circle(canvas, pixels[joint], round(0.8 * width), colour, -1, cv2.LINE_AA)
    return cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)


def strip(source, source_label, bands, numbers, title, subtitle):
    """One clip as a page. `source`: its tile; `bands`: {label: tiles}, one tile for each of the frame `numbers`."""
    width = 2 * MARGIN + LABEL + COLUMNS * (TILE + GAP) - GAP
    top = MARGIN + TILE + 30
    page = Image.new("RGB", (width, top + len(bands) * (TILE + GAP) - GAP + MARGIN), PAPER)
    pen, left = ImageDraw.Draw(page), MARGIN + LABEL
    label(pen, source_label, MARGIN, MARGIN, LABEL, TILE)
    page.paste(source, (left, MARGIN))
    beside = left + TILE + 2 * MARGIN
    heading = broken(title, font(19, bold=True), width - beside - MARGIN)
    pen.multiline_text((beside, MARGIN), heading, INK, font(19, bold=True), spacing=4)
    below = pen.multiline_textbbox((beside, MARGIN), heading, font=font(19, bold=True), spacing=4)[3] + 10
    pen.multiline_text((beside, below), broken(subtitle, font(13), width - beside - MARGIN), FAINT, font(13), spacing=5)
    for column, number in enumerate(numbers):
        pen.text((left + column * (TILE + GAP) + TILE / 2, top - 6), f"frame {number}", FAINT, font(12), anchor="md")
    for line, (name, tiles) in enumerate(bands.items()):
        y = top + line * (TILE + GAP)
        label(pen, name, MARGIN, y, LABEL, TILE)
        for column, tile in enumerate(tiles):
            page.paste(tile, (left + column * (TILE + GAP), y))
    return page


def grid(headings, lines):
    """A page with a column for each heading and a line for each (label, tiles); a tile of None stays blank."""
    wrapped = [broken(heading, font(13, bold=True), TILE, 3) for heading in headings]
    head, width = 12 + 16 * max(1 + text.count("\n") for text in wrapped), 2 * MARGIN + LABEL + len(headings) * (TILE + GAP) - GAP
    page = Image.new("RGB", (width, MARGIN + head + len(lines) * (TILE + GAP) - GAP + MARGIN), PAPER)
    pen, left = ImageDraw.Draw(page), MARGIN + LABEL
    for column, heading in enumerate(wrapped):
        centre = (left + column * (TILE + GAP) + TILE / 2, MARGIN + head - 8)
        pen.multiline_text(centre, heading, INK, font(13, bold=True), anchor="md", align="center")
    for line, (name, tiles) in enumerate(lines):
        y = MARGIN + head + line * (TILE + GAP)
        label(pen, name, MARGIN, y, LABEL, TILE)
        for column, tile in enumerate(tiles):
            if tile is not None:
                page.paste(tile, (left + column * (TILE + GAP), y))
    return page


def strip_of_test_clip(clip, systems, outputs):
    """The strip of a test clip. `systems`: {row: title} of the rows to show; those whose split was not generated are left out."""
    numbers = spread(clip.frames, COLUMNS)
    bands = {"driving pose": [pose_tile(clip.poses, number) for number in numbers],
             "truth": [frame(clip.folder, number) for number in numbers]}
    for row, title in systems.items():
        if (folder := Path(outputs) / row / "test").is_dir():
            bands[title] = [frame(folder / clip.id, number) for number in numbers]
    return strip(frame(clip.folder, 0), "source\n(first frame)", bands, numbers, clip.id,
                 f"set {clip.set}, {clip.frames} frames. The source moves as the clip itself does, so its frames are the truth.")


def strip_of_pair(character, driving, systems, outputs):
    """The strip of a character moved by a test clip: there is no truth, only what drives and what comes out."""
    numbers = spread(driving.frames, COLUMNS)
    bands = {"driving frame": [frame(driving.folder, number) for number in numbers],
             "driving pose\n(before retargeting)": [pose_tile(driving.poses, number) for number in numbers]}
    for row, title in systems.items():
        if (folder := Path(outputs) / row / "bizarre").is_dir():
            bands[title] = [frame(folder / pair(character, driving), number) for number in numbers]
    return strip(frame(character.folder, 0), "source", bands, numbers, f"{character.id}, driven by {driving.id}",
                 "A character of other proportions than the driving person: the pose is retargeted to it first. There is no truth.")


def overview(test, bizarre, systems, outputs):
    """A picture for the front page: a line for each clip, at its telling frame; a column for each system.

    `test`: clips; `bizarre`: pairs (character, driving clip); `systems`: {row: title}. A system without frames of a split stays blank.
    """
    lines = []
    for source, driving in [(clip, clip) for clip in test] + list(bizarre):
        split, name = ("test", driving.id) if source is driving else ("bizarre", pair(source, driving))
        number = telling_frame(driving)
        tiles = [frame(source.folder, 0), pose_tile(driving.poses, number), frame(driving.folder, number)]
        for row in systems:
            generated = Path(outputs) / row / split
            tiles.append(frame(generated / name, number) if generated.is_dir() else None)
        whose = source.id if source is driving else f"{source.id}\ndriven by\n{driving.id}"
        lines.append((f"{whose}\nframe {number}", tiles))
    return grid(["source", "driving pose", "driving frame\n(test: truth)", *systems.values()], lines)


def telling_frame(clip, most=None):
    """The number of the frame, of the first `most`, whose pose is farthest from the first frame's: where copying the source would show."""
    with np.load(clip.poses, allow_pickle=False) as poses:
        points = poses["xy"][:most].astype(float)
    found = ~np.isnan(points).any(axis=2)
    both = found & found[:1]
    moved = np.where(both, np.linalg.norm(np.nan_to_num(points) - np.nan_to_num(points[:1]), axis=2), 0).sum(axis=1)
    return int(np.argmax(moved / np.maximum(both.sum(axis=1), 1)))


def pair(character, driving):
    """The name of a bizarre clip's folder."""
    return f"{character.id}__{driving.id}"


def spread(frames, columns):
    """Numbers of up to `columns` frames, evenly over a clip; the first frame is left out where it can be, as it is the source."""
    first = 1 if frames > columns else 0
    return sorted({round(number) for number in np.linspace(first, frames - 1, columns)})


def save(page, path):
    """Write a page without metadata, so that equal pages give equal files: a .png without loss, a .webp at a seventh of the bytes.

    The many strips are .webp, since the reports of the default scale stand in git; what is scored, and the overview, have no loss.
    """
    path.write_bytes(encoded(page, path.suffix))


def encoded(page, suffix):
    """The bytes of a page as .png or .webp."""
    stream = io.BytesIO()
    page.save(stream, format=suffix.removeprefix("."), **({"quality": 90, "method": 4} if suffix == ".webp" else {}))
    return stream.getvalue()
