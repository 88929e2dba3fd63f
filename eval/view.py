"""The frames at one size, and all that is measured on them: a value for each frame, features of frames and of windows, clip by clip."""

from collections import defaultdict

import numpy as np

from eval import frames, pixel, protocol
from eval.rows import Rows

RESIZES = {"bilinear": frames.resize_bilinear, "antialiased": frames.resize_bicubic}


class View:
    """Takes the frames of clip after clip, in order::

        view.start(clip, sources)
        for each run: view.start_run(); view.push(generated, true) ...; view.finish_run()
        view.finish()

    size: what all frames are brought to, or None for the true frames' size. metrics: those of the protocols that look at this size.
    networks: role -> network. cache: an eval.cache.FeatureCache; weights: role -> {file: sha256}, without which nothing is kept.
    """

    def __init__(self, size, metrics, networks, cache, weights):
        self.size, self.networks, self.cache, self.shape = size, networks, cache, None
        self.weights = {networks[role].name: files for role, files in weights.items()}
        self.measures = sorted({metric.measure for metric in metrics if metric.kind == "pixel"})
        self.fed = sorted({(metric.role, metric.measure) for metric in metrics if metric.kind == "lpips"})
        looks = {(networks[metric.role].name, metric.resize or "windows"): networks[metric.role] for metric in metrics if metric.resize or metric.windows}
        self.looks = dict(sorted(looks.items()))        # (network's name, resize or "windows") -> network
        self.found = defaultdict(lambda: defaultdict(list))     # key -> clip -> pieces
        self.rows, self.sizes = defaultdict(Rows), defaultdict(dict)    # (role, way, side) -> features, and how many each clip has, clip by clip

    def start(self, clip, sources):
        """Begin a clip. sources: for the generated and the true side, ([sha256 of its files], (h, w) as stored)."""
        self.clip, self.live = clip.name, {}
        to = (self.size, self.size) if self.size else sources[1][1]
        for look, network in self.looks.items():
            for side, (digests, size) in enumerate(sources):
                key = None
                if self.weights[network.name]:
                    key = self.cache.key(network=network.name, weights=self.weights[network.name], device=str(network.device), look=look[1],
                                         window=protocol.WINDOW, frames=digests, numbers=clip.numbers, size=size, declared=self.size, to=to)
                kept = self.cache.get(key, self._kept(look)) if key else None
                if kept is None:
                    self.live[look, side] = key
                for name, values in (kept or {}).items():
                    self._append((*name.split("/"), side), values)

    def start_run(self):
        """Begin a run of consecutive frames: no window spans two."""
        from eval.features.extractor import Windows

        self.streams = {(look, side): Windows(self.looks[look], protocol.WINDOW) for look, side in self.live if look[1] == "windows"}

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
        for look, side in self.live:
            x = (generated, true)[side]
            if look[1] == "windows":
                self._windows(side, self.streams[look, side].push(x))
            else:
                for role, values in self.looks[look].pictures(x, RESIZES[look[1]]).items():
                    self._append((role, look[1], side), values)

    def finish_run(self):
        """End the run, with the windows that waited for its end."""
        for (_, side), stream in self.streams.items():
            self._windows(side, stream.finish())

    def _windows(self, side, found):
        """Features of the run's next windows, (number of the first, {role: (k, d)}), and which of them are disjoint."""
        first, found = found
        for role, values in found.items():
            self._append((role, "every", side), values)
            self._append((role, "disjoint", side), values[-first % protocol.WINDOW::protocol.WINDOW])

    def finish(self):
        """End the clip, and keep the features that were computed."""
        for (look, side), key in self.live.items():
            if key:
                self.cache.put(key, {name: self._of_clip((*name.split("/"), side)) for name in self._kept(look)})

    def _kept(self, look):
        """The names, ROLE/WAY, of the features that a look at one side of a clip gives."""
        ways = ("every", "disjoint") if look[1] == "windows" else (look[1],)
        return [f"{role}/{way}" for role in self.looks[look].features for way in ways]

    def _add(self, key, values):
        self.found[key][self.clip].append(values)

    def _append(self, key, values):
        self.rows[key].append(values)
        self.sizes[key][self.clip] = self.sizes[key].get(self.clip, 0) + len(values)

    def _of_clip(self, key):
        """The features of the clip that came last."""
        rows = self.rows[key]
        return rows[len(rows) - self.sizes[key][self.clip]:]

    def samples(self, metric):
        """How many pictures or windows a metric of features has."""
        return len(self.rows[metric.role, metric.resize or metric.windows, 1])

    def features(self, *key):
        """(Rows, [how many of each clip]) of role, way and side; clips in order."""
        return self.rows[key], list(self.sizes[key].values())

    def get(self, *key):
        """{clip: float64 array} of a key, clips in order."""
        return {clip: np.concatenate(pieces).astype(np.float64, copy=False) for clip, pieces in sorted(self.found[key].items())}
