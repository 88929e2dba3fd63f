"""`evaluate`: every metric of every protocol in one pass over the frames."""

import contextlib
import importlib.metadata
from concurrent.futures import ThreadPoolExecutor

from eval import bootstrap, clips, features, frames, protocol
from eval.cache import FeatureCache
from eval.compare import STORED
from eval.errors import UserError
from eval.values import numbers
from eval.view import View

FORMAT = 2                  # of the dict below; raised when a reader of old files would misread it
PIXELS_AT_ONCE = 2**20      # a chunk of frames: bounds the memory whatever the length of a clip
FRAMES_AT_ONCE = 16
SOFTWARE = ("av", "numpy", "opencv-python-headless", "pillow", "scikit-image", "torch", "torchmetrics")


def evaluate(generated, true, protocols=("disco-1", "corrected-1"), networks=None, weights="data/raw", *,
             split=None, gaps=False, device="cpu", seed=0, workers=2, cache=None, progress=None):
    """Score generated frames against true ones. -> a dict that is plain JSON; equal frames and weights give an equal dict.

    generated, true: folders or video files (see eval.clips); true may be several.
    protocols: labels (see eval.protocol.get). networks: role -> name of eval.features.NETWORKS, or an Extractor or Lpips; default: the
    protocols' own. A metric whose role is not named is left out, and the result says so. weights: the folder that their files lie below.
    split: keep the clips of one split, or of a list of them, of the true folders' clips.csv. gaps: whether frame numbers may have gaps; no window spans one.
    seed: of the bootstrap. workers: threads that decode ahead. cache: a folder of features kept between evaluations, or None.
    progress: called as progress(frames done, frames in all, clip).

    Result: `protocols` {label: {id, version, size, metrics, left_out}}; a metric has value, n, videos, interval (95 %, over
    videos; null for one video), unit, better, and per_video, or dimension and replicates (the distances of the resamples). `frames`: how
    many, in all and per video, their sizes, and the SHA-256 of the lists of files as sha256sum prints them. `networks`: role -> name,
    published, and the SHA-256 of its weights. `warnings`: sentences. Errors: UserError.
    """
    chosen = [protocol.get(label) for label in protocols]
    networks = _checked(protocol.ROLES if networks is None else networks, chosen)
    paired = clips.pair(generated, true, split, gaps)
    if {"fid_vid", "fvd"} & set(networks):
        _long_enough(paired)
    loaded, weights = _load(networks, weights, device)
    kept = FeatureCache(cache)
    views = {size: View(size, [metric for p in chosen if p.size == size for metric in p.metrics if metric.role in {None, *loaded}], loaded, kept, weights)
             for size in {p.size for p in chosen}}
    listed = _pass(paired, views, any(p.id == "corrected" and p.size is None for p in chosen), workers, progress)
    memo = {}
    results = {p.label: _protocol_result(p, views[p.size], memo, seed) for p in chosen}
    return {
        "format": FORMAT, "protocols": results, "frames": listed,
        "warnings": [*_lossy(paired), *(warning for label, body in results.items() for warning in _warnings(label, body["metrics"]))],
        "networks": {role: {"name": network.name, "published": network.name == protocol.ROLES[role], "weights": weights[role]}
                     for role, network in loaded.items()},
        "bootstrap": {"level": bootstrap.LEVEL, "over": "videos", "seed": seed,
                      "resamples": {"means": bootstrap.MEANS, "distances": bootstrap.DISTANCES}},
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


def _pass(paired, views, same_size, workers, progress):
    """Read every frame once and hand it to the views. -> what the result says of the frames."""
    sizes = tuple(frames.at(side, 0).shape[:2] for side in (paired[0].generated, paired[0].true))
    if same_size and sizes[0] != sizes[1]:
        (gh, gw), (th, tw) = sizes
        raise UserError(f"corrected-1: expected generated and true frames of one size, got {gw}x{gh} and {tw}x{th}; "
                        "declare a size as corrected-1@SIZE")
    step = max(1, min(FRAMES_AT_ONCE, PIXELS_AT_ONCE // (sizes[1][0] * sizes[1][1])))
    total, done, lines = sum(len(clip.numbers) for clip in paired), 0, ([], [])
    with ThreadPoolExecutor(workers) if workers else contextlib.nullcontext() as pool:
        for clip in paired:
            sums = [side.sums(clip.name) for side in (clip.generated, clip.true)]
            for own, side in zip(sums, lines):
                side += own
            for view in views.values():
                view.start(clip, [([line.partition(" ")[0] for line in own], size) for own, size in zip(sums, sizes)])
            stacks = [frames.Stacks(side, word, size, pool) for side, word, size in zip((clip.generated, clip.true), ("generated", "true"), sizes)]
            for run in clip.runs():
                for view in views.values():
                    view.start_run()
                for first in range(run.start, run.stop, step):
                    made, truth = (stack.take(min(step, run.stop - first)) for stack in stacks)
                    for view in views.values():
                        view.push(made, truth)
                    done += len(truth)
                    if progress:
                        progress(done, total, clip.name)
                for view in views.values():
                    view.finish_run()
            for stack in stacks:
                stack.end()
            for view in views.values():
                view.finish()
    return {"count": total, "videos": len(paired), "per_video": {clip.name: len(clip.numbers) for clip in paired},
            "size": list(sizes[1]), "generated_size": list(sizes[0]),
            "sha256": {side: frames.digest_of(own) for side, own in zip(("generated", "true"), lines)}}


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
                **numbers(metric, view, memo, seed)}
    return {"id": p.id, "version": p.version, "size": list(view.shape), "metrics": metrics, "left_out": left_out}


def _warnings(label, metrics):
    for key, entry in metrics.items():
        if entry["kind"] == "frechet" and entry["n"] < entry["dimension"]:
            yield (f"{label} {key}: {entry['n']} samples for {entry['dimension']} features, so the covariances are not of full rank and the "
                   "distance is biased upwards; compare it only at equal n, and read KID or KVD beside it")


def _lossy(paired):
    """A warning for each side that was stored with a loss: the metrics then measure the storage too."""
    for word in ("generated", "true"):
        kinds = sorted({lossy for clip in paired if (lossy := getattr(clip, word).lossy)})
        if kinds:
            yield (f"{word} {STORED} {' and '.join(kinds)}: compression changes every metric (docs/metrics.md has by how much), "
                   "so compare only with frames stored the same way; PNG loses nothing")
