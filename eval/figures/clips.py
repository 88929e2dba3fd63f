"""Which clips a figure shows."""

from eval import report, strips
from eval.errors import UserError


def chosen_clips(data, names, most, split="test"):
    """Clips of a split: those named, in that order, or up to `most`, the sets taking turns."""
    clips = strips.find_clips(data, split)
    if not clips:
        raise UserError(f"{data}/frames: expected sets with clips of the split {split}, found none; run `snakemake data`")
    if names is None:
        return report.some(clips, most)
    known = {clip.id: clip for clip in clips}
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"--clips: expected some of {', '.join(known)}, got {unknown[0]}")
    return [known[name] for name in names]
