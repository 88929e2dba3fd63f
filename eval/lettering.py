"""Words on pictures: the same letters on every machine, and lines that fit."""

from pathlib import Path

import matplotlib
from PIL import ImageFont

INK, FAINT, PAPER = (28, 28, 30), (110, 110, 115), (255, 255, 255)


def font(size, bold=False):
    """matplotlib's own copy of DejaVu Sans: the same letters on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)


def broken(text, letters, width, most=4):
    """Text broken into at most `most` lines of `width` pixels: at spaces and after underscores, within a word where it must be. letters: a font."""
    lines = []
    for paragraph in str(text).split("\n"):
        lines.append("")
        for word in paragraph.replace("_", "_\u200b").replace(" ", " \u200b").split("\u200b"):
            if lines[-1] and letters.getlength((lines[-1] + word).rstrip()) > width:
                lines.append("")
            while word and letters.getlength((lines[-1] + word).rstrip()) > width:
                fits = max(1, sum(letters.getlength(word[:end]) <= width for end in range(1, len(word))))
                lines[-1], word = word[:fits], word[fits:]
                lines.append("")
            lines[-1] += word
    lines = [line.rstrip() for line in lines]
    return "\n".join(lines if len(lines) <= most else [*lines[:most - 1], lines[most - 1][:-1] + "\u2026"])


def label(pen, text, x, y, width, height):
    """A line's label, right-aligned before the pictures and centred on them. (x, y): its upper left; width, height: its room."""
    pen.multiline_text((x + width - 12, y + height / 2), broken(text, font(13), width - 12, 6), INK, font(13), anchor="rm", align="right", spacing=4)
