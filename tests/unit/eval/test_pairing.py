"""Frames are paired, decoded and counted; whatever does not fit is an error that says what, where and what to do."""

import shutil

import numpy as np
import pytest
from PIL import Image

from eval import frames
from eval.clips import Clip, pair
from eval.errors import UserError
from tests.golden.made_clips import moving, write

# Frame numbers of the ten test videos of the paper's evaluation, and how many windows of 16 DisCo's rule finds in each.
TIKTOK = {
    "00337": ("1-305", 290), "00338": ("1-304", 289), "201_002_1x1": ("0-678 680-691", 664),
    "201_005_1x1": ("0-136 139 141-202 206-295 298-369 371-399", 315), "201_021_1x1": ("0-198 200-204 206-567", 531),
    "201_024_1x1": ("0-332 334-337 339-354 356-390 396 398 402 412-620 624-630", 533),
    "202_006_1x1": ("0-74 76-112 114-268 272-279 284-314", 238), "202_007_1x1": ("0-247", 233),
    "202_025_1x1": ("0-37 43-47 49-131 133-142 145-186 189 191-317", 230), "203_006_1x1": ("0-398", 384),
}


def numbers(ranges):
    found = []
    for part in ranges.split():
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return tuple(found)


@pytest.mark.parametrize("video", TIKTOK)
def test_windows_of_the_papers_test_videos(video):
    ranges, windows = TIKTOK[video]
    clip = Clip(video, numbers(ranges), (), ())
    assert clip.windows(16) == windows
    assert len(clip.runs()) == len(ranges.split())


def test_windows_of_the_papers_test_set():
    assert sum(windows for _, windows in TIKTOK.values()) == 3707
    assert sum(len(numbers(ranges)) for ranges, _ in TIKTOK.values()) == 4123


def test_frames_come_in_the_order_of_their_numbers(tmp_path, clips):
    for folder in ("gen", "true"):
        write(tmp_path / folder, clips, numbers=range(18, 0, -1))       # written backwards; 0010.png sorts after 0009.png by number too
        for path in (tmp_path / folder / "anna").iterdir():
            path.rename(path.with_name(f"frame_{int(path.stem)}.png"))      # without leading zeros
    anna, bert = pair(tmp_path / "gen", tmp_path / "true")
    assert (anna.name, bert.name) == ("anna", "bert")
    assert anna.numbers == tuple(range(1, 19))
    assert [path.name for path in anna.true.paths[8:11]] == ["frame_9.png", "frame_10.png", "frame_11.png"]
    np.testing.assert_array_equal(frames.read(anna.true.paths[0]), clips["anna"][17])


def test_discos_one_folder(tmp_path, clips):
    """All clips in one folder, told apart by their prefix, as DisCo writes them."""
    for folder in ("gen", "true"):
        (tmp_path / folder).mkdir()
        for name, video in (("TiktokDance_201_005_1x1", clips["anna"]), ("TiktokDance_00337", clips["bert"])):
            for number, frame in enumerate(video):
                Image.fromarray(frame).save(tmp_path / folder / f"{name}_{number:05d}jpg.png")
    assert [(clip.name, len(clip.numbers)) for clip in pair(tmp_path / "gen", tmp_path / "true")] == [
        ("TiktokDance_00337", 17), ("TiktokDance_201_005_1x1", 18)]


def test_several_true_folders_and_a_split(tmp_path, clips):
    write(tmp_path / "human", {"anna": clips["anna"]}, table={"anna": "test"})
    write(tmp_path / "puppets", {"bert": clips["bert"], "carl": clips["bert"]}, table={"bert": "test", "carl": "train"})
    write(tmp_path / "gen", clips)
    assert [clip.name for clip in pair(tmp_path / "gen", [tmp_path / "human", tmp_path / "puppets"], "test")] == ["anna", "bert"]
    with pytest.raises(UserError, match="carl"):
        pair(tmp_path / "gen", [tmp_path / "human", tmp_path / "puppets"])
    write(tmp_path / "more", {"carl": clips["bert"]}, table={"carl": "further"})
    write(tmp_path / "wide", {"anna": clips["anna"], "carl": clips["bert"]})
    assert [clip.name for clip in pair(tmp_path / "wide", [tmp_path / "human", tmp_path / "more"], ["test", "further"])] == ["anna", "carl"]
    with pytest.raises(UserError, match="expected clips of split tset or furthest in clips.csv, found none"):
        pair(tmp_path / "gen", tmp_path / "human", ["tset", "furthest"])


def test_records_beside_the_clips_are_no_clips(folders):
    (folders[0] / "run.json").write_text("{}")
    (folders[0] / ".cache").mkdir()
    assert len(pair(*folders)) == 2


# name -> what is done to GEN and TRUE, and what the error must say
BROKEN = {
    "a missing frame": (lambda gen, true: (gen / "anna/0004.png").unlink(), r"anna.*1 missing \(0004.png\)"),
    "a frame too many": (lambda gen, true: shutil.copy(gen / "anna/0004.png", gen / "anna/0018.png"), "without a true one"),
    "a missing clip": (lambda gen, true: shutil.rmtree(gen / "bert"), r"1 missing \(bert\)"),
    "a clip too many": (lambda gen, true: shutil.copytree(gen / "bert", gen / "carl"), r"carl.*generate the same clips"),
    "a misnamed frame": (lambda gen, true: (gen / "anna/0004.png").rename(gen / "anna/four.png"), "named like 0000.png"),
    "a picture of another kind": (lambda gen, true: (gen / "anna/0004.png").rename(gen / "anna/0004.bmp"), "named like 0000.png"),
    "two forms of name": (lambda gen, true: (gen / "anna/0004.png").rename(gen / "anna/x0004.png"), "one form of name"),
    "a number twice": (lambda gen, true: shutil.copy(gen / "anna/0004.png", gen / "anna/4.png"), "one frame of number 4"),
    "a gap in a clip of the table": (lambda gen, true: [(f / "anna/0004.png").unlink() for f in (gen, true)], "18 frames that clips.csv names, found 17"),
    "a gap on both sides": (lambda gen, true: [(true / "clips.csv").unlink(), *((f / "anna/0004.png").unlink() for f in (gen, true))],
                            r"clip anna: .*1 gap\(s\), the first from 3 to 5; .* --gaps"),
    "no frame": (lambda gen, true: [path.unlink() for path in (gen / "anna").iterdir()], "found none"),
    "no clip": (lambda gen, true: [shutil.rmtree(gen / clip) for clip in ("anna", "bert")], "found none; give the folder"),
    "no folder": (lambda gen, true: shutil.rmtree(gen), "a folder of clips or a video file, found nothing"),
    "a table without its columns": (lambda gen, true: (true / "clips.csv").write_text("name\nanna\n"), "columns id, split and frames"),
    "a table that is no text": (lambda gen, true: (true / "clips.csv").write_bytes(b"id,frames,split\n\xff\xfe,3,test\n"), "a table of clips as CSV in UTF-8"),
    "a table with half a line": (lambda gen, true: (true / "clips.csv").write_text("id,split,frames\nanna\n"), "found none in line 2"),
    "a table without a clip": (lambda gen, true: (true / "clips.csv").write_text("id,split,frames\n"), "expected clips in clips.csv, found none"),
    "a video of a kind that isn't read": (lambda gen, true: (gen / "carl.wmv").write_bytes(b""), "carl.wmv: expected a folder of frames or a video"),
    "a clip behind a broken link": (lambda gen, true: (gen / "carl").symlink_to(gen / "nowhere"), "carl: .* found a link that leads nowhere"),
    "a frame behind a broken link": (lambda gen, true: [(gen / "anna/0004.png").unlink(), (gen / "anna/0004.png").symlink_to("nowhere")],
                                     "0004.png: expected a frame, found a link that leads nowhere"),
    "a table of clips that are not there": (lambda gen, true: shutil.rmtree(true / "anna"), "a folder of frames, found nothing"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_does_not_pair_is_an_error(folders, case):
    damage, message = BROKEN[case]
    damage(*folders)
    with pytest.raises(UserError, match=message) as error:
        pair(*folders)
    assert "\n" not in str(error.value)


def test_a_clip_in_two_true_folders(folders, tmp_path, clips):
    write(tmp_path / "more", {"anna": clips["anna"]})
    with pytest.raises(UserError, match="anna is in two"):
        pair(folders[0], [folders[1], tmp_path / "more"])


def sixteen_bits(path):
    import cv2

    cv2.imwrite(str(path), np.full((24, 24, 3), 40000, np.uint16))


PICTURES = {
    "alpha": (lambda path: Image.new("RGBA", (24, 24)).save(path), "mode RGBA"),
    "grey": (lambda path: Image.new("L", (24, 24)).save(path), "mode L"),
    "palette": (lambda path: Image.new("P", (24, 24)).save(path), "mode P"),
    "16 bits": (sixteen_bits, "16 bits"),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:200]), "does not decode"),
    "text": (lambda path: path.write_text("not a picture"), "does not decode"),
    "empty": (lambda path: path.write_bytes(b""), "does not decode"),
    "a transparent colour": (lambda path: Image.new("RGB", (24, 24)).save(path, transparency=(0, 0, 0)), "with a transparent colour"),
    "several pictures": (lambda path: Image.new("RGB", (24, 24)).save(path, save_all=True, append_images=[Image.new("RGB", (24, 24), "red")]),
                         "several pictures"),
    "a jpeg by another name": (lambda path: Image.new("RGB", (24, 24)).save(path, format="JPEG"), "the kind of file that its name says, got JPEG"),
    "a gif by another name": (lambda path: Image.new("RGB", (24, 24)).save(path, format="GIF"), "does not decode"),
}


@pytest.mark.parametrize("case", PICTURES)
def test_pictures_that_are_not_8_bit_rgb(folders, case):
    damage, message = PICTURES[case]
    path = folders[0] / "anna" / "0004.png"
    damage(path)
    with pytest.raises(UserError, match=message) as error:
        frames.read(path)
    assert "0004.png" in str(error.value) and "\n" not in str(error.value)


def test_mixed_sizes(folders):
    Image.fromarray(moving(1, 25)[0]).save(folders[0] / "anna" / "0004.png")
    side = frames.Stills(tuple(sorted((folders[0] / "anna").iterdir())))
    with pytest.raises(UserError, match="0004.png: expected 24x24 pixels like the first generated frame, got 25x25"):
        frames.Stacks(side, "generated", (24, 24)).take(18)


def test_jpeg_frames_are_read(tmp_path):
    Image.fromarray(moving(1, 24)[0]).save(tmp_path / "0001.jpg")
    assert frames.read(tmp_path / "0001.jpg").shape == (24, 24, 3)


def test_a_generated_frame_may_be_another_kind_of_file(folders):
    for path in (folders[0] / "anna").iterdir():
        Image.open(path).save(path.with_suffix(".jpg"))
        path.unlink()
    anna, bert = pair(*folders)
    assert [path.name for path in anna.generated.paths[:2]] == ["0000.jpg", "0001.jpg"] and anna.generated.lossy and not bert.generated.lossy


def test_prefixes_that_would_be_one_clip(tmp_path, clips):
    for prefix in ("a_", "a-"):
        for number, frame in enumerate(clips["anna"]):
            Image.fromarray(frame).save(tmp_path / f"{prefix}{number:04d}.png")
    with pytest.raises(UserError, match="one prefix for the frames of clip a, found 'a-' and 'a_'"):
        pair(tmp_path, tmp_path)


def test_a_table_as_excel_saves_it(folders):
    table = folders[1] / "clips.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert len(pair(*folders)) == 2


def test_gaps_are_allowed_where_they_are_expected(folders):
    (folders[1] / "clips.csv").unlink()
    for folder in folders:
        (folder / "anna/0004.png").unlink()
    anna, _ = pair(*folders, gaps=True)
    assert anna.runs() == [range(0, 4), range(4, 17)]


def test_one_folder_of_one_clip(tmp_path, clips):
    for folder in ("gen", "true"):
        write(tmp_path, {folder: clips["anna"]})
    (clip,) = pair(tmp_path / "gen", tmp_path / "true")
    assert clip.name == "frames" and len(clip.numbers) == 18
