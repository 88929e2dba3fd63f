"""A local web server for tests of fetching: folders as plain files or in the layout of a hub, with the faults that networks have.

    with serve(folder, faults={"a.bin": [drop(1000), status(503)]}) as server:
        fetch(f"{server.url}/a.bin")

A path's faults are used up one a request, in order; after them it is served well. `forever(fault)` is never used up. server.requests lists
(path, headers) of what was asked for, server.count(path) how often.
"""

import contextlib
import hashlib
import http.server
import json
import re
import socket
import threading
import time
import urllib.parse
from pathlib import Path

BLOCK = 1 << 16


# --- faults: each a function (handler, content) -> None that answers in the place of the server -----------------------

def drop(after):
    """The connection ends after so many bytes of the body, though more were promised."""
    def fault(handler, content):
        status_code, body = handler.ranged(content)
        handler.begin(status_code, content, body)
        handler.wfile.write(body[:after])
        handler.cut()
    return fault


def stall(after, seconds):
    """After so many bytes of the body nothing comes for a while, then the connection ends."""
    def fault(handler, content):
        status_code, body = handler.ranged(content)
        handler.begin(status_code, content, body)
        handler.wfile.write(body[:after])
        handler.wfile.flush()
        handler.server.ending.wait(seconds)
        handler.cut()
    return fault


def slow(seconds, block=BLOCK):
    """A pause after every block."""
    def fault(handler, content):
        status_code, body = handler.ranged(content)
        handler.begin(status_code, content, body)
        for start in range(0, len(body), block):
            handler.wfile.write(body[start:start + block])
            time.sleep(seconds)
    return fault


def status(code, **headers):
    """An answer without the file: 404, 429, 503. Headers as words, such as Retry_After="1"."""
    def fault(handler, content):
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
    return fault


def redirect(location):
    return status(302, Location=location)


def no_ranges(handler, content):
    """The whole file, whatever part of it was asked for."""
    handler.begin(200, content, content)
    handler.wfile.write(content)


def without_length(handler, content):
    """The whole file, and the end of the connection as its only end."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(content)
    handler.close_connection = True


def replaced(new):
    """Another content from now on, as if the file had been changed on the host. It answers this very request too."""
    def fault(handler, content):
        handler.server.contents[handler.place] = new
        handler.answer(new)
    return fault


def lies(new):
    """Another content, this once, whatever was asked for."""
    return lambda handler, content: handler.answer(new)


def page(text):
    """A web page in the place of the file."""
    def fault(handler, content):
        body = text.encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html; charset=utf-8")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
    return fault


def forever(fault):
    fault_forever = lambda handler, content: fault(handler, content)  # noqa: E731
    fault_forever.forever = True
    return fault_forever


# --- the server -------------------------------------------------------------------------------------------------------

class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with what `server.look_up(path)` finds: bytes, a Path, or None."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        split = urllib.parse.urlsplit(self.path)
        self.place = urllib.parse.unquote(split.path).lstrip("/")
        self.query = dict(urllib.parse.parse_qsl(split.query))
        with self.server.lock:
            self.server.requests.append((self.place, dict(self.headers)))
            waiting = self.server.faults.get(self.place, [])
            fault = (waiting[0] if getattr(waiting[0], "forever", False) else waiting.pop(0)) if waiting else None
        content = self.server.contents.get(self.place)
        if content is None:
            content = self.server.look_up(self.place, self.query)
        if content is None and fault is None:
            return status(404)(self, None)
        content = content.read_bytes() if isinstance(content, Path) else content
        with contextlib.suppress(ConnectionError):
            fault(self, content) if fault else self.answer(content)

    do_HEAD = do_GET

    def answer(self, content):
        status_code, body = self.ranged(content)
        self.begin(status_code, content, body)
        if self.command != "HEAD":
            self.wfile.write(body)

    def ranged(self, content):
        """(status, body) of what was asked for: the rest of the file after Range, if If-Range names this very content."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked or self.headers.get("If-Range", tag(content)) != tag(content):
            return 200, content
        if int(asked[1]) >= len(content):
            return 416, b""
        return 206, content[int(asked[1]):int(asked[2]) + 1 if asked[2] else None]

    def begin(self, status_code, content, body):
        self.send_response(status_code)
        self.send_header("ETag", tag(content))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json" if content[:1] in b"{[" else "text/html" if content[:1] == b"<" else "application/octet-stream")
        if status_code == 206:
            start = int(re.match(r"bytes=(\d+)", self.headers["Range"])[1])
            self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{len(content)}")
        self.end_headers()

    def cut(self):
        self.wfile.flush()
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, look_up, faults):
        super().__init__(("127.0.0.1", 0), Handler)
        self.look_up, self.faults = look_up, {place: list(waiting) for place, waiting in (faults or {}).items()}
        self.contents, self.requests, self.lock, self.ending = {}, [], threading.Lock(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def count(self, place):
        return sum(asked == place for asked, _ in self.requests)

    def handle_error(self, request, client_address):
        pass  # a client that goes away in the middle is what these tests are about


@contextlib.contextmanager
def serve(folder, faults=None, look_up=None):
    """Yield a Server of a folder's files below its `url`. faults: {path: [fault, ...]}; look_up(path, query): bytes, a Path or None instead of the folder's."""
    def in_folder(place, query):
        path = Path(folder, place)
        return path if path.is_file() else None
    server = Server(look_up or in_folder, faults)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ending.set()
        server.shutdown()
        server.server_close()


def tag(content):
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


# --- hubs -------------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def serve_huggingface(repositories, faults=None, small=0):
    """Yield a Server in Hugging Face's layout, for HF_ENDPOINT.

    repositories: {("dataset" or "model", "owner/name", 40 digits of the revision): folder}; files of more than `small` bytes are listed with a sha256, as the
    hub's large-file storage does. Faults are by the server's paths, such as datasets/owner/name/resolve/<revision>/<file>.
    """
    def look_up(place, query):
        for (kind, name, revision), folder in repositories.items():
            api, files = f"api/{kind}s/{name}", f"{'datasets/' if kind == 'dataset' else ''}{name}/resolve/{revision}/"
            if place == f"{api}/revision/{revision}":
                return json.dumps({"id": name, "sha": revision, "siblings": [_sibling(folder, path, small) for path in _files(folder)]}).encode()
            if place.startswith(f"{api}/commits/"):
                return json.dumps([{"id": revision, "title": "", "message": "", "date": "2024-10-05T00:00:00.000Z", "authors": []}]).encode()
            if place.startswith(files) and Path(folder, place.removeprefix(files)).is_file():
                return Path(folder, place.removeprefix(files))
        return None
    with serve(None, faults, look_up) as server:
        yield server


def _files(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def _sibling(folder, path, small):
    content = path.read_bytes()
    listed = {"rfilename": path.relative_to(folder).as_posix(), "size": len(content),
              "blobId": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()}
    if len(content) > small:
        listed["lfs"] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "pointerSize": 134}
    return listed


@contextlib.contextmanager
def serve_kaggle(datasets, faults=None):
    """Yield a Server in Kaggle's layout, for KAGGLE_ENDPOINT. datasets: {("owner/name", version): Path of the whole data set's zip}."""
    def look_up(place, query):
        for (name, version), path in datasets.items():
            if place == f"api/v1/datasets/download/{name}" and query.get("datasetVersionNumber") == str(version):
                return Path(path)
        return None
    with serve(None, faults, look_up) as server:
        yield server


@contextlib.contextmanager
def serve_drive(folders, faults=None, warned=()):
    """Yield a Server in Google Drive's layout, for DRIVE_ENDPOINT. folders: {id: {file's id: Path}}; a file whose id is `warned` about is behind a page whose
    form leads on to it."""
    def look_up(place, query):
        if place == "embeddedfolderview" and query.get("id") in folders:
            entries = "".join(f'<div class="flip-entry"><a href="https://drive.google.com/file/d/{key}/view?usp=drive_web" target="_blank">'
                              f'<div class="flip-entry-title">{path.name}</div></a></div>' for key, path in folders[query["id"]].items())
            return f"<html><head><title>folder</title></head><body>{entries}</body></html>".encode()
        path = next((files[query.get("id")] for files in folders.values() if query.get("id") in files), None)
        if place == "download" and path and query["id"] in warned and "uuid" not in query:
            fields = {"id": query["id"], "export": "download", "confirm": "t", "uuid": f"{len(server.requests)}"}
            inputs = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in fields.items())
            return (f'<html><head><title>Virus scan warning</title></head><body><p class="uc-warning-caption">Drive can\'t scan this file.</p>'
                    f'<form id="download-form" action="{server.url}/download" method="get">{inputs}</form></body></html>').encode()
        return path if place == "download" else None
    with serve(None, faults, look_up) as server:
        yield server
