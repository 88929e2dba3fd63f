"""OpenPose in batches beside controlnet_aux's own Body picture by picture: time, and how equal what they find is.

    python bench/pose.py --out bench/results/pose.json

The weights can't be had here, so the network has the true architecture with pseudo-random weights, whose forward passes take the true time; what
it gives is thrown away and the maps of known people are read in its place. Both ways take turns on the same pictures, in one process. On the CPU
the seconds are those that this process had of it, so that other work beside it, which takes turns with it, isn't counted in.
"""

import argparse
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from measure import about, demand, ratios, spread, timed as timed_by_the_clock

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/unit/pose_scale"))
from made_people import maps, person  # noqa: E402

from tcan import torchvision_ops  # noqa: E402
from tcan.pose import part_affinity  # noqa: E402
from tcan.pose.openpose import WEIGHTS, OpenPose  # noqa: E402

GRID = 23  # the network's output for a square picture: 184 pixels over a stride of 8


def timed(work, device):
    """(seconds, what `work` returned): of the CPU, or on a card those of the clock."""
    if device != "cpu":
        return timed_by_the_clock(work, device)
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


class Replaced(torch.nn.Module):
    """A network that takes its time, and then gives the next scenes' maps."""

    def __init__(self, network, scenes):
        super().__init__()
        self.network, self.scenes, self.next, self.seconds, self.device = network, scenes, 0, 0.0, "cpu"

    def forward(self, pictures):
        seconds, given = timed(lambda: self.network(pictures), self.device)
        self.seconds += seconds
        chosen = [self.scenes[(self.next + number) % len(self.scenes)] for number in range(len(pictures))]
        self.next += len(pictures)
        heat, fields = (torch.from_numpy(np.stack(part)).to(given[0].device) for part in zip(*chosen, strict=True))
        return fields, heat


def dancers(count, people):
    """The maps of `count` frames with so many people, who move."""
    places = [(0.05 + 0.9 * number / max(people, 1), 0.1 + 0.03 * number, 0.8 if people == 1 else 0.6) for number in range(people)]
    return [maps([person(left, top, height, turn=np.sin(frame / 3 + left)) for left, top, height in places], GRID, GRID, noise=0.02, seed=frame)
            for frame in range(count)]


def folder_of_weights(folder):
    torchvision_ops.ensure()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from controlnet_aux.open_pose.model import bodypose_model

    torch.manual_seed(0)
    torch.save({name.partition(".")[2]: value for name, value in bodypose_model().state_dict().items()}, Path(folder) / WEIGHTS)
    return folder


def by_body(body, look, pictures):
    found = []
    for picture in pictures:
        small = look._resize(picture, 512)
        found.append(body.format_body_result(*body(np.ascontiguousarray(small[:, :, ::-1]))))
    return found


def differences(ours, theirs):
    """Largest differences of joints found in both, and how many are found by one way alone."""
    pixels = scores = 0.0
    odd = 0
    for people, bodies in zip(ours, theirs, strict=True):
        odd += abs(len(people) - len(bodies))
        for xy, score, body in zip(people.xy, people.score, bodies, strict=False):
            for place, sure, joint in zip(xy * people.size[::-1], score, body.keypoints, strict=True):
                if (joint is None) != bool(np.isnan(place[0])):
                    odd += 1
                elif joint is not None:
                    pixels = max(pixels, float(np.abs(place - (joint.x, joint.y)).max()))
                    scores = max(scores, float(abs(sure - min(joint.score, 1))))
    return {"pixels": pixels, "score": scores, "found by one alone": odd}


def parts(scene):
    """Where the time goes in reading one frame's maps: seconds of Body's way, function by function, and of ours."""
    from scipy.ndimage import gaussian_filter

    from controlnet_aux.open_pose.util import smart_resize, smart_resize_k

    heat, fields = scene
    size, shape = (512, 512), (184, 184)
    stacked = {name: timed(lambda values=values: smart_resize(smart_resize_k(values.transpose(1, 2, 0), 8, 8), size), "cpu")
               for name, values in (("19 heat maps enlarged", heat), ("38 fields enlarged", fields))}
    whole = stacked["19 heat maps enlarged"][1].astype(np.float64)
    return {**{f"Body: {name}": seconds for name, (seconds, _) in stacked.items()},
            "Body: 18 maps smoothed": timed(lambda: [gaussian_filter(whole[:, :, part], sigma=3) for part in range(18)], "cpu")[0],
            "ours: 18 maps enlarged, peaks found":
                timed(lambda: [part_affinity.find_peaks(part_affinity.enlarge(heat[part], shape, size)) for part in range(18)], "cpu")[0],
            "ours: all": timed(lambda: part_affinity.people(heat, fields, shape, size), "cpu")[0]}


def measure(look, body, network, people, frames, rounds, batch, device):
    scenes = dancers(frames, people)
    pictures = [np.random.default_rng(number).integers(0, 256, (512, 512, 3)).astype(np.uint8) for number in range(frames)]
    look.batch, results, figures = batch, None, []
    for _ in range(rounds):
        seconds = {}
        for name in ("body", "batches"):
            model = look._network = body.model = Replaced(network, scenes)
            model.device = device
            way = (lambda: by_body(body, look, pictures)) if name == "body" else (lambda: list(look.people(pictures)))
            seconds[name], found = timed(way, device)
            seconds[f"{name}: network"] = model.seconds
            results = {**(results or {}), name: found}
        figures.append(seconds)
    return {"people": people, "frames": frames, "batch": batch,
            "seconds a frame": {name: spread([one[name] / frames for one in figures]) for name in figures[0]},
            "body / batches": ratios(figures, "body", "batches"), "differences": differences(results["batches"], results["body"]), "parts": parts(scenes[0])}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--people", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    args = parser.parse_args()
    demand(args.device)
    with tempfile.TemporaryDirectory() as folder:
        look = OpenPose(folder_of_weights(folder), args.device, args.batch)
    from controlnet_aux.open_pose.body import Body

    body, network = Body.__new__(Body), look._network
    result = {"about": about(args.device), "measured": [measure(look, body, network, people, args.frames, args.rounds, args.batch, args.device)
                                                        for people in args.people]}
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["measured"], indent=2))


if __name__ == "__main__":
    main()
