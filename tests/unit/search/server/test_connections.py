"""Connections on which nobody asks."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scripts.search.server import guard
from scripts.search.server.app import create_app
from tests import search_colours
from tests.served_app import served


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(guard, "_HEAD_S", 0.3)
    with served(create_app(search_colours.settings(tmp_path), search_colours.ColourEncoder)) as url:
        parts = urlsplit(url)
        yield str(parts.hostname), int(parts.port or 0)


# After an answer, uvicorn's own clock runs.
@pytest.mark.parametrize("said", [b"", b"GET /api/sta"])
def test_one_that_does_not_come_to_its_end_is_closed(address: tuple[str, int], said: bytes) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(said)
        started = time.monotonic()
        while connection.recv(65536):
            pass
        assert 0.1 < time.monotonic() - started < 5


def test_one_that_asks_again_and_again_stays_open(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        for _ in range(5):
            connection.sendall(b"GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
            said = b""
            while not said.endswith(b"}"):
                part = connection.recv(65536)
                assert part
                said += part
            assert said.startswith(b"HTTP/1.1 200")
            time.sleep(0.15)


def test_a_body_that_does_not_come_to_its_end_is_refused(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_BODY_S", 0.3)
    head = b"PUT /api/assets/1/tags HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n"
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(head + b"\r\n{")
        said = b""
        while part := connection.recv(65536):
            said += part
    assert said.startswith(b"HTTP/1.1 408")
    assert b'"error":"slow"' in said
