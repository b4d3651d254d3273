"""One application over the made folder for the tests of a module that only read."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from scripts.search.server.app import create_app
from tests import search_colours

Serve = Callable[..., AbstractContextManager[TestClient]]


@contextmanager
def client_of(place: Path, open_model: Any = search_colours.ColourEncoder, **more: Any) -> Iterator[TestClient]:
    app = create_app(search_colours.settings(place, **more), open_model)
    with TestClient(app, raise_server_exceptions=False) as client:
        client.app = app
        yield client


def wait_for(client: TestClient, state: str, seconds: float = 20) -> dict[str, Any]:
    """The status, once it has a state."""
    end = time.monotonic() + seconds
    while True:
        told: dict[str, Any] = client.get("/api/status").json()
        if told["state"] == state or time.monotonic() > end:
            assert told["state"] == state, told
            return told
        time.sleep(0.02)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    folders = search_colours.make_folders(folder)
    (folder / "pictures" / "broken.png").write_bytes(b"no picture")
    search_colours.index(folder / "results" / "assets.db", folders)
    return folder


@pytest.fixture(scope="module")
def client(place: Path) -> Iterator[TestClient]:
    with client_of(place) as made:
        wait_for(made, "ready")
        yield made


@pytest.fixture(scope="module")
def ids(client: TestClient) -> dict[str, int]:
    """The id of each asset by its path."""
    return {hit["path"]: hit["id"] for hit in client.get("/api/search").json()["results"]}
