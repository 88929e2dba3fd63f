"""Stand-ins for the data sets of the paper scale, in their layouts: a tiny TikTok set and a tiny Bizarre Pose set. Equal arguments give equal bytes.

    MANIFEST                  ten test videos with gaps, the file for data.tiktok.manifest
    tiktok(folder)            the layout of TCAN's authors: train/<id>/images/NNNN.png, valid_video/<id>/images.mp4
    tiktok_original(folder)   the original layout, TikTok_dataset/TikTok_dataset/<id>/images/NNNN.png
    disco_frames(folder)      all test videos as frames in DisCo's naming
    bizarre(folder)           bizarre_pose_dataset/raw/{images/<id>.png, annotations.json}
    zip_parts(folder, parts)  a folder as one zip archive, cut into parts
"""

import io
import json
import zipfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from tcan.data import manifest
from tcan.data.marked import ANNOTATED
from tcan.seeds import rng

TRAIN = ("00001", "00002", "00007", "00339")
FRAMES = 12                 # of a train clip
HEIGHT, WIDTH = 108, 60     # upright, as the original's 1080 x 604
SQUARE = 64                 # the authors' and DisCo's frames
MANIFEST = Path(__file__).with_name("tiny_test_frames.csv")  # ten test videos with gaps


def scene(name, number, height, width):
    """Frame `number` of a made-up video, uint8 RGB (height, width, 3): a wall of coloured blotches that is the video's own, and a figure that moves."""
    own = rng(7, "scene", name)
    wall = own.uniform(40, 220, (9, 9, 3)).astype(np.float32)
    picture = cv2.resize(wall, (width, height), interpolation=cv2.INTER_CUBIC)
    colours, speed, phase = own.uniform(0, 255, (6, 3)), own.uniform(0.15, 0.4), own.uniform(0, 6)
    middle, unit = np.array([width * (0.5 + 0.08 * np.sin(speed * number + phase)), height * 0.45]), min(height, width) / 10
    joints = {part: middle + unit * np.array(place) for part, place in {
        "head": (0, -2), "hip": (0, 2), "left": (2.5 * np.cos(speed * number), -2 * np.sin(speed * number)),
        "right": (-2.5 * np.cos(speed * number + phase), 2 * np.sin(speed * number + phase)),
        "knee": (1 + np.sin(speed * number), 4.5), "foot": (-1 - np.sin(speed * number), 4.5)}.items()}
    for colour, (first, last) in zip(colours, [("head", "hip"), ("head", "left"), ("head", "right"), ("hip", "knee"), ("hip", "foot")], strict=False):
        ends = [tuple(int(round(value)) for value in joints[end]) for end in (first, last)]
        cv2.line(picture, *ends, colour.tolist(), max(2, int(unit)), cv2.LINE_AA)
    cv2.circle(picture, tuple(int(round(value)) for value in joints["head"]), max(2, int(1.2 * unit)), colours[5].tolist(), -1, cv2.LINE_AA)
    return picture.clip(0, 255).round().astype(np.uint8)


def write_png(path, picture):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture[:, :, ::-1])


def write_mp4(path, pictures, codec="libx264", times=None, quality="10", fast_start=True):
    """Pictures of one size as a video at 30 frames per second, or shown at `times` in milliseconds."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    options = {"fflags": "+bitexact", **({"movflags": "+faststart"} if fast_start else {})}
    with av.open(str(path), "w", options=options if str(path).endswith(("mp4", "mov")) else {}) as container:
        stream = container.add_stream(codec, rate=30, options={"crf": quality, "x265-params": "log-level=none"})
        stream.pix_fmt, stream.codec_context.thread_count = "yuv420p" if codec != "libx264rgb" else "rgb24", 1
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return Path(path)


def manifest_videos():
    """{video: TestVideo} of the tiny manifest."""
    return manifest.load(MANIFEST)


def tiktok(folder, train=TRAIN, frames=FRAMES):
    """The layout of TCAN's authors below `folder`."""
    for clip in train:
        for number in range(1, frames + 1):
            write_png(Path(folder) / f"train/{clip}/images/{number:04d}.png", scene(clip, number, SQUARE, SQUARE))
    for name, video in manifest_videos().items():
        write_mp4(Path(folder) / f"valid_video/{name}/images.mp4", [scene(name, number, SQUARE, SQUARE) for number in video.numbers])
    return Path(folder)


def tiktok_original(folder, train=TRAIN, frames=FRAMES):
    """The original layout below `folder`: it holds 00337 and 00338 among the others, and none of DisCo's videos."""
    for clip in (*train, "00337", "00338"):
        for number in range(1, (20 if clip in manifest_videos() else frames) + 1):
            write_png(Path(folder) / f"TikTok_dataset/TikTok_dataset/{clip}/images/{number:04d}.png", scene(clip, number, HEIGHT, WIDTH))
    return Path(folder)


def disco_frames(folder, names=None):
    """Test videos as frames in DisCo's naming; names: which, default all."""
    for name in names or manifest_videos():
        for number in manifest_videos()[name].numbers:
            write_png(Path(folder) / manifest_videos()[name].frame_name(number), scene(name, number, SQUARE, SQUARE))
    return Path(folder)


def bizarre(folder, count=12):
    """The Bizarre Pose data set's layout below `folder`, pictures upright and lying."""
    entries = {}
    for index in range(count):
        name, (height, width) = str(100000 + 7 * index), [(90, 60), (60, 80), (70, 70)][index % 3]
        write_png(Path(folder) / f"bizarre_pose_dataset/raw/images/{name}.png", scene(f"character{index}", 3, height, width))
        random = rng(7, "pose", index)
        entries[name] = {"size": [height, width], "bbox": [[2, 2], [height - 4, width - 4]], "keypoints": {
            **{joint: [float(random.uniform(5, height - 5)), float(random.uniform(5, width - 5))] for joint in ANNOTATED.values()},
            "neck_base": [1.0, 1.0], "body_upper": [2.0, 2.0]}}
    path = Path(folder) / "bizarre_pose_dataset/raw/annotations.json"
    path.write_text(json.dumps(entries))
    return Path(folder)


def zip_parts(folder, out, parts=4, name="TikTok.zip"):
    """All files of `folder` as one zip archive, cut into `parts` files out/name.001 and on; returns their paths."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
            archive.writestr(zipfile.ZipInfo(path.relative_to(folder).as_posix(), (2024, 10, 5, 0, 0, 0)), path.read_bytes())
    content, paths = held.getvalue(), []
    Path(out).mkdir(parents=True, exist_ok=True)
    for number in range(parts):
        paths.append(Path(out) / f"{name}.{number + 1:03d}")
        paths[-1].write_bytes(content[number * len(content) // parts:(number + 1) * len(content) // parts])
    return paths
