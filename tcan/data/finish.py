"""How a picture of a scene comes out: exposure, contrast, colour cast, focus. Rendered people look drawn; photographs of people differ from them in this first.

Networks that train on rendered pictures of many finishes carry over to photographs they never saw (domain randomisation, Tobin et al. 2017).
"""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Finish:
    """black, white: what the darkest and the brightest become, in 0..1; gamma: of the curve between them; cast: factor of each colour (3,);
    saturation: 1 as drawn, 0 grey; focus: standard deviation of the blur in sides of the frame; fall: how much darker the corners are."""

    black: float
    white: float
    gamma: float
    cast: tuple
    saturation: float
    focus: float
    fall: float

    @staticmethod
    def random(rng):
        return Finish(black=float(rng.uniform(0, 0.12)), white=float(rng.uniform(0.8, 1.08)), gamma=float(np.exp(rng.normal(0, 0.3))),
                      cast=tuple(np.exp(rng.normal(0, 0.06, 3))), saturation=float(rng.uniform(0.3, 1.05)), focus=float(rng.uniform(0, 0.009)),
                      fall=float(rng.uniform(0, 0.35)))

    def apply(self, frames):
        """frames uint8 RGB (n, h, w, 3) -> the same shape; all of a clip come out alike."""
        side = frames.shape[1]
        axis = np.linspace(-1, 1, side, dtype=np.float32)
        corner = 1 - self.fall * (axis[:, None] ** 2 + axis[None] ** 2)[..., None] / 2
        values = frames.astype(np.float32) / 255
        if self.focus * side > 0.15:
            values = np.stack([cv2.GaussianBlur(frame, (0, 0), self.focus * side) for frame in values])
        grey = values @ np.array([0.299, 0.587, 0.114], np.float32)
        values = grey[..., None] + np.float32(self.saturation) * (values - grey[..., None])
        values = np.clip(values, 0, 1) ** np.float32(self.gamma)
        values = (self.black + (self.white - self.black) * values) * corner * np.array(self.cast, np.float32)
        return np.round(255 * np.clip(values, 0, 1)).astype(np.uint8)
