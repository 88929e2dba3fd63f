"""The page of an evaluation: what it shows, that nothing in a name gets out of its text, and that it needs nothing from outside."""

import base64
import copy
import dataclasses
import io
import json
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from eval import bootstrap, clips as clips_module, evaluate, frames, html_pictures, html_report
from eval.files import write_together
from tests.golden.made_networks import small_networks

VOID = {"meta", "img", "br", "hr", "link", "input"}
ALLOWED = {"html", "head", "meta", "title", "style", "body", "header", "main", "nav", "section", "aside", "article", "p", "h1", "h2", "h3", "ul", "li",
           "dl", "dt", "dd", "div", "span", "small", "code", "abbr", "a", "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td",
           "figure", "figcaption", "img", "svg", "line", "rect", "circle"}
HOSTILE = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</title></style><svg onload=alert(1)>", "' onmouseover='alert(1)",
           "&lt;b&gt; &amp; &#60;", "--><iframe src=http://example.org>"]


class Page(HTMLParser):
    """A parsed page. elements: (tag, attributes, text inside), in the order of their start tags; balanced or it fails."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, name, attributes):
        assert len(dict(attributes)) == len(attributes)
        element = [name, dict(attributes), ""]
        self.elements.append(element)
        if name not in VOID:
            self.open.append(element)

    def handle_endtag(self, name):
        assert name == self.open.pop()[0]

    def handle_data(self, text):
        for element in self.open:
            element[2] += text

    def handle_comment(self, text):
        pytest.fail(f"a comment: {text}")

    def of(self, name, **attributes):
        return [e for e in self.elements if e[0] == name and all(e[1].get(key.rstrip("_")) == value for key, value in attributes.items())]

    def text(self, name, **attributes):
        return [e[2] for e in self.of(name, **attributes)]

    def row(self, heading):
        """The first line of a table whose heading begins so."""
        return next(text for text in self.text("tr") if text.startswith(heading))


@pytest.fixture
def scored(folders, monkeypatch):
    """(result, clips) of two clips."""
    monkeypatch.setattr(bootstrap, "DISTANCES", 20)
    return evaluate(*folders, networks=small_networks()), clips_module.pair(*folders)


def read(clip, side, index):
    return frames.at((clip.generated, clip.true)[side], index)


def written(tmp_path, result, clips, read=read, title="outputs"):
    write_together({tmp_path / "page" / "report.html": html_report.html_of(result, clips, read, title)})
    return (tmp_path / "page" / "report.html").read_text(encoding="utf-8")


def hostile(result, clips):
    """The same evaluation with hostile words wherever one comes from outside."""
    text = json.dumps(result)
    for old, new in zip(("anna", "bert", "small3d", "no network was named"), HOSTILE):
        text = text.replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1])
    result = json.loads(text)
    result["warnings"] = list(HOSTILE)
    result["networks"]["fid"]["weights"] = {HOSTILE[1]: HOSTILE[2]}
    result["software"] = {HOSTILE[3]: HOSTILE[5]}
    for body in result["protocols"].values():
        for entry in body["metrics"].values():
            entry["unit"] = HOSTILE[1]
    return result, [dataclasses.replace(clip, name=new) for clip, new in zip(clips, HOSTILE)]


@pytest.mark.parametrize("title", HOSTILE)
def test_whatever_a_name_holds_is_text(tmp_path, scored, title):
    result, clips = hostile(*scored)
    page = Page(written(tmp_path, result, clips, title=title))
    assert {name for name, _, _ in page.elements} <= ALLOWED
    assert len(page.of("img")) == 1 + 9 * len(clips)        # of the scale of colours, and three pictures of three frames
    for name, attributes, _ in page.elements:
        assert not [key for key in attributes if key.startswith("on") or key in ("srcset", "action", "formaction", "xlink:href")]
        if name == "img":
            assert re.fullmatch(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/]+=*", attributes["src"])
        assert attributes.get("href", "#").startswith("#")
        assert "url(" not in attributes.get("style", "") and re.fullmatch(r"(--bad:[01]\.\d+)?", attributes.get("style", ""))
    assert page.text("h1") == [title] and page.text("title") == [f"{title} \u2013 tcan-eval"]
    assert page.text("li") == HOSTILE
    assert len(page.text("h3")) == 2 and all(text.startswith(tuple(HOSTILE[:2])) for text in page.text("h3"))
    assert page.row(f"FVD[{HOSTILE[2]}]") and HOSTILE[3] in page.row("LPIPS-Alex")


def test_nothing_comes_from_outside(tmp_path, scored):
    text = written(tmp_path, *scored)
    page = Page(text)
    assert text.startswith("<!doctype html>\n<html lang=\"en\">")
    (policy,) = page.of("meta", **{"http-equiv": "Content-Security-Policy"})
    assert "default-src 'none'" in policy[1]["content"] and page.elements.index(policy) < page.elements.index(page.of("style")[0])
    assert not re.search(r"https?:|//|@import|url\(|javascript:", re.sub(r"base64,[^\"]*", "", text))
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids) and {a[1]["href"][1:] for a in page.of("a")} <= set(ids)


def test_it_can_be_read_aloud(tmp_path, scored):
    page = Page(written(tmp_path, *scored))
    assert all(img[1]["alt"] for img in page.of("img")) and all(svg[1]["aria-label"] for svg in page.of("svg"))
    assert len(page.of("caption")) == len(page.of("table")) == 5        # two of each protocol, and the networks
    assert {th[1]["scope"] for th in page.of("th")} == {"row", "col"}


def reversed_keys(value):
    return {key: reversed_keys(item) for key, item in reversed(value.items())} if isinstance(value, dict) else value


def test_equal_input_gives_equal_bytes(tmp_path, scored):
    result, clips = scored
    first = written(tmp_path, result, clips)
    assert first == written(tmp_path, json.loads(json.dumps(result, sort_keys=True)), clips) == written(tmp_path, reversed_keys(result), clips[::-1])


def test_whole_or_not_at_all(tmp_path, scored, monkeypatch):
    def broken(clip, side, index):
        if clip.name == "bert":
            raise OSError("gone")
        return read(clip, side, index)

    with pytest.raises(OSError, match="gone"):
        written(tmp_path, *scored, read=broken)
    assert not list(tmp_path.rglob("*.html"))
    before = written(tmp_path, *scored)

    def full(source, target):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        written(tmp_path, *scored, title="another")
    (left,) = (tmp_path / "page").iterdir()
    assert left.read_text(encoding="utf-8") == before


def test_a_file_name_that_is_no_text(tmp_path, scored):
    assert "caf" in Page(written(tmp_path, *scored, title="caf\udce9")).text("h1")[0]


@pytest.mark.parametrize("label", ["disco-1", "corrected-1"])
def test_every_value_of_the_result_stands_there(tmp_path, scored, label):
    result, clips = scored
    body = result["protocols"][label]
    page = Page(written(tmp_path, {**result, "protocols": {label: body}}, clips))
    titles = [attributes.get("title") for _, attributes, _ in page.elements]
    for key, entry in body["metrics"].items():
        row = page.row(f"{key}\u00a0")
        assert str(entry["value"]) in titles and all(html_report.number(value) in row for value in (entry["value"], *entry["interval"]))
        assert f"{entry['n']} " in row and entry["unit"] in row and ("\u2191" in row) == (entry["better"] == "higher")
        assert all(str(value) in titles for value in entry.get("per_video", {}).values() if (label, key) != ("disco-1", "L1"))
    for name, why in body["left_out"].items():
        assert page.row(name) == f"{name}left out: {why}"
    assert page.text("li") == result["warnings"]
    assert f"av\u00a0{result['software']['av']}" in page.text("dd")[-1]
    for digest in result["frames"]["sha256"].values():
        assert page.text("code", title=digest) == [digest[:12]]


def test_l1_of_disco_says_by_what_it_was_divided(tmp_path, scored):
    page = Page(written(tmp_path, *scored))
    rows = page.text("tr")
    at = next(index for index, row in enumerate(rows) if row.startswith("L1\u00a0"))
    assert "here 24 \u00d7 24, so L1-grey / 576" in rows[at] and rows[at + 1].startswith("L1-grey")
    values = {row.split("\u00a0")[0]: float(re.search(r"[\u2191\u2193]([\d.]+)\[", row)[1]) for row in rows[at:at + 2]}
    assert values["L1-grey"] / 576 == pytest.approx(values["L1"], rel=1e-3)


def test_stand_ins_and_published_networks(tmp_path, scored):
    result, clips = copy.deepcopy(scored[0]), scored[1]
    metrics = result["protocols"]["disco-1"]["metrics"]
    metrics["FID"] = metrics.pop("FID[small]")
    result["networks"]["fid"] = {"name": "inception", "published": True, "weights": {"fid/pt_inception.pth": "ab" * 32}}
    page = Page(written(tmp_path, result, clips))
    assert "stand-in" not in page.row("FID\u00a0") and "stand-in" in page.row("FVD[small3d]") and "stand-in" in page.row("LPIPS[tiny]")
    assert page.row("fid") == "fidinceptionpublishedinceptionabababababab fid/pt_inception.pth"
    assert page.text("code", title="ab" * 32) == ["ab" * 6]


def with_values(result, **values):
    """A result of the clips of per_video values (clip -> (L1-grey, SSIM)) under disco-1 alone."""
    entry = {"kind": "pixel", "n": 3 * len(values), "videos": len(values)}
    metrics = {key: {**entry, "unit": "u", "better": better, "value": 1.0, "interval": [0.5, 1.5], "per_video": {clip: v[i] for clip, v in values.items()}}
               for i, (key, better) in enumerate((("L1-grey", "lower"), ("SSIM", "higher")))}
    body = {**result["protocols"]["disco-1"], "metrics": metrics}
    return {**result, "protocols": {"disco-1": body}, "networks": {}, "warnings": [],
            "frames": {**result["frames"], "videos": len(values), "count": 3 * len(values), "per_video": dict.fromkeys(values, 3)}}


def made_up(names):
    return [clips_module.Clip(name, (0, 1, 2), None, None) for name in names]


def grey(clip, side, index):
    return np.full((20, 12, 3), 10 * side, np.uint8)


def test_the_worst_video_of_each_metric(tmp_path, scored):
    values = {"a": (5.0, 0.2), "b": (9.0, 0.6), "c": (7.0, 1.0)}
    page = Page(written(tmp_path, with_values(scored[0], **values), made_up(values), read=grey))
    cells = [(cell[2], cell[1]["style"]) for cell in page.of("td", class_="heat")]
    assert cells == [("5.000", "--bad:0.000"), ("0.2000 worst", "--bad:1.000"), ("9.000 worst", "--bad:1.000"), ("0.6000", "--bad:0.500"),
                     ("7.000", "--bad:0.500"), ("1.000", "--bad:0.000")]


def test_videos_that_are_all_alike_have_no_worst(tmp_path, scored):
    values = {"a": (5.0, 1.0), "b": (5.0, 1.0)}
    page = Page(written(tmp_path, with_values(scored[0], **values), made_up(values), read=grey))
    assert {cell[1]["style"] for cell in page.of("td", class_="heat")} == {"--bad:0.000"} and "worst" not in page.row("a")


def test_many_videos_from_the_worst_to_the_best(tmp_path, scored):
    values = {f"v{number:02d}": (float(number), 0.5) for number in range(30)}
    page = Page(written(tmp_path, with_values(scored[0], **values), made_up(values), read=grey))
    shown = [text.split()[0] for text in page.text("h3")]
    assert len(shown) == html_report.SHOWN and (shown[0], shown[-1]) == ("v29", "v00") and shown == sorted(shown, reverse=True)
    assert "12 of 30 videos, evenly spaced in that order; 18 are left out" in page.text("section", id="pictures")[0]
    assert [link for link in page.text("a") if link in values] == sorted(shown)     # only these can be jumped to


def test_one_video_has_neither_interval_nor_worst(tmp_path, scored):
    result = with_values(scored[0], only=(5.0, 1.0))
    for entry in result["protocols"]["disco-1"]["metrics"].values():
        entry["interval"] = None
    page = Page(written(tmp_path, result, made_up(["only"]), read=grey))
    assert "none: one video" in page.row("SSIM") and "bootstrap over videos (" not in page.text("table")[0] and not page.of("svg")
    assert "worst" not in page.text("section", id="pictures")[0] + page.row("only")


def plotted(**entry):
    """{class: [attributes]} of the marks of a plot."""
    marks = {}
    for mark in html_report._plot(entry):
        marks.setdefault(mark.get("class"), []).append(mark.attrib)
    return marks


def test_a_plot_begins_at_zero_and_is_to_scale():
    marks = plotted(value=5.0, interval=[4.0, 8.0], per_video={"a": 2.0, "b": 10.0})
    left, right = 5, html_report.WIDTH - 5
    place = lambda value: pytest.approx(left + (right - left) * value / 10, abs=0.01)  # noqa: E731
    assert float(marks["dot"][0]["cx"]) == place(5)
    assert [float(marks["whisker"][0][end]) for end in ("x1", "x2")] == [place(4), place(8)]
    assert [float(tick["x1"]) for tick in marks["tick"]] == [place(2), place(10)]


def test_the_resamples_lie_about_the_value():
    """A Fréchet distance of resamples is larger than the value itself; drawn unmoved, the interval would not fit them."""
    replicates = np.random.default_rng(0).normal(30, 2, 200)
    marks = plotted(value=20.0, interval=bootstrap.interval(20.0, replicates), replicates=list(replicates))
    areas, places = zip(*((float(b["height"]), float(b["x"]) + float(b["width"]) / 2) for b in marks["bin"]))
    assert np.average(places, weights=areas) == pytest.approx(float(marks["dot"][0]["cx"]), abs=2)
    assert max(areas) <= html_report.HEIGHT


@pytest.mark.parametrize("entry", [{"value": 0.0, "interval": [0.0, 0.0], "replicates": [0.0] * 5},
                                   {"value": 0.0, "interval": [0.0, 0.0], "per_video": {"a": 0.0}},
                                   {"value": -1.0, "interval": [-3.0, 0.5], "replicates": [-3.0, 0.5, -1.0]}])
def test_plots_of_nothing_and_below_zero(entry):
    for marks in plotted(**entry).values():
        for mark in marks:
            assert all(0 <= float(mark[key]) <= html_report.WIDTH for key in ("x", "x1", "x2", "cx") if key in mark)


@pytest.mark.parametrize("value, text", [(0.0, "0.000"), (16.5, "16.50"), (1234.4, "1234"), (635.0, "635.0"), (123456.7, "123457"), (-0.5, "-0.5000"),
                                         (1e-5, "1.000e-05")])
def test_numbers(value, text):
    assert html_report.number(value) == text


@pytest.mark.parametrize("length, expected", [(1, [0]), (2, [0, 1]), (5, [0, 1, 2, 3, 4]), (9, list(range(9))), (81, list(range(0, 81, 10)))])
def test_which_frames_are_looked_at(length, expected):
    assert html_pictures.indices(length) == expected


def decoded(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


@pytest.mark.parametrize("worst, captions", [
    (20, ["frame 100, first mean difference 4.0", "frame 120, largest difference mean difference 9.0", "frame 180, last mean difference 4.0"]),
    (80, ["frame 100, first mean difference 4.0", "frame 140, middle mean difference 4.0", "frame 180, last, largest difference mean difference 9.0"])])
def test_the_frames_of_a_line(worst, captions):
    """Generated frames of half the size; one frame differs most."""
    clip = clips_module.Clip("a", tuple(range(100, 181)), None, None)
    line = html_pictures.line(clip, lambda clip, side, index: np.full((40, 30, 3), 50, np.uint8) if side else
                              np.full((20, 15, 3), 59 if index == worst else 54, np.uint8))
    assert ["".join(caption.itertext()) for caption in line.iter("figcaption")] == captions
    images = list(line.iter("img"))
    assert [image.get("alt") for image in images[:3]] == [f"{what}, frame 100" for what in ("true", "generated", "difference")]
    assert decoded(images[0].get("src")).shape == (40, 30, 3) and (decoded(images[0].get("src")) == 50).all() and (decoded(images[1].get("src")) == 54).all()
    np.testing.assert_array_equal(decoded(images[2].get("src")), html_pictures.coloured(np.full((40, 30), 4 * html_pictures.GAIN, np.uint8)))


def test_the_difference_does_not_wrap_around():
    a, b = np.full((2, 2, 3), 250, np.uint8), np.full((2, 2, 3), 10, np.uint8)
    assert (html_pictures.difference(a, b) == 240).all() and (html_pictures.difference(b, a) == 240).all()
    bright = decoded(html_pictures.thumbnail(html_pictures.difference(a, b))[0])
    np.testing.assert_array_equal(bright, html_pictures.coloured(np.full((2, 2), 255, np.uint8)))


@pytest.mark.parametrize("shape", [(512, 512), (1280, 720), (720, 1280), (64, 64), (24, 200)])
def test_pictures_are_shrunk_and_never_enlarged(shape):
    uri, (width, height) = html_pictures.thumbnail(np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8))
    assert decoded(uri).shape == (height, width, 3)
    assert width <= min(256, shape[1]) and height <= min(192, shape[0]) and width / height == pytest.approx(shape[1] / shape[0], rel=0.02)


def test_a_page_stays_small(tmp_path, scored):
    """Twelve videos of noise, which no codec likes."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 512, 512, 3), dtype=np.uint8)
    values = {f"v{number:02d}": (float(number), 0.5) for number in range(12)}
    assert len(written(tmp_path, with_values(scored[0], **values), made_up(values), read=lambda clip, side, index: noise[side])) < 3_000_000
