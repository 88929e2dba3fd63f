"""Declarations: what is there loads, and every mistake is one line that names the key."""

import copy
import dataclasses
import re

import pytest
import yaml

from tcan.errors import UserError
from tcan.fetch import hosts, sources
from tcan.fetch.sources import Hosted, Limits

GOOD = {
    "kind": "huggingface", "repository": "owner/name", "repository_type": "dataset", "revision": "0" * 40, "licence": "MIT", "terms": "https://example.org",
    "files": {"a/b.zip.1": {"file": "b.zip.1", "sha256": "0" * 64, "size": 3}, "c.zip.*": {}},
    "archive": {"format": "zip", "keep": ["*/*"], "limits": {"files": 3, "bytes": 4}},
}


def load(folder, entry):
    (folder / "toy.yaml").write_text(yaml.safe_dump({"toy": entry}))
    return sources.load(folder)["toy"]


def changed(changes):
    entry = copy.deepcopy(GOOD)
    for key, value in changes.items():
        inside = entry
        *above, last = key.split(" ")
        for name in above:
            inside = inside[name]
        if value is None:
            inside.pop(last)
        else:
            inside[last] = value
    return entry


def test_all_that_is_declared():
    declared = sources.load()
    assert {"tiktok", "tiktok_original", "bizarre", "pose2sim"} <= declared.keys()
    for name, source in declared.items():
        assert source.licence and len(source.fingerprint) == 64 and source.name == name
        if isinstance(source, Hosted):
            assert source.kind in hosts.HOSTS and source.files


def test_a_good_one(tmp_path):
    source = load(tmp_path, GOOD)
    assert [(file.path, file.file, file.is_pattern) for file in source.files] == [("a/b.zip.1", "b.zip.1", False), ("c.zip.*", "c.zip.*", True)]
    assert source.archive.keep == ["*/*"] and source.archive.limits == Limits(3, 4)
    assert load(tmp_path, changed({"archive limits": None})).archive.limits == Limits()
    assert load(tmp_path, changed({"licence": "BSD"})).fingerprint == source.fingerprint != load(tmp_path, changed({"archive keep": []})).fingerprint


def test_a_package_is_another_with_other_members():
    source = next(source for source in sources.load().values() if source.kind == "package")
    assert dataclasses.replace(source, licence="BSD").fingerprint == source.fingerprint
    assert dataclasses.replace(source, members=source.members[::-1]).fingerprint == source.fingerprint
    renamed = dataclasses.replace(source.members[0], file="other")
    for other in (source.members[1:], (renamed, *source.members[1:])):
        assert dataclasses.replace(source, members=other).fingerprint != source.fingerprint


@pytest.mark.parametrize(("changes", "message"), [
    ({"kind": "ftp"}, "source toy.kind: expected one of https, huggingface, kaggle, drive, package, got 'ftp'"),
    ({"licence": None}, "source toy.licence: expected a value, got none; add it to toy.yaml"),
    ({"revision": None}, "source toy.revision: expected a value"),
    ({"revision": "main"}, "source toy.revision: expected a commit's 40 hexadecimal digits"),
    ({"repository": "name"}, "source toy.repository: expected owner/name, got 'name'"),
    ({"repository_type": "space"}, "source toy.repository_type: expected one of model, dataset, got 'space'"),
    ({"url": "https://example.org"}, "source toy.url: expected no such key of kind huggingface"),
    ({"licens": "MIT"}, "source toy: expected one of .*, got 'licens'; did you mean 'licence'?"),
    ({"files": {}}, "source toy.files: expected at least one file"),
    ({"files": ["a"]}, "source toy.files: expected a mapping, got"),
    ({"files a/b.zip.1 sha256": "ABC"}, "source toy.files.a/b.zip.1.sha256: expected 64 hexadecimal digits in small letters, got 'ABC'"),
    ({"files a/b.zip.1 size": "3"}, "source toy.files.a/b.zip.1.size: expected a whole number, got '3'"),
    ({"files a/b.zip.1 size": -1}, "expected at least 0, got -1"),
    ({"files a/b.zip.1 id": "x"}, "expected url in kind https and id in kind drive alone"),
    ({"files a/b.zip.1 hash": "x"}, "source toy.files.a/b.zip.1: expected one of .*, got 'hash'"),
    ({"files a/b.zip.1 file": "../x"}, "source toy: expected file names below data/raw/toy, got '../x'"),
    ({"files a/b.zip.1 file": "/x"}, "expected file names below data/raw/toy"),
    ({"files a/b.zip.1 file": "run.json"}, "expected file names below data/raw/toy, got 'run.json'"),
    ({"files x": {"file": "B.ZIP.1"}}, "source toy: expected each file name once, got 'B.ZIP.1' again"),
    ({"files c.zip.*": {"size": 3}}, "expected a pattern only where a hub lists its files"),
    ({"files .": {"file": "x.zip"}}, "expected `.` to be a whole Kaggle data set"),
    ({"archive format": "rar"}, "source toy.archive.format: expected one of zip, tar, deb, got 'rar'"),
    ({"archive limits files": 0}, "source toy.archive.limits.files: expected at least 1, got 0"),
    ({"archive kep": []}, "source toy.archive: expected one of format, keep, limits, got 'kep'; did you mean 'keep'?"),
])
def test_mistakes(tmp_path, changes, message):
    with pytest.raises(UserError) as caught:
        load(tmp_path, changed(changes))
    assert "\n" not in str(caught.value)
    assert re.search(message.replace("?", r"\?"), str(caught.value)), str(caught.value)


@pytest.mark.parametrize(("entry", "message"), [
    ({"kind": "https", "files": {"a": {}}}, "source toy.files.a.url: expected the file's url, or one of the source"),
    ({"kind": "drive", "files": {"a": {}}}, "source toy.files.a.id: expected the file's id, or a folder"),
    ({"kind": "kaggle", "dataset": "a/b", "version": 0, "files": {"a": {}}}, "source toy.version: expected at least 1, got 0"),
    ({"kind": "package", "wheel": "a-1-py3-none-any.whl", "members": {}}, "source toy.sha256: expected a value"),
])
def test_mistakes_of_other_kinds(tmp_path, entry, message):
    with pytest.raises(UserError, match=message):
        load(tmp_path, {"licence": "MIT", **entry})


def test_files_of_declarations(tmp_path):
    (tmp_path / "one.yaml").write_text("toy: [")
    with pytest.raises(UserError, match="one.yaml: expected YAML") as caught:
        sources.load(tmp_path)
    assert "\n" not in str(caught.value)
    (tmp_path / "one.yaml").write_text(yaml.safe_dump({"toy": GOOD}))
    (tmp_path / "two.yaml").write_text(yaml.safe_dump({"toy": GOOD}))
    with pytest.raises(UserError, match="source toy: expected one declaration, found another in two.yaml"):
        sources.load(tmp_path)
    (tmp_path / "two.yaml").write_text(yaml.safe_dump({"../toy": GOOD}))
    with pytest.raises(UserError, match="expected a name of letters, digits and _, since it becomes a folder"):
        sources.load(tmp_path)
