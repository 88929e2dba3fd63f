"""Evaluation against the protocols read literally, and against the bare forwards of the networks; a second system with the same truth; memory.

    python bench/evaluate.py                                            stand-ins, short clips of 512 x 512, on the CPU
    python bench/evaluate.py --networks published --frames 18           the published networks with random weights (they cost the same)
    python bench/evaluate.py --networks published --clips 10 --frames 412 --device cuda      the shape of the paper's test set, on a GPU

Read literally means: each metric decodes its frames anew, and FID-VID and FVD decode and resize every frame of every window, so sixteen times each.
The three take turns, round by round. Memory is the peak of a process for each length of the clips.
"""

import argparse
import functools
import json
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from measure import about, child, demand, peak_mib, ratios, timed

from eval import evaluate, features, frames, heap, pixel, protocol
from eval.clips import pair
from eval.features.extractor import BATCH, Extractor
from eval.files import write_json
from eval.frechet import frechet_distance
from eval.perceptual import Lpips, heads

STAND_INS = {"lpips": "hed-vgg16", "fid": "efficientnet-lite0", "fid_vid": "transnetv2", "fvd": "transnetv2"}
PROTOCOL = "disco-1"


def published(device):
    """The published architectures with random weights, but for FID's Inception, which exists only with its own."""
    from eval.features import i3d, lpips_trunks, resnet3d

    torch.manual_seed(0)
    trunk, residual, inflated = lpips_trunks.vgg16_trunk(), resnet3d.ResNet3d(), i3d.I3D()
    for network in (trunk, residual, inflated):
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d | torch.nn.Conv3d):
                torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # torch's own start lets what tells frames apart die out on the way
    return {"lpips": Lpips("vgg16", trunk, heads("vgg")[0]).to(device).eval(),
            "fid_vid": Extractor("resnet3d", {"fid_vid": 2048}, resnet3d.prepare, residual.eval().to(device), device=device),
            "fvd": Extractor("i3d", {"fvd": 400}, i3d.prepare, inflated.eval().to(device), device=device)}


def networks_of(args):
    """role -> network; of stand-ins only the roles that are asked for."""
    if args.networks == "published":
        found = published(args.device)
    else:
        loaded = {name: features.load(name, args.weights, args.device)[0] for name in sorted(set(STAND_INS.values()))}
        found = {role: loaded[name] for role, name in STAND_INS.items()}
    return {role: network for role, network in found.items() if role in args.roles}


def make_clips(folder, clips, length, side, noise=8):
    """GEN and TRUE: smooth coloured noise that drifts, and the same a little noisier, as PNG."""
    for clip in range(clips):
        rng = np.random.default_rng(clip)
        coarse = Image.fromarray(rng.integers(30, 220, (24, 24, 3), dtype=np.uint8)).resize((side + 2 * length,) * 2, Image.BICUBIC)
        for number in range(length):
            true = np.asarray(coarse.crop((number, number, number + side, number + side)), np.int16)
            for name, amount in (("true", 2), ("gen", noise)):
                path = folder / name / f"clip{clip:02d}" / f"{number:04d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                noisy = true + rng.integers(-amount, amount + 1, true.shape, dtype=np.int16)
                Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, compress_level=1)
    return folder / "gen", folder / "true"


def literal(folders, networks):
    """Protocol disco-1 as it reads. -> {metric: value}."""
    clips, values = pair(*folders), {}
    for metric in protocol.PROTOCOLS[PROTOCOL].metrics:
        if metric.kind == "pixel":
            found = [pixel.MEASURES[metric.measure](*both(clip, [index])) for clip in clips for index in range(len(clip.numbers))]
            values[metric.name] = float(np.concatenate(found).mean())
        elif metric.role not in networks:
            continue
        elif metric.kind == "lpips":
            found = [networks["lpips"].frames(*both(clip, [index]), metric.measure) for clip in clips for index in range(len(clip.numbers))]
            values[metric.name] = float(np.concatenate(found).mean())
        else:
            sides = [[], []]
            for clip in clips:
                for side in (0, 1):
                    sides[side] += windows(clip, side, networks[metric.role], metric.role) if metric.windows else [
                        networks[metric.role].pictures(both(clip, [index])[side], frames.resize_bilinear)[metric.role] for index in range(len(clip.numbers))]
            values[metric.name] = frechet_distance(*(np.concatenate(side) for side in sides))
    return values


def both(clip, indices):
    return tuple(np.stack([frames.at(side, index) for index in indices]) for side in (clip.generated, clip.true))


def windows(clip, side, network, role):
    """The features of each window by itself: its frames decoded, resized and shown to the network."""
    found = []
    for run in clip.runs():
        for first in range(run.start, run.stop - protocol.WINDOW + 1):
            x = network.prepare(np.stack([frames.at((clip.generated, clip.true)[side], first + k) for k in range(protocol.WINDOW)]))
            x = x.movedim(0, 1)[None]
            if network.pooled:
                frames_of_window = torch.from_numpy(network.forward(x, 0, protocol.WINDOW)["frames"])
                found.append(network.pooled(frames_of_window, protocol.WINDOW)[role].numpy())
            else:
                found.append(network.forward(x)[role])
    return found


def comparable(networks):
    """The metrics that both ways define alike: a stand-in that looks at a whole run sees what lies beyond a window, which the literal way doesn't show it."""
    return {metric.name for metric in protocol.PROTOCOLS[PROTOCOL].metrics if not (metric.windows and getattr(networks.get(metric.role), "pooled", None))}


def bare(networks, clips, length, side):
    """Only the forwards that disco-1 needs, each network once, on inputs that are at hand. -> a function that runs them."""
    picture, work = np.zeros((4, side, side, 3), np.uint8), []
    for role, network in networks.items():
        if role == "lpips":
            work += [lambda network=network: network.frames(picture, picture, "0..1")] * (clips * length // 4)
        elif role == "fid":
            x = network.prepare(picture, frames.resize_bilinear)
            work += [lambda network=network, x=x: network.forward(x)] * (2 * clips * length // 4)
        elif role == "fid_vid" or network is not networks.get("fid_vid"):
            x = network.prepare(picture[:1]).expand(length, -1, -1, -1).movedim(0, 1)
            if network.pooled:
                work += [lambda network=network, x=x[None, :, first:first + network.network.piece]: network.forward(x, 0, x.shape[2])
                         for first in range(0, length, network.network.piece)] * (2 * clips)
            else:
                parts = x.unfold(1, protocol.WINDOW, 1).movedim(1, 0).movedim(-1, 2).split(BATCH)
                work += [lambda network=network, part=part: network.forward(part) for part in parts] * (2 * clips)
    return lambda: [step() for step in work]


def peaks(args, progress):
    """The most memory in MiB until the last frame is read, and in all: the distances between sets come after, from the features of all frames."""
    read = {}

    def noted(done, total, clip):
        progress(done, total, clip)
        read["mib"] = peak_mib(args.device)

    evaluate(args.measure / "gen", args.measure / "true", [PROTOCOL], networks_of(args), progress=noted)
    return {"read_mib": read["mib"], "peak_mib": peak_mib(args.device)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", choices=("stand-ins", "published"), default="stand-ins")
    parser.add_argument("--roles", nargs="+", default=list(STAND_INS), choices=list(STAND_INS), help="of the networks that look (default: all)")
    parser.add_argument("--weights", type=Path, default=Path("data/raw"))
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--frames", type=int, default=32, help="of a clip; the paper's ten have 412 on average")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", type=int, nargs="*", default=[16, 64, 256])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    demand(args.device)
    progress = heap.bounded()       # as the command does
    if args.measure:
        return print(json.dumps(peaks(args, progress)))
    figures = about(args.device) | {"networks": args.networks, "roles": args.roles, "clips": args.clips, "frames": args.frames, "side": args.side, "memory": {}}
    words = ["--networks", args.networks, "--weights", args.weights, "--device", args.device, "--roles", *args.roles]
    with tempfile.TemporaryDirectory() as folder:
        for length in args.memory:
            make_clips(Path(folder) / str(length), 1, length, args.side)
            figures["memory"][length] = child(__file__, *words, "--measure", Path(folder) / str(length))
        networks = networks_of(args)
        places, rounds = make_clips(Path(folder) / "clips", args.clips, args.frames, args.side), []
        for number in range(args.repeats):
            ours, result = timed(lambda: evaluate(*places, [PROTOCOL], networks, progress=progress), args.device)
            forwards, _ = timed(bare(networks, args.clips, args.frames, args.side), args.device)
            theirs, expected = timed(lambda: literal(places, networks), args.device)
            rounds.append({"evaluate_s": ours, "bare_s": forwards, "literal_s": theirs})
            print(f"round {number + 1}: {rounds[-1]}", file=sys.stderr)
        found = {key.partition("[")[0]: entry["value"] for key, entry in result["protocols"][PROTOCOL]["metrics"].items()}
        figures |= {"rounds": rounds, "literal_over_evaluate": ratios(rounds, "literal_s", "evaluate_s"),
                    "evaluate_over_bare": ratios(rounds, "evaluate_s", "bare_s"),
                    "ms_per_frame": 1000 * statistics.median(one["evaluate_s"] for one in rounds) / (args.clips * args.frames),
                    "largest_relative_difference": max(abs(found[name] / value - 1) for name, value in expected.items() if name in comparable(networks))}
        if args.networks == "stand-ins":
            named = {role: STAND_INS[role] for role in args.roles}
            cache = Path(folder) / "cache"
            other = make_clips(Path(folder) / "other", args.clips, args.frames, args.side, noise=12)[0]
            systems = {"first": places[0], "second, same truth": other, "first again": places[0]}
            figures["seconds_with_cache"] = {name: timed(functools.partial(evaluate, made, places[1], [PROTOCOL], named, args.weights, cache=cache),
                                                         args.device)[0] for name, made in systems.items()}
    print(json.dumps(figures, indent=2))
    if args.out:
        write_json(args.out, figures)


if __name__ == "__main__":
    main()
