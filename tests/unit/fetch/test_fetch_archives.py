"""Archives: what they hold comes out byte for byte, and what would do harm doesn't."""

import io
import random
import stat
import tarfile
import zipfile
from types import SimpleNamespace

import pytest

from tcan.errors import UserError
from tcan.fetch import archives
from tcan.fetch.archives import Part, glob, unpack
from tcan.fetch.sources import Archive, Limits
from tests.unit.fetch.split_zips import cut, volumes, zip_of

CONTENTS = {f"train/{clip:05d}/{kind}/{frame:04d}.png": random.Random(f"{clip}{kind}{frame}").randbytes(2000)
            for clip in range(3) for kind in ("images", "dwpose") for frame in range(6)}
KEEP = Archive("zip", ["train/*/images/*"])
KEPT = {name: content for name, content in CONTENTS.items() if "/images/" in name}


@pytest.fixture
def parts(tmp_path):
    def parts(*pieces):
        (tmp_path / "parts").mkdir(exist_ok=True)
        made = []
        for index, piece in enumerate(pieces):
            made.append(Part(tmp_path / f"parts/toy.zip.{index:03d}", len(piece)))
            made[-1].path.write_bytes(piece)
        return made
    return parts


def found(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def halves(contents):
    names = list(contents)
    return [zip_of({name: contents[name] for name in some}) for some in (names[:20], names[20:])]


def tar_of(contents, mode="w", **attributes):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as bundle:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            for key, value in {"size": len(content), **attributes}.items():
                setattr(info, key, value)
            bundle.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


WHOLE = zip_of(CONTENTS)


@pytest.mark.parametrize("pieces", [[WHOLE], cut(WHOLE, 20_000, 40_000, 60_000), volumes(WHOLE, 20_000, 40_000, 60_000), halves(CONTENTS)],
                         ids=["one", "cut anywhere", "volumes", "whole in themselves"])
def test_what_is_kept_comes_out_byte_for_byte(tmp_path, parts, pieces):
    gone = []
    made = parts(*pieces)
    assert unpack("toy", KEEP, made, tmp_path / "files", lambda part: gone.append(part.path.unlink() or part)) == (len(KEPT), 2000 * len(KEPT))
    assert found(tmp_path / "files") == KEPT
    assert gone == (made[:-1] if len(pieces) == 4 else []), "parts go as soon as all that begins in them is out"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("files")] == ["files"]


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_tar(tmp_path, parts, mode):
    pieces = cut(tar_of({f"./{name}": content for name, content in CONTENTS.items()}, mode), 20_000, 40_000)
    assert unpack("toy", Archive("tar", KEEP.keep), parts(*pieces), tmp_path / "files") == (len(KEPT), 2000 * len(KEPT))
    assert found(tmp_path / "files") == KEPT


def test_an_interrupted_unpacking_goes_on(tmp_path, parts, monkeypatch):
    made, written = parts(*cut(WHOLE, 20_000, 40_000)), []
    write = archives._write

    def interrupted(content, partial, target):
        if len(written) == 11:
            partial.write_bytes(content.read(100))
            raise KeyboardInterrupt
        written.append(target)
        write(content, partial, target)

    monkeypatch.setattr(archives, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        unpack("toy", KEEP, made, tmp_path / "files", lambda part: part.path.unlink())
    assert not made[0].path.exists()
    assert len(found(tmp_path / "files")) == 11
    monkeypatch.setattr(archives, "_write", lambda *arguments: written.append(arguments[2]) or write(*arguments))
    unpack("toy", KEEP, made, tmp_path / "files", lambda part: part.path.unlink(missing_ok=True))
    assert found(tmp_path / "files") == KEPT
    assert len(written) == len(KEPT)


def hostile(name, mode=0, content=b"x"):
    """A zip with a member of any name: zipfile itself ends one at a zero byte."""
    buffer, stand_in = io.BytesIO(), name.replace("\0", "~")
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr("fine.txt", b"fine")
        info = zipfile.ZipInfo("stand-in")
        info.filename, info.external_attr = stand_in, mode << 16
        bundle.writestr(info, content)
    return buffer.getvalue().replace(stand_in.encode(), name.encode())


@pytest.mark.parametrize(("archive", "message"), [
    *((hostile(name), "expected names inside the archive's folder") for name in
      ("../evil", "a/../../evil", "/etc/evil", "C:/evil", "c:evil", "a\\..\\evil", "\\\\host\\evil", "a//b", "a/./b", "a\0b", "a\nb")),
    (hostile("link", stat.S_IFLNK | 0o777, b"/etc/passwd"), "'link' is a link or a device"),
    (hostile("pipe", stat.S_IFIFO | 0o666), "'pipe' is a link or a device"),
    (hostile("FINE.TXT"), "expected each name once, capital letters aside, 'FINE.TXT' is there twice"),
    (hostile("fine.txt/inside"), "'fine.txt/inside' is there twice"),
    (zip_of({"bomb": bytes(3_000_000)}, zipfile.ZIP_DEFLATED), "unpacks .* bytes to 3000000; the archive is hostile"),
])
def test_hostile_zips(tmp_path, parts, archive, message):
    with pytest.raises(UserError, match=message) as caught:
        unpack("toy", Archive("zip"), parts(archive), tmp_path / "files")
    assert "\n" not in str(caught.value)
    assert not found(tmp_path / "files") and not list(tmp_path.glob("evil*"))


def deb_of(*members):
    """An ar archive of (name, content)."""
    return b"!<arch>\n" + b"".join(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content + b"\n" * (len(content) % 2)
                                   for name, content in members)


def test_deb(tmp_path, parts):
    files = tar_of({f"./{name}": content for name, content in CONTENTS.items()}, "w:xz")
    package = deb_of(("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), ("data.tar.xz", files))
    assert unpack("toy", Archive("deb", KEEP.keep), parts(*cut(package, 20_000)), tmp_path / "files") == (len(KEPT), 2000 * len(KEPT))
    assert found(tmp_path / "files") == KEPT


@pytest.mark.parametrize("content", [b"", b"<html>", deb_of(("debian-binary", b"2.0\n")), deb_of(("control.tar", b"x" * 99))[:80], tar_of(CONTENTS),
                                     b"!<arch>\n" + b"data.tar".ljust(60)])
def test_what_is_no_deb(tmp_path, parts, content):
    with pytest.raises(UserError, match="toy: expected a Debian package with a data.tar, found none; fetch it again"):
        unpack("toy", Archive("deb"), parts(content), tmp_path / "files")


def test_a_truncated_deb(tmp_path, parts):
    package = deb_of(("debian-binary", b"2.0\n"), ("data.tar.xz", tar_of(CONTENTS, "w:xz")))
    with pytest.raises(UserError, match="expected a whole deb archive"):
        unpack("toy", Archive("deb"), parts(package[:-5_000]), tmp_path / "files")


@pytest.mark.parametrize(("name", "attributes"), [
    ("../evil", {}), ("/etc/evil", {}),
    ("link", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}), ("link", {"type": tarfile.LNKTYPE, "linkname": "../evil"}),
    ("device", {"type": tarfile.CHRTYPE}),
])
def test_hostile_tars(tmp_path, parts, name, attributes):
    with pytest.raises(UserError, match="hostile"):
        unpack("toy", Archive("tar"), parts(tar_of({name: b""}, **attributes)), tmp_path / "files")
    assert not found(tmp_path / "files")


def test_an_entry_that_claims_the_bytes_of_another(tmp_path, parts):
    """Entries that share one member's bytes, each small beside its ratio: together they claim more than the archive has."""
    content = random.Random(0).randbytes(50_000)
    names = [f"{letter}.bin" for letter in "abcdef"]
    single = zip_of({"a.bin": content})
    directory = single[single.index(b"PK\x01\x02"):-22]
    entries = b"".join(directory.replace(b"a.bin", name.encode()) for name in names)
    end = bytearray(single[-22:])
    end[8:12] = len(names).to_bytes(2, "little") * 2
    end[12:16] = len(entries).to_bytes(4, "little")
    with pytest.raises(UserError, match="expected members that share no bytes"):
        unpack("toy", Archive("zip"), parts(single[:-22 - len(directory)] + entries + bytes(end)), tmp_path / "files")


@pytest.mark.parametrize("form", ["zip", "tar"])
@pytest.mark.parametrize("limits", [Limits(files=17), Limits(bytes=35_999)])
def test_limits(tmp_path, parts, form, limits):
    content = WHOLE if form == "zip" else tar_of(CONTENTS)
    assert unpack("toy", Archive(form, KEEP.keep, Limits(files=18, bytes=36_000)), parts(content), tmp_path / "fits")[0] == 18
    with pytest.raises(UserError, match="passes that; keep less of the archive, or raise `limits`"):
        unpack("toy", Archive(form, KEEP.keep, limits), parts(content), tmp_path / "files")


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 255]) + content[place + 1:]


@pytest.mark.parametrize(("pieces", "message"), [
    ([cut(WHOLE, 20_000, 40_000)[index] for index in (1, 0, 2)], "expected toy.zip.000 to begin a zip archive, it doesn't"),
    ([cut(WHOLE, 20_000, 40_000, 60_000)[index] for index in (0, 2, 1, 3)], "to begin in toy.zip.001, it doesn't; the parts are out of order"),
    ([cut(WHOLE, 20_000, 40_000)[index] for index in (0, 2)], "a part is missing"),
    ([flipped(WHOLE, 5_000)], "expected a whole zip archive, got BadZipFile: Bad CRC"),
    ([WHOLE[:50_000]], "truncated or missing"),
    ([b"<html>not found</html>"], "expected the end of a zip archive"),
    ([b""], "expected the end of a zip archive"),
])
def test_broken_parts(tmp_path, parts, pieces, message):
    with pytest.raises(UserError, match=message):
        unpack("toy", Archive("zip"), parts(*pieces), tmp_path / "files")


def test_a_truncated_tar(tmp_path, parts):
    for content in (tar_of(CONTENTS)[:30_000], tar_of(CONTENTS, "w:gz")[:-5_000], b"no tar"):
        with pytest.raises(UserError, match="expected a whole tar archive"):
            unpack("toy", Archive("tar"), parts(content), tmp_path / "files")


def test_what_keeps_nothing_says_what_there_is(tmp_path, parts):
    for archive, pieces in ((Archive("zip", ["valid/*"]), cut(WHOLE, 20_000)), (Archive("tar", ["valid/*"]), [tar_of(CONTENTS)]),
                            (Archive("zip", ["train/*/dwpose/*", "valid/*"]), [WHOLE])):
        made, gone = parts(*pieces), []
        with pytest.raises(UserError, match=r"expected members that match valid/\*, found none, only such as train/00000/images/0000.png"):
            unpack("toy", archive, made, tmp_path / "files", gone.append)
        assert not gone and not found(tmp_path / "files"), "nothing is consumed for nothing"


def test_room_is_counted_with_the_parts_that_go(tmp_path, parts, monkeypatch):
    made = parts(*cut(WHOLE, 20_000, 40_000, 60_000))
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda path: SimpleNamespace(free=30_000))
    unpack("toy", Archive("zip"), made, tmp_path / "files", lambda part: part.path.unlink())
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda path: SimpleNamespace(free=5_000))
    with pytest.raises(UserError, match="GB of free disk to unpack"):
        unpack("toy", Archive("zip"), parts(WHOLE), tmp_path / "again")


def test_ten_thousand_files(tmp_path, parts):
    contents = {f"clip/{index:05d}.txt": b"%d" % index for index in range(10_000)}
    pieces = cut(zip_of(contents), 300_000, 600_000)
    assert unpack("toy", Archive("zip"), parts(*pieces), tmp_path / "files")[0] == 10_000
    assert (tmp_path / "files/clip/07654.txt").read_bytes() == b"7654"


@pytest.mark.parametrize(("pattern", "yes", "no"), [
    ("train/*/images/*", ["train/1/images/a.png"], ["train/1/dwpose/a.png", "train/1/images/a/b.png", "x/train/1/images/a.png", "train/images/a.png"]),
    ("**/images/*", ["images/a", "x/images/a", "x/y/images/a"], ["x/images/y/a", "ximages/a"]),
    ("raw/**", ["raw/a", "raw/b/c"], ["raw", "x/raw/a"]),
    ("a.?ng", ["a.png"], ["aapng", "a./ng", "a.pngx"]),
])
def test_globs(pattern, yes, no):
    assert all(glob(pattern).fullmatch(name) for name in yes) and not any(glob(pattern).fullmatch(name) for name in no)
