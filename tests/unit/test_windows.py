"""MultiDiffusion over time."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tcan.generate.windows import merge, windows


@given(st.integers(1, 200), st.integers(1, 24), st.data(), st.booleans())
def test_every_frame_is_covered_and_windows_are_whole(frames, length, data, loop):
    overlap = data.draw(st.integers(0, length - 1))
    parts = windows(frames, length, overlap, loop)
    assert {index for part in parts for index in part} == set(range(frames))
    assert all(len(part) == len(set(part)) == min(length, frames) for part in parts)
    if not loop:
        assert all(part == list(range(part[0], part[0] + len(part))) for part in parts)
        assert all(len(set(first) & set(second)) >= overlap for first, second in zip(parts, parts[1:], strict=False))


def test_the_lite_clip_has_two_windows():
    assert [(part[0], part[-1]) for part in windows(28, 16, 4)] == [(0, 15), (12, 27)]


def test_closed_loop_wraps():
    assert windows(20, 16, 4, True)[-1] == [*range(12, 20), *range(0, 8)]


def test_bad_overlap():
    with pytest.raises(ValueError, match="overlap"):
        windows(20, 16, 16)


def test_merge_is_the_written_out_mean():
    torch.manual_seed(0)
    parts = windows(11, 5, 2)
    predictions = [(part, torch.randn(1, 2, len(part), 3, 3)) for part in parts]
    merged = merge(predictions, 11)
    for frame in range(11):
        seen = [prediction[:, :, part.index(frame)] for part, prediction in predictions if frame in part]
        torch.testing.assert_close(merged[:, :, frame], torch.stack(seen).mean(0))
