"""Whole videos, frame after frame, as PyAV decodes them: what users' own videos and data sets of any origin are read with.

A frame is what the file stores as one, whatever the time it is shown for: of a varying frame rate, nothing is repeated or left out here. Pictures come
upright (rotation marks, as phones write them, are seen to) and with square pixels. Frames by their numbers, out of declared videos: tcan/data/frames.py.
"""

from pathlib import Path

import av
import cv2
import numpy as np

from tcan.errors import UserError

RATE = 30.0  # frames per second where a file says nothing


def probe(path):
    """(frames, frames per second on average) of a video, counted without decoding it.

    Raises UserError for a file that is missing, no video, without frames, or shorter than it says.
    """
    with opened(path) as container:
        stream = container.streams.video[0]
        try:
            packets = [packet.is_discard for packet in container.demux(stream) if packet.size]
        except av.FFmpegError as error:
            raise UserError(f"{path}: expected a whole video, got a broken one ({error.strerror}); fetch it again") from error
        if len(packets) < stream.frames:
            raise UserError(f"{path}: expected the {stream.frames} frames that its header counts, found {len(packets)}; it is truncated, fetch it again")
        if not len(packets) - sum(packets):
            raise UserError(f"{path}: expected a video with frames, got none; fetch it again")
        return len(packets) - sum(packets), float(stream.average_rate or stream.guessed_rate or RATE)


def pictures(path):
    """Yield the frames of a video, uint8 RGB (h, w, 3). Raises UserError, after the last, if they aren't as many as `probe` counts."""
    expected, _ = probe(path)
    count = 0
    with opened(path) as container:
        for frame in decoded(container, path):
            count += 1
            if count <= expected:
                yield upright(frame, container.streams.video[0])
    if count != expected:
        raise UserError(f"{path}: expected the {expected} frames that the file counts, {count} decode; fetch it again")


def opened(path):
    """The open container of a video file, a context manager. Raises UserError for a file that is missing, no video, or of sound alone."""
    if not Path(path).is_file():
        raise UserError(f"{path}: expected a video, found no file")
    try:
        container = av.open(str(path))
    except av.FFmpegError as error:
        raise UserError(f"{path}: expected a video, it can't be opened ({error.strerror}); use another file") from error
    if not container.streams.video:
        container.close()
        raise UserError(f"{path}: expected a video, got a file with no pictures; use another file")
    if container.streams.video[0].codec_context is None:
        container.close()
        raise UserError(f"{path}: expected a video, got one of a codec that FFmpeg doesn't know; convert it to H.264")
    return container


def decoded(container, path):
    """Yield PyAV's frames of the first video stream; what can't be decoded is a UserError."""
    try:
        yield from container.decode(container.streams.video[0])
    except av.FFmpegError as error:
        raise UserError(f"{path}: expected a whole video, decoding failed ({error.strerror}); use another file") from error


def upright(frame, stream):
    """A PyAV frame as uint8 RGB (h, w, 3), upright, with square pixels."""
    picture = frame.to_ndarray(format="rgb24")
    ratio = stream.sample_aspect_ratio or 1
    if ratio != 1:
        picture = cv2.resize(picture, (round(picture.shape[1] * float(ratio)), picture.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90)))


def peculiarity(path):
    """What a readable video has that a decoder may not take, in words (its codec, its rotation), or None. For messages."""
    try:
        with opened(path) as container:
            frame = next(decoded(container, path), None)
            codec = container.streams.video[0].codec_context.name
    except UserError as error:
        return str(error).partition(": ")[2].partition(";")[0]
    if frame is None:
        return "it has no frames"
    return f"it is turned by {frame.rotation % 360} degrees" if frame.rotation else None if codec in ("h264", "mpeg4") else f"its codec is {codec}"
