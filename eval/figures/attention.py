"""Fig. 4: over how many frames the temporal attention is spread at each place, without and with the pose-driven temperature map."""

import json
import zipfile

import cv2
import numpy as np

from eval import strips
from eval.errors import UserError
from eval.figures import tiles
from eval.figures.page import Block, page

SIDE = 136
KEYS = ("row", "clip", "temperature", "body", "frames_attended_without", "frames_attended_with")


def draw(args):
    """The page. args.attention: folders of maps.npz, a line each."""
    if not args.attention:
        raise UserError("--attention: expected folders that `python -m tcan attention` wrote, got none; run `snakemake claims` and name them")
    clips = {clip.id: clip for clip in strips.find_clips(args.data, "test")}
    read = [_read(folder, clips) for folder in args.attention]
    titles = tiles.system_titles(dict.fromkeys(maps["row"] for maps, _ in read), args.params, args.scale)
    shown = [(maps, *(maps[f"frames_attended_{name}"][maps["number"]] for name in ("without", "with"))) for maps, _ in read]
    low, high = min(min(a.min(), b.min()) for _, a, b in shown), max(max(a.max(), b.max()) for _, a, b in shown)
    low, high = np.floor(10 * low) / 10, np.ceil(10 * high) / 10
    hottest = np.ceil(10 * max(maps["temperature"].max() for maps, _ in read)) / 10
    lines = [_line(maps, clips[maps["clip"]], without, with_, titles[maps["row"]], (low, high), hottest) for maps, without, with_ in shown]
    frames, last = len(read[0][0]["frames_attended_with"]), read[0][1]["config"]["last_steps"]
    caption = (f"Over how many of the window's {frames} frames the shown frame's temporal self-attention is spread at each place of the latents: the "
               f"exponential of its entropy, from 1 (one frame) to {frames} (all alike), the mean over the denoising UNet's temporal layers, their "
               f"heads and the last {last} denoising steps. Both maps see the same latents and share one scale. White: the edge of the body in any "
               "frame of the window (B of equation 3), where the temperature is 1; it grows with the distance. Look whether the ground, outside, "
               "comes to take all frames alike, which is to steady it, while the body's attention stays as it was.")
    groups = [("", ["true frame", f"temperature T,\n1 (black) to {hottest:.2g}"]), ("frames attended to", ["without the map", "with the map", "", "mean"])]
    return page("After the paper's Fig. 4: temporal attention without and with the temperature map", caption, [Block(groups, lines)], SIDE)


def _line(maps, clip, without, with_, title, scale, hottest):
    body = maps["body"] > 0
    on_body = cv2.resize(maps["body"], without.shape[::-1], interpolation=cv2.INTER_AREA)
    means = [f"{part}:\n{_mean(without, weights):.2f} without\n{_mean(with_, weights):.2f} with"
             for part, weights in (("body", on_body), ("ground", 1 - on_body))]
    return (f"{clip.id}\nframe {maps['number']}\n{title}",
            [strips.picture(tiles.frame(clip.folder, maps["number"]), SIDE), tiles.heat_tile(maps["temperature"], 1, hottest, SIDE, "inferno", body),
             *(tiles.heat_tile(values, *scale, SIDE, "viridis", body) for values in (without, with_)), tiles.colour_bar(*scale, SIDE, "frames", "viridis"),
             tiles.words("\n\n".join(means), SIDE)])


def _mean(values, weights):
    return np.average(values, weights=weights) if weights.any() else np.nan


def _read(folder, clips):
    """maps.npz as a dict, with `number`, the window's frame to show; and run.json."""
    try:
        with np.load(folder / "maps.npz", allow_pickle=False) as stored:
            maps = {key: stored[key] for key in KEYS}
        record = json.loads((folder / "run.json").read_text())
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{folder}: expected what `python -m tcan attention` writes (maps.npz, run.json), got {error}; run `snakemake claims`") from error
    maps |= {key: str(maps[key]) for key in ("row", "clip")}
    if maps["clip"] not in clips:
        raise UserError(f"{folder}: expected maps of one of the test clips {', '.join(clips)}, got {maps['clip']}; give the --data they were made of")
    return {**maps, "number": strips.telling_frame(clips[maps["clip"]], len(maps["frames_attended_with"]))}, record
