"""Two curves under the claims: what wrong poses do to a system (Fig. 9), and what the temperature does (eq. 5). Values as CSV, and drawn.

One training of each system. A band is over videos, of the *change* from the first point of the same line (exact poses; the lowest tau), paired: which
videos are hard is the same in every point, and in bands of the values would hide the lines. The CSV has the intervals of the values too.
"""

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from eval import bootstrap
from eval.claims.results import EXACT, TEST
from eval.compare import NEITHER, difference

QUALITIES = {"LPIPS": "LPIPS", "FVD": "FVD", "keypoint-error": "key-point error, %"}        # of robustness, a row of panels each
TAU_QUALITIES = {"background-flicker": "background flicker", "LPIPS": "LPIPS", "FVD": "FVD"}
KINDS = {"missing": "joints not found", "swap": "left and right exchanged", "dropout": "nobody found"}
COLOURS, MARKERS, DASHES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7"), "os^D", ("-", (0, (6, 2)), (0, (2, 1.5)), "-.")    # Okabe and Ito's colours
INK, FAINT, RULE = "#1c1c1e", "#6e6e73", "#e3e3e6"
DPI, PANEL, BESIDE = 110, (2.35, 1.95), 1.75        # dots an inch; width and height of a panel, and room for the labels beside the last, in inches
APART = 0.13                                        # the least distance of two labels, in heights of a panel


def draw(results, folder):
    """Write robustness and tau, each .csv and .png, into `folder`; return {heading: (picture, csv, caption)}, files relative to the folder's parent."""
    first, own = results.main(erring(results)[0]).title, results.main(heated(results))
    drawn, band = {}, "Band: 95 % interval over videos of the change from"
    for name, heading, values, make, caption in (
            ("robustness", "What wrong poses do", robustness(results), draw_robustness,
             f"Errors put into poses at a rising rate: exact ones of rendered clips, estimated ones of real clips. One training (seed {results.seed}), and one "
             f"draw of the errors, the same for all. The key-point error takes either side for right, so it hardly sees left and right exchanged. {band} the "
             f"poses without errors. A hollow point can't be told from {first} at the same rate, paired over videos."),
            ("tau", "What the temperature does", tau(results), draw_tau,
             f"{own.title}, one training (seed {results.seed}): the slope tau of the temperature with the distance from the body; 0 is no map at all. {band} "
             "the lowest tau. A hollow point can't be told from the lowest tau, paired over videos; the ring is the row's own tau.")):
        values.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
        with style.context("default"):          # whatever the user's matplotlibrc says
            save(make(values), folder / f"{name}.png")
        drawn[heading] = (f"{folder.name}/{name}.png", f"{folder.name}/{name}.csv", caption)
    return drawn


def erring(results):
    """The rows of params.yaml that have rows with errors, in the plan's order."""
    found = list(dict.fromkeys(row.of for row in results.erring() if row.seed == results.seed and TEST in row.splits))
    if not found:
        raise results.gap("rows with errors in their poses")
    return found


def robustness(results):
    """A line for each kind of error, quality, system and rate (0: exact poses). `difference`: from the first system at the same rate."""
    systems, lines = erring(results), []
    for kind in results.kinds():
        for of in systems:
            rates = sorted({row.errors[kind] for row in results.erring() if row.of == of and row.seed == results.seed and kind in row.errors})
            for quality in QUALITIES if rates else ():
                start = _erring_entry(results, of, kind, 0, quality)
                for rate in [0, *rates]:
                    entry, against = (_erring_entry(results, one, kind, rate, quality) for one in (of, systems[0]))
                    lines.append({"kind": kind, "quality": quality, "metric": entry["key"], "of": of, "system": results.main(of).title, "rate": rate,
                                  **_point(entry, start, results), **_against(against, entry, results, "difference")})
    return pd.DataFrame(lines)


def _erring_entry(results, of, kind, rate, quality):
    row = results.find(of, poses=EXACT, errors={kind: rate} if rate else {})
    if row is None:
        raise results.gap(f"a row of {of} on exact poses{f' with {100 * rate:g} % {kind}' if rate else ''}")
    return results.entry(row, quality)


def heated(results):
    """The row of params.yaml that has rows at several taus."""
    taus = {}
    for row in results.rows.values():
        taus.setdefault(row.of, set()).update({row.tau} - {None})
    found = [of for of, values in taus.items() if len(values) > 1]
    if not found:
        raise results.gap("rows that differ in tau")
    return found[0]


def tau(results):
    """A line for each quality and tau of the row that has several; `own`: the tau of the row itself."""
    of, lines = heated(results), []
    main, taus = results.main(of), {row.tau for row in results.rows.values() if row.of == of} - {None}
    rows = [row for value in sorted(taus) if (row := results.find(of, tau=value))]
    for quality in TAU_QUALITIES:
        start = results.entry(rows[0], quality)
        for row in rows:
            entry = results.entry(row, quality)
            lines.append({"quality": quality, "metric": entry["key"], "row": row.name, "tau": row.tau, "own": row is main, **_point(entry, start, results)})
    return pd.DataFrame(lines)


def _point(entry, start, results):
    """The value with its own interval over videos, and the change from a line's first point."""
    own = _own_interval(entry, results.bootstrap_seed()) or (np.nan, np.nan)
    return {"value": entry["value"], "low": own[0], "high": own[1], "better": entry["better"], "videos": len(entry["weights"]),
            **_against(start, entry, results, "change")}


def _against(a, b, results, name):
    found = difference(a, b, a["weights"], results.bootstrap_seed())
    low, high = found.interval or (np.nan, np.nan)
    return {name: found.difference, f"{name}_low": low, f"{name}_high": high, f"{name}_clear": found.verdict != NEITHER}


def _own_interval(entry, seed):
    if len(entry["weights"]) < 2:
        return None
    if "per_video" not in entry:
        return bootstrap.interval(entry["value"], entry["replicates"])
    names = sorted(entry["weights"])
    sizes, each = (np.array([of[name] for name in names], np.float64) for of in (entry["weights"], entry["per_video"]))
    counts = bootstrap.draws(len(names), bootstrap.MEANS, seed)
    return bootstrap.interval(entry["value"], counts @ (sizes * each) / (counts @ sizes))


def draw_robustness(values):
    """A grid: a row of panels for each quality, a column for each kind; lines are labelled beside the last column."""
    kinds, systems = list(dict.fromkeys(values["kind"])), list(dict.fromkeys(values["of"]))
    figure, panels = _panels(len(QUALITIES), len(kinds), BESIDE)
    for height, (quality, name) in enumerate(QUALITIES.items()):
        of_row = values[values["quality"] == quality]
        panels[height][0].set_ylabel(_named(name, of_row), fontsize=9, color=INK)
        for axes, kind in zip(panels[height], kinds):
            here, labels = of_row[of_row["kind"] == kind], []
            for place, of in enumerate(systems):
                if len(line := here[here["of"] == of]):
                    _line(axes, 100 * line["rate"], line, place, line["difference_clear"] | (place == 0))
                    labels.append((line["value"].iloc[-1], line["system"].iloc[-1], COLOURS[place % len(COLOURS)]))
            axes.set_xticks(sorted(100 * here["rate"].unique()))
        _label(panels[height][-1], labels)
    for column, kind in enumerate(kinds):
        panels[0][column].set_title(KINDS.get(kind, kind), fontsize=10, color=INK, loc="left")
        panels[-1][column].set_xlabel("rate of errors, %", fontsize=9, color=INK)
    return figure


def draw_tau(values):
    """A panel for each quality, side by side."""
    figure, panels = _panels(1, len(TAU_QUALITIES), 0.1, share=False)
    for axes, (quality, name) in zip(panels[0], TAU_QUALITIES.items()):
        line = values[values["quality"] == quality]
        _line(axes, line["tau"], line, 0, line["change_clear"] | (line["tau"] == line["tau"].min()))
        own = line[line["own"]]
        axes.plot(own["tau"], own["value"], "o", markersize=12, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1)
        axes.set_xticks(sorted(line["tau"]))
        axes.set_xlabel("tau", fontsize=9, color=INK)
        axes.set_title(_named(name, line), fontsize=10, color=INK, loc="left")
    return figure


def save(figure, path):
    """Write a figure as PNG without metadata, so that equal figures give equal files."""
    FigureCanvasAgg(figure)
    figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})


def _panels(rows, columns, beside, share=True):
    """A figure of rows x columns panels, with `beside` inches to their right; a row shares its scale, unless share is false."""
    left, bottom, top, across, down = 0.85, 0.55, 0.4, 0.3 if share else 0.65, 0.35
    size = left + columns * PANEL[0] + (columns - 1) * across + beside + 0.15, bottom + rows * PANEL[1] + (rows - 1) * down + top
    figure = Figure(figsize=size, facecolor="white")
    panels = figure.subplots(rows, columns, squeeze=False, sharey="row" if share else False, gridspec_kw={
        "left": left / size[0], "right": 1 - (beside + 0.15) / size[0], "bottom": bottom / size[1], "top": 1 - top / size[1],
        "wspace": across / PANEL[0], "hspace": down / PANEL[1]})
    for axes in panels.flat:
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(FAINT)
        axes.tick_params(colors=FAINT, labelsize=8)
        axes.grid(axis="y", color=RULE, linewidth=0.7)
        axes.locator_params(axis="y", nbins=5)
        axes.set_axisbelow(True)
    return figure, panels


def _line(axes, x, line, place, clear):
    """A line with its band and its points: filled where `clear`."""
    colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
    middle = line["value"] - line["change"]
    axes.fill_between(x, middle + line["change_low"], middle + line["change_high"], color=colour, alpha=0.13, linewidth=0)
    axes.plot(x, line["value"], color=colour, linestyle=DASHES[place % len(DASHES)], linewidth=1.8)
    for one, value, filled in zip(x, line["value"], clear):
        axes.plot(one, value, marker, markersize=5.5, markerfacecolor=colour if filled else "white", markeredgecolor=colour, markeredgewidth=1.4)


def _label(axes, labels):
    """Names of lines to the right of their ends, pushed apart where they would overlap. labels: [(value, name, colour)]."""
    low, high = axes.get_ylim()
    heights = _spread([(value - low) / (high - low) for value, _, _ in labels])
    for height, (_, name, colour) in zip(heights, labels):
        axes.annotate(name.replace("$", r"\$"), (1.05, height), xycoords="axes fraction", color=colour, fontsize=9, va="center", annotation_clip=False)


def _spread(heights, apart=APART):
    """Heights moved as little as needed to be `apart` or more, in the same order: each group that touches is centred on its own mean."""
    order = sorted(range(len(heights)), key=lambda place: heights[place])
    groups = []
    for place in order:
        groups.append([place])
        while len(groups) > 1 and _bottom(groups[-1], heights, apart) - _top(groups[-2], heights, apart) < apart:
            groups[-2:] = [groups[-2] + groups[-1]]
    moved = {place: _bottom(group, heights, apart) + apart * step for group in groups for step, place in enumerate(group)}
    return [moved[place] for place in range(len(heights))]


def _bottom(group, heights, apart):
    return sum(heights[place] for place in group) / len(group) - apart * (len(group) - 1) / 2


def _top(group, heights, apart):
    return _bottom(group, heights, apart) + apart * (len(group) - 1)


def _named(name, values):
    """A quality's name, the network where it is a stand-in's, and which way is better."""
    network = values["metric"].iloc[0].partition("[")[2].rstrip("]")
    return f"{name}{f' ({network})' if network else ''} {'↑' if values['better'].iloc[0] == 'higher' else '↓'}".replace("$", r"\$")
