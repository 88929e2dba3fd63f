"""Videos of users' own: read as they are meant to be seen, at any frame rate, and written as mp4 (PyAV)."""

import itertools
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from tcan.errors import UserError
from tcan.files import atomic_file

QUALITY = "12"  # x264's constant rate factor: 0 is lossless, 18 hardly visible
EARLY = 0.25  # of a frame's time: containers round times, and a frame that comes a little late is still this frame


@dataclass(frozen=True)
class Video:
    """A video file. fps: its average frame rate; size: (h, w) of a picture as it is shown; seconds: how long it is, None where that isn't said."""

    path: Path
    fps: float
    size: tuple
    seconds: float | None

    @classmethod
    def open(cls, path):
        """Raises UserError for a file that is missing, no video, or empty."""
        with _opened(path) as container:
            stream = container.streams.video[0]
            first = next(_decoded(container, path), None)
            if first is None:
                raise UserError(f"{path}: expected a video with frames, got none; use another file")
            seconds = container.duration / av.time_base if container.duration else None
            return cls(Path(path), float(stream.average_rate or stream.guessed_rate or 30), _picture(first, stream).shape[:2], seconds)

    def pictures(self, fps=None, start=0.0, count=None):
        """Yield uint8 RGB (h, w, 3), one by one, at times start, start + 1 / fps, ... (seconds; fps: default the video's own), at most `count`.

        Each is the frame that is shown at its time, so that a varying frame rate becomes a steady one. Rotation marks, as phones write them, and
        pixels that are not square are seen to.
        """
        fps = fps or self.fps
        number, shown = 0, None
        with _opened(self.path) as container:
            stream = container.streams.video[0]
            zero = float((stream.start_time or 0) * stream.time_base)
            if start:
                container.seek(int((start + zero) * av.time_base))  # to a key frame before it
            for frame in itertools.chain(_decoded(container, self.path), [None]):
                if frame is not None:
                    until = frame.time - zero - EARLY / self.fps
                elif shown is not None:
                    until = shown.time - zero + (1 - EARLY) / self.fps
                while shown is not None and start + number / fps < until:
                    if number == count:
                        return
                    yield _picture(shown, stream)
                    number += 1
                shown = frame


def write(path, pictures, fps, title, comment):
    """Write uint8 RGB pictures (h, w, 3) of one size, taken one by one, as H.264 in mp4, with a title and a comment in its metadata.

    Sides of odd length are made even by repeating the last row or column, as the format wants them. Equal pictures give equal bytes.
    """
    with atomic_file(path) as temporary, av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
        container.metadata.update(title=title, comment=comment)
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options={"crf": QUALITY, "preset": "medium"})
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1  # the bytes depend on it
        for number, picture in enumerate(pictures):
            height, width = picture.shape[:2]
            picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def _opened(path):
    if not Path(path).is_file():
        raise UserError(f"{path}: expected a video, found no file")
    try:
        container = av.open(str(path))
    except av.FFmpegError as error:
        raise UserError(f"{path}: expected a video, it can't be opened ({error.strerror}); use another file") from error
    if not container.streams.video:
        container.close()
        raise UserError(f"{path}: expected a video, got a file with no pictures; use another file")
    return container


def _decoded(container, path):
    try:
        yield from container.decode(container.streams.video[0])
    except av.FFmpegError as error:
        raise UserError(f"{path}: expected a whole video, decoding failed ({error.strerror}); use another file") from error


def _picture(frame, stream):
    """uint8 RGB (h, w, 3), upright, with square pixels."""
    picture = frame.to_ndarray(format="rgb24")
    ratio = stream.sample_aspect_ratio or 1
    if ratio != 1:
        picture = cv2.resize(picture, (round(picture.shape[1] * float(ratio)), picture.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90)))
