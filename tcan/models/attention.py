"""Reference attention (equation 1) and the pose-driven temperature (equation 5), as diffusers attention processors."""

import contextlib

import torch
from torch.nn import functional

from tcan.errors import UserError


class ReferenceAttention:
    """Carries the source's features z_a from the appearance UNet to the denoising UNet (section 3.1).

    Attach it to both networks (they may be one), then::

        with reference.write(): appearance_unet(source_latents, 0, prompt)
        with reference.read(): denoising_unet(noisy_latents, t, prompt)

    Outside the two blocks both networks are what they were.
    """

    def __init__(self):
        self.mode = "off"
        self.features = {}
        self.keep = None

    def attach(self, unet, blocks):
        """Replace the processors of the self-attentions (attn1) in `blocks`, of down, mid, up; return their names.

        Self-attentions of motion modules are temporal and stay as they are.
        """
        processors = dict(unet.attn_processors)
        names = [name for name in processors if is_reference_attention(name, blocks)]
        if not names:
            raise UserError(f"appearance.blocks: expected blocks with self-attention, got {list(blocks)}; name some of down, mid, up")
        unet.set_attn_processor({name: ReferenceProcessor(self, name) if name in names else processor for name, processor in processors.items()})
        return names

    @contextlib.contextmanager
    def write(self):
        """Within the block, every attached self-attention notes its input."""
        self.features = {}
        with self._in("write"):
            yield self

    @contextlib.contextmanager
    def read(self, keep=None):
        """Within the block, every attached self-attention also attends to what was noted.

        keep: None, or (b,) bool: items for which the reference counts; the others attend to themselves alone.
        """
        self.keep = keep
        with self._in("read"):
            yield self
        self.keep = None

    def as_now(self):
        """A context that brings the present mode back for its time: gradient checkpointing runs layers again when `write` and `read` are long left."""
        return self._again(self.mode, self.features if self.mode == "read" else {}, self.keep)

    @contextlib.contextmanager
    def _again(self, mode, features, keep):
        now = self.mode, self.features, self.keep
        self.mode, self.features, self.keep = mode, features, keep
        try:
            yield
        finally:
            self.mode, self.features, self.keep = now

    @contextlib.contextmanager
    def _in(self, mode):
        self.mode = mode
        try:
            yield
        finally:
            self.mode = "off"


def is_reference_attention(name, blocks):
    """Whether a diffusers processor or module name is a spatial self-attention in one of `blocks` (down, mid, up)."""
    return ".attn1" in name and "motion_modules" not in name and any(name.startswith(f"{block}_block") for block in blocks)


class ReferenceProcessor:
    """Equation 1: Q = W_Q z, K = W_K [z, z_a], V = W_V [z, z_a], concatenated along the tokens.

    With APPA (equation 2) the projections hold W + BA, so the low-rank part acts on z and on z_a alike.
    """

    def __init__(self, reference, name):
        self.reference = reference
        self.name = name

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        reference = self.reference
        context, mask = hidden_states, None
        if reference.mode == "write":
            reference.features[self.name] = hidden_states
        elif reference.mode == "read":
            features = reference.features[self.name]
            frames = len(hidden_states) // len(features)
            features = features.repeat_interleave(frames, dim=0)
            context = torch.cat([hidden_states, features], dim=1)
            if reference.keep is not None:
                own = torch.ones(len(hidden_states), hidden_states.shape[1], dtype=torch.bool, device=hidden_states.device)
                kept = reference.keep.repeat_interleave(frames)[:, None].expand(-1, features.shape[1])
                mask = torch.cat([own, kept], dim=1)[:, None, None]
        return attend(attn, attn.to_q(hidden_states), context, mask)


class TemperatureMap:
    """T of equation 5 at every place, for each resolution that a temporal layer has. Empty: no temperature (T = 1)."""

    def __init__(self):
        self.by_places = {}

    def attach(self, unet):
        """Give every temporal self-attention of the UNet's motion modules a processor that reads this map."""
        unet.set_attn_processor({name: TemperatureProcessor(self) if "motion_modules" in name else processor
                                 for name, processor in unet.attn_processors.items()})

    def set(self, temperature, levels):
        """Hold `temperature` (b, h, w), at the latents' size, for `levels` resolutions, each half the one before."""
        self.by_places = {}
        height, width = temperature.shape[-2:]
        for _ in range(levels):
            resized = functional.interpolate(temperature[:, None], size=(height, width), mode="bilinear", align_corners=False, antialias=True)
            self.by_places[height * width] = resized.flatten(1)
            height, width = -(-height // 2), -(-width // 2)

    def clear(self):
        self.by_places = {}

    def rows(self, count):
        """T for the `count` = b*h*w rows of a temporal layer, in its order; None without a map."""
        if not self.by_places:
            return None
        for places, temperature in self.by_places.items():
            if count == places * len(temperature):
                return temperature.flatten()
        raise ValueError(f"expected a temporal layer of {sorted(self.by_places)} places, got {count} rows")


class TemperatureProcessor:
    """Equation 5: softmax(Q K^T / (T sqrt(d))) V. T is one number per place, so dividing Q by it is exact and fused attention still applies."""

    def __init__(self, temperature):
        self.temperature = temperature

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        query = attn.to_q(hidden_states)
        temperature = self.temperature.rows(len(hidden_states))
        if temperature is not None:
            query = query / temperature.to(query)[:, None, None]
        return attend(attn, query, hidden_states if encoder_hidden_states is None else encoder_hidden_states, attention_mask)


def attend(attn, query, context, mask=None):
    """Multi-head attention of `query` (b, n, c) over `context` (b, m, c) with a diffusers Attention's own projections."""
    def heads(tensor):
        return tensor.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

    result = _attention(heads(query), heads(attn.to_k(context)), heads(attn.to_v(context)), mask)
    result = attn.to_out[0](result.transpose(1, 2).flatten(2).to(query.dtype))
    return attn.to_out[1](result) / attn.rescale_output_factor


def _attention(query, key, value, mask):
    """Softmax attention; on a CPU in float32, where that of bfloat16 takes twice as long."""
    if query.device.type != "cpu" or query.dtype != torch.bfloat16:
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    with torch.autocast("cpu", enabled=False):
        return functional.scaled_dot_product_attention(query.float(), key.float(), value.float(), attn_mask=mask)
