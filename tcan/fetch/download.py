"""Files downloaded side by side: resumed where they stopped, hashed as they come, and whole or not there at all."""

import concurrent.futures
import contextlib
import hashlib
import json
import os
import re
import shutil
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import requests

from tcan.errors import UserError
from tcan.fetch.connections import Passing, Policy, Session, bare, said
from tcan.files import write_json
from tcan.progress import ByteProgress

BLOCK = 1 << 20
RECEIVED = 1 << 16  # bytes; what is on disk after a kill or a drop is what came, less one such block
MARGIN = 64 << 20  # bytes of disk that stay free


@dataclass(frozen=True)
class Download:
    """One file to fetch: its name in the folder, where it is, and its size (bytes) and sha256 where they are known beforehand.

    identity: what stays the same when the address doesn't (a signed one); bytes of an earlier try count if it is theirs.
    """

    file: str
    url: str
    size: int | None = None
    sha256: str | None = None
    headers: dict = field(default_factory=dict, repr=False)  # may hold a token
    identity: str = ""

    def __post_init__(self):
        object.__setattr__(self, "identity", self.identity or self.url)


@dataclass(frozen=True)
class Fetched:
    """A file that is there and whole: its size (bytes) and sha256."""

    file: str
    size: int
    sha256: str


def download_all(what, downloads, folder, parts, *, policy=Policy(), parallel=4, arrived=lambda fetched: None):  # noqa: B008 (frozen)
    """Bring every Download into `folder`, several at once, and return the Fetched by file name.

    what: names the source in errors; parts: a folder where unfinished files wait for the next try; arrived(fetched): told of each as it is whole,
    before it takes its place, and free to refuse it by a UserError. The first failure stops the others, whose bytes are kept.
    """
    folder, parts = Path(folder), Path(parts)
    there = {download.file: _bytes_there(download, folder, parts) for download in downloads}
    _expect_space(what, folder, sum(max(0, (download.size or 0) - there[download.file]) for download in downloads))
    stop = threading.Event()
    sizes = [download.size for download in downloads]
    progress = ByteProgress(what, sum(size for size in sizes if size is not None))
    with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
        running = [pool.submit(Transfer(what, download, folder, parts, policy, stop, progress, arrived).run) for download in downloads]
        try:
            for done in concurrent.futures.as_completed(running):
                done.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        finally:
            progress.close()
    return {fetched.file: fetched for fetched in (done.result() for done in running)}


class Stopped(Exception):
    """Another file failed, or the user interrupted."""


class Transfer:
    """One file on its way: `<file>.part` holds the bytes so far, and `<file>.json` says of what version of the file they are."""

    def __init__(self, what, download, folder, parts, policy, stop, progress, arrived):
        self.what, self.download, self.policy, self.stop, self.progress, self.arrived = f"{what}, {download.file}", download, policy, stop, progress, arrived
        self.target = folder / download.file
        self.part, self.version = parts / f"{download.file}.part", parts / f"{download.file}.json"
        self.session = Session(self.what)
        self.digest, self.done, self.counted = hashlib.sha256(), 0, download.size is not None

    def run(self):
        """The Fetched, once the file is whole and in its place."""
        for path in (self.target, self.part):
            path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(self.session):
            if self.target.is_file():
                return self._again()
            self._take_up()
            failures = 0
            while not self._complete():
                before = self.done
                try:
                    self._try_once()
                except Passing as error:
                    failures = 1 if self.done > before else failures + 1
                    if self.policy.gives_up(failures, error.asked):
                        raise UserError(f"{self.what}: expected the whole file within {self.policy.tries} tries, got {error} after {self.done} bytes; "
                                        "check the network and run the same command again, it goes on from there") from error
                    if self.stop.wait(self.policy.delay(failures, error.asked)):
                        raise Stopped() from error
            return self._settle()

    # --- what is on disk ----------------------------------------------------------------------------------------------

    def _again(self):
        """What an earlier call of the same command brought into its place, hashed once more."""
        self._hash(self.target)
        self._count(self.done)
        self.progress.add(self.done)
        fetched = Fetched(self.download.file, self.done, self.digest.hexdigest())
        self._expect_declared(fetched, self.target)
        self.arrived(fetched)
        return fetched

    def _take_up(self):
        """Hash the bytes of an earlier try, if they are of the same address; else begin anew."""
        if not self.part.exists():
            return
        if self._version().get("identity") != self.download.identity:
            self._begin_anew()
        elif self.download.size is not None and self.part.stat().st_size > self.download.size:
            self._begin_anew()
        else:
            self._hash(self.part)
            self._count(self._version().get("size") or 0)
            self.progress.add(self.done)

    def _hash(self, path):
        self.digest, self.done = hashlib.sha256(), 0
        with open(path, "rb") as stream:
            while block := stream.read(BLOCK):
                self._expect_wanted()
                self.digest.update(block)
                self.done += len(block)

    def _version(self):
        try:
            return json.loads(self.version.read_text())
        except (FileNotFoundError, ValueError):
            return {}

    def _begin_anew(self):
        self.progress.add(-self.done)
        self.digest, self.done = hashlib.sha256(), 0
        self.part.write_bytes(b"")

    def _complete(self):
        size = self.download.size if self.download.size is not None else self._version().get("size")
        return size is not None and self.done == size and self.part.exists() and bool(self._version())

    def _count(self, size):
        """Add a size that wasn't known beforehand to the progress, once."""
        if not self.counted:
            self.counted = True
            self.progress.grow(size)

    # --- one try ------------------------------------------------------------------------------------------------------

    def _try_once(self):
        """Ask for the rest of the file and write what comes. Raises Passing where a later try may bring more."""
        version = self._version()
        headers = dict(self.download.headers)
        if self.done and (version.get("validator") or self.download.sha256):
            headers["Range"] = f"bytes={self.done}-"
            if version.get("validator"):
                headers["If-Range"] = version["validator"]
        with contextlib.closing(self.session.ask(self.download.url, self.policy, headers)) as response:
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not self._continues(response, version):
                self._begin_anew()
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                self.version.unlink(missing_ok=True)
                raise Passing("a file that is shorter than what came of it before")
            if response.status_code == HTTPStatus.PARTIAL_CONTENT and not self.done:
                self.version.unlink(missing_ok=True)
                raise Passing("another version of the file")
            self._expect_file(response)
            if not self.done:
                self._note_version(response)
            self._write(response)

    def _continues(self, response, version):
        """Whether the answer is the rest of the very bytes that are here."""
        if response.status_code != HTTPStatus.PARTIAL_CONTENT:
            return False
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", ""))
        if not found or int(found[1]) != self.done or (found[3] != "*" and version.get("size") not in (None, int(found[3]))):
            return False
        return version.get("validator") in (None, _validator(response))

    def _expect_file(self, response):
        """A UserError if what the host sends can't be the file, before a byte of it is kept."""
        kind = response.headers.get("Content-Type", "")
        if kind.startswith("text/html") and not self.download.file.endswith((".html", ".htm")):
            raise UserError(f"{self.what}: expected a file, got a web page from {bare(response.url)}; look at it in a browser, it may ask to log in")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise UserError(f"{self.what}: expected the file's own bytes, got them as {response.headers['Content-Encoding']}; fetch through another mirror")
        length = _length(response)
        size = None if length is None else self.done + length
        if None not in (size, self.download.size) and size != self.download.size:
            raise UserError(f"{self.what}: expected {self.download.size} bytes, the host has {size}; find out what changed at the source, "
                            "then mend the declaration or take out the pin")
        if size is None and self.download.sha256 is None and response.headers.get("Transfer-Encoding") != "chunked":
            raise UserError(f"{self.what}: expected the host to say how long the file is, it doesn't; declare its size or sha256, so that a cut is noticed")
        if self.download.size is None and size is not None and not self.done:
            _expect_space(self.what, self.part.parent, size)
            self._count(size)

    def _note_version(self, response):
        """Which version of the file the bytes to come are of; written before the first of them."""
        self.part.write_bytes(b"")
        size = self.download.size if self.download.size is not None else _length(response)
        write_json(self.version, {"identity": self.download.identity, "size": size, "validator": _validator(response)})

    def _write(self, response):
        size = self.download.size if self.download.size is not None else self._version().get("size")
        try:
            with open(self.part, "ab") as part:
                for block in response.iter_content(RECEIVED):
                    self._expect_wanted()
                    if size is not None and self.done + len(block) > size:
                        raise UserError(f"{self.what}: expected {size} bytes, the host sends more; mend the declaration, or try again later")
                    part.write(block)
                    part.flush()  # a kill takes at most the block on its way
                    self.digest.update(block)
                    self.done += len(block)
                    self.progress.add(len(block))
        except requests.RequestException as error:
            raise Passing(said(error)) from error
        if size is not None and self.done < size:
            raise Passing(f"the end of the connection after {self.done} of {size} bytes")
        if size is None:  # the host didn't say how long it is, and ended in good order
            write_json(self.version, {**self._version(), "size": self.done})

    # --- the end ------------------------------------------------------------------------------------------------------

    def _settle(self):
        fetched = Fetched(self.download.file, self.done, self.digest.hexdigest())
        self._expect_declared(fetched, self.part)
        self.arrived(fetched)
        with open(self.part, "rb") as stream:
            os.fsync(stream.fileno())
        os.replace(self.part, self.target)
        self.version.unlink(missing_ok=True)
        return fetched

    def _expect_declared(self, fetched, path):
        """A UserError, and the bytes gone, if they aren't the ones that were declared."""
        if self.download.sha256 not in (None, fetched.sha256):
            path.unlink()
            self.version.unlink(missing_ok=True)
            raise UserError(f"{self.what}: expected sha256 {self.download.sha256}, got {fetched.sha256} ({fetched.size} bytes, taken away); "
                            "fetch again, and if it stays so, find out what changed at the source")

    def _expect_wanted(self):
        if self.stop.is_set():
            raise Stopped()


def _bytes_there(download, folder, parts):
    for path in (folder / download.file, parts / f"{download.file}.part"):
        with contextlib.suppress(FileNotFoundError):
            return path.stat().st_size
    return 0


def _expect_space(what, folder, need):
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if need and need + MARGIN > free:
        raise UserError(f"{what}: expected {need / 1e9:.2f} GB of free disk, {folder} has {free / 1e9:.2f}; make room and run the same command again")


def _length(response):
    value = response.headers.get("Content-Length", "")
    return int(value) if value.isdigit() else None


def _validator(response):
    """What tells one version of a file from another: a strong ETag, else the time of its last change, else nothing."""
    tag = response.headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")
