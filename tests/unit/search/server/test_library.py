"""The states of the server, and what happens when its index is replaced, damaged, or another model's."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from scripts.cnclip.encoder import Features
from scripts.search.server.library import Library, unit_vector
from scripts.shared.errors import ConfigError
from tests import search_colours
from tests.search_colours import ColourEncoder
from tests.unit.search.server.conftest import client_of, wait_for


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, str]:
    return search_colours.make_folders(tmp_path)


def library(place: Path, open_model: Any = ColourEncoder) -> Library:
    """A library that was read, without its thread."""
    made = Library(place / "assets.db", open_model, how_to_index="snakemake search_index")
    made.look()
    made._load_encoder()
    made.look()
    return made


def test_the_list_is_there_while_the_model_loads_and_a_search_waits_for_it(
    tmp_path: Path, folders: dict[str, str]
) -> None:
    search_colours.index(tmp_path / "results" / "assets.db", folders)
    go = threading.Event()

    def slow() -> ColourEncoder:
        assert go.wait(20)
        return ColourEncoder()

    with client_of(tmp_path, slow) as client:
        told = wait_for(client, "loading")
        assert "model" in told["message"] or "read" in told["message"]
        while client.get("/api/search").status_code != 200:
            assert told["state"] == "loading"
        asked = client.get("/api/search?q=red")
        assert (asked.status_code, asked.json()["error"], asked.headers["retry-after"]) == (503, "loading", "2")
        assert client.get("/api/export?q=red").status_code == 503
        go.set()
        wait_for(client, "ready")
        assert client.get("/api/search?q=red").status_code == 200


def test_without_an_index_the_command_is_told_and_an_index_made_later_is_found(
    tmp_path: Path, folders: dict[str, str]
) -> None:
    with client_of(tmp_path) as client:
        told = wait_for(client, "empty")
        assert "snakemake search_index" in told["message"]
        refused = client.get("/api/search")
        assert (refused.status_code, refused.json()["error"]) == (503, "empty")
        search_colours.index(tmp_path / "results" / "assets.db", folders)
        assert wait_for(client, "ready")["n_assets"] == 5


def test_a_new_index_is_served_and_counted(tmp_path: Path, folders: dict[str, str]) -> None:
    search_colours.index(tmp_path / "assets.db", folders)
    served = library(tmp_path)
    assert (served.serving.state, served.serving.generation) == ("ready", 1)
    served.look()
    assert served.serving.generation == 1
    (tmp_path / "pictures" / "red.png").unlink()
    search_colours.index(tmp_path / "assets.db", folders)
    served.look()
    assert served.serving.generation == 2
    assert served.serving.catalogue is not None
    assert len(served.serving.catalogue) == 4


@pytest.mark.parametrize("damage", ["cut", "emptied", "other", "removed", "scribbled"])
def test_a_damaged_index_leaves_the_old_one_in_service(tmp_path: Path, folders: dict[str, str], damage: str) -> None:
    path = tmp_path / "assets.db"
    search_colours.index(path, folders)
    served = library(tmp_path)
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "emptied":
        path.write_bytes(b"")
    elif damage == "other":
        search_colours.index(path, folders, identity="another model")
    elif damage == "removed":
        path.unlink()
    else:
        path.write_bytes(whole[:4096] + b"\0" * (len(whole) - 4096))
    served.look()
    assert served.serving.state == "ready"
    assert str(path) in served.serving.message
    assert served.serving.catalogue is not None
    assert len(served.serving.catalogue) == 5
    search_colours.index(path, folders)
    served.look()
    assert (served.serving.state, served.serving.message, served.serving.generation) == ("ready", "", 2)


def test_an_index_of_another_model_is_refused_naming_both_and_the_mend(tmp_path: Path, folders: dict[str, str]) -> None:
    search_colours.index(tmp_path / "assets.db", folders, identity="older")
    served = library(tmp_path)
    assert served.serving.state == "error"
    for word in ("older", search_colours.IDENTITY, "snakemake search_index"):
        assert word in served.serving.message
    assert served.serving.catalogue is None


def test_a_model_that_cannot_be_loaded_leaves_the_list(tmp_path: Path, folders: dict[str, str]) -> None:
    search_colours.index(tmp_path / "results" / "assets.db", folders)

    def broken() -> ColourEncoder:
        raise ConfigError("search: model 'base' is yet to be made")

    with client_of(tmp_path, broken) as client:
        assert "yet to be made" in wait_for(client, "error")["message"]
        assert client.get("/api/search").json()["total"] == 5
        assert client.get("/api/search?q=red").json()["error"] == "error"
        # What needs no model still answers: more like this.
        asset = client.get("/api/search").json()["results"][0]["id"]
        assert client.post("/api/search/image", data={"asset_id": str(asset)}).status_code == 200


def test_requests_go_on_while_the_index_is_replaced(tmp_path: Path, folders: dict[str, str]) -> None:
    search_colours.index(tmp_path / "results" / "assets.db", folders)
    with client_of(tmp_path) as client:
        wait_for(client, "ready")
        answers: list[int] = []
        done = threading.Event()

        def ask(client: TestClient) -> None:
            while not done.is_set():
                answers.append(client.get("/api/search?q=red").status_code)

        asking = threading.Thread(target=ask, args=(client,))
        asking.start()
        for _ in range(10):
            search_colours.index(tmp_path / "results" / "assets.db", folders)
            client.app.state.served.library.look()  # type: ignore[attr-defined]
        done.set()
        asking.join()
        assert set(answers) == {200}


def test_the_model_has_done_its_first_text_before_anybody_asks(tmp_path: Path, folders: dict[str, str]) -> None:
    class Late(ColourEncoder):
        asked = 0

        def encode_text(self, texts: Sequence[str]) -> Features:
            Late.asked += 1
            return super().encode_text(texts)

    search_colours.index(tmp_path / "assets.db", folders)
    assert library(tmp_path, Late).serving.state == "ready"
    assert Late.asked == 1


def test_a_vector_without_a_direction_is_refused() -> None:
    assert unit_vector(np.array([3.0, 4.0])).tolist() == pytest.approx([0.6, 0.8])
    for odd in ([0, 0], [np.nan, 1], [np.inf, 1]):
        with pytest.raises(ValueError, match="direction"):
            unit_vector(np.array(odd, dtype=np.float64))
