"""THE place that decodes and resizes frames: uint8 RGB out of PNG and JPEG files and out of videos. What does not decode is an error.

eval.clips says which frames belong together.
"""

import hashlib
import io
import itertools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from eval.errors import UserError
from eval.files import sha256_of

PICTURES = {".png", ".jpg", ".jpeg"}
VIDEOS = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"}


@dataclass(frozen=True)
class Stills:
    """The frames of one side of a clip as picture files, in order."""

    paths: tuple[Path, ...]

    def __len__(self):
        return len(self.paths)

    @property
    def lossy(self):
        """What lost detail when the frames were stored, in words, or None."""
        return "JPEG files" if any(path.suffix.lower() != ".png" for path in self.paths) else None

    def sums(self, clip):
        """A line of sha256sum for each file, in a folder of the clip's name, wherever it lies."""
        return [f"{sha256_of(path)}  {clip}/{path.name}\n" for path in self.paths]

    def read(self, pool=None):
        """Yield the frames, uint8 RGB (h, w, 3). pool: an executor that decodes some frames ahead."""
        if pool is None:
            yield from map(read, self.paths)
            return
        ahead = []
        for path in self.paths:
            ahead.append(pool.submit(read, path))
            if len(ahead) > AHEAD:
                yield ahead.pop(0).result()
        while ahead:
            yield ahead.pop(0).result()


@dataclass(frozen=True)
class Video:
    """The frames of one side of a clip as a video file; `length` as its container says, which `read` checks."""

    path: Path
    length: int

    @classmethod
    def open(cls, path):
        """Count the frames. Raises UserError for a file that is no video, or holds no frame."""
        import av

        with _opened(path) as container:
            try:
                length = sum(1 for packet in container.demux(video=0) if packet.size and not packet.is_discard)     # cut off by an edit list
            except av.FFmpegError as error:
                raise UserError(f"{path}: expected a whole video, got a broken one ({error.strerror}); make it again") from error
        if not length:
            raise UserError(f"{path}: expected a video, found one without frames; make it again")
        return cls(Path(path), length)

    def __len__(self):
        return self.length

    @property
    def lossy(self):
        """What lost detail when the frames were stored, in words."""
        return f"a video ({self.path.suffix})"

    def sums(self, clip):
        """A line of sha256sum, for the one file, under the clip's name."""
        return [f"{sha256_of(self.path)}  {clip}{self.path.suffix}\n"]

    def read(self, pool=None):
        """Yield the frames, uint8 RGB (h, w, 3), turned as the file says. pool: not used; the decoder has threads of its own."""
        import av

        count = 0
        with _opened(self.path) as container:
            container.streams.video[0].thread_type = "AUTO"
            container.streams.video[0].codec_context.options = {"err_detect": "explode"}      # else what is damaged is painted over
            try:
                for frame in container.decode(video=0):
                    if frame.is_corrupt:
                        raise UserError(f"{self.path}: expected a whole video, frame {count} is damaged; make it again")
                    yield np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90)))
                    count += 1
            except av.FFmpegError as error:
                raise UserError(f"{self.path}: expected {self.length} frames, frame {count} does not decode ({error.strerror}); make it again") from error
        if count != self.length:
            raise UserError(f"{self.path}: expected the {self.length} frames that the file counts, {count} decode; make it again")


AHEAD = 8       # frames that are decoded before they are asked for


def _opened(path):
    import av

    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise UserError(f"{path}: expected a video, got a file that can't be opened ({error.strerror}); make it again") from error
    if not container.streams.video:
        container.close()
        raise UserError(f"{path}: expected a video, got a file without pictures; give another")
    ratio = container.streams.video[0].sample_aspect_ratio
    if ratio not in (None, 0, 1):
        container.close()
        raise UserError(f"{path}: expected square pixels, got some of {ratio}; convert the video")
    pixels = container.streams.video[0].format
    if pixels is None or len(pixels.components) != 3 or any(part.is_alpha or part.bits > 8 for part in pixels.components):
        container.close()
        raise UserError(f"{path}: expected colour of 8 bits a channel without alpha, got pixels of {pixels and pixels.name}; convert the video")
    return container


def read(path):
    """A frame, uint8 RGB (h, w, 3), of a PNG or JPEG file with 8 bits a channel."""
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            mode, depth = image.mode, data[24] if image.format == "PNG" else 8      # PNG: byte 24 is the bit depth; PIL hides 16
            mode += " with a transparent colour" if "transparency" in image.info else " with several pictures" if getattr(image, "is_animated", False) else ""
            kind, frame = image.format, np.array(image) if (mode, depth) == ("RGB", 8) else None
    except UnidentifiedImageError as error:
        raise UserError(f"{path}: expected a PNG or JPEG frame, got a file that does not decode (neither of the two); make it again") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: expected a PNG or JPEG frame, got a file that does not decode ({error}); make it again") from error
    if frame is None:
        raise UserError(f"{path}: expected an RGB frame of 8 bits a channel, got mode {mode} of {depth} bits; convert it")
    if (kind == "PNG") != (path.suffix.lower() == ".png"):
        raise UserError(f"{path}: expected the kind of file that its name says, got {kind}; name it so, since JPEG is lossy and PNG is not")
    return frame


class Stacks:
    """The frames of one side of a clip, taken in stacks. word: generated or true, for errors; size: (h, w) that all frames must have."""

    def __init__(self, side, word, size, pool=None):
        self.side, self.word, self.size = side, word, tuple(size)
        self.frames, self.index = side.read(pool), 0

    def take(self, count):
        """The next `count` frames, uint8 (count, h, w, 3)."""
        taken = []
        for frame in itertools.islice(self.frames, count):
            if frame.shape[:2] != self.size:
                name = self.side.paths[self.index] if isinstance(self.side, Stills) else f"{self.side.path}, frame {self.index}"
                raise UserError(f"{name}: expected {self.size[1]}x{self.size[0]} pixels like the first {self.word} frame, "
                                f"got {frame.shape[1]}x{frame.shape[0]}; bring all of them to one size")
            taken.append(frame)
            self.index += 1
        return np.stack(taken)

    def end(self):
        """Read to the end: a video may hold more frames than it says, which is an error too."""
        for _ in self.frames:
            pass


def at(side, index):
    """Frame `index` of a Stills or Video, uint8 (h, w, 3)."""
    if isinstance(side, Stills):
        return read(side.paths[index])
    return next(frame for number, frame in enumerate(side.read()) if number == index)


def resize_as_disco(frames, size):
    """uint8 (n, h, w, 3) -> uint8 (n, *size, 3) by OpenCV's bilinear resize: how DisCo brings a generated frame to the true size."""
    return frames if frames.shape[1:3] == tuple(size) else np.stack([cv2.resize(frame, tuple(size)[::-1]) for frame in frames])


def resize_to_declared(frames, size):
    """uint8 (n, h, w, 3) -> uint8 (n, *size, 3) by PIL's bicubic, which filters before it subsamples."""
    if frames.shape[1:3] == tuple(size):
        return frames
    return np.stack([np.asarray(Image.fromarray(frame).resize(tuple(size)[::-1], Image.BICUBIC)) for frame in frames])


def resize_bicubic(frames, size):
    """uint8 (n, h, w, 3) -> float32 tensor (n, 3, *size) in 0..255, by PIL's bicubic of each channel in float: not clipped, not rounded."""
    import torch

    out = np.empty((len(frames), 3, *size), np.float32)
    for index, frame in enumerate(frames):
        for channel in range(3):
            plane = Image.fromarray(frame[..., channel].astype(np.float32))
            out[index, channel] = plane.resize(tuple(size)[::-1], Image.BICUBIC)
    return torch.from_numpy(out)


def resize_bilinear(frames, size):
    """uint8 (n, h, w, 3) -> float32 tensor (n, 3, *size) in 0..255, by torch's bilinear interpolation without antialiasing (pytorch-fid)."""
    import torch

    x = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255      # as pytorch-fid: scaled first, then interpolated
    return torch.nn.functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False) * 255


def digest_of(lines):
    """SHA-256 of a list of frames: `cd FOLDER && sha256sum */* | sha256sum` gives the same."""
    text = "".join(sorted(lines, key=lambda line: line.partition("  ")[2]))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()     # a name of any bytes, as sha256sum takes it
