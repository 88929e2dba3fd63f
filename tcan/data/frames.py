"""Video clips into frames: decoded by decord, cropped by the declared square, resized with antialiasing, written losslessly."""

import json
import re
from pathlib import Path

import cv2
import numpy as np

from tcan import provenance
from tcan.data import clips, videos
from tcan.errors import UserError
from tcan.files import atomic_dir, write_json

SAMPLING = "sampling.json"  # beside a clip's frames: which pixels of which video they are, for estimators that want them all
BATCH = 16  # frames decoded at a time


def add_arguments(parser):
    parser.add_argument("--set", required=True, help="a set of kind `video` in params.yaml")
    parser.add_argument("--raw", type=Path, required=True, help="folder of fetched sources, data/raw")
    parser.add_argument("--out", type=Path, required=True, help="folder to make, data/SCALE/frames/SET")


def run(args, config):
    make_set(args.set, config, args.raw, args.out)


def make_set(name, config, raw, out):
    """Write the frames of all declared videos as the video set `name`, with clips.csv and run.json, into the folder `out`."""
    data = config.data
    if name not in data.sets or data.sets[name].kind != "video":
        known = [known for known, spec in data.sets.items() if spec.kind == "video"]
        raise UserError(f"--set: expected a set of kind video ({', '.join(known) or 'none is declared'}), got {name!r}")
    if not data.videos:
        raise UserError(f"data.videos: expected at least one video for the set {name!r}, got none; declare one or drop the set")
    with atomic_dir(out) as folder:
        rows = [make_clip(clip, video, raw, folder, size=data.size, count=data.clip_frames) for clip, video in sorted(data.videos.items())]
        clips.write_table(folder, rows)
        videos = config.resolved("data")["data"]["videos"]
        provenance.write_run(folder, command=f"frames {name}", seed=config.seed,
                             config={"size": data.size, "clip_frames": data.clip_frames, "videos": videos},
                             inputs=sorted({Path(raw) / video.source / video.file for video in data.videos.values()}))


def make_clip(clip, video, raw, folder, size, count):
    """Write one clip's frames, `size` x `size`, and its sampling.json below `folder`; return its row of clips.csv."""
    path = Path(raw) / video.source / video.file
    length, fps = probe(path)
    last = video.start + (count - 1) * video.stride
    if last >= length:
        raise UserError(f"{clip}: expected {count} frames, every {video.stride} from {video.start} (the last is {last}), but {path} has "
                        f"{length}; lower data.videos.{clip}.start or stride, or data.clip_frames")
    sampling = {"source": video.source, "file": video.file, "indices": list(range(video.start, last + 1, video.stride)),
                "crops": crops(video.crop, count, f"data.videos.{clip}.crop")}
    frames = [resize(picture, size) for picture in pictures(sampling, raw)]
    digest = clips.write_clip(folder / clip, frames)
    write_json(folder / clip / SAMPLING, sampling)
    return {"id": clip, "split": video.split, "source": video.source, "fps": round(fps / video.stride, 3), "frames": count,
            "height": size, "width": size, "sha256": digest}


def pictures(sampling, raw):
    """The cropped pictures of a sampling at the video's own resolution, uint8 RGB (side, side, 3), one after the other."""
    path = Path(raw) / sampling["source"] / sampling["file"]
    for first in range(0, len(sampling["indices"]), BATCH):
        chunk = slice(first, first + BATCH)
        for frame, (left, top, side) in zip(decode(path, sampling["indices"][chunk]), sampling["crops"][chunk], strict=True):
            height, width = frame.shape[:2]
            if left < 0 or top < 0 or left + side > width or top + side > height:
                raise UserError(f"{path}: expected a crop inside {width} x {height} pixels, got left {left}, top {top}, side {side}; "
                                "mend its crop in params.yaml")
            yield frame[top:top + side, left:left + side]


def read_sampling(folder):
    """The sampling of a clip's folder, or None for a clip that is not of a video."""
    path = Path(folder) / SAMPLING
    return json.loads(path.read_text()) if path.exists() else None


def crops(declared, count, where="crop"):
    """The crop of each of `count` frames, (left, top, side) in whole pixels of the video: one fixed square, or a linear pan between two."""
    pan = np.array(declared if declared and isinstance(declared[0], list) else [declared, declared], dtype=object)
    numbers = pan.shape == (2, 3) and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in pan.flat)
    if not numbers or (pan[:, 2] < 1).any():
        raise UserError(f"{where}: expected [left, top, side] in pixels, or two of them for a linear pan, got {declared!r}")
    return np.linspace(*pan.astype(np.float64), count).round().astype(int).tolist()


def resize(picture, size):
    """A picture averaged down over areas (antialiased) to size x size; a smaller one is enlarged linearly."""
    shrinks = min(picture.shape[:2]) >= size
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def probe(path):
    """(frames, frames per second) of a video."""
    reader = _open(path)
    return len(reader), float(reader.get_avg_fps())


def decode(path, indices):
    """Frames of a video by their numbers, uint8 RGB (f, h, w, 3). The one place that knows decord.

    A number counts the frames that the file stores, whatever the time each is shown for, so that a varying frame rate changes nothing.
    Raises UserError for a file that is missing, broken, truncated or too short, and for one that decord doesn't take: turned by a rotation mark, or of
    a codec that its FFmpeg (4.1) doesn't know, such as AV1.
    """
    import decord

    reader = _open(path)
    if max(indices) >= len(reader) or min(indices) < 0:
        raise UserError(f"{path}: expected frames {min(indices)} to {max(indices)}, the video has {len(reader)}; fetch it again if it is truncated")
    try:
        return reader.get_batch(list(indices)).asnumpy()
    except (decord.DECORDError, RuntimeError) as error:
        raise UserError(f"{path}: expected a whole video, decoding failed ({_reason(path, error)}); fetch it again or convert it to plain H.264") from error


def _open(path):
    import decord

    if not Path(path).is_file():
        raise UserError(f"{path}: expected a video, found no file; run `tcan fetch` for its source first")
    decord.logging.set_level(decord.logging.QUIET)  # ffmpeg's complaints, thousands for a broken file, come as one error below
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
    except (decord.DECORDError, RuntimeError) as error:
        raise UserError(f"{path}: expected a whole video, it can't be opened ({_reason(path, error)}); fetch it again or convert it to plain H.264") from error
    if not len(reader):
        raise UserError(f"{path}: expected a video with frames, it has none; fetch it again")
    return reader


def _reason(path, error):
    """What is peculiar about the file, or else what decord says, without the places in its own source and the stack that it adds."""
    return videos.peculiarity(path) or re.split(r"\.cc:\d+: ", str(error).partition("\n")[0])[-1][:120]
