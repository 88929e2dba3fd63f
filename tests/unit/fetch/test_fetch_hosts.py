"""Hubs in their own layouts on a local server: what is listed, what is resolved, and what is said when it isn't."""

import dataclasses
import hashlib
import json

import pytest

from tcan.errors import UserError
from tcan.fetch import hosts
from tcan.fetch.connections import Policy
from tcan.fetch.download import Download, download_all
from tcan.fetch.sources import Archive, File, Hosted
from tests.unit.fetch.faulty_server import drop, forever, page, serve, serve_drive, serve_huggingface, serve_kaggle, status

QUICK = Policy(tries=3, first=0.001, longest=0.002)
REVISION = "db8e46b" + "0" * 33
CONTENTS = {"toy.zip.001": b"\1" * 3000, "toy.zip.002": b"\2" * 2000, "toy.zip.010": b"\3" * 1000, "README.md": b"read me"}
HUB = Hosted("toy", "huggingface", "MIT", (File("toy.zip.*", "toy.zip.*"), File("README.md", "README.md")), repository="owner/toy", repository_type="dataset",
             revision=REVISION)


@pytest.fixture
def folder(tmp_path):
    for name, content in CONTENTS.items():
        (tmp_path / "there").mkdir(exist_ok=True)
        (tmp_path / "there" / name).write_bytes(content)
    return tmp_path / "there"


@pytest.fixture
def hub(folder, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_IMPLICIT_TOKEN", True)  # whoever runs this may be logged in
    with serve_huggingface({("dataset", "owner/toy", REVISION): folder, ("model", "owner/net", REVISION): folder}, small=100) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def brought(tmp_path, found):
    download_all("source toy", found, tmp_path / "files", tmp_path / "parts", policy=QUICK)
    return {path.name: path.read_bytes() for path in (tmp_path / "files").iterdir()}


@pytest.mark.parametrize("revision", [REVISION, "db8e46b"])
def test_huggingface_lists_parts_in_order_with_size_and_sha256(tmp_path, hub, revision):
    found = hosts.downloads(dataclasses.replace(HUB, revision=revision), QUICK)
    assert [(download.file, download.size, download.sha256) for download in found] == [
        *((name, len(CONTENTS[name]), hashlib.sha256(CONTENTS[name]).hexdigest()) for name in ("toy.zip.001", "toy.zip.002", "toy.zip.010")),
        ("README.md", 7, None)], "small files aren't in large-file storage"
    hub.faults[f"datasets/owner/toy/resolve/{REVISION}/toy.zip.001"] = [drop(100)]
    assert brought(tmp_path, found) == CONTENTS


def test_huggingface_models_have_their_own_addresses(tmp_path, hub):
    source = dataclasses.replace(HUB, repository="owner/net", repository_type="model")
    assert brought(tmp_path, hosts.downloads(source, QUICK)) == CONTENTS


def test_huggingface_token_goes_to_the_hub_alone(tmp_path, hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_IMPLICIT_TOKEN", False)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with serve(tmp_path / "there") as elsewhere:
        place = f"datasets/owner/toy/resolve/{REVISION}/README.md"
        hub.faults[place] = [status(302, Location=elsewhere.url.replace("127.0.0.1", "localhost") + "/README.md")]
        found = hosts.downloads(HUB, QUICK)
        assert "hf_secret" not in repr(found)
        brought(tmp_path, found)
        assert [headers.get("Authorization") for asked, headers in hub.requests if asked == place] == ["Bearer hf_secret"]
        assert [headers.get("Authorization") for _, headers in elsewhere.requests] == [None]


@pytest.mark.parametrize(("change", "message"), [
    ({"revision": "f" * 40}, "expected owner/toy at f{40} on the hub, got 404; mend the declaration, or accept its terms there and set HF_TOKEN"),
    ({"revision": "fffffff"}, "expected one commit of owner/toy that begins with fffffff, found 0; write all 40 digits"),
    ({"repository": "owner/other"}, "expected owner/other at .* on the hub, got 404"),
    ({"files": (File("absent.bin", "absent.bin"),)}, "expected absent.bin among its files, found README.md, toy.zip.001"),
    ({"files": (File("*.tar", "*.tar"),)}, r"expected \*.tar among its files"),
    ({"files": (File("toy.zip.001", "a", sha256="0" * 64),)}, "expected toy.zip.001 of sha256 0{64}, owner/toy at .* lists [0-9a-f]{64}; mend"),
    ({"files": (File("README.md", "a", size=8),)}, "expected README.md of size 8, owner/toy at .* lists 7; mend"),
])
def test_huggingface_says_what_is_wrong(hub, change, message):
    with pytest.raises(UserError, match=f"^source toy: {message}") as caught:
        hosts.downloads(dataclasses.replace(HUB, **change), QUICK)
    assert "\n" not in str(caught.value)


def test_huggingface_is_asked_again_while_it_is_busy(hub):
    place = f"api/datasets/owner/toy/revision/{REVISION}"
    hub.faults[place] = [status(503), status(500)]
    assert len(hosts.downloads(HUB, QUICK)) == 4
    hub.faults[place] = [forever(status(503))]
    with pytest.raises(UserError, match="source toy: expected an answer within 3 tries, got HfHubHTTPError: .*503"):
        hosts.downloads(HUB, QUICK)


def test_huggingface_only_over_https(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://example.org")
    with pytest.raises(UserError, match="expected an https address"):
        hosts.downloads(HUB, QUICK)


def test_https_addresses():
    source = Hosted("toy", "https", "MIT", (File("a b/c.bin", "c.bin", size=3), File("d", "d", url="https://else.org/x?y")), url="https://example.org/base/")
    assert hosts.downloads(source, QUICK) == [Download("c.bin", "https://example.org/base/a%20b/c.bin", 3), Download("d", "https://else.org/x?y")]


# --- Kaggle -----------------------------------------------------------------------------------------------------------

SET = Hosted("toy", "kaggle", "MIT", (File(".", "toy.zip"),), dataset="owner/toy", version=3, archive=Archive("zip"))


def test_kaggle_serves_a_version_as_one_zip(tmp_path, folder, monkeypatch):
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    with serve_kaggle({("owner/toy", 3): folder / "toy.zip.001"}) as server:
        monkeypatch.setenv("KAGGLE_ENDPOINT", server.url)
        assert brought(tmp_path, hosts.downloads(SET, QUICK)) == {"toy.zip": CONTENTS["toy.zip.001"]}
        assert "Authorization" not in server.requests[0][1]
        with pytest.raises(UserError, match="got 404"):
            brought(tmp_path / "4", hosts.downloads(dataclasses.replace(SET, version=4), QUICK))


def test_kaggle_accounts(tmp_path, monkeypatch):
    def header():
        return hosts.downloads(SET, QUICK)[0].headers.get("Authorization")

    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    (tmp_path / "kaggle.json").write_text(json.dumps({"username": "anna", "key": "k"}))
    assert header() == "Basic YW5uYTpr"
    (tmp_path / "kaggle.json").write_text("{}")
    with pytest.raises(UserError, match="expected username and key in .*kaggle.json"):
        header()
    monkeypatch.setenv("KAGGLE_USERNAME", "anna")
    monkeypatch.setenv("KAGGLE_KEY", "k")
    assert header() == "Basic YW5uYTpr"
    monkeypatch.setenv("KAGGLE_API_TOKEN", "t")
    assert header() == "Bearer t"


# --- Drive ------------------------------------------------------------------------------------------------------------

FIRST, SECOND = "1" * 33, "2" * 33
DRIVE = Hosted("toy", "drive", "MIT", (File("toy.zip.001", "first"), File("x", "second", id=SECOND)), folder="f" * 33)


@pytest.mark.parametrize("warned", [(), (FIRST, SECOND)])
def test_drive_finds_files_by_name_and_follows_the_form(tmp_path, folder, monkeypatch, warned):
    with serve_drive({"f" * 33: {FIRST: folder / "toy.zip.001", SECOND: folder / "toy.zip.002"}}, warned=warned) as server:
        monkeypatch.setenv("DRIVE_ENDPOINT", server.url)
        found = hosts.downloads(DRIVE, QUICK)
        assert [download.identity for download in found] == [f"drive {FIRST}", f"drive {SECOND}"], "whatever the form's address is today"
        assert brought(tmp_path, found) == {"first": CONTENTS["toy.zip.001"], "second": CONTENTS["toy.zip.002"]}


def test_drive_says_what_is_wrong(folder, monkeypatch):
    with serve_drive({"f" * 33: {FIRST: folder / "README.md"}}, {"download": [forever(page("<p>Too many users have viewed it.</p>"))]}) as server:
        monkeypatch.setenv("DRIVE_ENDPOINT", server.url)
        with pytest.raises(UserError, match="source toy: expected toy.zip.001 among its files, found README.md; mend"):
            hosts.downloads(DRIVE, QUICK)
        with pytest.raises(UserError, match="expected second from Drive, got a page that says 'Too many users have viewed it.'; try again in a day"):
            hosts.downloads(dataclasses.replace(DRIVE, files=DRIVE.files[1:]), QUICK)
