"""How hosts are spoken to: over https alone (http on loopback), with patience, and with errors in one line."""

import email.utils
import random
import ssl
import time
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import requests
import requests.adapters

from tcan.errors import UserError

LOOPBACK = ("127.0.0.1", "::1", "localhost")
PASSING = {408, 425, 429, 500, 502, 503, 504}  # a later try may go well


@dataclass(frozen=True)
class Policy:
    """tries: in a row without a new byte; first, longest: seconds between two of them; connect, stall: seconds without an answer, without a byte;
    longest_asked: seconds that a host may ask for by Retry-After."""

    tries: int = 8
    first: float = 1.0
    longest: float = 60.0
    connect: float = 20.0
    stall: float = 60.0
    longest_asked: float = 900.0

    def gives_up(self, failures, asked=None):
        """Whether so many failures in a row are enough, or the host asks for more patience than there is."""
        return failures >= self.tries or (asked or 0) > self.longest_asked

    def delay(self, failures, asked=None):
        """Seconds to wait after so many failures in a row: doubled each time and shaken, so that several don't come back at once, or what the host asks."""
        return asked if asked is not None else min(self.longest, self.first * 2 ** (failures - 1)) * random.uniform(0.5, 1.0)


class Passing(Exception):
    """A try that failed in a way that a later one may not. asked: seconds that the host wants between them, if it says so."""

    def __init__(self, message, asked=None):
        super().__init__(message)
        self.asked = asked


def expect_safe(url, what):
    """A UserError unless `url` is https, or http on this machine itself."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise UserError(f"{what}: expected an https address, got {bare(url)}; what comes over anything else can be changed on its way")


class Session(requests.Session):
    """A session that follows a redirect to a safe address alone. requests itself drops the credentials where the host changes, and ends a loop."""

    def __init__(self, what, connections=8):
        super().__init__()
        self.what = what
        self.max_redirects = 10
        self.headers["Accept-Encoding"] = "identity"  # sizes, ranges and sha256 are of the file's own bytes
        self.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=connections))

    def get_redirect_target(self, response):
        if target := super().get_redirect_target(response):
            target_url = urljoin(response.url, target)
            expect_safe(target_url, self.what)
            if urlsplit(response.url).scheme == "https" and urlsplit(target_url).scheme != "https":
                raise UserError(f"{self.what}: expected https to stay https, {bare(response.url)} redirects to {bare(target_url)}; "
                                "what comes so can be changed on its way")
        return target

    def ask(self, url, policy, headers=None):
        """The answer to a GET, its body not yet read. Raises Passing for what may pass, and UserError for what won't."""
        expect_safe(url, self.what)
        try:
            response = self.get(url, headers=headers, stream=True, timeout=(policy.connect, policy.stall))
        except requests.TooManyRedirects as error:
            raise UserError(f"{self.what}: expected a file at {bare(url)}, got redirects without end; the host is out of order, try again later") from error
        except (requests.exceptions.SSLError, ssl.SSLError) as error:
            raise UserError(f"{self.what}: expected a certificate for {urlsplit(url).hostname} that can be checked, got {said(error)}; "
                            "check the clock and the network's proxy") from error
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema) as error:
            raise UserError(f"{self.what}: expected an address, got {url}: {said(error)}; mend the declaration") from error
        except requests.RequestException as error:
            raise Passing(said(error)) from error
        if response.status_code in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
            return response
        response.close()
        status = f"{response.status_code} {response.reason}"
        if response.status_code in PASSING:
            asked = retry_after(response.headers.get("Retry-After"))
            raise Passing(status if asked is None else f"{status}, to be asked again in {asked:.0f} s", asked)
        todo = "mend the declaration, or fetch it by hand and name its folder under `sources` in params.yaml"
        if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            todo = ("accept the terms on the source's page and log in (HF_TOKEN, KAGGLE_API_TOKEN), "
                    "or name a folder of yours under `sources` in params.yaml")
        raise UserError(f"{self.what}: expected a file at {bare(url)}, got {status}; {todo}")


def patiently(attempt, policy, what, wait=time.sleep):
    """attempt(), again after each Passing until policy.tries are used up; then a UserError."""
    for failures in range(1, policy.tries + 1):
        try:
            return attempt()
        except Passing as error:
            if policy.gives_up(failures, error.asked):
                raise UserError(f"{what}: expected an answer within {policy.tries} tries, got {error}; "
                                "check the network and run the same command again") from error
            wait(policy.delay(failures, error.asked))


def retry_after(value):
    """Seconds that a Retry-After header (a number or a date) asks for; None if there is none that can be read."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def bare(url):
    """An address without its query, which may hold a signature."""
    return url.partition("?")[0]


def said(error):
    """An exception in one line of at most 200 characters."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
