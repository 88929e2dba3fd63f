"""The tables as Markdown pages: paper and here side by side but apart, each value with its source, what it is worth beneath."""

import string
from math import isnan
from pathlib import Path

from eval import compare, pairs, tables
from eval.protocol import PROTOCOLS
from eval.tables import GREY, HERE, NOT_RUN, PAPER_METRICS

TEMPLATES = Path(__file__).parents[1] / "reports" / "templates"
TITLES = {1: "TCAN and other systems", 2: "What APPA, T-CtrlN and PTM each bring", 3: "TCAN and AnimateAnyone"}
SOURCES = {"cited": "<sup>c</sup>", "run by": "<sup>a</sup>", "here": "<sup>h</sup>"}
LEGEND = ("<sup>c</sup> cited by the TCAN paper from another one · <sup>a</sup> run by the TCAN authors · <sup>h</sup> scored here · "
          "**best**, <u>second</u>, ≈ not distinguishable from the best, paired over videos")
TIE = " ≈"
HIGHER = {metric.name for protocol in PROTOCOLS.values() for metric in protocol.metrics if metric.better == "higher"}


def escape(text):
    """Text from a file or a parameter, made harmless in a Markdown table: no markup, no HTML, no cell or line of its own."""
    text = " ".join(str(text).split())
    for character in "\\`*_|~":
        text = text.replace(character, "\\" + character)
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    return text.replace("](", "]\\(").replace("][", "]\\[").replace("![", "!\\[")


def code(text):
    """Text as a code span, in which a backslash would be shown: what could end it is changed instead."""
    return f"`{' '.join(str(text).split()).replace('`', chr(39))}`"


def table(headings, lines):
    """A Markdown table; the first column to the left, the others to the right."""
    rule = [":--", *["--:"] * (len(headings) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (headings, rule, *lines))


def number(value, name, among=()):
    """A value as text, with as many digits as its metric is usually printed with; `among`: its column, which settles them where there is no habit."""
    if isnan(value):
        return "–"
    base, largest = name.partition("[")[0], max(abs(other) for other in (*among, value) if not isnan(other))
    if largest and largest < 0.01:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    habits = {"SSIM": 3, "LPIPS": 3, "LPIPS-Alex": 3, GREY: 2}
    digits = habits.get(base, 2 if largest >= 10 else 3 if largest >= 1 else 4)
    return f"{value:.{digits}f}"


def arrow(name):
    return "↑" if name.partition("[")[0] in HIGHER else "↓"


def ranked(values, name):
    """The column's values as texts, the best bold and the second underlined; equal texts share a place, a lone value gets no mark."""
    texts = [number(value, name, values) for value in values]
    places = sorted({float(text) for text in texts if text != "–"}, reverse=arrow(name) == "↑")
    if len(places) < 2:
        return texts
    marks = {places[0]: "**{}**", places[1]: "<u>{}</u>"}
    return [text if text == "–" else marks.get(float(text), "{}").format(text) for text in texts]


def ranked_here(entries, name, frames, seed, kinds):
    """`ranked` for a column scored here: once there is a best, who ties it is marked too. The arguments are those of eval.pairs.ties; kinds: of the
    systems. A ceiling has its value, but no rank: it was given what the others were not."""
    competing = [entry if kind != tables.CEILING else None for entry, kind in zip(entries, kinds, strict=True)]
    values = [entry["value"] if entry else float("nan") for entry in entries]
    texts = ranked([entry["value"] if entry else float("nan") for entry in competing], name)
    if any(text.startswith("**") for text in texts):
        texts = [text + TIE if tie else text for text, tie in zip(texts, pairs.ties(competing, frames, seed), strict=True)]
    return [number(value, name, values) if entry and not rival else text for entry, rival, text, value in zip(entries, competing, texts, values, strict=True)]


def page(index, frame, scored, scale):
    """Table `index` as a Markdown page. `frame`: from tables.build; `scored`: {row: {protocol: Scores}}."""
    ran = {row: scored[row] for row in frame.loc[frame["here"].isin(HERE), "row"]}
    protocols = list(next(iter(ran.values()), {}))
    main = next((protocol for protocol in protocols if protocol.startswith("disco")), None)
    links = f"[how to read this](../../docs/reading_the_tables.md) · [the same as CSV](table{index}.csv) · [pictures](index.md)"
    parts = [f"# Table {index}: {TITLES[index]}", f"Scale {code(scale)} · {links}",
             f"## Paper and here{f', protocol {escape(main)}' if main else ''}", _side_by_side(frame, ran, main), LEGEND, _paper_caption(frame)]
    if main:
        parts += _beneath(frame, ran, main)
    parts += _elsewhere(frame) + _not_run(frame)
    for protocol in protocols:
        if protocol != main:
            parts += [f"## Here, protocol {escape(protocol)}", _here_alone(frame, ran, protocol), *_beneath(frame, ran, protocol)]
    if ran:
        parts += ["## What these numbers are worth", about(scale, next(iter(ran.values())))]
    return "\n\n".join(part for part in parts if part) + "\n"


def about(scale, scores):
    """The paragraphs on what a scale is and what it is not. `scores`: {protocol: Scores} of a row."""
    own = TEMPLATES / f"about_{scale}.md"
    template = string.Template((own if own.exists() else TEMPLATES / "about.md").read_text())
    first = next(iter(scores.values()))
    return template.substitute(height=first.height, width=first.width, videos=first.videos).strip()


def _side_by_side(frame, ran, protocol):
    """The paper's columns, the state of the row here, then the columns of the paper's metrics as scored here."""
    columns = {"system": [_name(line) for line in frame.to_dict("records")]}
    for name in PAPER_METRICS.values():
        columns[f"{name} {arrow(name)}<br>paper"] = _paper_column(frame, name)
        if name == "L1":
            columns[f"{GREY} ↓<br>paper"] = _grey_column(frame)
    columns["**here**"] = list(frame["here"])
    columns |= _here_columns(frame, ran, protocol, ("L1", GREY, *list(PAPER_METRICS.values())[1:]), "<br>here") if protocol else {}
    return table(list(columns), zip(*columns.values(), strict=True))


def _here_alone(frame, ran, protocol):
    """All metrics of a protocol that the paper doesn't have, for the systems that run here."""
    frame = frame[frame["here"].isin(HERE)]
    columns = {"system": [_name(line) for line in frame.to_dict("records")], **_here_columns(frame, ran, protocol)}
    return table(list(columns), zip(*columns.values(), strict=True))


def _name(line):
    return escape(line["system"]) if line["kind"] == tables.SYSTEM else f"*{escape(line['system'])}*"


def _paper_column(frame, name):
    if f"paper/{name}" not in frame:
        return ["–"] * len(frame)
    texts = ranked(list(frame[f"paper/{name}"]), name)
    return [text + _mark(line) if text != "–" else "" for text, line in zip(texts, frame.to_dict("records"), strict=True)]


def _grey_column(frame):
    """L1 in grey levels, with the frame size it holds for; no best or second, as the sizes differ and some are inferred."""
    cells = []
    for line in frame.to_dict("records"):
        cited = isinstance(line.get("paper/source"), str)
        size = f"{line['paper/height']:.0f}×{line['paper/width']:.0f}{'?' if 'inferred' in line['paper/size_from'] else ''}" if cited else ""
        cells.append(f"{line[f'paper/{GREY}']:.1f}{_mark(line)}<br><sub>{size}</sub>" if cited else "")
    return cells


def _mark(line):
    return next(mark for word, mark in SOURCES.items() if str(line["paper/source"]).startswith(word))


def _here_columns(frame, ran, protocol, bases=None, suffix=""):
    """{heading: cells} of a protocol's metrics (those named in `bases`, in its order, or all), with intervals."""
    names, scores = metric_names(ran, protocol), next(iter(ran.values()))[protocol]
    names = [name for base in bases or [None] for name in names if base is None or name.partition("[")[0] == base]
    columns = {}
    for name in names:
        metrics = [ran[row][protocol].metrics.get(name) if row in ran else None for row in frame["row"]]
        values = [metric.value if metric else float("nan") for metric in metrics]
        cells = ranked_here([metric and metric.entry for metric in metrics], name, scores.frames, scores.seed, list(frame["kind"]))
        for place, metric in enumerate(metrics):
            interval = ", ".join(number(bound, name, values) for bound in metric.interval or ()) if metric else ""
            cells[place] = cells[place] + SOURCES["here"] + (f"<br><sub>[{interval}]</sub>" if interval else "") if metric else ""
        columns[f"{escape(name)} {arrow(name)}{suffix}"] = cells
    return columns


def by_set(systems, scored, sets, bases=(GREY, "SSIM", "LPIPS")):
    """Means over the videos of each set of clips, apart: a mean over all hides on which kind of clip a system falls short.

    sets: {set: its clips' names}. Of the first protocol, the metrics with a value for each video; empty where there is nothing to tell apart.
    """
    if not scored or len(sets) < 2:
        return ""
    protocol = next((name for name in next(iter(scored.values())) if name.startswith("disco")), next(iter(next(iter(scored.values())))))
    kinds = [systems[row].kind for row in scored]
    columns = {"system": [_name({"system": systems[row].title, "kind": systems[row].kind}) for row in scored]}
    first = next(iter(scored.values()))[protocol]
    for chosen, clips in sets.items():
        alike = {clip: 1 for clip in clips if clip in first.frames}        # a mean over videos, each as one, however many frames it has
        for name in (name for base in bases for name in metric_names(scored, protocol) if name.partition("[")[0] == base and alike):
            entries = [_over(scores[protocol].metrics[name].entry, alike) for scores in scored.values()]
            columns[f"{escape(chosen)}, n = {len(alike)}<br>{escape(name)} {arrow(name)}"] = ranked_here(entries, name, alike, first.seed, kinds)
    few = [f"{escape(chosen)} ({len(clips)})" for chosen, clips in sets.items() if len(clips) < pairs.FEW]
    return (table(list(columns), zip(*columns.values(), strict=True))
            + f"\n\nProtocol {escape(protocol)}, means over the videos of a set; ≈ not distinguishable from the best, paired over these videos."
            + (f" Fewer than {pairs.FEW} videos are too few for a verdict: {', '.join(few)}." if few else ""))


def _over(entry, clips):
    """A metric's entry as the mean over some of its videos."""
    chosen = {clip: entry["per_video"][clip] for clip in clips}
    return {"value": sum(chosen.values()) / len(chosen), "better": entry["better"], "per_video": chosen}


def metric_names(ran, protocol):
    """The metrics of a protocol over all rows, in the order they were scored in."""
    return list(dict.fromkeys(name for scores in ran.values() for name in scores[protocol].metrics))


def _paper_caption(frame):
    """Where the paper's side comes from."""
    where = sorted(set(frame["paper/where"].dropna())) if "paper/where" in frame else []
    return (f"Paper: {escape('; '.join(where))}; ten test videos. {GREY} is L1 × H × W at the size beneath; a size with ? is inferred, not stated. "
            "Best and second are marked within the paper's columns and within the columns scored here, never across.") if where else ""


def _beneath(frame, ran, protocol):
    """What stands under a block of values: what they were taken on, warnings, and the comparison with the floor."""
    scores = next(iter(ran.values()))[protocol]
    counts = {}
    for name in metric_names(ran, protocol):
        metric = next(row[protocol].metrics[name] for row in ran.values() if name in row[protocol].metrics)
        counts.setdefault(f"{metric.n} {metric.samples}", []).append(name)
    taken = "; ".join(f"{count} ({', '.join(map(escape, names))})" for count, names in counts.items())
    intervals = any(metric.interval for row in ran.values() for metric in row[protocol].metrics.values())
    parts = [f"Here: protocol {escape(protocol)}, frames of {scores.height}×{scores.width}, {scores.videos} videos; n = {taken}."
             + (" In brackets: bootstrap 95 % interval over videos." if intervals else "")]
    if scores.left_out:
        parts.append("Left out: " + "; ".join(f"{escape(name)} ({escape(why)})" for name, why in sorted(scores.left_out.items())) + ".")
    if few := pairs.few_videos(scores.videos):
        parts.append(f"> **Warning:** {few}.")
    if few := _too_few(ran, protocol):
        parts.append("> **Warning:** fewer samples than the features have dimensions, so the distance is biased upwards and its order weak; "
                     f"read it beside KID and KVD of `corrected-1`: {few}.")
    return parts + floor_sentences(frame, ran, protocol)


def _too_few(ran, protocol):
    few = {f"{escape(name)} ({metric.n} < {metric.dimension})": None for scores in ran.values()
           for name, metric in scores[protocol].metrics.items() if metric.dimension and metric.n < metric.dimension}
    return ", ".join(few)


def floor_sentences(frame, ran, protocol):
    """For each floor a line for each system: on which metrics it does not beat the floor, beats it, or can't be told from it, paired over videos."""
    lines = [line for line in frame.to_dict("records") if line["row"] in ran]
    floors = [line for line in lines if line["kind"] == tables.FLOOR]
    if not floors:
        return ["No floor (such as the source frame, copied) has run, so nothing here says whether a system beats doing nothing."] if ran else []
    systems = [line for line in lines if line["kind"] == tables.SYSTEM]
    return [f"Against *{escape(floor['system'])}*:\n\n" + "\n".join(
        f"- {escape(line['system'])}: {_against(ran[line['row']][protocol], ran[floor['row']][protocol])}" for line in systems) for floor in floors if systems]


def _against(scores, floor):
    lost, won, neither = [], [], []
    for name, metric in scores.metrics.items():
        if name == GREY:        # L1 in another unit
            continue
        found, pair = compare.difference(floor.metrics[name].entry, metric.entry, scores.frames, scores.seed), (metric.value, floor.metrics[name].value)
        values = f"{number(pair[0], name, pair)} against {number(pair[1], name, pair)}"
        wins = f"{found.better[1]} of {found.videos} videos" if found.better else ""
        if found.verdict == compare.A:
            lost.append(f"{escape(name)} ({', better in '.join(filter(None, (values, wins)))})")
        elif found.verdict == compare.B:
            won.append(f"{escape(name)} ({wins})" if wins else escape(name))
        else:
            neither.append(f"{escape(name)} ({', better in '.join(filter(None, (values, wins)))})")
    return " ".join([f"**Does not beat the floor on: {', '.join(lost)}.**"] * bool(lost) + [f"Beats it on: {', '.join(won)}."] * bool(won)
                    + [f"Not distinguishable from it on: {', '.join(neither)}."] * bool(neither))


def _elsewhere(frame):
    """Under their own titles, the systems whose frames were made elsewhere: a line of the paper's has the paper's name for them."""
    lines = [f"- {escape(line['frames_from'])}" + (f", in the line of {escape(line['system'])}" if line["frames_from"] != line["system"] else "")
             for line in frame.to_dict("records") if isinstance(line["frames_from"], str)]
    return ["Frames made elsewhere, scored here as ours are:\n\n" + "\n".join(lines)] if lines else []


def _not_run(frame):
    waiting = frame[frame["here"] == NOT_RUN]
    lines = [f"- {escape(line['system'])}: `{line['command']}`" for line in waiting.to_dict("records")]
    return ["Not run yet; each is made by\n\n" + "\n".join(lines)] if lines else []
