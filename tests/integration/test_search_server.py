"""The search's server as a process of its own, and those who mean it no good."""

import http.client
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests import search_colours
from tests.search_colours import VIDEO
from tests.snakemake_run import ROOT

FORM = {"Content-Type": "multipart/form-data; boundary=b"}
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.png"\r\n\r\n'
SCRIPTED = "<img src=x onerror=alert(1)>\"'&.png"
SPLITTING = "a\r\nSet-Cookie: x=1.png"


@dataclass
class Running:
    """A server that runs."""

    process: "subprocess.Popen[bytes]"
    port: int
    place: Path

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body or None, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def json(self, path: str) -> Any:
        status, _, body = self.ask("GET", path)
        assert status == 200, body
        return json.loads(body)

    def say(self, data: bytes) -> bytes:
        """What the server answers to bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(data)
            said = b""
            try:
                while part := connection.recv(65536):
                    said += part
            except (TimeoutError, ConnectionError):
                pass
            return said

    def ids(self) -> dict[str, int]:
        return {hit["path"]: hit["id"] for hit in self.json("/api/search?page_size=200")["results"]}

    def rss_mib(self) -> float:
        return float(psutil.Process(self.process.pid).memory_info().rss / 2**20)


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(place: Path, *scan: str, **environment: str) -> Iterator[Running]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.search_serve", str(place), str(port), *scan],
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    server = Running(process, port, place)
    try:
        wait_until(lambda: process.poll() is not None or _answers(server))
        yield server
    finally:
        process.kill()
        process.wait()


def _answers(server: Running) -> bool:
    try:
        status, _, body = server.ask("GET", "/api/status")
    except OSError:
        return False
    return status == 401 or json.loads(body)["state"] == "ready"


def make_place(place: Path) -> dict[str, str]:
    folders = search_colours.make_folders(place)
    for name in (SCRIPTED, SPLITTING, "=1+1.png"):
        shutil.copy(place / "pictures" / "red.png", place / "pictures" / name)
    search_colours.index(place / "results" / "assets.db", folders)
    return folders


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    place = tmp_path_factory.mktemp("served")
    make_place(place)
    with serving(place) as running:
        yield running


def png(width: int, height: int) -> bytes:
    """A black picture of one bit a pixel: 50,000 pixels squared take 0.3 MB."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(b"\0" * (width // 8 + 1)) for _ in range(height)) + packer.flush()
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_names_with_anything_in_them_are_served_as_names(server: Running) -> None:
    ids = server.ids()
    for name in (SCRIPTED, SPLITTING, "=1+1.png"):
        status, headers, body = server.ask("GET", f"/api/assets/{ids[f'pictures/{name}']}/file")
        assert (status, headers["content-type"]) == (200, "image/png")
        assert body == (server.place / "pictures" / "red.png").read_bytes()
        assert "set-cookie" not in headers
        assert headers["content-disposition"].startswith("inline; filename")
        assert not {"<", "\r", "\n"} & set(headers["content-disposition"])
    assert any(hit["name"] == SCRIPTED for hit in server.json("/api/search?q=red")["results"])


@pytest.mark.parametrize(
    "path",
    ["/../../../../etc/passwd", "/static/../../../../../etc/passwd", "/static/%2e%2e/%2e%2e/database.py",
     "/static/..%2f..", "/api/assets/../../../etc/passwd", "/api/assets/%2e%2e%2fetc%2fpasswd/file", "//etc/passwd",
     "/static//etc/passwd"],
)  # fmt: skip
def test_no_path_leads_anywhere(server: Running, path: str) -> None:
    said = server.say(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert said.split()[1] in (b"404", b"422")
    assert b"root:" not in said


@pytest.mark.parametrize(
    ("request_head", "statuses"),
    [
        (b"GET /api/status HTTP/1.1\r\n\r\n", {b"400"}),
        (b"GET /api/status HTTP/1.1\r\nHost: localhost\r\nHost: evil.com\r\n\r\n", {b"400", b"421"}),
        (b"GET /api/status HTTP/1.1\r\nHost: evil.com\r\nConnection: close\r\n\r\n", {b"421"}),
        (b"POST /api/scan HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n", {b"400"}),
        (b"POST /api/scan HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", {b"400"}),
        (b"POST /api/scan HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", {b"400", b"501"}),
        (b"GET /api/status HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b: c\0d\r\n\r\n", {b"400"}),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50, {b"400"}),  # TLS
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000, {b"400", b"431"}),
    ],
)
def test_what_is_no_proper_request_is_refused(server: Running, request_head: bytes, statuses: set[bytes]) -> None:
    assert server.say(request_head).split()[1] in statuses
    assert server.json("/api/status")["state"] == "ready"


def test_an_upload_of_four_gigabytes_is_cut_off_early_and_takes_no_memory(server: Running) -> None:
    status, _, _ = server.ask("POST", "/api/search/image", {**FORM, "Content-Length": str(4 << 30)})
    assert status == 413
    before, block = server.rss_mib(), b"x" * (1 << 20)
    sent = 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = "POST /api/search/image HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        connection.sendall(f"{head}Content-Type: {FORM['Content-Type']}\r\n\r\n".encode())
        connection.sendall(b"%x\r\n%b\r\n" % (len(HEAD), HEAD))
        try:
            while sent < 4 << 30:
                connection.sendall(b"%x\r\n%b\r\n" % (len(block), block))
                sent += len(block)
        except ConnectionError:
            pass
    assert sent < 60 << 20
    assert server.rss_mib() - before < 60


def test_bombs_are_refused_by_their_heads(server: Running) -> None:
    before = server.rss_mib()
    started = time.monotonic()
    status, _, body = server.ask("POST", "/api/search/image", FORM, HEAD + png(50_000, 50_000) + b"\r\n--b--\r\n")
    assert (status, json.loads(body)["error"]) == (422, "too_large")
    assert time.monotonic() - started < 5
    assert server.rss_mib() - before < 50


def test_a_hundred_clients_at_once_are_all_answered(server: Running) -> None:
    video = server.ids()[VIDEO]
    paths = ["/api/search?q=red", f"/api/assets/{video}/thumb?time=4", "/api/status", f"/api/assets/{video}/file",
             f"/api/assets/{video}/clip?start=1&end=2"]  # fmt: skip
    answers: Counter[tuple[str, int]] = Counter()
    longest = []

    def client(number: int) -> None:
        for turn in range(5):
            path = paths[(number + turn) % 5]
            started = time.monotonic()
            answers[path, server.ask("GET", path)[0]] += 1
            longest.append(time.monotonic() - started)

    before = server.rss_mib()
    clients = [threading.Thread(target=client, args=(number,)) for number in range(100)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    assert sum(answers.values()) == 500
    # Clips wait in a short row; all else is answered.
    assert {status for (path, status) in answers if "clip" not in path} == {200}
    assert {status for (path, status) in answers if "clip" in path} <= {200, 503}
    assert max(longest) < 20
    assert server.rss_mib() - before < 150


def test_two_hundred_who_say_half_a_line_keep_nobody_out(server: Running) -> None:
    half = []
    try:
        for _ in range(200):
            half.append(socket.create_connection(("127.0.0.1", server.port), timeout=5))
            half[-1].sendall(b"GET /api/sta")
        assert server.json("/api/status")["state"] == "ready"
    finally:
        for connection in half:
            connection.close()


def test_guesses_at_once_are_no_more_than_one_after_the_other(tmp_path: Path) -> None:
    make_place(tmp_path)
    with serving(tmp_path, POLYMILL_SEARCH_PASSWORD="a secret") as locked:  # noqa: S106
        answers: Counter[int] = Counter()

        def guess(number: int) -> None:
            answers[locked.ask("POST", "/login", body=f"password={number}".encode())[0]] += 1

        guessing = [threading.Thread(target=guess, args=(number,)) for number in range(60)]
        for one in guessing:
            one.start()
        for one in guessing:
            one.join()
        assert answers == {401: 3, 429: 57}
        for path in ("/api/status", "/api/search", f"/api/assets/{1}/file"):
            assert locked.ask("GET", path)[0] == 401
        assert locked.ask("GET", "/")[0] == 303


# Writes good, cut off and foreign files over the index, some in place and some by renaming.
_SCRIBBLER = """
import os, random, sys, time
path, good, end = sys.argv[1], open(sys.argv[1], "rb").read(), time.time() + 3
draw = random.Random(1)
while time.time() < end:
    data = draw.choice([good, good[: draw.randrange(len(good))], b"", os.urandom(5000), good[:4096] + os.urandom(9000)])
    if draw.random() < 0.5:
        open(path, "wb").write(data)
    else:
        open(path + ".new", "wb").write(data)
        os.replace(path + ".new", path)
    time.sleep(draw.random() / 20)
open(path, "wb").write(good)
"""


def test_a_database_that_another_process_writes_harms_no_answer(tmp_path: Path) -> None:
    make_place(tmp_path)
    with serving(tmp_path) as server:
        expected = [hit["path"] for hit in server.json("/api/search?q=red")["results"]]
        database = tmp_path / "results" / "assets.db"
        scribbler = subprocess.Popen([sys.executable, "-c", _SCRIBBLER, str(database)])
        asked = 0
        while scribbler.poll() is None:
            assert [hit["path"] for hit in server.json("/api/search?q=red")["results"]] == expected
            asked += 1
        assert asked > 50
        wait_until(lambda: server.json("/api/status")["message"] == "")
        assert server.json("/api/status")["state"] == "ready"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_indexing_ends_with_the_server_however_that_ends(tmp_path: Path, number: signal.Signals) -> None:
    make_place(tmp_path)
    with serving(tmp_path, sys.executable, "-c", "import time; time.sleep(120)") as server:
        assert server.ask("POST", "/api/scan")[0] == 202
        wait_until(lambda: len(psutil.Process(server.process.pid).children()) == 1)
        (scan,) = psutil.Process(server.process.pid).children()
        assert os.getpgid(scan.pid) == scan.pid
        server.process.send_signal(number)
        assert server.process.wait(20) is not None
        wait_until(lambda: not scan.is_running() or scan.status() == psutil.STATUS_ZOMBIE, 10)


def test_tags_survive_a_server_that_is_killed(tmp_path: Path) -> None:
    make_place(tmp_path)
    for turn in range(2):
        with serving(tmp_path) as server:
            asset = server.ids()["pictures/red.png"]
            told = server.json(f"/api/assets/{asset}")["tags"]
            assert told == ([f"turn {turn - 1}"] if turn else [])
            body = json.dumps({"tags": [f"turn {turn}"]}).encode()
            assert server.ask("PUT", f"/api/assets/{asset}/tags", {"Content-Type": "application/json"}, body)[0] == 200
            server.process.kill()


def test_the_command_tells_what_to_type_where_nothing_is_indexed(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    config = tmp_path / "config.yaml"
    dataset = {"folders": {"pictures": str(tmp_path / "pictures")}, "output_dir": str(tmp_path / "out")}
    config.write_text(yaml.safe_dump({"work_dir": str(tmp_path / "work"), "search": {"datasets": {"mine": dataset}}}))
    command = [sys.executable, "-m", "scripts.search.server", "--dataset", "mine", "--configfile", str(config)]
    refused = subprocess.run([*command, "--host", "0.0.0.0"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S104
    assert refused.returncode == 1
    assert "POLYMILL_SEARCH_PASSWORD" in refused.stderr
    port = free_port()
    process = subprocess.Popen([*command, "--port", str(port)], cwd=ROOT, stderr=subprocess.PIPE)
    server = Running(process, port, tmp_path)
    try:
        wait_until(lambda: _listens(server))
        wait_until(lambda: server.json("/api/status")["state"] != "loading")
        told = server.json("/api/status")
        assert told["state"] == "empty"
        assert f"snakemake --profile local_cpu search_index --configfile {config}" in told["message"]
        assert server.ask("GET", "/")[0] == 200
        started = time.monotonic()
        process.terminate()
        assert process.wait(20) in (0, -signal.SIGTERM)
        assert time.monotonic() - started < 10
    finally:
        process.kill()
        process.wait()


def _listens(server: Running) -> bool:
    assert server.process.poll() is None
    try:
        return server.ask("GET", "/api/status")[0] == 200
    except OSError:
        return False
