"""Where a source's files are: each kind's way from its declaration to addresses that tcan.fetch.download reads."""

import base64
import contextlib
import dataclasses
import fnmatch
import html.parser
import json
import os
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from tcan.errors import UserError
from tcan.fetch.archives import safe_name
from tcan.fetch.connections import Passing, Session, bare, expect_safe, patiently, said
from tcan.fetch.download import Download
from tcan.fetch.joined import part_order

KAGGLE = "https://www.kaggle.com"
DRIVE = "https://drive.google.com"
DRIVE_FILES = "https://drive.usercontent.google.com"


def downloads(source, policy):
    """The Downloads of a Hosted source, in the order of its files; a pattern's in the order of an archive's parts. Asks the hub where one lists its files.

    Raises UserError that names the source when the hub has no such revision or file, or doesn't answer.
    """
    found = HOSTS[source.kind](source, policy)
    for download in found:
        safe_name(f"source {source.name}", download.file)
    names = ["run.json", *(download.file.casefold() for download in found)]
    if len(set(names)) < len(names):
        raise UserError(f"source {source.name}: expected each file name once, got {', '.join(sorted(names))}; write the names out in the declaration")
    return found


# --- https ------------------------------------------------------------------------------------------------------------

def _https(source, policy):
    return [Download(file.file, file.url or f"{source.url.rstrip('/')}/{quote(file.path)}", file.size, file.sha256) for file in source.files]


# --- Hugging Face -----------------------------------------------------------------------------------------------------

def _huggingface(source, policy):
    """The hub's listing gives sizes, and the sha256 of what lies in its large-file storage. HF_ENDPOINT names another hub, HF_TOKEN the user."""
    from huggingface_hub import HfApi, constants, hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    endpoint = os.environ.get("HF_ENDPOINT", constants.ENDPOINT).rstrip("/")
    what = f"source {source.name}"
    expect_safe(endpoint, what)
    hub, login = HfApi(endpoint=endpoint), build_hf_headers().get("authorization")
    place = {"repo_id": source.repository, "repo_type": source.repository_type}
    revision = source.revision
    if len(revision) < 40:
        commits = _hub_says(what, policy, lambda: [commit.commit_id for commit in hub.list_repo_commits(**place)], source.repository)
        revision = _only(what, [commit for commit in commits if commit.startswith(revision)], source)
    info = _hub_says(what, policy, lambda: hub.repo_info(**place, revision=revision, files_metadata=True), f"{source.repository} at {revision}")
    listed = {sibling.rfilename: sibling for sibling in info.siblings or []}
    headers = {"Authorization": login} if login else {}
    found = []
    for file in _written_out(source, source.files, listed):
        sibling = listed[file.path]
        sha256 = sibling.lfs.sha256 if sibling.lfs else None
        for name, declared, says in (("sha256", file.sha256, sha256), ("size", file.size, sibling.size)):
            if None not in (declared, says) and declared != says:
                raise UserError(f"{what}: expected {file.path} of {name} {declared}, {source.repository} at {revision} lists {says}; mend the declaration")
        url = hf_hub_url(source.repository, file.path, repo_type=source.repository_type, revision=revision, endpoint=endpoint)
        found.append(Download(file.file, url, sibling.size if file.size is None else file.size, file.sha256 or sha256, headers))
    return found


def _hub_says(what, policy, question, subject):
    """What the hub answers, asked again where that may help."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError, OfflineModeIsEnabled  # HTTPError: its transport's

    def attempt():
        try:
            return question()
        except OfflineModeIsEnabled as error:
            raise UserError(f"{what}: expected the hub to be asked, HF_HUB_OFFLINE forbids it; unset it and run the same command again") from error
        except HFValidationError as error:
            raise UserError(f"{what}: expected the name of a repository, got {said(error)}; mend the declaration") from error
        except HfHubHTTPError as error:
            status = error.response.status_code if error.response is not None else None
            if status is not None and status < 500 and status not in (408, 429):
                raise UserError(f"{what}: expected {subject} on the hub, got {status}; mend the declaration, "
                                "or accept its terms there and set HF_TOKEN") from error
            raise Passing(said(error)) from error
        except (HTTPError, OSError) as error:
            raise Passing(said(error)) from error
    return patiently(attempt, policy, what)


def _only(what, commits, source):
    if len(commits) != 1:
        raise UserError(f"{what}: expected one commit of {source.repository} that begins with {source.revision}, found {len(commits)}; "
                        "write all 40 digits into the declaration")
    return commits[0]


def _written_out(source, declared, listed):
    """Files of a source with patterns replaced by what matches among the names listed. Raises UserError for a name that isn't there."""
    files = []
    for file in declared:
        names = sorted(fnmatch.filter(listed, file.path), key=part_order) if file.is_pattern else [name for name in listed if name == file.path]
        if not names:
            raise UserError(f"source {source.name}: expected {file.path} among its files, found {', '.join(sorted(listed)[:20]) or 'none'}; "
                            "mend the declaration")
        files += [dataclasses.replace(file, path=name, file=Path(name).name if file.is_pattern else file.file) for name in names]
    return files


# --- Kaggle -----------------------------------------------------------------------------------------------------------

def _kaggle(source, policy):
    """Addresses of Kaggle's public interface: a whole data set as one zip, or single files of it."""
    endpoint = os.environ.get("KAGGLE_ENDPOINT", KAGGLE).rstrip("/")
    headers, found = _kaggle_login(source.name), []
    for file in source.files:
        path = "" if file.path == "." else f"/{quote(file.path)}"
        url = f"{endpoint}/api/v1/datasets/download/{source.dataset}{path}?{urlencode({'datasetVersionNumber': source.version})}"
        found.append(Download(file.file, url, file.size, file.sha256, headers))
    return found


def _kaggle_login(name):
    """Headers of the user's Kaggle account: KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY, or kaggle.json; none for what is public."""
    if token := os.environ.get("KAGGLE_API_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    user, key = os.environ.get("KAGGLE_USERNAME"), os.environ.get("KAGGLE_KEY")
    path = Path(os.environ.get("KAGGLE_CONFIG_DIR", Path.home() / ".kaggle"), "kaggle.json")
    if not (user and key) and path.exists():
        try:
            account = json.loads(path.read_text())
            user, key = account["username"], account["key"]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"source {name}: expected username and key in {path}, got something else; make a new one on Kaggle's account page") from error
    if not (user and key):
        return {}
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{key}'.encode()).decode()}"}


# --- Drive ------------------------------------------------------------------------------------------------------------

def _drive(source, policy):
    """Files of a public folder by name, or by their own ids. Drive shows a page before a large file; its form leads on to the bytes."""
    what = f"source {source.name}"
    endpoint = os.environ.get("DRIVE_ENDPOINT", DRIVE).rstrip("/")
    files_endpoint = os.environ.get("DRIVE_ENDPOINT", DRIVE_FILES).rstrip("/")
    with contextlib.closing(Session(what)) as session:
        listed = {}
        if any(not file.id for file in source.files):
            url = f"{endpoint}/embeddedfolderview?{urlencode({'id': source.folder})}"
            listed = _folder_entries(patiently(lambda: _page(session, url, policy), policy, what))
        files = [found if found.id else dataclasses.replace(found, id=listed[found.path])
                 for file in source.files for found in ([file] if file.id else _written_out(source, [file], listed))]
        return [_drive_download(session, file, files_endpoint, policy, what) for file in files]


def _drive_download(session, file, endpoint, policy, what):
    url = f"{endpoint}/download?{urlencode({'id': file.id, 'export': 'download', 'confirm': 't'})}"

    def attempt():
        with contextlib.closing(session.ask(url, policy)) as response:
            if not response.headers.get("Content-Type", "").startswith("text/html"):
                return url
            form = _Form(response.text)
        if not form.action:
            raise UserError(f"{what}: expected {file.file} from Drive, got a page that says {form.said or 'nothing'!r}; try again in a day, or fetch it with a "
                            "browser and name its folder under `sources` in params.yaml")
        parts = urlsplit(form.action)
        expect_safe(form.action, what)
        return urlunsplit(parts._replace(query=urlencode({**dict(parse_qsl(parts.query)), **form.hidden})))
    return Download(file.file, patiently(attempt, policy, what), file.size, file.sha256, identity=f"drive {file.id}")


def _page(session, url, policy):
    with contextlib.closing(session.ask(url, policy)) as response:
        if response.status_code != HTTPStatus.OK:
            raise Passing(f"{response.status_code} from {bare(url)}")
        return response.text


def _folder_entries(page):
    """{name: id} of a Drive folder's page: each link to a file, with its text."""
    entries = _Links(page)
    return {name.strip(): address.split("/file/d/")[1].split("/")[0] for address, name in entries.links if "/file/d/" in address}


class _Links(html.parser.HTMLParser):
    """links: (address, text) of every <a> of a page."""

    def __init__(self, page):
        super().__init__()
        self.links, self.inside = [], False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "a":
            self.inside = True
            self.links.append([dict(attributes).get("href") or "", ""])

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "a"

    def handle_data(self, data):
        if self.inside:
            self.links[-1][1] += data


class _Form(html.parser.HTMLParser):
    """action and hidden fields of the form `download-form` of Drive's page, and what the page says where it has none."""

    def __init__(self, page):
        super().__init__()
        self.action, self.hidden, self.said, self.telling = None, {}, "", False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "form" and found.get("id") == "download-form":
            self.action = found.get("action")
        elif tag == "input" and found.get("type") == "hidden" and self.action:
            self.hidden[found.get("name")] = found.get("value") or ""
        self.telling = tag in ("title", "p")

    def handle_data(self, data):
        if self.telling and data.strip():
            self.said = f"{self.said} {' '.join(data.split())}".strip()[:200]


HOSTS = {"https": _https, "huggingface": _huggingface, "kaggle": _kaggle, "drive": _drive}
