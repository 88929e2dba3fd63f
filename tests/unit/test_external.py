"""Frames that no rule makes: their fingerprint follows from names and contents, and costs a look at the folder once it is known."""

import os
import shutil

import pytest

from tcan.sections import External
from tcan.errors import UserError
from workflow import external


@pytest.fixture
def frames(tmp_path):
    folder = tmp_path / "frames"
    for clip in ("a", "b"):
        (folder / clip).mkdir(parents=True)
        for number in range(3):
            (folder / clip / f"{number:04d}.png").write_bytes(f"{clip}{number}".encode())
    return folder


@pytest.fixture
def of(frames, tmp_path):
    return lambda folder=frames: external.fingerprint(folder, tmp_path / "memory.json")


def changed(frames):
    def longer():
        (frames / "a/0001.png").write_bytes(b"another")

    def as_long_and_as_old():
        before = (frames / "a/0001.png").stat()
        (frames / "a/0001.png").write_bytes(b"zz")
        os.utime(frames / "a/0001.png", ns=(before.st_atime_ns, before.st_mtime_ns))

    return {
        "longer": longer,
        "as long and as old": as_long_and_as_old,
        "renamed": lambda: (frames / "a/0002.png").rename(frames / "a/0003.png"),
        "gone": (frames / "b/0002.png").unlink,
        "one more": lambda: (frames / "b/0003.png").write_bytes(b"b3"),
        "a clip more": lambda: shutil.copytree(frames / "b", frames / "c"),
        "a file beside the clips": lambda: (frames / "d.mp4").write_bytes(b"d"),
    }


@pytest.mark.parametrize("change", ["longer", "as long and as old", "renamed", "gone", "one more", "a clip more", "a file beside the clips"])
def test_a_change_is_seen(frames, of, change):
    before = of()
    changed(frames)[change]()
    assert of() != before


def test_times_places_and_hidden_files_change_nothing(frames, of, tmp_path):
    before = of()
    (frames / "a/0000.png").touch()
    (frames / "a/.DS_Store").write_bytes(b"x")
    (frames / ".git").mkdir()
    (frames / ".git/config").write_bytes(b"x")
    assert of() == before
    assert of(shutil.copytree(frames, tmp_path / "copy")) == before


def test_what_is_known_is_not_read_again(frames, of, monkeypatch):
    before, read = of(), []
    monkeypatch.setattr(external, "sha256_of", lambda path: read.append(path.name) or "0" * 64)
    assert of() == before and read == []
    (frames / "a/0002.png").write_bytes(b"new")
    assert of() != before and read == ["0002.png"]


def test_a_broken_memory_is_made_anew(frames, of, tmp_path):
    before = of()
    (tmp_path / "memory.json").write_text('{"half')
    assert of() == before
    assert of() == before


@pytest.mark.parametrize(("make", "found"), [
    (lambda path: None, "found nothing"),
    (lambda path: path.mkdir(), "found an empty folder"),
    (lambda path: path.write_bytes(b"x"), "found a file"),
])
def test_a_folder_that_is_not_there(tmp_path, make, found):
    make(tmp_path / "theirs")
    with pytest.raises(UserError) as error:
        external.folders({"other": External("Other", str(tmp_path / "theirs"), "lite")})
    told = str(error.value)
    assert told.startswith("external.other.frames: expected a folder") and found in told and "take external.other out of params.yaml" in told
    assert "\n" not in told


def test_a_folder_that_is_there(frames):
    assert external.folders({"other": External("Other", str(frames), "lite")}) == {"other": frames}
