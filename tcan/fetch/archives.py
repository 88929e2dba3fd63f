"""Archives unpacked as a stream: what would leave the folder is refused, limits hold, and an interrupted unpacking goes on."""

import bisect
import contextlib
import itertools
import lzma
import os
import re
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tcan.errors import UserError
from tcan.fetch.joined import Joined, joined_zip
from tcan.progress import ByteProgress

RATIO = 250  # a member may unpack to so many times its packed size; photographs hardly shrink, and a bomb reaches 1,000
SMALL = 1 << 20  # bytes up to which a member's ratio is nobody's concern
BLOCK = 1 << 20
AR, AR_HEADER = b"!<arch>\n", 60  # how an ar archive begins, and the bytes of a member's header: its name first, its size at 48
# What bad content raises, of an archive or of what is packed in it
BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError, NotImplementedError, OverflowError)


@dataclass(frozen=True)
class Part:
    """One of an archive's parts on disk. size in bytes; `path` may be gone where all its members are unpacked."""

    path: Path
    size: int


def unpack(what, archive, parts, folder, consumed=lambda part: None):
    """Write the members that archive.keep names into `folder`, in their order in the archive, and return (files, bytes) of all that is there.

    what: names the source in errors; archive: a tcan.fetch.sources.Archive; parts: the Parts of one archive in order, or of archives whole in
    themselves. What an interrupted unpacking of the same parts left in `folder` is kept. consumed(part): told as soon as all members that begin before
    a part's end are on disk; that part (of a zip, never the last) isn't read again. Raises UserError for a member that leaves the folder, is a link,
    comes twice or is encrypted, for limits passed, and for parts that are missing, out of order or broken.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f"{folder.name}.partial")
    try:
        if archive.format in ("tar", "deb"):
            found = _unpack_tar(what, archive, parts, folder, partial)
        else:
            found = _unpack_zips(what, archive, parts, folder, partial, consumed)
    except BROKEN as error:
        raise UserError(f"{what}: expected a whole {archive.format} archive, got {type(error).__name__}: {' '.join(str(error).split())}; "
                        f"a part is missing, out of order or broken; take {parts[0].path.parent} away and fetch again") from error
    finally:
        partial.unlink(missing_ok=True)
    return found.files, found.bytes


# --- zip --------------------------------------------------------------------------------------------------------------

def _unpack_zips(what, archive, parts, folder, partial, consumed):
    whole = _whole_in_themselves(parts)
    groups = [[part] for part in parts] if whole else [parts]
    if not whole and len(parts) > 1 and parts[0].path.exists() and not _begins_a_zip(parts[0].path):
        raise UserError(f"{what}: expected {parts[0].path.name} to begin a zip archive, it doesn't; the parts are out of order")
    with contextlib.ExitStack() as stack:
        zips, plan = [stack.enter_context(Zip(what, group)) for group in groups], Plan(what, archive)
        for one in zips:
            one.members = [member for member in one.members if plan.takes(*_zip_member(what, member))]
        packed = sum(member.compress_size for one in zips for member in one.members)
        if packed > sum(part.size for part in parts):
            raise UserError(f"{what}: expected members that share no bytes, they claim {packed} packed bytes of a smaller archive; it is hostile or broken")
        plan.expect_matches()  # before the first part goes
        _expect_room(what, folder, [step for one in zips for step in one.steps()])
        progress = ByteProgress(f"{what}: unpacking", plan.bytes)
        for one in zips:
            for step in one.steps():
                if isinstance(step, Part):
                    one.stream.raw.close_part()
                    os.sync()  # what came of the part is on disk before the part goes
                    consumed(step)
                    continue
                target = folder / PurePosixPath(step.filename)
                if not (target.is_file() and target.stat().st_size == step.file_size):
                    with one.bundle.open(step) as content:  # zipfile stops at the declared size and checks the CRC
                        _write(content, partial, target)
                progress.add(step.file_size)
        progress.close()
    return plan


class Zip(contextlib.ExitStack):
    """One zip in one or several Parts. members: its ZipInfos in their order in the file; finished: parts with the place where they end, but for those that
    the directory lies in, which an interrupted unpacking needs again."""

    def __init__(self, what, parts):
        super().__init__()
        self.stream, directory = joined_zip([(part.path, part.size) for part in parts], what)
        self.enter_context(self.stream)
        self.bundle = self.enter_context(zipfile.ZipFile(self.stream))
        self.members = sorted(self.bundle.infolist(), key=lambda member: member.header_offset)
        ends = list(itertools.accumulate(part.size for part in parts))
        self.finished = [(end, part) for end, part in zip(ends, parts) if end <= directory]
        _expect_order(what, self.stream, self.members, parts, ends)

    def steps(self):
        """The members, and between them each Part that is finished with, once all members that begin in it have come."""
        finished = list(self.finished)
        for member in self.members:
            while finished and finished[0][0] <= member.header_offset:
                yield finished.pop(0)[1]
            yield member
        yield from (part for _, part in finished)


def _expect_order(what, stream, members, parts, ends):
    """A UserError unless the first member that begins in each part is where the directory says."""
    firsts = {}
    for member in members:
        firsts.setdefault(bisect.bisect_right(ends, member.header_offset), member)
    for index, member in firsts.items():
        if index < len(parts) and parts[index].path.exists():
            stream.seek(member.header_offset)
            if stream.read(4) != b"PK\x03\x04":
                raise UserError(f"{what}: expected {member.filename!r} to begin in {parts[index].path.name}, it doesn't; "
                                "the parts are out of order, or that one is broken")


def _whole_in_themselves(parts):
    """Whether each of several parts is an archive of its own."""
    return len(parts) > 1 and all(part.path.exists() and _begins_a_zip(part.path) and _ends_a_zip_that_begins_here(part) for part in parts)


def _begins_a_zip(path):
    with open(path, "rb") as stream:
        return stream.read(4) in (b"PK\x03\x04", b"PK\x07\x08", b"PK00", b"PK\x05\x06")


def _ends_a_zip_that_begins_here(part):
    try:
        with Zip("", [part]):
            return True
    except (UserError, *BROKEN):
        return False


def _zip_member(what, member):
    """(name, size, packed size) of a regular file's ZipInfo, None for its name where it is a folder."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UserError(f"{what}: expected files and folders, {member.filename!r} is a link or a device; the archive is hostile or broken")
    if member.flag_bits & 1:
        raise UserError(f"{what}: expected members without a password, {member.filename!r} is encrypted; declare another archive")
    safe_name(what, member.orig_filename)
    return None if member.is_dir() else member.filename, member.file_size, member.compress_size


def _expect_room(what, folder, steps):
    """A UserError unless the disk takes all that is still to be written, less what goes with finished parts on the way."""
    need, most = 0, 0
    for step in steps:
        if isinstance(step, Part):
            need -= step.size if step.path.exists() else 0
        elif not (folder / PurePosixPath(step.filename)).exists():
            need += step.file_size
            most = max(most, need)
    free = shutil.disk_usage(folder).free
    if most > free:
        raise UserError(f"{what}: expected {most / 1e9:.1f} GB of free disk to unpack, {folder.parent} has {free / 1e9:.1f}; "
                        "make room and run the same command again")


# --- tar --------------------------------------------------------------------------------------------------------------

def _unpack_tar(what, archive, parts, folder, partial):
    size = sum(part.size for part in parts)
    plan, progress = Plan(what, archive), ByteProgress(f"{what}: unpacking", None)
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(Joined([(part.path, part.size) for part in parts]))
        if archive.format == "deb":
            stream.seek(_data_of_deb(what, stream))
        bundle = stack.enter_context(tarfile.open(fileobj=stream, mode="r|*", bufsize=BLOCK))
        for member in bundle:
            if not (member.isreg() or member.isdir()):
                raise UserError(f"{what}: expected files and folders, {member.name!r} is a link or a device; the archive is hostile or broken")
            safe_name(what, member.name)
            if plan.takes(None if member.isdir() else member.name, member.size, None):
                if plan.bytes > SMALL and plan.bytes > RATIO * size:
                    raise UserError(f"{what}: expected at most {RATIO} times the archive's {size} bytes, got more; it is hostile or broken")
                target = folder / PurePosixPath(member.name)
                if not (target.is_file() and target.stat().st_size == member.size):
                    _write(bundle.extractfile(member), partial, target)
                progress.add(member.size)
    plan.expect_matches()
    progress.close()
    return plan


def _data_of_deb(what, stream):
    """Where in a Debian package its files begin, a tar: after deb(5) an ar archive of debian-binary, control.tar and data.tar."""
    if stream.read(len(AR)) == AR:
        while len(header := stream.read(AR_HEADER)) == AR_HEADER and header.endswith(b"`\n") and (size := header[48:58].strip()).isdigit():
            if header.startswith(b"data.tar"):
                return stream.tell()
            stream.seek(int(size) + int(size) % 2, os.SEEK_CUR)
    raise UserError(f"{what}: expected a Debian package with a data.tar, found none; fetch it again")


# --- both -------------------------------------------------------------------------------------------------------------

class Plan:
    """Which members are written. It counts files and bytes, and stops at what an archive may not hold."""

    def __init__(self, what, archive):
        self.what, self.limits = what, archive.limits
        self.keep = {pattern: glob(pattern) for pattern in archive.keep or ["**"]}
        self.idle = set(self.keep)  # patterns that nothing matched yet
        self.files = self.bytes = 0
        self.passed_over = []  # the first few names that aren't kept
        self.seen = {}  # folded name: True for a file, False for a folder above one

    def takes(self, name, size, packed):
        """Whether a member is written. name: None for a folder; packed: its bytes in the archive, None where members aren't packed one by one."""
        name = name and PurePosixPath(name).as_posix()  # tar's ./name
        if name is None:
            return False
        matched = {pattern for pattern, expression in self.keep.items() if expression.fullmatch(name)}
        self.idle -= matched
        if not matched:
            self.passed_over += [name] if len(self.passed_over) < 5 else []
            return False
        self._expect_new(name)
        self.files += 1
        self.bytes += size
        if self.files > self.limits.files or self.bytes > self.limits.bytes:
            raise UserError(f"{self.what}: expected at most {self.limits.files} files of {self.limits.bytes} bytes in all, {name!r} passes that; "
                            "keep less of the archive, or raise `limits` in the declaration")
        if packed is not None and size > SMALL and size > RATIO * packed:
            raise UserError(f"{self.what}: expected members of at most {RATIO} times their packed size, {name!r} unpacks {packed} bytes to {size}; "
                            "the archive is hostile or broken")
        return True

    def expect_matches(self):
        """A UserError unless each pattern of `keep` stands for at least one member."""
        if self.idle:
            raise UserError(f"{self.what}: expected members that match {', '.join(sorted(self.idle))}, found none, only such as "
                            f"{', '.join(self.passed_over) or 'nothing'}; mend `keep` in the declaration")

    def _expect_new(self, name):
        path = PurePosixPath(unicodedata.normalize("NFC", name).casefold())
        if path.as_posix() in self.seen or any(self.seen.setdefault(above.as_posix(), False) for above in path.parents):
            raise UserError(f"{self.what}: expected each name once, capital letters aside, {name!r} is there twice; the archive is hostile or broken")
        self.seen[path.as_posix()] = True


def glob(pattern):
    """A compiled expression for a glob over members' names: `*` and `?` stay within a folder, `**/` stands for any folders, or none."""
    wild = {"*": "[^/]*", "?": "[^/]"}
    *folders, last = pattern.split("/")
    expression = "".join("(?:[^/]+/)*" if piece == "**" else "".join(wild.get(letter, re.escape(letter)) for letter in piece) + "/" for piece in folders)
    return re.compile(expression + (".*" if last == "**" else "".join(wild.get(letter, re.escape(letter)) for letter in last)), re.DOTALL)


def safe_name(what, name):
    """A UserError for a member's name that could lead out of a folder, on this system or another."""
    parts = name.rstrip("/").split("/")
    if (not name or name.startswith("/") or "\\" in name or ".." in parts or "" in parts or "." in parts[1:] or re.match("[A-Za-z]:", name)
            or any(ord(letter) < 32 for letter in name)):
        raise UserError(f"{what}: expected names inside the archive's folder, got {name!r}; the archive is hostile or broken")


def _write(content, partial, target):
    """Copy a stream into `target`, which appears whole."""
    with open(partial, "wb") as copy:
        shutil.copyfileobj(content, copy, BLOCK)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(partial, target)
