"""Videos of users' own: read as they are meant to be seen, at any frame rate, and written as mp4 (PyAV)."""

import itertools
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tcan.data.videos import RATE, decoded, opened, upright
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
        with opened(path) as container:
            stream = container.streams.video[0]
            first = next(decoded(container, path), None)
            if first is None:
                raise UserError(f"{path}: expected a video with frames, got none; use another file")
            seconds = container.duration / av.time_base if container.duration else None
            return cls(Path(path), float(stream.average_rate or stream.guessed_rate or RATE), upright(first, stream).shape[:2], seconds)

    def pictures(self, fps=None, start=0.0, count=None):
        """Yield uint8 RGB (h, w, 3), one by one, at times start, start + 1 / fps, ... (seconds; fps: default the video's own), at most `count`.

        Each is the frame that is shown at its time, so that a varying frame rate becomes a steady one. Rotation marks, as phones write them, and
        pixels that are not square are seen to.
        """
        fps, number, shown, time = fps or self.fps, 0, None, 0.0
        frames = self._timed(start)
        first = next(frames)
        if start and (first is None or first[0] > start):   # no key frame before it was found, as in MPEG-TS, where a seek goes by bytes
            frames = self._timed(0)
            first = next(frames)
        for following in itertools.chain([first], frames):
            until = following[0] - EARLY / self.fps if following else time + (1 - EARLY) / self.fps
            while shown is not None and start + number / fps < until:
                if number == count:
                    return
                yield upright(*shown)
                number += 1
            if following:
                time, *shown = following

    def _timed(self, start):
        """Yield (seconds, frame, stream), from a key frame before `start` on where the file can be entered there, and None, as long as the file is open."""
        with opened(self.path) as container:
            stream = container.streams.video[0]
            # AVI and bare streams have no times: what FFmpeg makes up for them is out of order where frames lean on later ones
            counted = stream.start_time is None or container.format.name == "avi"
            zero = 0.0 if counted else float(stream.start_time * stream.time_base)
            if start and not counted:
                container.seek(int((start + zero) * av.time_base))
            for number, frame in enumerate(decoded(container, self.path)):
                yield number / self.fps if counted or frame.time is None else frame.time - zero, frame, stream
            yield None


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
