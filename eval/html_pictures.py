"""Frames of a clip beside their truth, as small pictures inside the page."""

import base64
import io

import cv2
import numpy as np
from PIL import Image

from eval.frames import resize_as_disco
from eval.html_elements import tag

GAIN = 4                # of the difference; one factor for all, so that videos and pages can be compared
LOOKED_AT = 9           # evenly spaced frames of a clip, the first, the middle and the last among them
BOX = (256, 192)        # width and height that a picture is shrunk to
LOSSLESS = 64 * 64      # pixels up to which a picture is a PNG: JPEG would blur what is that small
LANDSCAPE = 1.3         # width to height from which the three pictures of a frame stand above each other


def line(clip, read):
    """The line of a clip: true, generated and difference at the first and last frame, and where the difference is largest.

    read: read(clip, side, index) -> uint8 RGB (h, w, 3), side 0 generated and 1 true. A clip whose largest difference is at its first
    or last frame shows the middle one too.
    """
    looked_at, found = indices(len(clip.numbers)), {}
    for index in looked_at:
        made, true = (read(clip, side, index) for side in (0, 1))
        made = resize_as_disco(made[None], true.shape[:2])[0]
        found[index] = {"true": true, "generated": made, "difference": difference(true, made)}
    largest = max(looked_at, key=lambda index: found[index]["difference"].mean())
    middle = looked_at[len(looked_at) // 2]
    words = {looked_at[0]: ["first"], looked_at[-1]: ["last"]} | ({middle: ["middle"]} if largest in (looked_at[0], looked_at[-1]) else {largest: []})
    words[largest] = [*words[largest], "largest difference"]
    figures = [_figure(f"frame {clip.numbers[index]}", words[index], found[index]) for index in sorted(words)]
    height, width = found[largest]["true"].shape[:2]
    return tag("div", *figures, class_="line landscape" if width >= LANDSCAPE * height else "line")


def _figure(frame, words, pictures):
    """The three pictures of a frame, {what: uint8 RGB or difference}, over what is said of it."""
    parts = []
    for what, picture in pictures.items():
        uri, (width, height) = thumbnail(picture)
        kind = {"class_": "pixels"} if width * height <= LOSSLESS else {}
        parts.append(tag("div", tag("img", src=uri, width=width, height=height, alt=f"{what}, {frame}", **kind), tag("span", what)))
    return tag("figure", tag("div", *parts, class_="three"),
               tag("figcaption", ", ".join([frame, *words]), tag("small", f" mean difference {pictures['difference'].mean():.1f}")))


def indices(length):
    """Up to LOOKED_AT evenly spaced indices of a clip of `length` frames, sorted."""
    return sorted({round(i * (length - 1) / (LOOKED_AT - 1)) for i in range(LOOKED_AT)})


def difference(a, b):
    """uint8 (h, w, 3) twice -> float64 (h, w): the absolute difference in grey levels, mean of the channels."""
    return np.abs(a.astype(np.int16) - b).mean(axis=2)


def thumbnail(picture):
    """(data URI, (width, height)) of a picture, uint8 (h, w, 3), or of a difference, float (h, w), shrunk into BOX."""
    image = Image.fromarray(picture if picture.ndim == 3 else np.clip(picture * GAIN, 0, 255).astype(np.uint8))
    image.thumbnail(BOX, Image.LANCZOS)
    small = np.asarray(image)
    return data_uri(small if picture.ndim == 3 else coloured(small)), image.size


def coloured(levels):
    """uint8 (h, w) -> uint8 RGB (h, w, 3): black, purple, orange, pale yellow."""
    return cv2.applyColorMap(np.ascontiguousarray(levels), cv2.COLORMAP_INFERNO)[..., ::-1]


def scale():
    """Data URI of the colours of a difference, from none to the most."""
    return data_uri(coloured(np.arange(256, dtype=np.uint8)[None]))


def data_uri(picture):
    """A uint8 RGB (h, w, 3) as a data URI: PNG where it is small, else JPEG."""
    stream, small = io.BytesIO(), picture.shape[0] * picture.shape[1] <= LOSSLESS
    Image.fromarray(np.ascontiguousarray(picture)).save(stream, **({"format": "PNG", "optimize": True} if small else {"format": "JPEG", "quality": 82}))
    return f"data:image/{'png' if small else 'jpeg'};base64,{base64.b64encode(stream.getvalue()).decode()}"
