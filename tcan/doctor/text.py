"""Aligned text, 120 columns wide at most."""

import textwrap

WIDTH = 120
UNKNOWN = "?"


def table(rows, right=()):
    """Rows of words as lines, their columns aligned, those in `right` to the right; the last one is cut to the width."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) if column in right else cell.ljust(width) for column, (cell, width) in enumerate(zip(row, widths, strict=True))]
        line = "  " + "  ".join(cells[:-1]) + "  "
        room = WIDTH - len(line)
        lines.append((line + (cells[-1] if len(cells[-1].rstrip()) <= room else textwrap.shorten(row[-1], room, placeholder="..."))).rstrip())
    return lines


def size(count, exact=True):
    """Bytes in decimal units: 3.9 GB, ~1.7 GB, or ? where nobody says."""
    if count is None:
        return UNKNOWN
    value, mark = float(count), "" if exact else "~"
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{mark}{value:.0f} {unit}" if unit == "B" or value >= 99.5 else f"{mark}{value:.1f} {unit}"
        value /= 1000
    return f"{mark}{value:.1f} TB"


def hours(value):
    """Hours: 0.04, 3.2, 140; ? where nobody says."""
    if value is None:
        return UNKNOWN
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def money(value):
    return UNKNOWN if value is None else f"{value:,.2f}"
