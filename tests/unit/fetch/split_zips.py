"""Zips split as programs split them, made small: cut anywhere, and in the zip format's own way."""

import io
import struct
import zipfile


def zip_of(contents, compression=zipfile.ZIP_STORED):
    """The bytes of a zip with {name: content}, all of one date."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as bundle:
        for name, content in contents.items():
            bundle.writestr(zipfile.ZipInfo(name), content, compression)
    return buffer.getvalue()


def cut(content, *places):
    """Cut anywhere: name.zip.001, name.zip.002, ..."""
    places = [0, *sorted(places), len(content)]
    return [content[start:end] for start, end in zip(places, places[1:])]


def volumes(content, *places):
    """The zip format's own split (name.z01 ... name.zip): a marker before all, and a directory that names each member's part and its offset there.

    places: where the parts end, in bytes of `content`, a zip without a comment. After APPNOTE.TXT 4.4.11, 4.4.16 and 8.5.
    """
    marker = b"PK\x07\x08"
    size, offset = struct.unpack_from("<2I", content, len(content) - 10)
    entries = struct.unpack_from("<H", content, len(content) - 12)[0]
    ends = [place + len(marker) for place in sorted(places)]
    starts = [0, *ends]

    def split_place(at):
        disk = max(index for index, start in enumerate(starts) if start <= at + len(marker))
        return disk, at + len(marker) - starts[disk]

    directory, at = bytearray(content[offset:offset + size]), 0
    while at < size:
        disk, within = split_place(struct.unpack_from("<I", directory, at + 42)[0])
        struct.pack_into("<H", directory, at + 34, disk)
        struct.pack_into("<I", directory, at + 42, within)
        at += 46 + sum(struct.unpack_from("<3H", directory, at + 28))
    first, within = split_place(offset)
    last = len(starts) - 1
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", last, first, entries, entries, size, within, 0)
    return cut(marker + content[:offset] + directory + end, *ends)
