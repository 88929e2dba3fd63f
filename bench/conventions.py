"""What each silent convention of the field does to a number: fixed clips, scored under both choices.

    python bench/conventions.py             measures (minutes on two cores); writes bench/results/conventions.json, .md and the table of docs/metrics.md
    python bench/conventions.py --pages     writes the two pages anew from the JSON

Truth: three clips of real people. "Generated": the same frames, damaged in a fixed way (`damage`), so that every run scores the same pixels.
Networks are stand-ins: ratios tell how much a convention can matter, values are not those of the published networks.
"""

import argparse
import dataclasses
import importlib.metadata
import json
import re
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from eval import features, pixel
from eval.features import transnetv2
from eval.features.extractor import Windows
from eval.files import write_json
from eval.frames import Stills, Video, resize_as_disco, resize_bicubic, resize_bilinear, resize_to_declared
from eval.frechet import frechet_distance, kernel_distance
from eval.protocol import WINDOW

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "bench" / "results" / "conventions.json"
PAGE, DOC = RESULT.with_suffix(".md"), ROOT / "docs" / "metrics.md"
MARKS = "<!-- conventions: python bench/conventions.py --pages -->", "<!-- end of conventions -->"
SIDE, LENGTH, THREADS, SEED = 512, 40, 2, 0
CLIPS = {  # name: file below data/raw, first frame, stride, crop (left, top, side); the crops of params.yaml
    "pose2sim_cam02": ("pose2sim/cam02.mp4", 0, 2, (0, 372, 790)),
    "pose2sim_cam03": ("pose2sim/cam03.mp4", 0, 2, (0, 330, 1060)),
    "sports2d_walk": ("sports2d/demo.mp4", 77, 1, (865, 490, 500)),
}
SSIM_EVERY, LPIPS_AT = 4, LENGTH // 2       # frames 0, 4, 8, ... and the middle one of each clip: these two are slow at this size
STORAGES = {"JPEG q95": 95, "JPEG q75": 75, "mp4 crf 18": 18, "mp4 crf 23": 23}
DAMAGE = ("Generated: the true frames wobbled by up to 1.5 pixels (periods of 17 and 23 frames), blurred by sigma 1.2, times 0.97 plus (6, -3, 4) in red, "
          "green and blue, plus noise of sigma 4.")
COUNTS, CROP = (25, 50, 100, 200, 400, 800, 1600), 160
DRAWS = 20
L1, GREY, SSIM, PSNR = "L1, DisCo's unit", "L1-grey", "SSIM", "PSNR"
LPIPS, FID, KID, FID_VID, FVD = "LPIPS[hed-vgg16]", "FID[efficientnet-lite0]", "KID[efficientnet-lite0]", "FID-VID[transnetv2]", "FVD[transnetv2]"


def truth(raw):
    """{clip: uint8 (LENGTH, SIDE, SIDE, 3)}."""
    clips = {}
    for name, (file, start, stride, (left, top, side)) in CLIPS.items():
        wanted, frames = set(range(start, start + stride * LENGTH, stride)), []
        for index, frame in enumerate(Video.open(raw / file).read()):
            if index in wanted:
                frames.append(resize_to_declared(frame[None, top:top + side, left:left + side], (SIDE, SIDE))[0])
        clips[name] = np.stack(frames)
    return clips


def damage(clip, number):
    """The "generated" version of a clip, uint8 like it: DAMAGE."""
    out = np.empty_like(clip)
    for t, frame in enumerate(clip):
        shift = 1.5 * np.sin(2 * np.pi * t / 17), 1.5 * np.cos(2 * np.pi * t / 23)
        moved = cv2.warpAffine(frame.astype(np.float32), np.float32([[1, 0, shift[0]], [0, 1, shift[1]]]), (SIDE, SIDE),
                               flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        coloured = cv2.GaussianBlur(moved, (0, 0), 1.2) * 0.97 + np.float32([6, -3, 4])
        noise = np.random.default_rng([SEED, number, t]).normal(0, 4, frame.shape)
        out[t] = np.clip(np.round(coloured + noise), 0, 255)
    return out


class Measures:
    """Functions of two sides, each {clip: uint8 (n, h, w, 3)}, on eval's own code. true: the side whose features are kept."""

    def __init__(self, raw, true):
        self.lpips_network, self.pictures_network, self.video_network = (
            features.load(name, raw)[0] for name in ("hed-vgg16", "efficientnet-lite0", "transnetv2"))
        self.true, self.of_true = true, (self.pictures(true), self.windows(true))

    @staticmethod
    def values(measure, made, true, every=1):
        """A value for each frame that is looked at, clips one after the other."""
        return np.concatenate([measure(made[clip][::every], true[clip][::every]) for clip in true])

    def lpips(self, made, true, fed="-1..1"):
        return float(np.mean([self.lpips_network.frames(*(side[clip][LPIPS_AT:LPIPS_AT + 1] for side in (made, true)), fed) for clip in true]))

    def pictures(self, side, resize=resize_bicubic):
        return np.concatenate([self.pictures_network.pictures(x[i:i + 16], resize)["fid"] for x in side.values() for i in range(0, len(x), 16)])

    def windows(self, side, prepare=transnetv2.prepare):
        """role -> [(windows of a clip, d)]."""
        network, found = dataclasses.replace(self.video_network, prepare=prepare), {"fid_vid": [], "fvd": []}
        for clip in side.values():
            stream = Windows(network, WINDOW)
            parts = [stream.push(clip)[1], stream.finish()[1]]
            for role, rows in found.items():
                rows.append(np.concatenate([part[role] for part in parts]))
        return found

    def sets(self, made, true):
        """FID, FID-VID and FVD."""
        pictures, windows = zip(*(self.of_true if side is self.true else (self.pictures(side), self.windows(side)) for side in (made, true)))
        return {FID: frechet_distance(*pictures), FID_VID: video_distance(*windows, "fid_vid"), FVD: video_distance(*windows, "fvd")}

    def all(self, made, true, lpips=True):
        """The metrics that a table of this field prints."""
        values = {L1: self.values(pixel.l1_per_pixel, made, true).mean(), GREY: self.values(pixel.l1_grey, made, true).mean(),
                  SSIM: self.values(pixel.ssim_grey_uniform, made, true, SSIM_EVERY).mean(), PSNR: self.values(pixel.psnr, made, true).mean()}
        return {**values, **({LPIPS: self.lpips(made, true)} if lpips else {}), **self.sets(made, true)}


def video_distance(made, true, role, pick=slice(None)):
    return frechet_distance(*(np.concatenate([rows[pick] for rows in side[role]]) for side in (made, true)))


def each(function, clips):
    return {name: function(clip) for name, clip in clips.items()}


def effect(metric, a, b, ratio=True):
    """a, b: (convention, value)."""
    (first, x), (second, y) = a, b
    return {"metric": metric, "a": {"convention": first, "value": float(x)}, "b": {"convention": second, "value": float(y)},
            "ratio": float(y / x) if ratio and metric != PSNR else None}


def between(a, b):
    """Effects of two conventions, (name, {metric: value}) each."""
    return [effect(metric, (a[0], a[1][metric]), (b[0], b[1][metric])) for metric in a[1] if metric in b[1]]


def pictures_of(made, true, large, m):
    """Groups about single frames. large: what `Measures.all` has of them."""
    small = [each(lambda x: resize_to_declared(x, (256, 256)), side) for side in (made, true)]
    scored_small = m.all(*small)
    yield "Frame size", "The same content at two sizes.", between(("512", large), ("256", scored_small))
    grown = each(lambda x: resize_as_disco(x, (SIDE, SIDE)), small[0])
    yield ("Generated at 256, truth at 512", "Enlarged to the truth by OpenCV, as disco-1 does, or both scored at 256 (corrected-1@256).",
           between(("enlarged to 512", m.all(grown, true)), ("scored at 256", scored_small)))
    yield "Range that LPIPS is fed", "", [effect(LPIPS, ("0..1", m.lpips(made, true, "0..1")), ("-1..1", large[LPIPS]))]
    grey = [each(lambda x: np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in x])[..., None], side) for side in (made, true)]
    uniform, gaussian = (SSIM, ("grey, uniform 7x7 (DisCo)", large[SSIM])), m.values(pixel.ssim_gaussian, made, true, SSIM_EVERY).mean()
    yield ("SSIM's window and colours", "", [
        effect(*uniform, ("grey, Gaussian 11x11", m.values(pixel.ssim_gaussian, *grey, SSIM_EVERY).mean())),
        effect(*uniform, ("each channel, Gaussian 11x11", gaussian))])
    decibels, errors = m.values(pixel.psnr, made, true), [np.square(made[clip].astype(np.float64) - true[clip]).mean() for clip in true]
    wrapped = np.concatenate([np.square(made[clip] - true[clip]).mean(axis=(1, 2, 3)) for clip in true])      # uint8: both steps wrap at 256
    first = ~np.isin(np.arange(len(decibels)) % LENGTH, 0)
    usual = "mean over frames"
    yield ("PSNR", "Equal frames: frame 0 of each clip is the true one, as where the source frame is also scored.", [
        effect(PSNR, (usual, decibels.mean()), ("of the mean squared error", 20 * np.log10(255 / np.sqrt(np.mean(errors))))),
        effect(PSNR, (usual, decibels.mean()), ("squared in uint8, which wraps", (20 * np.log10(255 / np.sqrt(wrapped))).mean())),
        effect(PSNR, ("equal frames left out", decibels[first].mean()), (f"{(~first).sum()} equal frames of {len(first)} count 100",
                                                                        np.where(first, decibels, 100).mean()))])
    plain, smooth = ((m.pictures(made, way), m.pictures(true, way)) for way in (resize_bilinear, resize_bicubic))

    def at_299(way):
        return lambda x, size: resize_bicubic(np.round(way(x, (299, 299)).numpy()).clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1), size)

    as_inception = [frechet_distance(*(m.pictures(side, at_299(way)) for side in (made, true))) for way in (resize_bilinear, resize_bicubic)]
    ways = "bilinear, no antialiasing", "antialiased bicubic"
    yield ("How frames reach FID's network", "512 -> 128 is the stand-in's own size; 512 -> 299 is Inception's, brought from there to 128 alike.", [
        effect(f"{FID}, 512 -> 128", (ways[0], frechet_distance(*plain)), (ways[1], frechet_distance(*smooth))),
        effect(f"{FID}, 512 -> 299", (ways[0], as_inception[0]), (ways[1], as_inception[1]))])


def videos_of(made, true, m):
    """Groups about windows."""
    found = [m.windows(side) for side in (made, true)]
    starts = [m.windows(each(lambda x: x[:WINDOW], side)) for side in (made, true)]
    count, rows = sum(map(len, found[0]["fvd"])), []
    for metric, role in ((FID_VID, "fid_vid"), (FVD, "fvd")):
        every = f"every window, stride 1 (n = {count})", video_distance(*found, role)
        rows += [effect(metric, every, ("disjoint windows (n = 6)", video_distance(*found, role, slice(None, None, WINDOW)))),
                 effect(metric, every, ("the first 16 frames of each clip (n = 3)", video_distance(*starts, role)))]
        for lost in (1, count // 10):
            values = [frechet_distance(with_replaced(np.concatenate(found[0][role]), lost, draw), np.concatenate(found[1][role])) for draw in range(DRAWS)]
            word = f"{lost} of {count} generated windows another one"
            rows += [effect(metric, every, (f"{word}, {which} of {DRAWS} draws", choose(values))) for which, choose in (("lowest", min), ("highest", max))]
    yield "Which windows count", "Another one: DisCo's loader puts a random other clip where one does not load.", rows

    def by(way, size):
        return lambda x: transnetv2.prepare(way(x, (size, size)))

    def float_bicubic(size):
        return lambda x: torch.stack([_bicubic(plane, transnetv2.SIZE) for plane in resize_bicubic(x, (size, size))]) / 255

    rows = []
    for metric, role, size in ((FID_VID, "fid_vid", 112), (FVD, "fvd", 224)):
        ways = ("PIL bicubic, float", float_bicubic(size)), ("OpenCV bilinear, uint8", by(resize_as_disco, size))
        rows.append(effect(f"{metric}, 512 -> {size}", *((name, video_distance(*(m.windows(side, way) for side in (made, true)), role)) for name, way in ways)))
    yield "How frames reach the video networks", "To the published network's size either way, from there to the stand-in's 27 alike.", rows


def _bicubic(planes, size):
    """A float picture (3, h, w) by PIL's bicubic, as eval.frames.resize_bicubic does with uint8."""
    return torch.stack([torch.from_numpy(np.array(Image.fromarray(plane.numpy()).resize(size[::-1], Image.BICUBIC))) for plane in planes])


def with_replaced(rows, lost, draw):
    """Rows of which `lost` random ones are random other ones."""
    rng, out = np.random.default_rng([SEED, draw]), rows.copy()
    for index in rng.choice(len(rows), lost, replace=False):
        out[index] = rows[(index + rng.integers(1, len(rows))) % len(rows)]
    return out


def stored(clip, kind, folder):
    """The frames of a clip after storage: PIL's JPEG with its defaults, or H.264 (libx264, yuv420p, preset medium) at 30 fps."""
    value = STORAGES[kind]
    if kind.startswith("JPEG"):
        paths = tuple(Path(folder) / f"{t:04d}.jpg" for t in range(len(clip)))
        for path, frame in zip(paths, clip):
            Image.fromarray(frame).save(path, quality=value)
        return np.stack(list(Stills(paths).read()))
    import av

    with av.open(str(path := Path(folder) / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": str(value), "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for frame in clip:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return np.stack(list(Video.open(path).read()))


def storages_of(made, true, large, m):
    """Groups about files. large: what `Measures.all` has of PNG files."""
    def kept(side, kind):
        with tempfile.TemporaryDirectory() as folder:
            return each(lambda x: stored(x, kind, folder), side)

    yield ("How generated frames are stored", "The truth as PNG files.",
           [row for kind in STORAGES for row in between(("PNG", large), (kind, m.all(kept(made, kind), true)))])
    rows = []
    for kind in STORAGES:
        values = m.all(kept(true, kind), true, lpips=False)
        rows += [effect(metric, ("PNG", 100 if metric == PSNR else metric == SSIM), (kind, values[metric]), ratio=False) for metric in values]
    yield "The truth, stored, against itself", "What storage alone costs a perfect system. As PNG files: 0 (SSIM 1, PSNR 100).", rows


def samples_of(true, m):
    """Groups about how many samples there are."""
    rng, pool = np.random.default_rng(SEED), np.concatenate(list(true.values()))
    crops = []
    for _ in range(2 * COUNTS[-1]):
        frame, top, left = rng.integers(len(pool)), *rng.integers(0, SIDE - CROP + 1, 2)
        crops.append(pool[frame, top:top + CROP, left:left + CROP])
    found = m.pictures({"crops": np.stack(crops)})
    rows = []
    for metric, distance, ratio in ((FID, frechet_distance, True), (KID, kernel_distance, False)):
        *values, most = (distance(found[:n], found[COUNTS[-1]:COUNTS[-1] + n]) for n in COUNTS)
        rows += [effect(metric, (f"n = {COUNTS[-1]}", most), (f"n = {n}", value), ratio) for n, value in zip(COUNTS, values)]
    yield ("Number of samples, for two halves of one distribution", f"Random {CROP} x {CROP} crops of the true frames: the distance that should be 0. "
           f"{found.shape[1]} features.", rows)


def draws_of(made, true, m):
    x, y = m.pictures(made), m.pictures(true)
    values = []
    for draw in range(DRAWS):
        rng = np.random.default_rng([SEED, draw])
        values.append(kernel_distance(*(side[rng.choice(len(side), 50, replace=False)] for side in (x, y))))
    whole = f"all {len(x)} frames", kernel_distance(x, y)
    yield ("KID's random subsets", f"Tools draw subsets; here {DRAWS} seeds of one subset of 50.",
           [effect(KID, whole, (f"subset of 50, {which}", value)) for which, value in (("lowest", min(values)), ("highest", max(values)))])


def measure(raw):
    torch.set_num_threads(THREADS)
    true = truth(raw)
    made = {name: damage(clip, number) for number, (name, clip) in enumerate(true.items())}
    m = Measures(raw, true)
    large, groups = m.all(made, true), []
    for found in (pictures_of(made, true, large, m), videos_of(made, true, m), storages_of(made, true, large, m), samples_of(true, m), draws_of(made, true, m)):
        for title, note, effects in found:
            print(title, flush=True)
            groups.append({"title": title, "note": note, "effects": effects})
    software = {name: importlib.metadata.version(name) for name in ("av", "numpy", "opencv-python-headless", "pillow", "scikit-image", "torch")}
    return {"command": "python bench/conventions.py", "example": {"clips": list(CLIPS), "frames": LENGTH * len(CLIPS), "size": SIDE, "damage": DAMAGE},
            "groups": groups, "software": software}


def number(value):
    if abs(value) < 1e-3 and value:
        return f"{value:.3g}"
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def change(e):
    """What B makes of A, in words: a ratio; for decibels a difference; nothing where A is that of equal frames, or may be 0."""
    if e["metric"] == PSNR and e["a"]["value"] != 100:
        return f"{e['b']['value'] - e['a']['value']:+.2f} dB"
    return f"x {e['ratio']:.3g}" if e["ratio"] else ""


def table(group):
    """A group as Markdown: a line a pair; where several conventions meet one and the same first, a line a convention and a column a metric."""
    effects = group["effects"]
    metrics, firsts = list(dict.fromkeys(e["metric"] for e in effects)), {e["a"]["convention"] for e in effects}
    seconds = list(dict.fromkeys(e["b"]["convention"] for e in effects))
    lines = [f"**{group['title']}.** {group['note']}".strip(), ""]
    if len(metrics) > 1 and len(seconds) > 1 and len(firsts) == 1 and len(effects) == len(metrics) * len(seconds):
        at = {(e["metric"], e["b"]["convention"]): e for e in effects}
        lines += ["| | " + " | ".join(metrics) + " |", "|:--|" + "--:|" * len(metrics),
                  f"| {firsts.pop()} | " + " | ".join(number(at[metric, seconds[0]]["a"]["value"]) for metric in metrics) + " |"]
        for second in seconds:
            cells = [at[metric, second] for metric in metrics]
            lines.append(f"| {second} | " + " | ".join(number(e["b"]["value"]) + (f" ({change(e)})" if e["ratio"] else "") for e in cells) + " |")
    else:
        lines += ["| metric | A | | B | | |", "|:--|:--|--:|:--|--:|:--|"]
        lines += [f"| {e['metric']} | {e['a']['convention']} | {number(e['a']['value'])} | {e['b']['convention']} | {number(e['b']['value'])} | {change(e)} |"
                  for e in effects]
    return "\n".join(lines)


def summary(result):
    """All groups as one table of a line for each pair of conventions, in changes; a star instead of a stand-in's name."""
    lines = ["| convention | A | B | from A to B |", "|:--|:--|:--|:--|"]
    for group in result["groups"]:
        pairs = {}
        for e in group["effects"]:
            network = re.search(r"\[.*?\]", e["metric"])
            words = change(e) or f"{number(e['a']['value'])} to {number(e['b']['value'])}"
            name = e["metric"].replace(network[0], "\\*") if network else e["metric"]
            pairs.setdefault((e["a"]["convention"], e["b"]["convention"]), []).append(f"{name} {words}".replace(" x ", " × "))
        lines += [f"| {group['title']} | {a} | {b} | {'; '.join(words)} |" for (a, b), words in pairs.items()]
    return "\n".join(lines)


def page(result):
    example = result["example"]
    versions = ", ".join(f"{name} {version}" for name, version in result["software"].items())
    groups = "\n\n".join(map(table, result["groups"]))
    return (f"# What silent conventions do to a number\n\nMade by `{result['command']}` from conventions.json. docs/metrics.md says what follows.\n\n"
            f"{example['frames']} frames of {example['size']} x {example['size']} ({', '.join(example['clips'])}: real people, the crops of params.yaml).\n"
            f"{example['damage']}\n\n"
            f"SSIM looks at every {SSIM_EVERY}th frame, LPIPS at frame {LPIPS_AT} of each clip, all else at all. LPIPS is fed -1..1 and FID's frames are\n"
            f"antialiased unless a line says otherwise. Networks are stand-ins, named in brackets; {versions}.\n\n{groups}\n")


def doc(text, result):
    """docs/metrics.md with its table made anew."""
    before, rest = text.split(MARKS[0])
    return f"{before}{MARKS[0]}\n\n{summary(result)}\n\n{MARKS[1]}{rest.split(MARKS[1])[1]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--raw", type=Path, default=ROOT / "data" / "raw", help="folder of fetched videos and weights (default: %(default)s)")
    parser.add_argument("--pages", action="store_true", help="measure nothing; write the pages anew from the JSON")
    args = parser.parse_args()
    if not args.pages:
        write_json(RESULT, measure(args.raw))
    result = json.loads(RESULT.read_text())
    PAGE.write_text(page(result))
    if DOC.exists():
        DOC.write_text(doc(DOC.read_text(), result))


if __name__ == "__main__":
    main()
