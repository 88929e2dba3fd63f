"""An evaluation as one page to read: values with intervals, every video, and frames side by side. No script, nothing from a network.

The page is a tree of elements, so whatever a name holds is text in it, and tags balance. Equal input gives equal bytes.
"""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from eval import html_pictures, protocol
from eval.html_elements import tag

STYLE = Path(__file__).with_name("html_report.css")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
SHOWN = 12              # videos with pictures, so that a page stays small enough to mail
SHORT = 12              # digits of a SHA-256 on the page; the whole one is its title
WIDTH, HEIGHT, BINS = 180, 26, 36       # of the plot of an interval, in pixels, and of its histogram
SAMPLES = {None: "frames", "every": "windows", "disjoint": "disjoint windows"}
PER_PIXEL = "l1_per_pixel"     # DisCo's L1: L1-grey divided by a constant
ABOUT = {
    "disco": "What DisCo's public evaluation computes, flaws included: LPIPS is fed with 0..1, L1 is divided by the number of pixels, "
             "SSIM is of grey pictures, and Inception is fed through a resize that aliases.",
    "corrected": "What those metrics were meant to be: L1 in 0..1, SSIM of each channel in a Gaussian window, LPIPS fed with -1..1, "
                 "FID through an antialiased resize, windows with and without overlap, and KID and KVD, which have no bias where samples are few.",
}


def html_of(result, clips, read, title):
    """The page as bytes.

    result: what eval.score.evaluate gave, or metrics.json as a dict (format 2). clips: the list of eval.clips.Clip that was scored.
    read: read(clip, side, index) -> uint8 RGB (h, w, 3), frame `index` of a clip, side 0 generated and 1 true. title: what was scored.
    """
    return b"<!doctype html>\n" + ElementTree.tostring(page(result, clips, read, title), encoding="utf-8", method="html") + b"\n"


def page(result, clips, read, title):
    """The page as an ElementTree element; the arguments are html_of's."""
    order = sorted(result["protocols"], key=lambda label: (list(protocol.PROTOCOLS).index(label.partition("@")[0]), protocol.get(label).size or 0))
    places = {clip.name: f"video-{number}" for number, clip in enumerate(sorted(clips, key=lambda clip: clip.name))}
    shown, ranking = _shown(result, order, clips)
    linked = {clip.name: places[clip.name] for clip in shown}
    links = [*((f"protocol-{number}", label) for number, label in enumerate(order)), ("pictures", "Frames side by side"), ("measured", "Measured with")]
    return tag(
        "html",
        tag("head",
            tag("meta", charset="utf-8"), tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"), tag("meta", name="color-scheme", content="light dark"),
            tag("title", f"{title} \u2013 tcan-eval"), tag("style", STYLE.read_text(encoding="utf-8"))),
        tag("body",
            tag("header", tag("p", "tcan-eval", class_="eyebrow"), tag("h1", title), _facts(result["frames"]),
                tag("nav", *(tag("a", text, href=f"#{place}") for place, text in links), aria_label="Parts of this page")),
            tag("main", _warnings(result["warnings"]),
                *(_protocol(f"protocol-{number}", label, result, linked) for number, label in enumerate(order)),
                _pictures(result, clips, shown, ranking, places, read), _measured(result))),
        lang="en")


def number(value):
    """A value to four digits; above 10000 to the unit."""
    return f"{value:.0f}" if abs(value) >= 10_000 else f"{value:#.4g}".rstrip(".")


def _facts(frames):
    sizes = [f"{w} \u00d7 {h}" for h, w in (frames["size"], frames["generated_size"])]
    facts = {"videos" if frames["videos"] > 1 else "video": str(frames["videos"]), "frames": str(frames["count"]), "true frames, width \u00d7 height": sizes[0],
             "generated frames, width \u00d7 height": sizes[1]}
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts.items()), class_="facts")


def _warnings(warnings):
    if not warnings:
        return None
    return tag("aside", tag("h2", f"{len(warnings)} warning{'s' if len(warnings) > 1 else ''}"), tag("ul", *(tag("li", text) for text in warnings)),
               class_="warnings", aria_label="Warnings")


def _protocol(place, label, result, linked):
    body = result["protocols"][label]
    height, width = body["size"]
    size = protocol.get(label).size
    where = (f"Here all frames are brought to {size} \u00d7 {size} first, by an antialiased bicubic resize." if size
             else f"Frames are compared at the true frames' size, {width} \u00d7 {height}.")
    return tag("section", tag("h2", label), tag("p", f"{ABOUT[body['id']]} {where}", class_="about"),
               _values(label, body, result), _videos(label, body, result, linked), id=place)


def _entries(label, body):
    """(metric, key, entry) of each metric that has a value, in the protocol's order."""
    keys = {key.partition("[")[0]: key for key in body["metrics"]}
    return [(metric, keys[metric.name], body["metrics"][keys[metric.name]]) for metric in protocol.get(label).metrics if metric.name in keys]


def _values(label, body, result):
    """A line for each metric of the protocol, with its value or why it was left out."""
    level, resamples = f"{result['bootstrap']['level'] * 100:.0f} %", result["bootstrap"]["resamples"]
    found = {metric.name: (key, entry) for metric, key, entry in _entries(label, body)}
    rows = []
    for metric in protocol.get(label).metrics:
        if metric.name in found:
            key, entry = found[metric.name]
            rows.append(tag("tr", tag("th", *_named(key, entry, metric, result), scope="row"),
                            tag("td", number(entry["value"]), class_="value", title=entry["value"]), *_interval(entry),
                            tag("td", f"{entry['n']} {SAMPLES[metric.windows]}"), tag("td", *_unit(metric, entry, body["size"]))))
        elif metric.name in body["left_out"]:
            rows.append(tag("tr", tag("th", metric.name, scope="row"), tag("td", f"left out: {body['left_out'][metric.name]}", colspan=5), class_="out"))
    says = f"A window is {protocol.WINDOW} consecutive frames. "
    if result["frames"]["videos"] > 1:
        says += (f"Intervals: {level}, bootstrap over videos ({resamples['means']} resamples of means, {resamples['distances']} of distances). Plots: the "
                 "value as a dot, its interval as a line, on a scale that begins at 0; below, a tick for each video, or the histogram of the distances "
                 "of the resamples, moved onto the value.")
    return _table([f"Metrics under {label}", tag("small", says)], ("Metric", "Value", f"{level} interval", "Spread", "n", "Unit"), rows, "values")


def _named(key, entry, metric, result):
    """A metric's name with which way is better, and whether its network is a stand-in."""
    parts = [key, "\u00a0", _arrow(entry)]
    if metric.role and not result["networks"][metric.role]["published"]:
        parts += [" ", tag("span", "stand-in", class_="badge", title=f"The protocol means {protocol.ROLES[metric.role]}; this is another network.")]
    return parts


def _arrow(entry):
    more = entry["better"] == "higher"
    return tag("abbr", "\u2191" if more else "\u2193", title="more is better" if more else "less is better")


def _unit(metric, entry, size):
    """The unit; L1 of DisCo also says by what it was divided, as it means nothing without."""
    yield entry["unit"]
    if metric.measure == PER_PIXEL:
        height, width = size
        yield tag("small", f"here {height} \u00d7 {width}, so L1-grey / {height * width}. Never compare it across frame sizes")


def _interval(entry):
    """The cells of the interval and of its plot."""
    if entry["interval"] is None:
        return [tag("td", "none: one video", colspan=2, class_="none")]
    low, high = entry["interval"]
    return [tag("td", f"[{number(low)}, {number(high)}]", class_="interval"), tag("td", _plot(entry), class_="plot")]


def _plot(entry):
    """Value and interval on a scale from 0; a tick for each video of a mean, the spread of the resamples of a distance."""
    value, (low, high) = entry["value"], entry["interval"]
    ticks = sorted(entry.get("per_video", {}).values())
    spread = np.array(entry.get("replicates") or [])
    spread = spread - spread.mean() + value if len(spread) else spread      # as eval.bootstrap.interval does
    left, right = (pick(0.0, low, high, value, *ticks, *spread) for pick in (min, max))

    def x(at):
        return f"{5 + (WIDTH - 10) * (at - left) / ((right - left) or 1):.2f}"

    marks = [tag("line", x1=x(left), x2=x(right), y1=HEIGHT - 1, y2=HEIGHT - 1, class_="axis"), tag("line", x1=x(0), x2=x(0), y1=2, y2=HEIGHT, class_="axis")]
    if len(spread):
        counts, edges = np.histogram(spread, BINS, (left, right if right > left else left + 1))
        marks += [tag("rect", x=x(start), y=f"{HEIGHT - 1 - (HEIGHT - 4) * count / counts.max():.2f}", width=f"{(WIDTH - 10) / BINS:.2f}",
                      height=f"{(HEIGHT - 4) * count / counts.max():.2f}", class_="bin") for count, start in zip(counts, edges) if count]
    marks += [tag("line", x1=x(at), x2=x(at), y1=HEIGHT - 7, y2=HEIGHT - 1, class_="tick") for at in ticks]
    middle = HEIGHT // 2 - 2
    marks += [tag("line", x1=x(low), x2=x(high), y1=middle, y2=middle, class_="whisker"),
              *(tag("line", x1=x(at), x2=x(at), y1=middle - 4, y2=middle + 4, class_="whisker") for at in (low, high)),
              tag("circle", cx=x(value), cy=middle, r=3.5, class_="dot")]
    says = f"{number(value)}, interval {number(low)} to {number(high)}, on a scale from {number(left)} to {number(right)}"
    return tag("svg", *marks, viewBox=f"0 0 {WIDTH} {HEIGHT}", width=WIDTH, height=HEIGHT, role="img", aria_label=says)


def _videos(label, body, result, linked):
    """A line for each video; the stronger a cell is tinted, the worse in its column."""
    columns = _columns(label, body)
    counts = result["frames"]["per_video"]
    rows = []
    for name in sorted(counts):
        cells = []
        for _, entry in columns:
            bad = _badness(entry, name)
            mark = tag("small", " worst", class_="worst") if bad == 1 else None
            cells.append(tag("td", number(entry["per_video"][name]), mark, title=entry["per_video"][name], style=f"--bad:{bad:.3f}", class_="heat"))
        shown = tag("a", name, href=f"#{linked[name]}") if name in linked else name
        rows.append(tag("tr", tag("th", shown, scope="row"), tag("td", str(counts[name])), *cells))
    foot = tag("tr", tag("th", "all frames", scope="row"), tag("td", str(sum(counts.values()))), *(tag("td", number(entry["value"])) for _, entry in columns))
    caption = [f"Each video under {label}",
               tag("small", "Means over a video's frames. The stronger a cell is tinted, the worse the video in that column. Metrics of sets (FID, FID-VID, "
                            "FVD, KID, KVD) have no value of a single video.")]
    return _table(caption, ("Video", "Frames", *((key, " ", _arrow(entry)) for key, entry in columns)), rows, "videos", foot)


def _columns(label, body):
    """(key, entry) of the metrics that a single video has. L1-grey stands for DisCo's L1 too, from which it differs by a constant."""
    return [(key, entry) for metric, key, entry in _entries(label, body) if "per_video" in entry and metric.measure != PER_PIXEL]


def _badness(entry, name):
    """0 for the best video of a metric, 1 for the worst; 0 for all where they are equal."""
    values = entry["per_video"].values()
    best, worst = (min(values), max(values)) if entry["better"] == "lower" else (max(values), min(values))
    return 0.0 if best == worst else abs(entry["per_video"][name] - best) / abs(worst - best)


def _table(caption, heads, rows, kind, foot=None):
    cells = (tag("th", *((head,) if isinstance(head, str) else head), scope="col") for head in heads)
    return tag("div", tag("table", tag("caption", *caption), tag("thead", tag("tr", *cells)), tag("tbody", *rows), None if foot is None else tag("tfoot", foot),
                          class_=kind), class_="wide", tabindex=0, role="region", aria_label=caption[0])


def _shown(result, order, clips):
    """The clips with pictures, from worst to best by one metric, evenly spaced where there are more than SHOWN; and (label, key) of that metric."""
    candidates = [(label, key, entry) for label in order for key, entry in _columns(label, result["protocols"][label])]
    label, key, entry = next((c for c in candidates if c[2]["kind"] == "lpips"), candidates[0])
    ranked = sorted(clips, key=lambda clip: (-_badness(entry, clip.name), clip.name))
    chosen = range(len(ranked)) if len(ranked) <= SHOWN else [round(i * (len(ranked) - 1) / (SHOWN - 1)) for i in range(SHOWN)]
    return [ranked[i] for i in chosen], (label, key)


def _pictures(result, clips, shown, ranking, places, read):
    label, key = ranking
    order = f"From the worst to the best by {key} of {label}. " if len(clips) > 1 else ""
    left = f"{len(shown)} of {len(clips)} videos, evenly spaced in that order; {len(clips) - len(shown)} are left out. " if len(shown) < len(clips) else ""
    intro = tag("p", f"{order}{left}Each frame: true, generated, and their absolute difference in grey levels (mean of the channels). Shown are the first "
                f"frame, the last, and of {html_pictures.LOOKED_AT} evenly spaced ones that with the largest mean difference; the middle one where that is the "
                "first or last. A generated frame of another size is brought to the true one's.", class_="about")
    scale = tag("p", "Difference: 0 ", tag("img", src=html_pictures.scale(), alt="black over purple and orange to pale yellow", class_="scale"),
                f" {255 / html_pictures.GAIN:.0f} grey levels or more", class_="legend")
    figures = []
    for clip in shown:
        values = [f"{name} {number(entry['per_video'][clip.name])}" for name, entry in _columns(label, result["protocols"][label])]
        heading = tag("h3", clip.name, " ", tag("small", f"{len(clip.numbers)} frames, {', '.join(values)} ({label})"))
        figures.append(tag("article", heading, html_pictures.line(clip, read), id=places[clip.name]))
    return tag("section", tag("h2", "Frames side by side"), intro, scale, *figures, id="pictures")


def _measured(result):
    rows = []
    for role in (role for role in protocol.ROLES if role in result["networks"]):
        network = result["networks"][role]
        badge = tag("span", "published", class_="badge published") if network["published"] else tag("span", "stand-in", class_="badge")
        files = [tag("div", tag("code", digest[:SHORT], title=digest), f" {name}") for name, digest in sorted(network["weights"].items())]
        rows.append(tag("tr", tag("th", role, scope="row"), tag("td", network["name"]), tag("td", badge), tag("td", protocol.ROLES[role]),
                        tag("td", *(files or ["given as an object, no file"]))))
    parts = []
    if rows:
        caption = ["Networks", tag("small", "A stand-in is another network than the protocol's. Its metrics carry its name, and share nothing with the "
                                            "published values but the formula.")]
        parts.append(_table(caption, ("Role", "Network", "Kind", "The protocol's", "Weights, SHA-256"), rows, "networks"))
    frames, bootstrap = result["frames"]["sha256"], result["bootstrap"]
    facts = [*((f"{side} frames, SHA-256", tag("code", frames[side][:SHORT], title=frames[side])) for side in ("generated", "true")),
             ("bootstrap", f"over {bootstrap['over']}, seed {bootstrap['seed']}"),
             ("software", ", ".join(f"{name}\u00a0{version}" for name, version in sorted(result["software"].items())))]
    listed = tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts), class_="listed")
    return tag("section", tag("h2", "Measured with"), *parts, listed, id="measured")
