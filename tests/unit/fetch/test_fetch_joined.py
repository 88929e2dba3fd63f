"""Parts read as one file: against the joined bytes, for whatever cuts and reads; and split zips against zipfile on the whole."""

import io
import random
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcan.errors import UserError
from tcan.fetch.joined import Joined, joined_zip, part_order
from tests.unit.fetch.split_zips import cut, volumes, zip_of

CONTENTS = {f"train/{index:05d}/images/{frame:04d}.png": random.Random(index * 10 + frame).randbytes(300 + 40 * index)
            for index in range(5) for frame in range(4)}
WHOLE = zip_of(CONTENTS)


def written(folder, pieces):
    paths = [Path(folder, f"part{index}") for index in range(len(pieces))]
    for path, piece in zip(paths, pieces):
        path.write_bytes(piece)
    return [(path, len(piece)) for path, piece in zip(paths, pieces)]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=6), st.lists(st.tuples(st.integers(0, 250), st.integers(-1, 90), st.booleans()), max_size=12))
def test_reads_as_the_joined_bytes_do(pieces, reads):
    with tempfile.TemporaryDirectory() as folder:
        segments = [(piece, len(piece)) if index % 3 == 2 else part for index, (piece, part) in enumerate(zip(pieces, written(folder, pieces)))]
        with io.BytesIO(b"".join(pieces)) as expected, io.BufferedReader(Joined(segments), 16) as reader:
            for offset, count, forward in reads:
                if not forward:
                    assert reader.seek(offset) == expected.seek(offset)
                assert reader.read(count) == expected.read(count)
                assert reader.tell() == expected.tell()
            assert reader.seek(0, io.SEEK_END) == expected.seek(0, io.SEEK_END)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(40, len(WHOLE) - 200), max_size=5, unique=True), st.sampled_from([cut, volumes]))
def test_a_split_zip_is_the_whole_one(places, split):
    with tempfile.TemporaryDirectory() as folder:
        stream, directory = joined_zip(written(folder, split(WHOLE, *places)), "toy")
        with stream, zipfile.ZipFile(stream) as bundle:
            assert directory == max(member.header_offset + len(member.filename) + 30 + member.file_size for member in bundle.infolist())
            assert {name: bundle.read(name) for name in bundle.namelist()} == CONTENTS


@pytest.mark.parametrize("split", [cut, volumes])
@pytest.mark.parametrize(("change", "message"), [
    (lambda parts: parts[:1] + parts[2:], "a part is missing"),
    (lambda parts: parts[:-1], "the last is truncated or missing"),
    (lambda parts: [parts[-1], *parts[:-1]], "the parts are out of order"),
    (lambda parts: [*parts[:-1], parts[-1][:-3]], "the last is truncated"),
    (lambda parts: [parts[0], parts[1], *parts[1:]], "a part is missing, doubled|declared too often"),
])
def test_what_is_wrong_with_the_parts(tmp_path, split, change, message):
    with pytest.raises(UserError, match=f"^toy: expected .*({message})"):
        joined_zip(written(tmp_path, change(split(WHOLE, 3000, 6000))), "toy")


def test_parts_before_the_directory_may_be_gone(tmp_path):
    parts = written(tmp_path, cut(WHOLE, 3000, 5000))
    parts[0][0].unlink()
    stream, directory = joined_zip(parts, "toy")
    with stream, zipfile.ZipFile(stream) as bundle:
        last = bundle.namelist()[-1]
        assert directory > 5000 and bundle.read(last) == CONTENTS[last]


def test_a_part_shorter_than_it_was(tmp_path):
    parts = written(tmp_path, cut(WHOLE, 3000))
    parts[0][0].write_bytes(WHOLE[:2000])
    with pytest.raises(EOFError, match="part0 ends before its 3000 bytes"):
        Joined(parts).read()


def test_the_order_of_parts():
    for names in (["a.zip.001", "a.zip.002", "a.zip.010"], ["a.z01", "a.z02", "a.z10", "a.zip"], ["a_1.zip", "a_2.zip", "a_10.zip"],
                  ["a.zip.part-aa", "a.zip.part-ab"]):
        assert sorted(reversed(names), key=part_order) == names
