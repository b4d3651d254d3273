"""A small HTTP server on 127.0.0.1 that serves files from memory, and can be told to fail as real ones do."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """What it serves and how; may be changed while it runs.

    Attributes:
        files: content by path.
        ranges: whether it knows the header Range.
        cut_after: bytes of the body after which the connection is cut, a number for each request in turn.
        statuses: answered instead of the file, one for each request in turn; 0 for the file.
        etag: sent with each file; empty for none.
        redirects: where a path lies instead.
        length: said to be the length of each body; empty for the true one.
        asked: path and headers of each request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    cut_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    etag: str = ""
    redirects: dict[str, str] = field(default_factory=dict)
    length: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def header(self, name: str) -> list[str | None]:
        """A header of each request."""
        return [headers.get(name) for _, headers in self.asked]


@contextmanager
def serving(server: FileServer) -> Iterator[FileServer]:
    """Serve while the context lasts; sets the server's `url`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            server.asked.append((self.path, dict(self.headers)))
            status = server.statuses.pop(0) if server.statuses else 0
            content = server.files.get(self.path)
            if self.path in server.redirects:
                self._answer(302, b"", Location=server.redirects[self.path])
            elif status:
                self._answer(status, b"words")
            elif content is None:
                self._answer(404, b"no such file")
            else:
                self._file(content)

        def _file(self, content: bytes) -> None:
            headers = {"ETag": server.etag} if server.etag else {}
            wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            same = self.headers.get("If-Range", server.etag) == server.etag
            if not (server.ranges and wanted and same):
                return self._answer(200, content, **headers)
            start = int(wanted[1])
            if start >= len(content):
                return self._answer(416, b"")
            place = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return self._answer(206, content[start:], **headers, Content_Range=place)

        def _answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", server.length or str(len(body)))
            self.end_headers()
            self.close_connection = bool(server.length)
            if status in (200, 206) and server.cut_after:
                self.wfile.write(body[: server.cut_after.pop(0)])
                self.close_connection = True
            else:
                with suppress(ConnectionError):  # one that was told a smaller length went away
                    self.wfile.write(body)

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{listening.server_address[1]}"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
