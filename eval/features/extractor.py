"""What all feature networks have in common: frames in, features out, for pictures and for windows of video."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from eval.errors import UserError

BATCH = 8       # windows that go through a 3D network at once: bounds the memory, changes no value


@dataclass(frozen=True)
class Extractor:
    """A network with its preprocessing.

    features: role -> number of features.
    prepare: uint8 frames (n, h, w, 3) -> float32 (n, 3, h', w'); those of pictures also take the protocol's resize, a function
        of eval.frames (frames, size -> 0..255). network: role -> (n, d) features of pictures (n, 3, h', w') or of windows (n, 3, f, h', w'); where
        `whole_runs` is set, of a whole run of frames (1, 3, t, h', w') and the length of its windows.
    """

    name: str
    features: dict[str, int]
    prepare: Callable
    network: torch.nn.Module
    whole_runs: bool = False
    device: str = "cpu"

    def pictures(self, frames, resize):
        """Features of uint8 frames (n, h, w, 3): role -> (n, d), in the network's own precision."""
        return self.forward(self.prepare(frames, resize))

    def forward(self, x, *arguments):
        with torch.inference_mode():
            out = {role: value.cpu().numpy() for role, value in self.network(x.to(self.device), *arguments).items()}
        for role, value in out.items():
            if not np.isfinite(value).all():
                raise UserError(f"{self.name}: expected finite features for {role}, got NaN or infinity; check its weight file")
        return out


class Windows:
    """Features of every window of `length` frames of one run of consecutive frames, which comes in pieces."""

    def __init__(self, extractor, length):
        self.extractor, self.length = extractor, length
        self.held, self.whole, self.found = None, [], []

    def push(self, frames):
        """Take the next frames, uint8 (n, h, w, 3). Each is resized once, not once for each window that holds it."""
        x = self.extractor.prepare(frames)
        if self.extractor.whole_runs:
            self.whole.append(x)
            return
        self.held = x if self.held is None else torch.cat([self.held, x])
        count = len(self.held) - self.length + 1
        if count < 1:
            return
        windows = self.held.unfold(0, self.length, 1).movedim(-1, 2)        # (windows, 3, length, h', w'), a view
        for start in range(0, count, BATCH):
            self.found.append(self.extractor.forward(windows[start:start + BATCH]))
        self.held = self.held[count:]

    def finish(self):
        """role -> (windows, d), the window that begins at the run's first frame first; (0, d) for a run too short."""
        if self.whole and sum(map(len, self.whole)) >= self.length:
            self.found.append(self.extractor.forward(torch.cat(self.whole).movedim(0, 1)[None], self.length))
        return {role: np.concatenate([np.empty((0, dimension), np.float32), *(found[role] for found in self.found)])
                for role, dimension in self.extractor.features.items()}
