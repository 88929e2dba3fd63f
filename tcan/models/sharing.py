"""Guidance asks the denoising UNet twice. Before the first block that sees the reference, both answers are the same: that part runs once."""

import contextlib
import functools


class SharedBlocks:
    """Lets one pass of a UNet take up what the pass before it made of the same inputs in the contracting path.

    Attach it once, then::

        with shared.keep(): conditional = unet(latents, t, prompt, ...)
        with shared.reuse(): unconditional = unet(latents, t, prompt, ...)

    Outside the two blocks the UNet is what it was.
    """

    def __init__(self):
        self.mode = "off"
        self.outputs = {}

    def attach(self, unet):
        for index, block in enumerate(unet.down_blocks):
            block.forward = functools.partial(self._forward, index, block.forward)

    @contextlib.contextmanager
    def keep(self):
        """Within the block, the contracting path's outputs are kept."""
        self.mode = "keep"
        try:
            yield
        finally:
            self.mode = "off"

    @contextlib.contextmanager
    def reuse(self):
        """Within the block, they stand for the contracting path. They are gone afterwards."""
        self.mode = "reuse"
        try:
            yield
        finally:
            self.mode, self.outputs = "off", {}

    def _forward(self, index, forward, *arguments, **named):
        if self.mode == "reuse":
            return self.outputs[index]
        outputs = forward(*arguments, **named)
        if self.mode == "keep":
            self.outputs[index] = outputs
        return outputs
