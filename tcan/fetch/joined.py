"""Files read as one, without a joined copy: the parts of a split archive, and the central directory of a split zip."""

import bisect
import io
import itertools
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from tcan.errors import UserError

# The structures of a zip's end, after PKWARE's APPNOTE.TXT 4.3.12 to 4.3.16: signature and fixed fields, little-endian
ENTRY = struct.Struct("<4s6H3I5H2I")  # of the central directory; then name, extra fields, comment
END = struct.Struct("<4s4H2IH")
END64 = struct.Struct("<4sQ2H2I4Q")
LOCATOR = struct.Struct("<4sIQI")
LONGEST_COMMENT = 0xFFFF
FULL = 0xFFFFFFFF  # a 32-bit field that says: the value is in the zip64 extra field


class Joined(io.RawIOBase):
    """Segments read as one file with `seek`. segments: (path or bytes, size); a path's first `size` bytes count. A path is opened when it is first
    read, and one at a time is open; it may be gone before and after that."""

    def __init__(self, segments):
        self.segments = list(segments)
        self.starts = [0, *itertools.accumulate(size for _, size in self.segments)]
        self.size = self.starts.pop()
        self.position = 0
        self.open_index, self.open_file = None, None

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self.position

    def seek(self, offset, whence=io.SEEK_SET):
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence]
        if position < 0:
            raise ValueError(f"negative seek position {position}")
        self.position = position
        return position

    def readinto(self, buffer):
        if self.position >= self.size:
            return 0
        index = bisect.bisect_right(self.starts, self.position) - 1
        source, size = self.segments[index]
        within = self.position - self.starts[index]
        count = min(len(buffer), size - within)
        if isinstance(source, bytes):
            buffer[:count] = source[within:within + count]
        else:
            stream = self._open(index, source)
            stream.seek(within)
            count = stream.readinto(memoryview(buffer)[:count])
            if not count:
                raise EOFError(f"{source} ends before its {size} bytes")
        self.position += count
        return count

    def _open(self, index, path):
        if self.open_index != index:
            self.close_part()
            self.open_index, self.open_file = index, open(path, "rb", buffering=0)
        return self.open_file

    def close_part(self):
        """Let go of the part that is open, so that its disk space is free once it is deleted."""
        if self.open_file:
            self.open_file.close()
        self.open_index, self.open_file = None, None

    def close(self):
        self.close_part()
        super().close()


@dataclass(frozen=True)
class Directory:
    """Where a zip's central directory is: its parts on the archive's count (1: cut anywhere, or not at all), offset and size in bytes, in the joined file."""

    disks: int
    offset: int
    size: int
    entries: int


def joined_zip(parts, what):
    """The parts [(path, size)] of one zip as one seekable binary file that `zipfile` reads, and where in it the directory begins (bytes).

    Parts that end before that place may be gone.
    Two kinds of split: cut anywhere (name.zip.001, name.zip.part-aa), and the zip format's own (name.z01 ... name.zip), whose directory counts within
    parts; the latter's directory is written anew in memory. Raises UserError where a part is missing, too many or truncated.
    """
    whole = Joined(parts)
    directory = find_directory(whole, len(parts), what)
    if directory.disks == 1:
        return io.BufferedReader(whole, 1 << 20), directory.offset
    entries = _read(whole, directory.offset, directory.size)
    tail = _single_disk_tail(entries, directory, whole.starts, what)
    segments = [(path, min(size, directory.offset - start)) for (path, size), start in zip(parts, whole.starts) if start < directory.offset]
    whole.close()
    return io.BufferedReader(Joined([*segments, (tail, len(tail))]), 1 << 20), directory.offset


def find_directory(whole, parts, what):
    """The Directory of a Joined zip of so many parts. Raises UserError unless the archive's end and its length fit together."""
    broken = f"{what}: expected the end of a zip archive in the last part, found none; the parts are out of order, or the last is truncated or missing"
    tail_start = max(_present_from(whole), whole.size - END.size - LONGEST_COMMENT)
    tail = _read(whole, tail_start, whole.size - tail_start)
    at = _end_record(tail)
    if at is None:
        raise UserError(broken)
    end = tail_start + at
    _, disk, first_disk, _, entries, size, offset, _ = END.unpack_from(tail, at)
    disks, stop = disk + 1, end
    locator = _read(whole, end - LOCATOR.size, LOCATOR.size) if end >= LOCATOR.size else b""
    if locator[:4] == b"PK\x06\x07":
        _, end64_disk, end64_offset, disks = LOCATOR.unpack(locator)
        disks = max(disks, 1)
        _expect_parts(disks, parts, what)
        stop = _absolute(whole, disks, end64_disk, end64_offset, what)
        record = _read(whole, stop, END64.size) if stop + END64.size <= end else b""
        if record[:4] != b"PK\x06\x06":
            raise _wrong_length(what, stop + END64.size + whole.size - end + LOCATOR.size, whole.size)
        _, _, _, _, _, first_disk, _, entries, size, offset = END64.unpack(record)
    _expect_parts(disks, parts, what)
    start = _absolute(whole, disks, first_disk, offset, what)
    if start + size != stop:
        raise _wrong_length(what, start + size + whole.size - stop, whole.size)
    return Directory(disks, start, size, entries)


def _present_from(whole):
    """Where the parts at the end begin that are all there."""
    start = whole.size
    for (path, _), part_start in zip(reversed(whole.segments), reversed(whole.starts)):
        if not path.exists():
            break
        start = part_start
    return start


def _end_record(tail):
    """Where the end record begins in an archive's last bytes: the last signature whose comment reaches exactly to the end. None if there is none."""
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if at + END.size <= len(tail) and at + END.size + END.unpack_from(tail, at)[7] == len(tail):
            return at
        at = tail.rfind(b"PK\x05\x06", 0, at)
    return None


def _expect_parts(disks, parts, what):
    if disks > 1 and disks != parts:
        raise UserError(f"{what}: expected the {disks} parts that the archive's end names, got {parts}; a part is missing or declared too often")


def _absolute(whole, disks, disk, offset, what):
    """Where in the joined file an offset within a part is; an archive that was cut anywhere counts from its first byte."""
    if disks > 1 and disk >= disks:
        raise UserError(f"{what}: expected {disks} parts, the archive's end speaks of part {disk + 1}; the archive is broken, fetch it again")
    return (whole.starts[disk] if disks > 1 else 0) + offset


def _wrong_length(what, expected, size):
    return UserError(f"{what}: expected {expected} bytes in all, the parts hold {size}; a part is missing, doubled or truncated")


def _read(stream, offset, size):
    stream.seek(offset)
    read = bytearray()
    while len(read) < size and (block := stream.read(size - len(read))):
        read += block
    return bytes(read)


def _single_disk_tail(entries, directory, starts, what):
    """The central directory and the end of the archive, as if it had never been split: offsets count from its first byte, all in zip64 fields."""
    written, at, count = bytearray(), 0, 0
    while at < len(entries):
        if entries[at:at + 4] != b"PK\x01\x02" or at + ENTRY.size > len(entries):
            raise UserError(f"{what}: expected an entry at byte {at} of the archive's directory, found none; the archive is broken, fetch it again")
        fields = list(ENTRY.unpack_from(entries, at))
        packed, size, name_size, extra_size, comment_size, disk, offset = *fields[8:13], fields[13], fields[16]
        name_end = at + ENTRY.size + name_size
        extra = entries[name_end:name_end + extra_size]
        size, packed, offset, disk, others = _zip64(extra, size, packed, offset, disk)
        if disk >= len(starts):
            raise UserError(f"{what}: expected entries in {len(starts)} parts, one lies in part {disk + 1}; a part is missing")
        extra = struct.pack("<2H3Q", 1, 24, size, packed, starts[disk] + offset) + others
        fields[8], fields[9], fields[11], fields[13], fields[16] = FULL, FULL, len(extra), 0, FULL
        comment = entries[name_end + extra_size:name_end + extra_size + comment_size]
        written += ENTRY.pack(*fields) + entries[at + ENTRY.size:name_end] + extra + comment
        at, count = name_end + extra_size + comment_size, count + 1
    end = directory.offset + len(written)
    return bytes(written + END64.pack(b"PK\x06\x06", END64.size - 12, 45, 45, 0, 0, count, count, len(written), directory.offset)
                 + LOCATOR.pack(b"PK\x06\x07", 0, end, 1) + END.pack(b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, FULL, FULL, 0))


def _zip64(extra, size, packed, offset, disk):
    """(size, packed size, offset, disk) of an entry with what its zip64 extra field says, and its other extra fields."""
    others, at = b"", 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            values, place = extra[at + 4:at + 4 + length], 0
            wide = []
            for value, mark, form in ((size, FULL, "<Q"), (packed, FULL, "<Q"), (offset, FULL, "<Q"), (disk, 0xFFFF, "<I")):
                if value == mark and place + struct.calcsize(form) <= len(values):
                    (value,) = struct.unpack_from(form, values, place)
                    place += struct.calcsize(form)
                wide.append(value)
            size, packed, offset, disk = wide
        else:
            others += extra[at:at + 4 + length]
        at += 4 + length
    return size, packed, offset, disk, others


def part_order(name):
    """A key that sorts the names of an archive's parts: numbers by value, and of name.z01 ... name.zip the .zip last."""
    path = Path(name)
    last = path.suffix.lower() == ".zip"
    stem = path.with_suffix("").as_posix() if last or re.fullmatch(r"\.z\d+", path.suffix.lower()) else name
    return _natural(stem), last, _natural(name)


def _natural(name):
    return [int(piece) if piece.isdigit() else piece for piece in re.split(r"(\d+)", name)]
