"""Every metric of every protocol in one pass over the frames."""

import importlib.metadata
from collections import defaultdict

import numpy as np

from eval import bootstrap, features, frames, pixel, protocol
from eval.errors import UserError
from eval.frechet import KernelSums, frechet_distance, kernel_distance

FORMAT = 1                  # of the dict below; raised when a reader of old files would misread it
PIXELS_AT_ONCE = 2**20      # a chunk of frames: bounds the memory whatever the length of a clip
FRAMES_AT_ONCE = 16
RESIZES = {"bilinear": frames.resize_bilinear, "antialiased": frames.resize_bicubic}
SOFTWARE = ("numpy", "opencv-python-headless", "pillow", "scikit-image", "torch", "torchmetrics")


def evaluate(generated, true, protocols=("disco-1", "corrected-1"), networks=None, weights="data/raw", *,
             split=None, device="cpu", seed=0, progress=None):
    """Score generated frames against true ones. -> a dict that is plain JSON; equal frames and weights give an equal dict.

    generated, true: folders (see eval.frames.pair); true may be several. protocols: labels (see eval.protocol.get).
    networks: role -> name of eval.features.NETWORKS, or an Extractor or Lpips; default: the protocols' own. A metric whose role
    is not named is left out, and the result says so. weights: the folder that their files lie below.
    split: keep the clips of one split of the true folders' clips.csv. seed: of the bootstrap. progress: called as
    progress(frames done, frames in all, clip).

    Result: `protocols` {label: {id, version, size, metrics, left_out}}; a metric has value, n, videos, interval (95 %, over
    videos; null for one video), unit, better, and per_video or dimension. `frames`: how many, their sizes, and the SHA-256 of
    the lists of files as sha256sum prints them. `networks`: role -> name, published, and the SHA-256 of its weights.
    `warnings`: sentences. Errors: UserError.
    """
    chosen = [protocol.get(label) for label in protocols]
    networks = _checked(protocol.ROLES if networks is None else networks, chosen)
    clips = frames.pair(generated, true, split)
    if {"fid_vid", "fvd"} & set(networks):
        _long_enough(clips)
    loaded, weights = _load(networks, weights, device)
    views = {size: View(size, [metric for p in chosen if p.size == size for metric in p.metrics if metric.role in {None, *loaded}], loaded)
             for size in {p.size for p in chosen}}
    listed = _pass(clips, views, any(p.id == "corrected" and p.size is None for p in chosen), progress)
    memo = {}
    results = {p.label: _protocol_result(p, views[p.size], memo, seed) for p in chosen}
    return {
        "format": FORMAT, "protocols": results, "frames": listed,
        "warnings": [warning for label, body in results.items() for warning in _warnings(label, body["metrics"])],
        "networks": {role: {"name": network.name, "published": network.name == protocol.ROLES[role], "weights": weights[role]}
                     for role, network in loaded.items()},
        "bootstrap": {"level": bootstrap.LEVEL, "over": "videos", "seed": seed,
                      "resamples": {"means and kernel distances": bootstrap.MEANS, "frechet distances": bootstrap.DISTANCES}},
        "software": {name: importlib.metadata.version(name) for name in SOFTWARE},
    }


def summary(result):
    """The values alone: {protocol: {metric: value}}."""
    return {label: {key: entry["value"] for key, entry in body["metrics"].items()} for label, body in result["protocols"].items()}


def _checked(networks, protocols):
    """The networks that the protocols need, role -> name or object, in the order of the roles' names."""
    for role, network in networks.items():
        if role not in protocol.ROLES:
            raise UserError(f"networks: expected roles among {', '.join(protocol.ROLES)}, got {role}; name one of these")
        if isinstance(network, str):
            features.check(network, role)
    needed = {metric.role for p in protocols for metric in p.metrics}
    return {role: networks[role] for role in sorted(needed & set(networks))}


def _long_enough(clips):
    for clip in clips:
        if clip.windows(protocol.WINDOW) == 0:
            raise UserError(f"clip {clip.name}: expected at least {protocol.WINDOW} consecutive frames for FID-VID and FVD, its longest run "
                            f"has {max(map(len, clip.runs()))}; give longer clips, or name no networks for fid_vid and fvd")


def _load(networks, folder, device):
    """({role: network}, {role: {file: sha256}}); a network that serves two roles is loaded once, one that is given has no files."""
    named = {name: features.load(name, folder, device) for name in {n for n in networks.values() if isinstance(n, str)}}
    pairs = {role: named[network] if isinstance(network, str) else (network, {}) for role, network in networks.items()}
    return {role: network for role, (network, _) in pairs.items()}, {role: files for role, (_, files) in pairs.items()}


def _pass(clips, views, same_size, progress):
    """Read every frame once and hand it to the views. -> what the result says of the frames."""
    sizes = tuple(frames.read(paths[0]).shape[:2] for paths in (clips[0].generated, clips[0].true))
    if same_size and sizes[0] != sizes[1]:
        (gh, gw), (th, tw) = sizes
        raise UserError(f"corrected-1: expected generated and true frames of one size, got {gw}x{gh} and {tw}x{th}; "
                        "declare a size as corrected-1@SIZE")
    step = max(1, min(FRAMES_AT_ONCE, PIXELS_AT_ONCE // (sizes[1][0] * sizes[1][1])))
    total, done, digests = sum(len(clip.numbers) for clip in clips), 0, ([], [])
    for clip in clips:
        for run in clip.runs():
            for view in views.values():
                view.start(clip.name)
            for first in range(run.start, run.stop, step):
                part = slice(first, min(first + step, run.stop))
                made, truth = (frames.read_all(paths[part], size, digest)
                               for paths, size, digest in zip((clip.generated, clip.true), sizes, digests))
                for view in views.values():
                    view.push(made, truth)
                done += len(truth)
                if progress:
                    progress(done, total, clip.name)
            for view in views.values():
                view.finish()
    return {"count": total, "videos": len(clips), "size": list(sizes[1]), "generated_size": list(sizes[0]),
            "sha256": {side: frames.digest_of(lines) for side, lines in zip(("generated", "true"), digests)}}


class View:
    """The frames at one size, and all that is measured on them: values and features, clip by clip, in float64."""

    def __init__(self, size, metrics, networks):
        self.size, self.networks, self.shape = size, networks, None
        self.measures = sorted({metric.measure for metric in metrics if metric.kind == "pixel"})
        self.fed = sorted({(metric.role, metric.measure) for metric in metrics if metric.kind == "lpips"})
        self.resized = sorted({(metric.role, metric.resize) for metric in metrics if metric.resize})
        self.video = {networks[metric.role].name: networks[metric.role] for metric in metrics if metric.windows}
        self.found = defaultdict(lambda: defaultdict(list))     # key -> clip -> pieces

    def start(self, clip):
        """Begin a run of consecutive frames of a clip."""
        from eval.features.extractor import Windows

        self.clip = clip
        self.streams = {(name, side): Windows(network, protocol.WINDOW) for name, network in self.video.items() for side in (0, 1)}

    def push(self, generated, true):
        """The next frames of the run, uint8 (n, h, w, 3) each."""
        if self.size:
            generated, true = (frames.resize_to_declared(x, (self.size, self.size)) for x in (generated, true))
        generated = frames.resize_as_disco(generated, true.shape[1:3])
        self.shape = true.shape[1:3]
        for measure in self.measures:
            self._add(("pixel", measure), pixel.MEASURES[measure](generated, true))
        for role, fed in self.fed:
            self._add(("lpips", role, fed), self.networks[role].frames(generated, true, fed))
        for role, resize in self.resized:
            for side, x in enumerate((generated, true)):
                self._add(("features", role, resize, side), self.networks[role].pictures(x, RESIZES[resize])[role])
        for (_, side), stream in self.streams.items():
            stream.push((generated, true)[side])

    def finish(self):
        """End the run: the features of its windows, and which of them are disjoint."""
        for (_, side), stream in self.streams.items():
            for role, values in stream.finish().items():
                self._add(("features", role, "every", side), values)
                self._add(("features", role, "disjoint", side), values[::protocol.WINDOW])

    def _add(self, key, values):
        self.found[key][self.clip].append(values)

    def samples(self, metric):
        """How many pictures or windows a metric of features has."""
        return sum(map(len, self.get("features", metric.role, metric.resize or metric.windows, 1).values()))

    def get(self, *key):
        """{clip: float64 array} of a key, clips in order."""
        return {clip: np.concatenate(pieces).astype(np.float64, copy=False) for clip, pieces in sorted(self.found[key].items())}


def _protocol_result(p, view, memo, seed):
    """A protocol's part of the result. memo: what protocols share because they agree on it."""
    metrics, left_out = {}, {}
    for metric in p.metrics:
        network = view.networks.get(metric.role)
        if metric.role and network is None:
            left_out[metric.name] = f"no network was named for {metric.role}"
        elif metric.kind in ("frechet", "kernel") and (n := view.samples(metric)) < 2:
            left_out[metric.name] = f"{n} sample, of 2 that a distance between sets needs"
        else:
            name = network.name if network else None
            metrics[protocol.metric_key(metric, name)] = {
                "kind": metric.kind, "unit": metric.unit, "better": metric.better, **({"network": name} if name else {}),
                **_numbers(metric, view, memo, seed)}
    return {"id": p.id, "version": p.version, "size": list(view.shape), "metrics": metrics, "left_out": left_out}


def _warnings(label, metrics):
    for key, entry in metrics.items():
        if entry["kind"] == "frechet" and entry["n"] < entry["dimension"]:
            yield (f"{label} {key}: {entry['n']} samples for {entry['dimension']} features, so the covariances are not of full rank and the "
                   "distance is biased upwards; compare it only at equal n, and read KID or KVD beside it")


def _numbers(metric, view, memo, seed):
    """The value of a metric, its n and its interval."""
    if metric.kind == "pixel":
        return _mean(view.get("pixel", metric.measure), seed)
    if metric.kind == "lpips":
        return _mean(view.get("lpips", metric.role, metric.measure), seed)
    key = (view.size, metric.kind, metric.role, metric.resize or metric.windows)
    if key not in memo:
        made, truth = (view.get("features", *key[2:], side) for side in (0, 1))
        memo[key] = (_frechet if metric.kind == "frechet" else _kernel)(made, truth, seed)
    return memo[key]


def _mean(values, seed):
    sizes, sums = (np.array([function(v) for v in values.values()], np.float64) for function in (len, np.sum))
    value, counts = sums.sum() / sizes.sum(), bootstrap.draws(len(values), bootstrap.MEANS, seed)
    return {"value": float(value), "n": int(sizes.sum()), "videos": len(values),
            "interval": _interval(value, counts @ sums / (counts @ sizes), values),
            "per_video": {clip: float(v.mean()) for clip, v in values.items()}}


def _frechet(made, truth, seed):
    x, y, sizes = *(np.concatenate(list(side.values())) for side in (made, truth)), [len(v) for v in truth.values()]
    value = frechet_distance(x, y)
    replicates = [frechet_distance(x, y, np.repeat(counts, sizes)) for counts in bootstrap.draws(len(truth), bootstrap.DISTANCES, seed)
                  if len(truth) > 1]
    return {"value": value, "n": len(x), "dimension": x.shape[1], "videos": len(truth), "interval": _interval(value, replicates, truth)}


def _kernel(made, truth, seed):
    sizes = [len(v) for v in truth.values()]
    x, y = (np.concatenate(list(side.values())) for side in (made, truth))
    value, sums = kernel_distance(x, y), KernelSums(x, y, sizes)
    replicates = [sums(counts) for counts in bootstrap.draws(len(truth), bootstrap.MEANS, seed)]
    return {"value": value, "n": len(x), "dimension": x.shape[1], "videos": len(truth),
            "interval": _interval(value, replicates, truth)}


def _interval(value, replicates, videos):
    return bootstrap.interval(value, replicates) if len(videos) > 1 else None
