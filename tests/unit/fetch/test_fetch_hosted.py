"""A whole source, from its declaration to data/raw: pinned, unpacked, killed at any moment, and there once more without a download."""

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
from types import SimpleNamespace

import pytest
import yaml

from tcan.errors import UserError
from tcan.fetch import command, hosted, sources
from tcan.fetch.connections import Policy
from tcan.fetch.pins import Pins
from tests.unit.fetch.faulty_server import drop, forever, serve, slow, status
from tests.unit.fetch.split_zips import cut, volumes, zip_of

QUICK = Policy(tries=3, first=0.001, longest=0.002)
CONTENTS = {f"train/{clip:05d}/{kind}/{frame:04d}.png": random.Random(f"{clip}{kind}{frame}").randbytes(20_000)
            for clip in range(4) for kind in ("images", "dwpose") for frame in range(12)}
KEPT = {name: content for name, content in CONTENTS.items() if "/images/" in name}
WHOLE = zip_of(CONTENTS)


def found(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "run.json"}


class World:
    """A folder of parts to serve, their declaration, and where they go."""

    def __init__(self, folder, pieces, archive=None, **entry):
        self.folder, self.there, self.out, self.pins = folder, folder / "there", folder / "raw/toy", Pins(folder / "lock.yaml")
        self.there.mkdir()
        for name, content in pieces.items():
            (self.there / name).write_bytes(content)
        self.entry = {"kind": "https", "licence": "MIT", "files": {name: {} for name in pieces}, **({"archive": archive} if archive else {}), **entry}

    def declare(self, server, **changes):
        (self.folder / "declared").mkdir(exist_ok=True)
        (self.folder / "declared/toy.yaml").write_text(yaml.safe_dump({"toy": {**self.entry, "url": server.url, **changes}}))
        return sources.load(self.folder / "declared")["toy"]

    def fetch(self, server, **changes):
        hosted.fetch(self.declare(server, **changes), self.out, seed=7, pins=self.pins, policy=QUICK)

    def hidden(self):
        return {path.name for path in self.out.parent.iterdir() if not path.name.endswith(".lock")}


ZIP = {"format": "zip", "keep": ["train/*/images/*"]}


@pytest.fixture(params=["cut", "volumes"])
def parts(request, tmp_path):
    split = {"cut": cut, "volumes": volumes}[request.param]
    names = ["toy.zip.001", "toy.zip.002", "toy.zip.003"] if request.param == "cut" else ["toy.z01", "toy.z02", "toy.zip"]
    return World(tmp_path, dict(zip(names, split(WHOLE, 700_000, 1_400_000))), ZIP)


@pytest.fixture
def plain(tmp_path):
    return World(tmp_path, {"a.bin": b"a" * 300_000, "b.bin": b"b" * 1000})


def test_an_archive_is_unpacked_and_nothing_else_stays(parts):
    with serve(parts.there) as server:
        parts.fetch(server)
        assert found(parts.out) == KEPT
        assert (parts.out / "run.json").exists()
        assert parts.hidden() == {"toy", ".toy.fetched.json"}
        asked = len(server.requests)
        (parts.out / "run.json").unlink()
        parts.fetch(server)
        assert (parts.out / "run.json").exists() and len(server.requests) == asked, "Snakemake takes run.json away before it reruns the rule"
        next(parts.out.glob("train/*/images/*")).write_bytes(b"rotten")
        parts.fetch(server)
        assert found(parts.out) == KEPT
        assert len(server.requests) == asked + 3


def test_plain_files_and_what_their_run_says(plain):
    with serve(plain.there) as server:
        plain.fetch(server)
    run = yaml.safe_load((plain.out / "run.json").read_text())
    assert found(plain.out) == found(plain.there)
    assert run["command"] == "fetch toy" and run["seed"] == 7 and run["figures"]["files"] == 2 and run["figures"]["bytes"] == 301_000
    assert run["figures"]["fetched"]["b.bin"]["size"] == 1000


def test_another_declaration_is_fetched_anew_and_an_error_keeps_what_was_there(plain):
    with serve(plain.there, {"absent": []}) as server:
        plain.fetch(server)
        before = found(plain.out)
        with pytest.raises(UserError, match="source toy, absent: .*404"):
            plain.fetch(server, files={"a.bin": {}, "absent": {}})
        assert found(plain.out) == before
        plain.fetch(server, files={"b.bin": {"file": "renamed.bin"}})
        assert found(plain.out) == {"renamed.bin": b"b" * 1000} and plain.hidden() == {"toy", ".toy.fetched.json"}


def test_one_fetch_at_a_time(plain):
    with serve(plain.there) as server, hosted._alone(plain.out), pytest.raises(UserError, match="expected no other fetch into it, one is running"):
        plain.fetch(server)


# --- pins -------------------------------------------------------------------------------------------------------------

def test_pinned_on_first_sight_and_held_to_it(plain):
    with serve(plain.there) as server:
        plain.fetch(server)
        lock = plain.pins.path.read_text()
        assert lock.startswith("# Written by `tcan fetch`") and list(yaml.safe_load(lock)["toy"]) == ["a.bin", "b.bin"]
        (plain.there / "a.bin").write_bytes(b"c" * 300_000)
        for path in plain.out.iterdir():
            path.unlink()
        with pytest.raises(UserError, match="a.bin: expected sha256 [0-9a-f]{64}, got [0-9a-f]{64}"):
            plain.fetch(server)
        assert not found(plain.out) and plain.pins.path.read_text() == lock


def test_a_pin_that_another_checkout_holds_stops_what_is_there_already(plain):
    with serve(plain.there) as server:
        plain.fetch(server)
        plain.pins.path.write_text(plain.pins.path.read_text().replace("size: 1000", "size: 1001"))
        with pytest.raises(UserError, match=r"expected b.bin as first seen \(1001 bytes, sha256 .*\), got 1000 bytes, sha256 .*; "
                                            r"find out .* take b.bin out of .*lock.yaml"):
            plain.fetch(server)


def test_published_values_aren_t_pinned(plain):
    known = {"a.bin": {"sha256": hashlib.sha256(b"a" * 300_000).hexdigest(), "size": 300_000}, "b.bin": {}}
    with serve(plain.there) as server:
        plain.fetch(server, files=known)
    assert list(yaml.safe_load(plain.pins.path.read_text())["toy"]) == ["b.bin"]


def test_many_at_once_pin_into_one_file(tmp_path):
    def keep(number):
        Pins(tmp_path / "lock.yaml").keep(f"source{number % 3}", f"file{number}", number, "0" * 64)

    threads = [threading.Thread(target=keep, args=(number,)) for number in range(24)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    text = (tmp_path / "lock.yaml").read_text()
    assert sum(len(files) for files in yaml.safe_load(text).values()) == 24
    keep(5)
    assert (tmp_path / "lock.yaml").read_text() == text
    (tmp_path / "lock.yaml").write_text("toy: [1]")
    with pytest.raises(UserError, match="lock.yaml: expected sources, each with files"):
        keep(5)


# --- killed -----------------------------------------------------------------------------------------------------------

DRIVER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from tcan.fetch import hosted, sources
    from tcan.fetch.pins import Pins
    declared, out, lock = map(Path, sys.argv[1:])
    hosted.fetch(sources.find("toy", declared), out, seed=7, pins=Pins(lock), parallel=2)
""")


def bytes_below(folder):
    """Of files that come and go meanwhile."""
    total = 0
    for above, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.stat(os.path.join(above, name)).st_size
    return total


def killed_at(world, size):
    """Run the fetch in a process of its own and kill it as soon as its folder of work holds `size` bytes. Returns whether it came to its end before."""
    work = world.out.with_name(".toy.parts")
    process = subprocess.Popen([sys.executable, "-c", DRIVER, world.folder / "declared", world.out, world.pins.path], stderr=subprocess.PIPE)
    while process.poll() is None and size is not None:
        if bytes_below(work) >= size:
            os.kill(process.pid, signal.SIGKILL)
    told = process.communicate()[1].decode()
    assert process.returncode in (0, -signal.SIGKILL), told
    return process.returncode == 0


def kill_again_and_again(world, sizes):
    with serve(world.there, {name: [forever(slow(0.005))] for name in world.entry["files"]}) as server:
        world.declare(server)
        ends = [killed_at(world, size) for size in sizes]
        assert not all(ends), "at least one was killed on its way"
        assert killed_at(world, None)
    assert found(world.out) == KEPT, "byte for byte what an undisturbed one brings"
    assert world.hidden() == {"toy", ".toy.fetched.json"}
    assert set(yaml.safe_load(world.pins.path.read_text())["toy"]) == set(world.entry["files"])


def test_killed_at_any_moment_the_same_command_goes_on(parts):
    kill_again_and_again(parts, [1, 900_000, len(WHOLE) + 200_000])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_killed_twenty_times(parts, seed):
    kill_again_and_again(parts, sorted(random.Random(seed).randrange(1, int(1.4 * len(WHOLE))) for _ in range(20)))


def test_consumed_parts_are_not_fetched_again(parts, monkeypatch):
    from tcan.fetch import archives
    write, written = archives._write, []

    def interrupted(*arguments):
        if len(written) == 40:
            raise KeyboardInterrupt
        written.append(1)
        write(*arguments)

    with serve(parts.there) as server:
        monkeypatch.setattr(archives, "_write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            parts.fetch(server)
        assert [path.name for path in parts.out.with_name(".toy.parts").glob("archive/*")] == [list(parts.entry["files"])[-1]]
        monkeypatch.setattr(archives, "_write", write)
        parts.fetch(server)
        assert found(parts.out) == KEPT
        assert len(server.requests) == 3


def test_another_keep_needs_no_other_download(parts):
    with serve(parts.there) as server:
        with pytest.raises(UserError, match="expected members that match valid/"):
            parts.fetch(server, archive={"format": "zip", "keep": ["train/*/images/*", "valid/*"]})
        parts.fetch(server)
        assert found(parts.out) == KEPT
        assert len(server.requests) == 3


def test_a_drop_in_every_part(parts):
    with serve(parts.there, {name: [drop(100_000), status(503)] for name in parts.entry["files"]}) as server:
        parts.fetch(server)
    assert found(parts.out) == KEPT


# --- the command ------------------------------------------------------------------------------------------------------

def arguments(world, **changes):
    return SimpleNamespace(**{"source": "toy", "out": world.out, "disk": None, "acknowledged": [], "pins": world.pins.path, "parallel": 2, **changes})


@pytest.fixture
def declared(monkeypatch, plain):
    def declared(server, **changes):
        source = plain.declare(server, **changes)
        monkeypatch.setattr(sources, "find", lambda name: source)
    return declared


def test_terms_are_accepted_before_the_first_request(plain, declared, capsys):
    config = SimpleNamespace(seed=0, sources={}, acknowledged=[])
    with serve(plain.there) as server:
        declared(server, terms="https://example.org/terms", licence="for research alone")
        with pytest.raises(UserError, match=r"^source toy: expected its terms to be accepted \(licence: for research alone; terms: https://example.org/terms\),"
                                            ".*"
                                            "add toy to `acknowledged` in params.yaml or pass --acknowledged toy$"):
            command.run(arguments(plain), config)
        assert not server.requests and "licence for research alone" in capsys.readouterr().err
        command.run(arguments(plain, acknowledged=["toy"]), config)
        command.run(arguments(plain), SimpleNamespace(seed=0, sources={}, acknowledged=["toy"]))
        assert len(server.requests) == 2


@pytest.mark.parametrize("by", ["argument", "config"])
def test_what_is_on_disk_is_linked_and_left_alone(plain, declared, by):
    config = SimpleNamespace(seed=3, sources={"toy": str(plain.there)} if by == "config" else {}, acknowledged=[])
    before = found(plain.there)
    with serve(plain.there) as server:
        declared(server, terms="https://example.org/terms")
        command.run(arguments(plain, disk=plain.there if by == "argument" else None), config)
        assert not server.requests
    assert (plain.out / "a.bin").is_symlink() and found(plain.out) == before == found(plain.there)
    assert yaml.safe_load((plain.out / "run.json").read_text())["figures"]["disk"] == str(plain.there)
    assert set(yaml.safe_load(plain.pins.path.read_text())["toy"]) == {"a.bin", "b.bin"}
    (plain.there / "b.bin").write_bytes(b"other")
    with pytest.raises(UserError, match="expected b.bin as first seen"):
        command.run(arguments(plain, disk=plain.there), config)
    (plain.there / "b.bin").unlink()
    with pytest.raises(UserError, match="source toy: expected b.bin in .*there, found none; mend `sources`"):
        command.run(arguments(plain, disk=plain.there), config)
    assert (plain.out / "run.json").exists(), "what was there stays"


def test_an_archive_on_disk_is_expected_unpacked(parts, monkeypatch):
    with serve(parts.there) as server:
        source = parts.declare(server)
    monkeypatch.setattr(sources, "find", lambda name: source)
    with pytest.raises(UserError, match=r"expected files that match train/\*/images/\* in .*there, found none; give the folder that holds"):
        command.run(arguments(parts, disk=parts.there), SimpleNamespace(seed=0, sources={}, acknowledged=[]))
    own = parts.folder / "own"
    for name, content in KEPT.items():
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).write_bytes(content)
    command.run(arguments(parts, disk=own), SimpleNamespace(seed=0, sources={}, acknowledged=[]))
    assert (parts.out / "train").is_symlink() and (parts.out / "train/00000/images/0000.png").read_bytes() == KEPT["train/00000/images/0000.png"]
    figures = yaml.safe_load((parts.out / "run.json").read_text())["figures"]
    assert figures["files"] == len(KEPT) and figures["bytes"] == 20_000 * len(KEPT)
    with pytest.raises(UserError, match="expected a folder at .*, found none"):
        command.run(arguments(parts, disk=parts.folder / "absent"), SimpleNamespace(seed=0, sources={}, acknowledged=[]))
    with serve(parts.there) as server:  # and fetched after all: the links go, the user's folder stays
        parts.fetch(server)
    assert not (parts.out / "train").is_symlink() and found(own) == KEPT == found(parts.out)
