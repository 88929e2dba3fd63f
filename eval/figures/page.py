"""The page of a figure: a band that says what is compared and where to look, then blocks of tiles with headings and labels."""

from dataclasses import dataclass

from PIL import Image, ImageDraw

from eval.lettering import FAINT, INK, PAPER, broken, font, label

MARGIN, GAP, LABEL, APART = 16, 6, 132, 14


@dataclass(frozen=True)
class Block:
    """groups: [(heading, [heading of each column])], the first one "" for none; lines: [(label, a tile for each column, None for a blank)], where a
    None in place of a line leaves a gap."""

    groups: list
    lines: list


def page(title, caption, blocks, side):
    """The figure: `title` and `caption` above `blocks`, all of whose tiles are squares of `side` pixels. Rows are shown as one training made them."""
    drawn = [_block(block, side) for block in blocks]
    width = max(image.width for image in drawn)
    inner = width - 2 * MARGIN
    heading, text = broken(title, font(19, bold=True), inner, 3), broken(f"{caption} One training of each system.", font(13), inner, 9)
    pen = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    below = pen.multiline_textbbox((MARGIN, MARGIN), heading, font=font(19, bold=True), spacing=4)[3] + 10
    band = pen.multiline_textbbox((MARGIN, below), text, font=font(13), spacing=5)[3] + MARGIN
    whole = Image.new("RGB", (width, round(band) + sum(image.height for image in drawn) + MARGIN), PAPER)
    pen, y = ImageDraw.Draw(whole), round(band)
    pen.multiline_text((MARGIN, MARGIN), heading, INK, font(19, bold=True), spacing=4)
    pen.multiline_text((MARGIN, below), text, FAINT, font(13), spacing=5)
    for image in drawn:
        whole.paste(image, (0, y))
        y += image.height
    return whole


def _block(block, side):
    """A block as a picture of its own, as wide as a page."""
    lefts, spans, x = [], [], MARGIN + LABEL
    for _, columns in block.groups:
        lefts += [x + column * (side + GAP) for column in range(len(columns))]
        spans.append((x, lefts[-1] + side))
        x = lefts[-1] + side + GAP + APART
    names = [broken(column, font(13, bold=True), side, 4) for _, columns in block.groups for column in columns]
    over = 26 if any(heading for heading, _ in block.groups) else 0
    head = over + 12 + 16 * max(1 + name.count("\n") for name in names)
    height = head + sum(APART if line is None else side + GAP for line in block.lines) + GAP
    image = Image.new("RGB", (lefts[-1] + side + MARGIN, height), PAPER)
    pen = ImageDraw.Draw(image)
    for (heading, _), (left, right) in zip(block.groups, spans, strict=True):
        if heading:
            pen.text(((left + right) / 2, 4), broken(heading, font(14, bold=True), right - left, 1), INK, font(14, bold=True), anchor="ma")
            pen.line((left, over - 2, right, over - 2), FAINT)
    for left, name in zip(lefts, names, strict=True):
        pen.multiline_text((left + side / 2, head - 8), name, INK, font(13, bold=True), anchor="md", align="center")
    y = head
    for line in block.lines:
        if line is None:
            y += APART
            continue
        label(pen, line[0], MARGIN, y, LABEL, side)
        for left, tile in zip(lefts, line[1], strict=True):
            if tile is not None:
                image.paste(tile, (left, y))
        y += side + GAP
    return image
