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
        of eval.frames (frames, size -> 0..255). network: role -> (n, d) features of pictures (n, 3, h', w') or of windows (n, 3, f, h', w').
    pooled: of a network that looks at a run as a whole: (features of its frames (t, d), the windows' length) -> role -> (t - length + 1, d). Such a network
        takes a stretch of a run (1, 3, t, h', w') and which of its frames, first and last + 1, are asked for -> {"frames": (last - first, d)}; its `reach`
        says how many frames before and after one its features see, its `piece` how many go through at once.
    """

    name: str
    features: dict[str, int]
    prepare: Callable
    network: torch.nn.Module
    pooled: Callable | None = None
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
    """Features of every window of `length` frames of one run of consecutive frames, which comes in pieces: each frame is prepared once, not once for each
    window that holds it, and only the frames that windows to come hold are kept.

    push and finish -> (number of the first window, {role: (windows, d)}): those that the frames so far complete, in order.
    """

    def __new__(cls, extractor, length):
        return super().__new__(Pooled if extractor.pooled else cls)

    def __init__(self, extractor, length):
        self.extractor, self.length = extractor, length
        self.held, self.count = None, 0     # prepared frames; windows so far

    def push(self, frames):
        """Take the next frames, uint8 (n, h, w, 3)."""
        self._hold(frames)
        count = max(0, len(self.held) - self.length + 1)
        windows = self.held.unfold(0, self.length, 1).movedim(-1, 2) if count else None     # (windows, 3, length, h', w'), a view
        found = [self.extractor.forward(windows[start:start + BATCH]) for start in range(0, count, BATCH)]
        self.held = self.held[count:].clone()
        return self._given(found, count)

    def finish(self):
        """The run ends. A run too short has no windows."""
        return self._given([], 0)

    def _hold(self, frames):
        x = self.extractor.prepare(frames)
        self.held = x if self.held is None else torch.cat([self.held, x])

    def _given(self, found, count):
        first, self.count = self.count, self.count + count
        return first, {role: np.concatenate([np.empty((0, dimension), np.float32), *(values[role] for values in found)])
                       for role, dimension in self.extractor.features.items()}


class Pooled(Windows):
    """Windows of a network that looks at a run as a whole: pooled from features of its frames, which come out of stretches of `network.piece` frames, each
    seen with the `network.reach` frames before and after it."""

    def __init__(self, extractor, length):
        super().__init__(extractor, length)
        self.start = self.done = 0      # of the run: the first frame that is held, and how many have their features
        self.tail = None                # features of the last frames, (length - 1, d) at most

    def push(self, frames):
        self._hold(frames)
        network, found = self.extractor.network, []
        while self._seen() - self.done >= network.piece + network.reach:
            found.append(self._stretch(self.done + network.piece))
        return self._of_frames(found)

    def finish(self):
        seen, found = self._seen(), []
        while seen >= self.length and self.done < seen:
            found.append(self._stretch(min(seen, self.done + self.extractor.network.piece)))
        return self._of_frames(found)

    def _seen(self):
        return self.start + (0 if self.held is None else len(self.held))

    def _stretch(self, last):
        """Features (last - done, d) of the frames up to `last`."""
        reach = self.extractor.network.reach
        x = self.held[:last + reach - self.start]       # held begins where the stretch's reach does
        found = self.extractor.forward(x.movedim(0, 1)[None], self.done - self.start, last - self.start)["frames"]
        kept = max(0, last - reach)
        self.held, self.start, self.done = self.held[kept - self.start:].clone(), kept, last
        return found

    def _of_frames(self, found):
        """The windows that frames' features complete."""
        if found:
            self.tail = np.concatenate([*([] if self.tail is None else [self.tail]), *found])
        count = 0 if self.tail is None else max(0, len(self.tail) - self.length + 1)
        if not count:
            return self._given([], 0)
        windows = self.extractor.pooled(torch.from_numpy(self.tail), self.length)
        self.tail = self.tail[count:].copy()
        return self._given([{role: values.numpy() for role, values in windows.items()}], count)
