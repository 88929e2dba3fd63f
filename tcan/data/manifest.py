"""The test videos of the TikTok set, frame by frame: names, numbers and gaps as the public evaluation of DisCo has them."""

import csv
from dataclasses import dataclass
from pathlib import Path

from tcan.errors import UserError

SHIPPED = Path(__file__).with_name("tiktok_test_frames.csv")
COLUMNS = ["video", "frames", "digits", "suffix", "index_ranges", "windows_of_16"]
WINDOW = 16


@dataclass(frozen=True)
class TestVideo:
    """numbers: of its frames, ascending; digits: to how many a number is padded in a frame's name; suffix: what follows, such as jpg.png."""

    __test__ = False  # a name that pytest takes for a test's

    name: str
    numbers: tuple
    digits: int
    suffix: str

    def frame_name(self, number):
        """The name of a frame in DisCo's evaluation, such as TiktokDance_201_002_1x1_00348jpg.png."""
        return f"TiktokDance_{self.name}_{number:0{self.digits}d}{self.suffix}"


def load(path=None):
    """{name: TestVideo} of a manifest; None: the shipped one. Raises UserError for a file that contradicts itself."""
    path = Path(path or SHIPPED)
    try:
        with open(path, newline="") as stream:
            reader = csv.DictReader(stream)
            if reader.fieldnames != COLUMNS:
                raise UserError(f"{path}: expected the columns {','.join(COLUMNS)}, got {','.join(reader.fieldnames or [])}; mend the manifest")
            videos = [_video(path, row) for row in reader]
    except FileNotFoundError as error:
        raise UserError(f"{path}: expected the manifest of the test videos, found no file; mend data.tiktok.manifest") from error
    if not videos or len({video.name for video in videos}) < len(videos):
        raise UserError(f"{path}: expected test videos, each once, got {', '.join(video.name for video in videos) or 'none'}; mend the manifest")
    return {video.name: video for video in videos}


def ranges(numbers):
    """Ascending numbers as text, such as 0-136 139 141-202."""
    runs = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def windows(numbers, length=WINDOW):
    """How many windows of `length` consecutive numbers there are."""
    held = set(numbers)
    return sum(held.issuperset(range(number, number + length)) for number in held)


def _video(path, row):
    try:
        bounds = [part.partition("-") for part in row["index_ranges"].split()]
        numbers = tuple(number for first, _, last in bounds for number in range(int(first), int(last or first) + 1))
        counts = int(row["frames"]), int(row["windows_of_16"])
        video = TestVideo(row["video"], numbers, int(row["digits"]), row["suffix"])
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{path}: expected whole numbers and ranges such as 0-136 139, got the line of {row['video']} ({error}); mend the manifest") from error
    if list(numbers) != sorted(set(numbers)) or (len(numbers), windows(numbers)) != counts:
        raise UserError(f"{path}: {video.name}: expected {counts[0]} ascending frames and {counts[1]} windows of {WINDOW}, its ranges hold "
                        f"{len(set(numbers))} and {windows(numbers)}; mend the manifest")
    return video
