"""The two protocols as they read, on folders of frames: every frame decoded for each metric, every window resized again, nothing shared.

Nothing is taken from eval/. `networks`: "lpips": (a, b) -> a distance, pictures (1, 3, h, w) in the range that they are fed in; "fid": (size, function of
pictures (1, 3, size, size) in 0..1); "fid_vid" and "fvd": (size, scale and shift of pixels in 0..255, function of windows (1, 3, 16, size, size)).
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from tests.golden import plain

SEED, MEANS, DISTANCES = 0, 1000, 200       # of the bootstrap


def read(folder):
    """{clip: (frame numbers, frames)}; a folder of frames alone is the clip `frames`."""
    clips = {place.name: place for place in sorted(Path(folder).iterdir()) if place.is_dir()} or {"frames": Path(folder)}
    found = {}
    for name, place in clips.items():
        paths = sorted(place.glob("*.png"), key=lambda path: int(path.stem))
        found[name] = [int(path.stem) for path in paths], [np.array(Image.open(path)) for path in paths]
    return found


def bicubic(frame, size):
    """PIL's bicubic of each channel in float: (3, size, size) in 0..255, not clipped, not rounded."""
    return np.stack([np.asarray(Image.fromarray(frame[..., c].astype(np.float32)).resize((size, size), Image.BICUBIC)) for c in range(3)])


def bilinear(frame, size):
    """torch's bilinear interpolation of 0..1 without antialiasing, as pytorch-fid: (3, size, size) in 0..255."""
    x = torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255
    return (F.interpolate(x, (size, size), mode="bilinear", align_corners=False)[0] * 255).numpy()


def row(function, x):
    """Features of one picture or window, float64 (d,)."""
    with torch.inference_mode():
        return function(torch.from_numpy(np.ascontiguousarray(x, np.float32))[None])[0].double().numpy()


def of_frames(function, made, true):
    """{clip: a value for each frame}."""
    return {clip: [float(function(a, b)) for a, b in zip(made[clip][1], true[clip][1])] for clip in true}


def of_windows(side, network, stride):
    """{clip: features (windows, d)} of windows of 16 consecutive numbers; stride 16: those that begin at a multiple of 16 from the begin of their run."""
    size, (scale, shift), function = network
    found = {}
    for clip, (numbers, frames) in side.items():
        rows, begin = [], 0
        for window in plain.windows(numbers):
            while numbers[window[0]] - numbers[begin] != window[0] - begin:
                begin += 1
            if (window[0] - begin) % stride == 0:
                x = np.stack([bicubic(frames[index], size) for index in window], axis=1)
                rows.append(row(function, x * scale + np.reshape(shift, (-1, 1, 1, 1))))
        found[clip] = np.stack(rows)
    return found


def mean(values):
    """value, n, per_video and interval of {clip: values of its frames}."""
    clips = sorted(values)
    value = np.mean(np.concatenate([values[clip] for clip in clips]))
    replicates = [np.mean(np.concatenate([values[clips[v]] for v in drawn])) for drawn in resamples(len(clips), MEANS)]
    return {"value": value, "n": sum(map(len, values.values())), "per_video": {clip: np.mean(values[clip]) for clip in clips},
            "interval": interval(value, replicates)}


def distance(function, made, true):
    """value, n and interval of {clip: features}; the interval by repeating the rows of a clip as often as it is drawn."""
    clips = sorted(true)
    x, y = (np.concatenate([side[clip] for clip in clips]) for side in (made, true))
    if len(x) < 2:
        return None
    value = function(x, y)
    replicates = [function(*(np.concatenate([side[clips[v]] for v in drawn]) for side in (made, true))) for drawn in resamples(len(clips), DISTANCES)]
    return {"value": value, "n": len(x), "interval": interval(value, replicates)}


def resamples(videos, count):
    """Lists of videos; none of a single one."""
    if videos < 2:
        return
    for counts in np.random.default_rng(SEED).multinomial(videos, [1 / videos] * videos, size=count):
        yield [video for video, times in enumerate(counts) for _ in range(times)]


def interval(value, replicates):
    """The 2.5th and the 97.5th percentile, moved so that the mean of the replicates lies on the value."""
    if not replicates:
        return None
    return [value + np.percentile(replicates, q) - np.mean(replicates) for q in (2.5, 97.5)]


def evaluate(generated, true, networks):
    """{protocol: {metric without its network: {value, n, interval, per_video}}}; None where there are not two windows."""
    made, true = read(generated), read(true)

    def lpips(scale, shift):
        def one(a, b):
            return row(lambda x: networks["lpips"](x[:, 0], x[:, 1]), np.stack([a, b]).transpose(0, 3, 1, 2) / 255 * scale + shift)[0]
        return mean(of_frames(one, made, true))

    def fid(resize, function):
        size, network = networks["fid"]
        return distance(function, *({clip: np.stack([row(network, resize(frame, size) / 255) for frame in frames]) for clip, (_, frames) in side.items()}
                                    for side in (made, true)))

    video = {}
    for name, role in (("FID-VID", "fid_vid"), ("FVD", "fvd")):
        for suffix, stride in (("", 1), ("-disjoint", 16)):
            sides = [of_windows(side, networks[role], stride) for side in (made, true)]
            video[name + suffix] = distance(plain.frechet, *sides)
            if role == "fvd":
                video[f"KVD{suffix}"] = distance(plain.mmd, *sides)
    grey = mean(of_frames(lambda a, b: np.abs(a.astype(float) - b).mean(), made, true))
    return {
        "disco-1": {
            "L1": mean(of_frames(lambda a, b: plain.l1([a], [b]), made, true)), "L1-grey": grey,
            "SSIM": mean(of_frames(lambda a, b: plain.ssim_uniform(plain.grey(a), plain.grey(b)), made, true)),
            "PSNR": mean(of_frames(lambda a, b: plain.psnr([a], [b]), made, true)),
            "LPIPS": lpips(1, 0), "FID": fid(bilinear, plain.frechet), "FID-VID": video["FID-VID"], "FVD": video["FVD"]},
        "corrected-1": {
            "L1": mean(of_frames(lambda a, b: np.abs(a.astype(float) - b).mean() / 255, made, true)),
            "SSIM": mean(of_frames(lambda a, b: np.mean([plain.ssim_gaussian(a[..., c], b[..., c]) for c in range(3)]), made, true)),
            "LPIPS": lpips(2, -1), "FID": fid(bicubic, plain.frechet), "KID": fid(bicubic, plain.mmd), **video}}
