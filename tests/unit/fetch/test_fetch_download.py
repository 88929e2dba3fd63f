"""The downloader against a server with faults: each ends whole, or in one clear line with nothing half kept."""

import hashlib
import random
from types import SimpleNamespace

import pytest

from tcan.errors import UserError
from tcan.fetch import download as module
from tcan.fetch.connections import Policy, Session, expect_safe, retry_after
from tcan.fetch.download import Download, Fetched, download_all
from tests.unit.fetch.faulty_server import (drop, forever, lies, no_ranges, page, redirect, replaced, serve, stall, status, without_length)

QUICK = Policy(tries=4, first=0.001, longest=0.002, connect=30, stall=30)
CONTENT = random.Random(0).randbytes(400_000)
OTHER = random.Random(1).randbytes(400_000)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def there(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/a.bin").write_bytes(CONTENT)
    (tmp_path / "there/b.bin").write_bytes(OTHER)
    return tmp_path / "there"


@pytest.fixture
def bring(tmp_path):
    def bring(server, *names, policy=QUICK, arrived=lambda fetched: None, **known):
        wanted = [Download(name, f"{server.url}/{name}", **known) for name in names or ["a.bin"]]
        return download_all("source toy", wanted, tmp_path / "files", tmp_path / "parts", policy=policy, arrived=arrived)
    return bring


def kept(tmp_path):
    return {path.name for folder in ("files", "parts") for path in (tmp_path / folder).glob("**/*") if path.is_file()}


KNOWN = {"sha256": sha256(CONTENT), "size": len(CONTENT)}


@pytest.mark.parametrize("known", [{}, {"sha256": sha256(CONTENT)}, KNOWN])
@pytest.mark.parametrize("faults", [
    [], [drop(150_000), drop(0), drop(100_000)], [status(503), status(429, Retry_After="0"), status(500)], [drop(150_000), no_ranges],
    [redirect("/b/../a.bin?signed=1")], [drop(150_000), redirect("/a.bin?signed=2")],
], ids=["fine", "drops", "busy", "no ranges", "redirect", "redirect on the way"])
def test_ends_whole(there, bring, tmp_path, faults, known):
    with serve(there, {"a.bin": faults}) as server:
        assert bring(server, **known) == {"a.bin": Fetched("a.bin", len(CONTENT), sha256(CONTENT))}
    assert (tmp_path / "files/a.bin").read_bytes() == CONTENT
    assert kept(tmp_path) == {"a.bin"}


def test_goes_on_where_it_stopped(there, bring):
    with serve(there, {"a.bin": [drop(150_000)]}) as server:
        bring(server)
        first, second = [headers for _, headers in server.requests]
    assert "Range" not in first and second["Range"] == f"bytes={150_000 // module.RECEIVED * module.RECEIVED}-" and second["If-Range"]


def test_a_stall_is_given_up_and_tried_again(there, bring, tmp_path):
    with serve(there, {"a.bin": [stall(150_000, 60)]}) as server:
        bring(server, policy=Policy(tries=30, first=0.001, longest=0.002, stall=1))
    assert (tmp_path / "files/a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("known", [{}, {"size": len(CONTENT)}])
@pytest.mark.parametrize("times", [1, 2])
def test_a_file_that_changes_on_the_way_is_never_a_mixture(there, bring, tmp_path, known, times):
    with serve(there, {"a.bin": [drop(150_000), *[drop(70_000)] * (times - 1), replaced(OTHER)]}) as server:
        assert bring(server, **known)["a.bin"].sha256 == sha256(OTHER)
    assert (tmp_path / "files/a.bin").read_bytes() == OTHER


def test_a_file_that_changes_between_two_calls(there, bring, tmp_path):
    with serve(there, {"a.bin": [drop(150_000), forever(status(503))]}) as server:
        with pytest.raises(UserError, match="expected the whole file within 4 tries, got 503 .* after 131072 bytes"):
            bring(server)
        assert kept(tmp_path) == {"a.bin.part", "a.bin.json"}
        server.faults.clear()
        server.contents["a.bin"] = OTHER[:200_000]
        assert bring(server)["a.bin"] == Fetched("a.bin", 200_000, sha256(OTHER[:200_000]))
    assert kept(tmp_path) == {"a.bin"}


def test_a_range_of_other_bytes_is_refused(there, bring, tmp_path):
    """A host that answers 206 though the file has changed: its ETag tells."""
    def careless(handler, content):
        handler.headers.replace_header("If-Range", '"anything"')
        handler.server.contents["a.bin"] = OTHER
        handler.begin(206, OTHER, OTHER[131072:])
        handler.wfile.write(OTHER[131072:])
    with serve(there, {"a.bin": [drop(150_000), careless]}) as server:
        bring(server)
    assert (tmp_path / "files/a.bin").read_bytes() == OTHER


@pytest.mark.parametrize(("fault", "known", "message"), [
    (status(404), {}, "expected a file at http.*a.bin, got 404 Not Found; mend the declaration"),
    (status(403), {}, "got 403 Forbidden; accept the terms .*HF_TOKEN"),
    (status(503), KNOWN, "expected the whole file within 4 tries, got 503"),
    (status(429, Retry_After="86400"), {}, "got 429 Too Many Requests, to be asked again in 86400 s after 0 bytes"),
    (redirect("/a.bin"), {}, "got redirects without end"),
    (redirect("http://example.org/a.bin"), {}, "expected an https address, got http://example.org/a.bin;"),
    (redirect("ftp://127.0.0.1/a.bin"), {}, "expected an https address"),
    (lies(OTHER), KNOWN, f"expected sha256 {sha256(CONTENT)}, got {sha256(OTHER)}"),
    (lies(CONTENT[:-1]), KNOWN, "expected 400000 bytes, the host has 399999"),
    (lies(CONTENT + b"!"), KNOWN, "expected 400000 bytes, the host has 400001"),
    (page("<html>log in"), {}, "expected a file, got a web page"),
    (without_length, {}, "expected the host to say how long the file is"),
    (drop(0), {}, "expected the whole file within 4 tries, got .* after 0 bytes"),
], ids=lambda value: "" if not isinstance(value, str) else value[:20])
def test_ends_in_one_clear_line_with_nothing_in_place(there, bring, tmp_path, fault, known, message):
    with serve(there, {"a.bin": [forever(fault)]}) as server, pytest.raises(UserError, match=f"^source toy, a.bin: .*{message}") as caught:
        bring(server, **known)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "files").glob("*"))
    assert not any(path.stat().st_size for path in (tmp_path / "parts").glob("*.part"))


def test_a_file_without_length_is_known_by_its_sha256(there, bring):
    with serve(there, {"a.bin": [without_length]}) as server:
        assert bring(server, sha256=sha256(CONTENT))["a.bin"].size == len(CONTENT)


def test_several_at_once_and_not_again(there, bring, tmp_path):
    with serve(there) as server:
        first = bring(server, "a.bin", "b.bin")
        assert bring(server, "a.bin", "b.bin") == first and len(server.requests) == 2
        (tmp_path / "files/a.bin").write_bytes(b"rotten")
        with pytest.raises(UserError, match="expected sha256"):
            bring(server, "a.bin", sha256=sha256(CONTENT))
        assert bring(server, "a.bin", sha256=sha256(CONTENT))["a.bin"] == first["a.bin"]


def test_one_failure_stops_the_others_and_keeps_their_bytes(there, bring, tmp_path):
    with serve(there, {"b.bin": [status(404)], "a.bin": [stall(200_000, 0.2), forever(drop(0))]}) as server, pytest.raises(UserError, match="b.bin.*404"):
        bring(server, "a.bin", "b.bin", policy=Policy(tries=1000, first=10, longest=10, stall=30))
    assert "a.bin" not in kept(tmp_path)


def test_what_is_refused_on_arrival_waits_for_the_next_call(there, bring, tmp_path):
    def refuse(fetched):
        raise UserError("not this one")

    with serve(there) as server:
        with pytest.raises(UserError, match="not this one"):
            bring(server, arrived=refuse)
        assert not list((tmp_path / "files").glob("*"))
        bring(server)
        assert len(server.requests) == 1, "its bytes were there"


def test_a_full_disk_is_told_before_the_first_byte(there, bring, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    with serve(there) as server:
        for known in (KNOWN, {}):
            with pytest.raises(UserError, match="expected 0.00 GB of free disk"):
                bring(server, **known)
        assert not any(headers.get("Range") for _, headers in server.requests)


def test_https_never_goes_down_to_http():
    answer = SimpleNamespace(is_redirect=True, url="https://example.org/a?key=secret", headers={"location": "http://127.0.0.1/a"})
    with pytest.raises(UserError, match="expected https to stay https, https://example.org/a redirects to http://127.0.0.1/a") as caught:
        Session("source toy").get_redirect_target(answer)
    assert "secret" not in str(caught.value)
    for url in ("http://example.org/a", "http://127.0.0.1.example.org/", "file:///etc/passwd", "//host/a"):
        with pytest.raises(UserError, match="https"):
            expect_safe(url, "source toy")
    for url in ("https://example.org", "http://localhost:8000/a", "http://[::1]/a"):
        expect_safe(url, "source toy")


def test_waits():
    policy = Policy()
    assert all(policy.first * 2 ** (n - 1) / 2 <= policy.delay(n) <= policy.first * 2 ** (n - 1) for n in range(1, 6))
    assert policy.delay(50) <= policy.longest and policy.delay(1, asked=7.0) == 7.0
    assert policy.gives_up(policy.tries) and not policy.gives_up(1) and not policy.gives_up(1, 7.0) and policy.gives_up(1, 1e9)
    assert retry_after("12") == 12 and retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0 and retry_after("soon") is None and retry_after(None) is None
