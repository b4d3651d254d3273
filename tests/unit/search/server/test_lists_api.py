"""Lists: failed files, duplicates, hidden assets."""

from pathlib import Path

from fastapi.testclient import TestClient

from tests import search_colours
from tests.unit.search.server.conftest import client_of, wait_for


def test_what_could_not_be_indexed_is_listed_with_its_reason(client: TestClient) -> None:
    told = client.get("/api/failures").json()
    assert (told["total"], told["page"]) == (1, 1)
    assert told["results"][0] == {
        "path": "pictures/broken.png",
        "error": "no_picture",
        "message": "not a JPEG, PNG, GIF, BMP, WebP or TIFF file",
    }
    assert client.get("/api/failures?page=2").json()["results"] == []


def test_equal_pictures_are_shown_together_until_one_is_hidden(tmp_path: Path) -> None:
    folders = search_colours.make_folders(tmp_path)
    for name in ("copy", "other"):
        (tmp_path / "pictures" / f"{name}.png").write_bytes((tmp_path / "pictures" / "red.png").read_bytes())
    search_colours.index(tmp_path / "results" / "assets.db", folders)
    with client_of(tmp_path) as client:
        wait_for(client, "ready")
        told = client.get("/api/duplicates").json()
        assert (told["total"], told["groups"][0]["score"]) == (1, 1.0)
        group = told["groups"][0]["results"]
        assert [hit["name"] for hit in group] == ["copy.png", "other.png", "red.png"]
        assert client.get("/api/duplicates?page=2").json()["groups"] == []
        client.delete(f"/api/assets/{group[0]['id']}")
        left = client.get("/api/duplicates").json()["groups"][0]["results"]
        assert [hit["name"] for hit in left] == ["other.png", "red.png"]
        assert client.get("/api/duplicates?min_score=0.4").status_code == 422
        assert client.get("/api/duplicates?path=nothing").json()["total"] == 0
