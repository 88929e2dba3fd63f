"""THE place that pairs, decodes and resizes frames. Whatever is unpaired, misnamed or undecodable is an error, never skipped.

A folder holds one folder of frames for each clip, or all frames in one place as DisCo writes them. A frame's file name is
`{prefix}{number}{suffix}` with a PNG or JPEG suffix; a generated frame has the name of its true frame. Frames are uint8 RGB.
"""

import csv
import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from eval.errors import UserError

NAME = re.compile(r"(?P<prefix>.*?)(?P<number>\d+)(?P<suffix>[^\d/]*\.(?:png|jpe?g))", re.IGNORECASE)
PICTURES = {".png", ".jpg", ".jpeg"}


@dataclass(frozen=True)
class Clip:
    """A clip's frames in the order of their numbers: `generated[i]` belongs to `true[i]` and has number `numbers[i]`."""

    name: str
    numbers: tuple[int, ...]
    generated: tuple[Path, ...]
    true: tuple[Path, ...]

    def runs(self):
        """Ranges of indices with consecutive frame numbers: [range(0, 137), range(137, 138), ...]."""
        breaks = [0, *(i for i in range(1, len(self.numbers)) if self.numbers[i] != self.numbers[i - 1] + 1), len(self.numbers)]
        return [range(start, stop) for start, stop in zip(breaks, breaks[1:])]

    def windows(self, length):
        """How many windows of `length` consecutive frame numbers there are, at stride 1."""
        return sum(max(0, len(run) - length + 1) for run in self.runs())


def pair(generated, true, split=None):
    """The clips of GEN and TRUE, frame by frame. -> list of Clip, sorted by name.

    true: a folder, or several of them whose clips add up. Where a folder holds a clips.csv (columns id, frames, and split), it
    says which clips there are and how many frames each has; `split` keeps those of one split.
    Errors: anything in one and not in the other, no clip, a name that is not a frame's, a clip without all its frames.
    """
    truth = {}
    for folder in [true] if isinstance(true, (str, Path)) else true:
        for name, frames in _true_clips(Path(folder), split).items():
            if name in truth:
                raise UserError(f"{folder}: clip {name} is in two of the true folders; give every clip one name")
            truth[name] = frames
    made = _clips(Path(generated))
    _same(made, truth, str(generated), "clip")
    return [_pair_clip(name, made[name], truth[name], Path(generated)) for name in sorted(truth)]


def _pair_clip(name, made, truth, generated):
    _same(made, truth, f"{generated}, clip {name}", "frame")
    order = sorted(truth, key=lambda frame: int(NAME.fullmatch(frame)["number"]))
    return Clip(name, tuple(int(NAME.fullmatch(frame)["number"]) for frame in order),
                tuple(made[frame] for frame in order), tuple(truth[frame] for frame in order))


def _same(made, truth, where, what):
    missing, extra = sorted(set(truth) - set(made)), sorted(set(made) - set(truth))
    if missing or extra:
        found = [f"{len(names)} {word} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
                 for names, word in ((missing, "missing"), (extra, "without a true one")) if names]
        raise UserError(f"{where}: expected a generated {what} for every true {what} and no other, found {' and '.join(found)}; "
                        "generate the same clips and frames under the same names")


def _true_clips(folder, split):
    table = folder / "clips.csv"
    if not table.is_file():
        if split is not None:
            raise UserError(f"{folder}: expected a clips.csv that says which clips are of split {split}, found none; leave out the split")
        return _clips(folder)
    with open(table, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    if missing := {"id", "frames", *(["split"] if split is not None else [])} - set(rows[0] if rows else ()):
        raise UserError(f"{table}: expected the columns id, split and frames in a table of clips, found no {', '.join(sorted(missing))}")
    clips = {}
    for row in rows:
        if split is None or row["split"] == split:
            clips[row["id"]] = _frames(folder / row["id"])
            if str(len(clips[row["id"]])) != row["frames"]:
                raise UserError(f"{folder / row['id']}: expected the {row['frames']} frames that clips.csv names, "
                                f"found {len(clips[row['id']])}; make the set again")
    return clips


def _clips(folder):
    """{clip: {file name: path}} of a folder of clips, or of DisCo's one folder of frames, whose prefixes are the clips."""
    if not folder.is_dir():
        raise UserError(f"{folder}: expected a folder of clips, found {'a file' if folder.exists() else 'nothing'}; give the folder")
    entries = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
    if any(entry.suffix.lower() in PICTURES for entry in entries):
        clips = {}
        for name, path in _frames(folder, several=True).items():
            clips.setdefault(NAME.fullmatch(name)["prefix"].rstrip("_-"), {})[name] = path
    else:
        clips = {entry.name: _frames(entry) for entry in entries if entry.is_dir()}
    if not clips:
        raise UserError(f"{folder}: expected folders of frames, or frames, found neither; give the folder that holds the clips")
    return clips


def _frames(folder, several=False):
    """{file name: path} of the frames of one clip, or of `several` in one folder. Numbers must differ, names share their form."""
    if not folder.is_dir():
        raise UserError(f"{folder}: expected a folder of frames, found {'a file' if folder.exists() else 'nothing'}; make the clip again")
    found = {path.name: path for path in folder.iterdir() if not path.name.startswith(".") and path.suffix not in (".json", ".csv")}
    if not found:
        raise UserError(f"{folder}: expected frames as PNG or JPEG files, found none; make the clip again")
    forms, numbers = set(), set()
    for name in sorted(found):
        match = NAME.fullmatch(name)
        if not match or not found[name].is_file():
            raise UserError(f"{folder / name}: expected a frame named like 0000.png (a prefix, a number, .png or .jpg); rename or remove it")
        form, number = (match["prefix"], match["suffix"]), int(match["number"])
        if (form, number) in numbers:
            raise UserError(f"{folder / name}: expected one frame of number {number}, found two; keep one")
        forms.add(form), numbers.add((form, number))
    if len(forms) > 1 and not several:
        shown = " and ".join(sorted(f"{prefix}NUMBER{suffix}" for prefix, suffix in forms)[:2])
        raise UserError(f"{folder}: expected frames of one form of name in a clip, found {shown}; keep one of them")
    return found


def read(path, digest=None):
    """A frame, uint8 RGB (h, w, 3). The SHA-256 of the file goes into the list `digest`, if given, as a line of sha256sum."""
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            mode, depth = image.mode, data[24] if image.format == "PNG" else 8      # PNG: byte 24 is the bit depth; PIL hides 16
            frame = np.array(image) if (mode, depth) == ("RGB", 8) else None
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path}: expected a PNG or JPEG frame, got a file that does not decode ({error}); make it again") from error
    if frame is None:
        raise UserError(f"{path}: expected an RGB frame of 8 bits a channel, got mode {mode} of {depth} bits; convert it")
    if digest is not None:
        digest.append(f"{hashlib.sha256(data).hexdigest()}  {path.parent.name}/{path.name}\n")
    return frame


def read_all(paths, size, digest):
    """Frames of one size, uint8 (n, h, w, 3). size: (h, w) that all must have."""
    frames = []
    for path in paths:
        frame = read(path, digest)
        if frame.shape[:2] != tuple(size):
            raise UserError(f"{path}: expected {size[1]}x{size[0]} pixels like the first frame, got {frame.shape[1]}x{frame.shape[0]}; "
                            "bring all frames of a folder to one size")
        frames.append(frame)
    return np.stack(frames)


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
    return hashlib.sha256("".join(sorted(lines, key=lambda line: line.partition("  ")[2])).encode()).hexdigest()
