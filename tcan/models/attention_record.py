"""How the temporal layers share their attention among the frames, noted while a UNet runs."""

import contextlib

import torch
from torch.nn import functional

from tcan.models.attention import TemperatureProcessor


def probabilities(attn, hidden, temperature=None):
    """softmax(Q K^T / (T sqrt(d))) of equation 5, (b, heads, f, f): how much each frame (third axis) attends to each (fourth), which sums to one.

    hidden: (b, f, c), a row for each place; temperature: T at each place, (b,), or None for 1.
    """
    def heads(tensor):
        return tensor.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

    query, key = heads(attn.to_q(hidden)), heads(attn.to_k(hidden))
    logits = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    return (logits if temperature is None else logits / temperature.to(logits)[:, None, None, None]).softmax(-1)


def frames_attended(attention):
    """The number of frames that the attention (..., f) is spread over, in 1..f: exp of its entropy."""
    return torch.special.entr(attention).sum(-1).exp()


def weight_elsewhere(attention):
    """The part of the attention (..., f, f) that each frame gives to the others, (..., f) in 0..1."""
    return 1 - attention.diagonal(dim1=-2, dim2=-1)


MEASURES = {"frames_attended": frames_attended, "weight_elsewhere": weight_elsewhere}


class AttentionRecord:
    """Means of MEASURES over the heads, the temporal layers and the passes of a denoising UNet, at every place of the latents.

    Attach it once, then ``with record.into("with"): unet(...)`` notes what the layers do in the block; outside it the UNet is what it was.
    Coarser layers are brought to the latents' size bilinearly. One clip at a time.
    """

    def __init__(self, size):
        """size: (h, w) of the latents."""
        self.size = tuple(size)
        self.name = None
        self.totals, self.counts = {}, {}

    def attach(self, unet):
        """Let the temporal processors of the UNet, which read a temperature map, be watched."""
        unet.set_attn_processor({name: WatchedProcessor(processor.temperature, self) if isinstance(processor, TemperatureProcessor) else processor
                                 for name, processor in unet.attn_processors.items()})

    @contextlib.contextmanager
    def into(self, name):
        self.name = name
        try:
            yield self
        finally:
            self.name = None

    def note(self, attention):
        """Add a layer's attention (h_l*w_l, heads, f, f)."""
        size = self._level(len(attention))
        for measure, reduce in MEASURES.items():
            places = reduce(attention.detach().float()).mean(1).unflatten(0, size).permute(2, 0, 1)  # (f, h_l, w_l)
            key, place = (self.name, measure), functional.interpolate(places[None], size=self.size, mode="bilinear")[0]
            self.totals[key] = self.totals.get(key, 0) + place
            self.counts[key] = self.counts.get(key, 0) + 1

    def means(self, name):
        """{measure: (f, h, w) float32 array} of what was noted under a name."""
        return {measure: (self.totals[name, measure] / self.counts[name, measure]).cpu().numpy() for measure in MEASURES}

    def _level(self, places):
        """(h_l, w_l) of the level that has this many places; each level is half the one before, rounded up."""
        height, width = self.size
        while height * width > places:
            height, width = -(-height // 2), -(-width // 2)
        if height * width != places:
            raise ValueError(f"expected a temporal layer at {self.size} or at halves of it, got {places} places")
        return height, width


class WatchedProcessor(TemperatureProcessor):
    """A temporal layer's processor, with an eye on its attention."""

    def __init__(self, temperature, record):
        super().__init__(temperature)
        self.record = record

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        if self.record.name is not None:
            self.record.note(probabilities(attn, hidden_states, self.temperature.rows(len(hidden_states))))
        return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
