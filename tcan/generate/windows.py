"""MultiDiffusion over time: windows of frames that overlap, and the mean of what is predicted where they do."""

import torch


def windows(frames, length, overlap, closed_loop=False):
    """Lists of frame indices, each of `length` (or of `frames`, if there are fewer), that cover 0..frames-1.

    Neighbours share `overlap` frames. The last window ends with the clip, so it may share more; with `closed_loop` it wraps to the start.
    """
    if not 0 <= overlap < length:
        raise ValueError(f"expected 0 <= overlap < length, got overlap {overlap} and length {length}")
    if frames <= length:
        return [list(range(frames))]
    stride = length - overlap
    if closed_loop:
        return [[(start + offset) % frames for offset in range(length)] for start in range(0, frames, stride)]
    starts = [*range(0, frames - length, stride), frames - length]
    return [list(range(start, start + length)) for start in starts]


def merge(predictions, frames):
    """Mean over windows: predictions yields (indices, tensor (b, c, len(indices), h, w)), one at a time; returns (b, c, frames, h, w)."""
    total = count = None
    for indices, prediction in predictions:
        if total is None:
            total, count = prediction.new_zeros(*prediction.shape[:2], frames, *prediction.shape[3:]), prediction.new_zeros(frames)
        index = torch.tensor(indices, device=prediction.device)
        total.index_add_(2, index, prediction)
        count.index_add_(0, index, count.new_ones(len(indices)))
    return total / count[None, None, :, None, None]
