"""Where the clips of a TikTok set lie: the layout of TCAN's authors, the original one, and frames in the naming of DisCo's evaluation.

    the authors' (Hugging Face):   train/<id>/images/*               valid_video/<id>/images.mp4
    the original one (Kaggle):     TikTok_dataset/TikTok_dataset/<id>/images/NNNN.png, test videos among them
    DisCo's frames:                TiktokDance_<video>_<number><suffix>, in one folder or several

The two layouts are told apart by what is there: a folder `train`, or numbered folders with `images`. Either may lie up to two folders down.

The test frames. DisCo's evaluation (Wang et al. 2024), which TCAN's authors follow, knows its 4,123 frames by the numbers they had in their videos, and
eight of the ten videos are of DisCo's own, published as frames alone. The authors' images.mp4 holds the frames of one video, in order, without the gaps:
their evaluation names what it decodes by a list of those names and stops unless there are 4,123. So the i-th picture of images.mp4 is the i-th number
of the manifest, if there are as many; a file of another length can't be named and stops here. An mp4 is lossy: DisCo's own frames, where they are given,
come first. Frames in folders are found by their numbers; what the manifest doesn't name is not looked at.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from tcan.data import videos
from tcan.data.manifest import ranges
from tcan.data.pictures import read_picture
from tcan.errors import UserError

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi")
FPS = 30.0  # of clips that are frames alone: the set was cut at 30 frames per second
DISCO = re.compile(r"^(?:TiktokDance_)?(?P<video>\w+?)_(?P<number>\d+)(?:png\.png|jpg\.png|jpg\.jpg|\.png|\.jpg|\.jpeg)$")


@dataclass(frozen=True)
class Source:
    """A clip's frames before they are read. numbers: of its frames, ascending; paths: their files in that order, or one video that holds them all."""

    numbers: tuple
    paths: tuple
    fps: float
    kind: str

    def pictures(self):
        """Yield uint8 RGB (h, w, 3), one after the other. Raises UserError for what can't be read."""
        return videos.pictures(self.paths[0]) if self.kind == "video" else map(read_picture, self.paths)


@dataclass(frozen=True)
class Layout:
    """train, held: {id: folder} of the clips to train on and of the test videos that the set itself brings."""

    name: str
    train: dict
    held: dict


def find(raw, manifest):
    """The Layout of the folder `raw`. Raises UserError for a folder that has neither layout, or both."""
    raw = Path(raw)
    if not raw.is_dir():
        raise UserError(f"{raw}: expected the TikTok set, found no folder; run `tcan fetch tiktok`, or name the folder you have under sources.tiktok")
    for depth in (".", "*", "*/*"):
        places = [folder for folder in sorted(raw.glob(depth) if depth != "." else [raw]) if folder.is_dir()]
        authors = [place for place in places if (place / "train").is_dir()]
        original = [place for place in places if _numbered(place)]
        if authors or original:
            break
    if len(authors) + len(original) != 1:
        found = ", ".join(str(place.relative_to(raw)) for place in [*authors, *original])
        raise UserError(f"{raw}: expected one TikTok set, train/ID/images or TikTok_dataset/TikTok_dataset/ID/images, found "
                        f"{f'{len(authors) + len(original)} (below {found})' if found else 'none'}; fetch it again or name the folder that holds it")
    if authors:
        return Layout("authors", _folders(authors[0] / "train"), _folders(authors[0] / "valid_video"))
    clips, tests = _folders(original[0]), {normal(name): name for name in manifest}
    held = {tests[normal(name)]: folder for name, folder in clips.items() if normal(name) in tests}
    return Layout("original", {name: folder for name, folder in clips.items() if normal(name) not in tests}, held)


def normal(name):
    """An id without the zeros in front: 337 and 00337 are one video."""
    return str(int(name)) if name.isascii() and name.isdigit() else name


def train_source(folder):
    """The Source of a train clip's folder: its pictures in `images`, or a video of that name. Raises UserError for nothing of the kind."""
    if (folder / "images").is_dir():
        held = _by_number(folder / "images")
        return Source(tuple(held), tuple(held.values()), FPS, "frames")
    length, fps = videos.probe(_video_of(folder))
    return Source(tuple(range(length)), (_video_of(folder),), fps, "video")


def test_sources(layout, manifest, given=None):
    """{video: Source} of exactly the manifest's frames, from the folder `given` of DisCo's frames first, then from the set itself.

    Raises UserError, with what was expected and what was found, for a video that is missing and for one with other frames.
    """
    disco = _disco_frames(given, manifest) if given else {}
    if missing := [name for name in manifest if name not in disco and name not in layout.held]:
        raise UserError(f"data.tiktok.test_frames: expected {len(manifest)} test videos, found {len(manifest) - len(missing)}; missing: {', '.join(missing)}; "
                        + ("the original set has none of DisCo's videos: give a folder of DisCo's frames, or use the set of TCAN's authors"
                           if layout.name == "original" else "fetch the set again, or give a folder of DisCo's frames"))
    return {name: _numbers_of(video, disco[name], given) if name in disco else _test_source(video, layout.held[name]) for name, video in manifest.items()}


def _test_source(video, folder):
    if (folder / "images").is_dir():
        return _numbers_of(video, _by_number(folder / "images"), folder / "images")
    file = _video_of(folder)
    length, fps = videos.probe(file)
    if length != len(video.numbers):
        raise UserError(f"{video.name}: expected the manifest's {len(video.numbers)} frames, found {length} in {file}; fetch it again, or give DisCo's "
                        "frames as data.tiktok.test_frames")
    return Source(video.numbers, (file,), fps, "video")


def _numbers_of(video, held, where):
    if missing := [number for number in video.numbers if number not in held]:
        raise UserError(f"{video.name}: expected the manifest's {len(video.numbers)} frames {ranges(video.numbers)}, found "
                        f"{len(video.numbers) - len(missing)} of them in {where}, without {ranges(missing)}; fetch the set again")
    return Source(video.numbers, tuple(held[number] for number in video.numbers), FPS, "frames")


def _disco_frames(folder, manifest):
    """{video: {number: path}} of a folder of frames in DisCo's naming, subfolders included."""
    if not Path(folder).is_dir():
        raise UserError(f"data.tiktok.test_frames: expected a folder of DisCo's frames, found none at {folder}; mend the path in params.yaml")
    held = {}
    for path in sorted(Path(folder).rglob("*")):
        name = DISCO.match(path.name)
        if name and name["video"] in manifest and len(name["number"]) == manifest[name["video"]].digits:
            if held.setdefault(name["video"], {}).setdefault(int(name["number"]), path) != path:
                raise UserError(f"{path}: expected a frame once, {held[name['video']][int(name['number'])]} is the same; remove one")
    if not held:
        example = next(iter(manifest.values()))
        raise UserError(f"data.tiktok.test_frames: expected frames named like {example.frame_name(example.numbers[0])} in {folder}, found none")
    return held


def _video_of(folder):
    files = [path for path in sorted(folder.glob("images.*")) if path.suffix.lower() in VIDEOS]
    if not files:
        raise UserError(f"{folder}: expected frames in images, or images.mp4, found neither; fetch the set again")
    return files[0]


def _by_number(folder):
    """{number: path} of the pictures of a folder, ascending: the last digits of a name are its number."""
    held = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in PICTURES or path.name.startswith("."):
            continue
        digits = re.findall(r"\d+", path.stem)
        if not digits:
            raise UserError(f"{path}: expected a name with the frame's number, such as 0001.png; rename it")
        if held.setdefault(int(digits[-1]), path) != path:
            raise UserError(f"{path}: expected a number once, {held[int(digits[-1])].name} has it too; remove one")
    if not held:
        raise UserError(f"{folder}: expected pictures, found none; fetch the set again")
    return dict(sorted(held.items()))


def _folders(parent):
    return {folder.name: folder for folder in sorted(parent.glob("*")) if folder.is_dir() and not folder.name.startswith(".")}


def _numbered(place):
    """Whether the folders of the original layout lie here; those of train and valid_video are the authors'."""
    if place.name in ("train", "valid", "valid_video"):
        return False
    return any(name.isdigit() and (folder / "images").is_dir() for name, folder in _folders(place).items())
