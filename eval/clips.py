"""Which generated frame belongs to which true one. Whatever is unpaired, misnamed or has a gap is an error, never skipped.

GEN and TRUE are each a folder with a folder of frames or a video file for each clip; or one folder with all frames, as DisCo writes
them; or one video file. A frame's file name is `{prefix}{number}{suffix}` with a PNG or JPEG suffix; a generated frame has the name of
its true frame (the kind of file may differ). The frames of a video belong to the true frames in their order.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from eval.errors import UserError
from eval.frames import PICTURES, VIDEOS, Stills, Video

BESIDE = {".json", ".csv", ".html"}     # files that may lie beside clips and frames

NAME = re.compile(r"(?P<prefix>.*?)(?P<number>\d+)(?P<suffix>[^\d/]*\.(?:png|jpe?g))", re.IGNORECASE)


@dataclass(frozen=True)
class Clip:
    """A clip's frames in the order of their numbers: frame i of `generated` belongs to frame i of `true` and has number `numbers[i]`."""

    name: str
    numbers: tuple[int, ...]
    generated: Stills | Video
    true: Stills | Video

    def runs(self):
        """Ranges of indices with consecutive frame numbers: [range(0, 137), range(137, 138), ...]."""
        breaks = [0, *(i for i in range(1, len(self.numbers)) if self.numbers[i] != self.numbers[i - 1] + 1), len(self.numbers)]
        return [range(start, stop) for start, stop in zip(breaks, breaks[1:])]

    def windows(self, length):
        """How many windows of `length` consecutive frame numbers there are, at stride 1."""
        return sum(max(0, len(run) - length + 1) for run in self.runs())


def pair(generated, true, split=None, gaps=False):
    """The clips of GEN and TRUE, frame by frame. -> list of Clip, sorted by name.

    true: a folder or video file, or several whose clips add up. Where a folder holds a clips.csv (columns id, frames, and split), it
    says which clips there are and how many frames each has; `split` keeps those of one split, or of several. gaps: whether frame numbers may have gaps.
    Errors: anything in one and not in the other, no clip, a name that is not a frame's, a clip without all its frames, a gap.
    """
    truth, split = {}, [split] if isinstance(split, str) else split
    for place in [true] if isinstance(true, (str, Path)) else true:
        for name, side in _true_clips(Path(place), split).items():
            if name in truth:
                raise UserError(f"{place}: clip {name} is in two of the true folders; give every clip one name")
            truth[name] = side
    if not truth:
        where = true if isinstance(true, (str, Path)) else ", ".join(map(str, true))
        raise UserError(f"{where}: expected clips{'' if split is None else f' of split {_any(split)}'} in clips.csv, found none; "
                        f"{'add them' if split is None else 'give a split that it names'}")
    made = _clips(Path(generated))
    if len(made) == len(truth) == 1 and (Path(generated).is_file() or isinstance(next(iter(truth.values())), Video)):
        made = dict(zip(truth, made.values()))      # one video against one clip: their names need not agree
    _same(made, truth, str(generated), "clip")
    clips = [_pair_clip(name, made[name], truth[name], Path(generated)) for name in sorted(truth)]
    if not gaps:
        _no_gaps(clips)
    return clips


def _pair_clip(name, made, truth, generated):
    where = f"{generated}, clip {name}"
    if isinstance(made, dict) and isinstance(truth, dict):
        names = {Path(frame).stem: frame for frame in truth}
        made = {names.get(Path(frame).stem, frame): path for frame, path in made.items()}
        _same(made, truth, where, "frame")
        order = sorted(truth, key=_number)
        return Clip(name, tuple(map(_number, order)), *(Stills(tuple(side[frame] for frame in order)) for side in (made, truth)))
    if len(made) != len(truth):
        raise UserError(f"{where}: expected a generated frame for every true frame, got {len(made)} for {len(truth)}; generate the same frames")
    stills = next((side for side in (truth, made) if isinstance(side, dict)), {})
    order = sorted(stills, key=_number)
    sides = (side if isinstance(side, Video) else Stills(tuple(side[frame] for frame in order)) for side in (made, truth))
    return Clip(name, tuple(map(_number, order)) or tuple(range(len(truth))), *sides)


def _number(name):
    return int(NAME.fullmatch(name)["number"])


def _no_gaps(clips):
    for clip in clips:
        if len(runs := clip.runs()) > 1:
            before, after = clip.numbers[runs[0].stop - 1], clip.numbers[runs[1].start]
            raise UserError(f"clip {clip.name}: expected consecutive frame numbers, found {len(runs) - 1} gap(s), the first from {before} to {after}; "
                            "add what is missing, or allow gaps with --gaps if the set has them, as DisCo's does (no window spans one)")


def _same(made, truth, where, what):
    missing, extra = sorted(set(truth) - set(made)), sorted(set(made) - set(truth))
    if missing or extra:
        found = [f"{len(names)} {word} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
                 for names, word in ((missing, "missing"), (extra, "without a true one")) if names]
        raise UserError(f"{where}: expected a generated {what} for every true {what} and no other, found {' and '.join(found)}; "
                        "generate the same clips and frames under the same names")


def _any(splits):
    return " or ".join(splits)


def _true_clips(folder, split):
    table = folder / "clips.csv"
    if not table.is_file():
        if split is not None:
            raise UserError(f"{folder}: expected a clips.csv that says which clips are of split {_any(split)}, found none; leave out the split")
        return _clips(folder)
    try:
        with open(table, newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{table}: expected a table of clips as CSV in UTF-8, got something else ({error}); save it so") from error
    wanted = {"id", "frames", *(["split"] if split is not None else [])}
    if missing := wanted - set(reader.fieldnames or ()):
        raise UserError(f"{table}: expected the columns id, split and frames in a table of clips, found no {', '.join(sorted(missing))}; add them")
    if short := [number for number, row in enumerate(rows, 2) if not all(row[column] for column in wanted)]:
        raise UserError(f"{table}: expected an id and a number of frames in every line, found none in line {short[0]}; complete it")
    clips = {}
    for row in rows:
        if split is None or row["split"] in split:
            clips[row["id"]] = _frames(folder / row["id"])
            if str(len(clips[row["id"]])) != row["frames"]:
                raise UserError(f"{folder / row['id']}: expected the {row['frames']} frames that clips.csv names, "
                                f"found {len(clips[row['id']])}; make the set again")
    return clips


def _clips(place):
    """{clip: Video, or {file name: path}} of a video file, of a folder of clips, or of one folder of frames, whose prefixes are the clips."""
    if place.is_file() and place.suffix.lower() in VIDEOS:
        return {place.stem: Video.open(place)}
    if not place.is_dir():
        raise UserError(f"{place}: expected a folder of clips or a video file, found {'another file' if place.exists() else 'nothing'}; give the folder")
    entries = [entry for entry in sorted(place.iterdir()) if not entry.name.startswith(".")]
    clips, prefixes = {}, {}
    if any(entry.suffix.lower() in PICTURES for entry in entries):
        for name, path in _frames(place, several=True).items():
            prefix = NAME.fullmatch(name)["prefix"]
            clip = prefix.rstrip("_-") or "frames"
            if prefixes.setdefault(clip, prefix) != prefix:
                raise UserError(f"{path}: expected one prefix for the frames of clip {clip}, found {prefixes[clip]!r} and {prefix!r}; rename one of the clips")
            clips.setdefault(clip, {})[name] = path
        return clips
    for entry in entries:
        video = entry.is_file() and entry.suffix.lower() in VIDEOS
        if video or entry.is_dir():
            name = entry.stem if video else entry.name
            if name in clips:
                raise UserError(f"{place}: expected one clip {name}, found two; keep one")
            clips[name] = Video.open(entry) if video else _frames(entry)
        elif entry.suffix.lower() not in BESIDE:
            raise UserError(f"{entry}: expected a folder of frames or a video ({', '.join(sorted(VIDEOS))}), found "
                            f"{'another file' if entry.exists() else 'a link that leads nowhere'}; convert or remove it")
    if not clips:
        raise UserError(f"{place}: expected folders of frames, frames or videos, found none; give the folder that holds the clips")
    return clips


def _frames(folder, several=False):
    """{file name: path} of the frames of one clip, or of `several` in one folder. Numbers must differ, names share their form."""
    if not folder.is_dir():
        raise UserError(f"{folder}: expected a folder of frames, found {'a file' if folder.exists() else 'nothing'}; make the clip again")
    found = {path.name: path for path in folder.iterdir() if not path.name.startswith(".") and path.suffix.lower() not in BESIDE}
    if not found:
        raise UserError(f"{folder}: expected frames as PNG or JPEG files, found none; make the clip again")
    forms, numbers = set(), set()
    for name in sorted(found):
        match = NAME.fullmatch(name)
        if not found[name].exists():
            raise UserError(f"{folder / name}: expected a frame, found a link that leads nowhere; make it again or remove it")
        if not match or not found[name].is_file():
            raise UserError(f"{folder / name}: expected a frame named like 0000.png (a prefix, a number, .png or .jpg); rename or remove it")
        form, number = (match["prefix"], match["suffix"]), int(match["number"])
        if (match["prefix"], number) in numbers:
            raise UserError(f"{folder / name}: expected one frame of number {number}, found two; keep one")
        forms.add(form), numbers.add((match["prefix"], number))
    if len(forms) > 1 and not several:
        shown = " and ".join(sorted(f"{prefix}NUMBER{suffix}" for prefix, suffix in forms)[:2])
        raise UserError(f"{folder}: expected frames of one form of name in a clip, found {shown}; keep one of them")
    return found
