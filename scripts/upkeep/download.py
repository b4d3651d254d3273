"""Fetch the files that the configuration asks for: models and data, whole and with the digest that was named.

What arrives goes to `<name>.part` beside its place, and a later run goes on with it; the file has its name only when
its SHA-256 is right. A file that is there is read again each time, so no record of it can be wrong.
"""

import fcntl
import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, unquote, urlsplit

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError

from scripts.shared import atomic_files
from scripts.shared.errors import ConfigError, JobError
from scripts.upkeep.sha256sums import sha256_of

HUGGING_FACE = "https://huggingface.co"
_TRIES = 5  # without any progress
_LONGEST_WAIT_S = 60.0
_TIMEOUT_S = (10.0, 60.0)  # to connect, and between two answers
_CHUNK_BYTES = 1 << 17  # what a cut connection costs at most
_SAY_EVERY_S = 10.0
_DIGITS = 20  # a length of more is nonsense
_BUSY_SERVER = {408, 425, 429, 500, 502, 503, 504}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileToFetch:
    """One file.

    Attributes:
        label: where the configuration names it: `clip4mc.downloads.base`.
        url: where it is fetched.
        path: where it goes.
        sha256: 64 hexadecimal digits; None where the user takes it as it comes.
        repo: Hugging Face id, empty for a URL of the user's.
    """

    label: str
    url: str
    path: Path
    sha256: str | None
    repo: str


def files_to_fetch(system: str, downloads: Mapping[str, Mapping[str, Any]], *, endpoint: str) -> list[FileToFetch]:
    """The files that a system's `downloads` name.

    Args:
        system: name of the system.
        downloads: as `load_config` gives them.
        endpoint: URL of the Hugging Face server.

    Raises:
        ConfigError: a path leads out of its folder, a URL is none, or two files would have one place.
    """
    _check_url("the environment variable HF_ENDPOINT", endpoint)
    files: dict[Path, FileToFetch] = {}
    for name, download in downloads.items():
        label = f"{system}.downloads.{name}"
        repo = download.get("repo", "")
        for wanted, sha256 in download["files"].items():
            if "://" in wanted:
                _check_url(label, wanted)
                url, inside = wanted, unquote(urlsplit(wanted).path).rpartition("/")[2]
            elif repo:
                inside = wanted
                at = f"{quote(repo)}/resolve/{quote(download['revision'], safe='')}/{quote(inside)}"
                url = f"{endpoint.rstrip('/')}/{at}"
            else:
                raise ConfigError(f"{label}: {wanted!r} is no http or https URL, and there is no `repo` that has it")
            if not _stays_inside(inside):
                raise ConfigError(f"{label}: {wanted!r} names no file inside the folder `to`")
            path = Path(download["to"], inside)
            if path in files:
                raise ConfigError(f"{label}: {path} is to hold two files; the other is {files[path].url}")
            files[path] = FileToFetch(label, url, path, sha256, "" if "://" in wanted else repo)
    return list(files.values())


def _check_url(label: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is no number
        right = False
    if not right:
        raise ConfigError(f"{label}: {url!r} is no http or https URL")


def _stays_inside(path: str) -> bool:
    parts = path.split("/")
    return path.isprintable() and "\\" not in path and not {"", ".", ".."}.intersection(parts)


def fetch_all(
    files: Iterable[FileToFetch], *, endpoint: str, token: str | None, wait: Callable[[float], None] = time.sleep
) -> None:
    """Fetch files one after another; one that cannot be had stops no other.

    Args:
        files: the files.
        endpoint: URL of the Hugging Face server.
        token: sent to that server and to no other.
        wait: waits so many seconds before another try.

    Raises:
        JobError: some are not there, with the reason of each.
    """
    wanted = list(files)
    failed = []
    with requests.Session() as session:
        session.auth = _TokenOfOneServer(endpoint, token)
        for file in wanted:
            try:
                _Fetching(file, session, wait).run()
            except JobError as error:
                log.error("%s", error)
                failed.append(f"{error}")
            except OSError as error:
                failed.append(f"[{file.label}] {error.filename or file.path}: {error.strerror}; run again when mended")
                log.error("%s", failed[-1])
    if failed:
        raise JobError(f"{len(failed)} of {len(wanted)} files could not be fetched: " + "; ".join(failed))


class _TokenOfOneServer(AuthBase):
    """Adds the token to requests to one server; `requests` takes it away where it is redirected to another host."""

    def __init__(self, endpoint: str, token: str | None) -> None:
        self._server, self._token = _server(endpoint), token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token and _server(request.url or "") == self._server:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _server(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


class _TryAgainError(Exception):
    """The server or the line failed in a way that may pass.

    Args:
        reason: in words.
        after_s: how long the server asks to wait.
    """

    def __init__(self, reason: str, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


class _Part:
    """The beginning of a file, as far as it has arrived.

    Attributes:
        size: bytes that are there.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0

    def read_again(self) -> None:
        """Take what an earlier run left."""
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK_BYTES):
            self._digest.update(chunk)
            self.size += len(chunk)

    def start_again(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._digest, self.size = hashlib.sha256(), 0

    def append(self, chunk: bytes) -> None:
        left = memoryview(chunk)
        while left:
            written = self._file.write(left)
            self._digest.update(left[:written])
            self.size += written
            left = left[written:]

    def sha256(self) -> str:
        return self._digest.hexdigest()

    def flush(self) -> None:
        os.fsync(self._file.fileno())


class _Fetching:
    """The work on one file."""

    def __init__(self, file: FileToFetch, session: requests.Session, wait: Callable[[float], None]) -> None:
        self.file, self.session, self.wait = file, session, wait
        self.part_path = file.path.with_name(f"{file.path.name}.part")
        self.validator = ""  # what tells that the server still has the same file

    def run(self) -> None:
        file = self.file
        if file.path.exists() and self._is_right(sha256_of(file.path)):
            return
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with _opened(self.part_path, file.label) as opened:
            part = _Part(opened)
            part.read_again()
            try:
                if part.size == 0 or part.sha256() != file.sha256:
                    self._fetch(part)
            except JobError:
                if not part.size:
                    self.part_path.unlink()
                raise
            part.flush()
            if file.sha256 not in (None, part.sha256()):
                self.part_path.unlink()
                raise JobError(
                    f"[{file.label}] {file.url}: its SHA-256 is {part.sha256()}, the configuration says {file.sha256}; "
                    "nothing was kept. Is it another version (`revision`), or is the digest that of another file?"
                )
            os.replace(self.part_path, file.path)
            atomic_files.sync_folder(file.path.parent)
            self._is_right(part.sha256())

    def _is_right(self, sha256: str) -> bool:
        """Say what is there; whether it is what was asked for."""
        file = self.file
        if file.sha256 is None:
            log.info("[%s] %s is there; its SHA-256 is %s: write it in place of null", file.label, file.path, sha256)
        elif file.sha256 == sha256:
            log.info("[%s] %s is there and right", file.label, file.path)
        else:
            log.info("[%s] %s is another file, which the right one will replace", file.label, file.path)
        return file.sha256 in (None, sha256)

    def _fetch(self, part: _Part) -> None:
        """Ask until the part is whole."""
        most, tries = part.size, 0
        while True:
            try:
                return self._ask(part)
            except _TryAgainError as error:
                tries = 1 if part.size > most else tries + 1
                most = max(most, part.size)
                if tries >= _TRIES:
                    raise JobError(
                        f"[{self.file.label}] {self.file.url}: {error}, {_TRIES} times; run again later: what has "
                        f"arrived stays in {self.part_path}"
                    ) from error
                pause = min(max(error.after_s, 2.0 ** (tries - 1)), _LONGEST_WAIT_S)
                log.warning("[%s] %s: %s; again in %.0f s", self.file.label, self.file.path.name, error, pause)
                self.wait(pause)

    def _ask(self, part: _Part) -> None:
        """Ask for what the part lacks, and add it."""
        headers = {"Accept-Encoding": "identity"}
        if not self.validator and self.file.sha256 is None:
            part.start_again()  # nothing would tell that the rest is of the same file
        if part.size:
            headers["Range"] = f"bytes={part.size}-"
            if self.validator:
                headers["If-Range"] = self.validator
        with _network_errors_named(self.file):
            response = self.session.get(self.file.url, headers=headers, stream=True, timeout=_TIMEOUT_S)
        with response:
            if response.status_code == requests.codes.requested_range_not_satisfiable and part.size:
                part.start_again()  # longer than the file: the beginning of another one
                raise _TryAgainError("the server has no more than what is here, which is not right")
            self._check_status(response)
            if response.status_code != requests.codes.partial_content:
                part.start_again()
            elif not response.headers.get("Content-Range", "").startswith(f"bytes {part.size}-"):
                part.start_again()
                raise _TryAgainError("the server answered with another part than the one asked for")
            etag = response.headers.get("ETag", "")
            self.validator = response.headers.get("Last-Modified", "") if etag[:2] in ("", "W/") else etag
            self._take(response, part)

    def _take(self, response: requests.Response, part: _Part) -> None:
        begun, began_at = time.monotonic(), part.size
        said = begun
        length = response.headers.get("Content-Length", "")
        total = f" of {(began_at + int(length)) / 1e6:,.1f}" if length.isdecimal() and len(length) < _DIGITS else ""
        chunks = response.iter_content(_CHUNK_BYTES)
        while True:
            with _network_errors_named(self.file):
                chunk = next(chunks, b"")
            if not chunk:
                return
            part.append(chunk)
            now = time.monotonic()
            if now - said >= _SAY_EVERY_S:
                said = now
                rate = (part.size - began_at) / (now - begun) / 1e6
                log.info("[%s] %s: %.1f%s MB, %.1f MB/s", self.file.label, self.file.path.name, part.size / 1e6, total,
                         rate)  # fmt: skip

    def _check_status(self, response: requests.Response) -> None:
        status, file = response.status_code, self.file
        if status in (requests.codes.ok, requests.codes.partial_content):
            return
        words = f"{status} {response.reason}"
        if status in _BUSY_SERVER:
            after = response.headers.get("Retry-After", "")
            raise _TryAgainError(f"the server says {words}", float(after) if after.isdecimal() else 0.0)
        start = f"[{file.label}] {file.url}: {words}"
        if status in (requests.codes.unauthorized, requests.codes.forbidden):
            mend = "accept the licence on its page and set HF_TOKEN" if file.repo else "the server asks who you are"
            raise JobError(f"{start}: {mend}")
        if status == requests.codes.not_found:
            where = (
                f"{file.repo} has no such file: mend `repo`, `revision` or its path" if file.repo else "mend the URL"
            )
            raise JobError(f"{start}: {where}")
        raise JobError(start)


@contextmanager
def _opened(path: Path, label: str) -> Iterator[BinaryIO]:
    """A part file that no other download works on."""
    with path.open("a+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = os.path.samestat(os.fstat(file.fileno()), os.stat(path))
        except BlockingIOError:
            ours = False
        except FileNotFoundError:  # the other one has just finished
            ours = False
        except OSError:  # a file system without locks
            ours = True
        if not ours:
            raise JobError(f"[{label}] another download works on {path}; wait for it")
        yield file


@contextmanager
def _network_errors_named(file: FileToFetch) -> Iterator[None]:
    try:
        yield
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise _TryAgainError(_words(error)) from error
    except (requests.RequestException, HTTPError, ValueError) as error:  # where a redirect leads, not all is wrapped
        raise JobError(f"[{file.label}] {file.url}: {_words(error)}") from error


def _words(error: Exception) -> str:
    """What went wrong on the line: `requests` wraps the words of `urllib3`, which wraps their cause a second time."""
    inner = error.args[0] if error.args else error
    words = inner.args[0] if isinstance(inner, Exception) and inner.args else inner
    return " ".join(f"{words}".split())[:300] or type(error).__name__
