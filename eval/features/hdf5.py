"""Reads the arrays of a plain HDF5 file, as Keras 3 writes its `.weights.h5`: old-style groups, contiguous float32 datasets.

HDF5 File Format Specification, version 0 of the superblock; nothing of chunks, filters or newer headers, which such files
do not have. It keeps a 20 MB dependency out for the sake of 26 arrays in one file whose sha256 is pinned.
"""

import struct
from pathlib import Path

import numpy as np

from eval.errors import UserError

SYMBOL_TABLE, DATASPACE, DATATYPE, LAYOUT, CONTINUATION = 0x11, 0x01, 0x03, 0x08, 0x10


def read_arrays(path):
    """All datasets of the file: {"group/.../name": float32 array}."""
    data = Path(path).read_bytes()
    try:
        if data[:9] != b"\x89HDF\r\n\x1a\n\x00":
            raise ValueError("not an HDF5 file with a version 0 superblock")
        root, = struct.unpack_from("<Q", data, 64)      # the root group's entry begins at byte 56: name, then header address
        return dict(_walk(data, root, ""))
    except (struct.error, ValueError, IndexError, RecursionError) as error:
        raise UserError(f"{path}: expected a Keras .weights.h5 file of contiguous float32 arrays, got {error}; fetch it again") from error


def _walk(data, header, prefix):
    messages = dict(_messages(data, header))
    if SYMBOL_TABLE in messages:
        tree, heap = struct.unpack_from("<QQ", messages[SYMBOL_TABLE])
        names, = struct.unpack_from("<Q", data, heap + 24)
        for name, child in _entries(data, tree):
            label = data[names + name:data.index(b"\0", names + name)].decode()
            yield from _walk(data, child, f"{prefix}/{label}" if prefix else label)
    elif LAYOUT in messages:
        yield prefix, _dataset(data, messages, prefix)


def _entries(data, node):
    """(offset of the name in the heap, address of the object's header) of every entry below a B-tree node."""
    signature = data[node:node + 4]
    if signature == b"TREE":
        used, = struct.unpack_from("<H", data, node + 6)
        for index in range(used):       # key, child, key, child, ..., after 24 bytes of header
            child, = struct.unpack_from("<Q", data, node + 32 + 16 * index)
            yield from _entries(data, child)
    elif signature == b"SNOD":
        used, = struct.unpack_from("<H", data, node + 6)
        for index in range(used):
            yield struct.unpack_from("<QQ", data, node + 8 + 40 * index)
    else:
        raise ValueError(f"an unknown node {signature!r}")


def _messages(data, header):
    """(type, body) of each message of a version 1 object header, its continuations included."""
    version, _, _, _, size = struct.unpack_from("<BBHII", data, header)
    if version != 1:
        raise ValueError(f"an object header of version {version}")
    blocks = [(header + 16, size)]
    for start, length in blocks:        # continuations are added while it runs
        at = start
        while at < start + length:
            kind, size = struct.unpack_from("<HH", data, at)
            body = data[at + 8:at + 8 + size]
            if kind == CONTINUATION:
                blocks.append(struct.unpack_from("<QQ", body))
            yield kind, body
            at += 8 + size


def _dataset(data, messages, name):
    version, rank = struct.unpack_from("<BB", messages[DATASPACE])
    shape = struct.unpack_from(f"<{rank}Q", messages[DATASPACE], 8 if version == 1 else 4)
    kind, _, _, _, width = struct.unpack_from("<BBBBI", messages[DATATYPE])
    little_endian = not messages[DATATYPE][1] & 1
    layout, storage, address = struct.unpack_from("<BBQ", messages[LAYOUT])
    if (kind & 15, width, little_endian, layout, storage) != (1, 4, True, 3, 1):
        raise ValueError(f"{name}, which is not little-endian float32 in one piece")
    return np.frombuffer(data, "<f4", int(np.prod(shape)), address).reshape(shape)
