"""The ceiling of every row that paints through the autoencoder: the truth, encoded and decoded."""

from pathlib import Path

import numpy as np
import torch

from tcan.data.clips import read_clip
from tcan.models.autoencoder import decode, encode, to_pictures, to_tensor
from tcan.models.foundation import Foundation


def reconstruction(foundation):
    """The baseline of a folder of foundation models."""
    vae = Foundation(Path(foundation)).vae()

    @torch.no_grad()
    def reconstruct(case):
        """The true frames through the autoencoder; where there are none (the bizarre split), the source's, as often as there are driving frames."""
        frames = read_clip(case.truth) if case.truth else np.repeat(case.source[None], len(case.points), axis=0)
        return to_pictures(decode(vae, encode(vae, to_tensor(frames))))

    return reconstruct
