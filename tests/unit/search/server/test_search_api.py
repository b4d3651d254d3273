"""Searching through the API."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.search_colours import IDENTITY, NAMES, VIDEO, vectors_of

BLUE = vectors_of(np.array([NAMES["blue"]], dtype=np.float32))[0].tolist()


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [hit["name"] for hit in answer.json()["results"]]


@pytest.mark.parametrize(("text", "first"), [("红", "red.png"), ("a blue thing", "blue.png"), ("绿色", "green.png")])
def test_a_text_finds_its_picture_first(client: TestClient, text: str, first: str) -> None:
    answer = client.get("/api/search", params={"q": text})
    assert names(answer)[0] == first
    told = answer.json()
    assert (told["total"], told["page"], told["page_size"], told["encoder"]) == (5, 1, 24, "conse")
    assert told["results"][0]["score"] == pytest.approx(1.0, abs=1e-5)


def test_a_text_finds_the_seconds_of_a_video(client: TestClient) -> None:
    hit = client.get("/api/search", params={"q": "green", "kind": "video"}).json()["results"][0]
    assert (hit["path"], hit["time"], hit["duration"]) == (VIDEO, 4.0, 10.0)
    assert hit["segments"] == [{"start": 3.0, "end": 5.0, "time": 4.0, "score": 1.0}]


def test_without_a_text_all_are_listed_without_scores(client: TestClient) -> None:
    answer = client.get("/api/search")
    assert len(names(answer)) == 5
    assert {hit["score"] for hit in answer.json()["results"]} == {None}


def test_pages_are_parts_of_one_list(client: TestClient) -> None:
    whole = names(client.get("/api/search?q=red"))
    parts = [names(client.get(f"/api/search?q=red&page={page}&page_size=2")) for page in (1, 2, 3, 4)]
    assert parts == [whole[0:2], whole[2:4], whole[4:], []]


def test_the_negative_text_leaves_out_what_is_nearer_to_it(client: TestClient) -> None:
    assert names(client.get("/api/search?q=red&kind=image&neg=green")) == ["red.png"]


def test_filters_reach_the_search(client: TestClient, place: Path) -> None:
    assert names(client.get("/api/search?q=red&path=PICTURES/r")) == ["red.png"]
    assert names(client.get("/api/search?q=red&min_score=0.99&kind=image")) == ["red.png"]
    assert names(client.get("/api/search?q=red&from=2001-01-01&to=2001-01-02")) == []
    assert len(names(client.get("/api/search?q=red&from=2001-01-01"))) == 5
    assert names(client.get("/api/search?q=red&tag=none")) == []


def test_a_picture_finds_its_like(client: TestClient, place: Path) -> None:
    data = (place / "pictures" / "blue.png").read_bytes()
    sent = client.post("/api/search/image", files={"file": ("蓝.png", data)}, data={"kind": "image"})
    assert names(sent)[0] == "blue.png"
    by_url = client.post("/api/search/image?kind=video", files={"file": ("x", data)})
    assert names(by_url) == ["片段.mp4"]


def test_an_upload_of_any_kind_of_picture_is_read(client: TestClient) -> None:
    for format_, mode in (("JPEG", "RGB"), ("WEBP", "RGB"), ("GIF", "P"), ("BMP", "RGB"), ("PNG", "RGBA")):
        buffer = io.BytesIO()
        Image.new("RGB", (40, 30), (0, 0, 255)).convert(mode).save(buffer, format_)
        sent = client.post("/api/search/image", files={"file": ("x", buffer.getvalue())}, data={"kind": "image"})
        assert names(sent)[0] == "blue.png", format_


def test_an_asset_finds_its_like_and_a_video_by_its_frame(client: TestClient, ids: dict[str, int]) -> None:
    more = client.post("/api/search/image", data={"asset_id": str(ids["pictures/green.png"]), "kind": "image"})
    assert names(more)[0] == "green.png"
    frame = client.post("/api/search/image", data={"asset_id": str(ids[VIDEO]), "time": "9.3", "kind": "image"})
    assert names(frame)[0] == "blue.png"


def test_a_vector_of_the_same_model_is_searched(client: TestClient) -> None:
    body = {"vector": [5 * x for x in BLUE], "model_identity": IDENTITY, "kind": "image"}
    answer = client.post("/api/search/vector", json=body)
    assert names(answer)[0] == "blue.png"
    assert answer.json()["results"][0]["score"] == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"vector": BLUE, "model_identity": "another"}, 409, "other_model"),
        ({"vector": BLUE[:3], "model_identity": IDENTITY}, 422, "parameters"),
        ({"vector": [0, 0, 0, 0], "model_identity": IDENTITY}, 422, "parameters"),
        ({"vector": [1e308, 1e308, 0, 0], "model_identity": IDENTITY}, 422, "parameters"),
        ({"vector": "blue", "model_identity": IDENTITY}, 422, "parameters"),
        ({"model_identity": IDENTITY}, 422, "parameters"),
    ],
)
def test_other_vectors_are_refused(client: TestClient, body: dict[str, Any], status: int, error: str) -> None:
    answer = client.post("/api/search/vector", json=body)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["message"]


def test_a_vector_with_a_nan_is_refused(client: TestClient) -> None:
    body = '{"vector": [NaN, 1, 1, 1], "model_identity": "colours-1"}'
    answer = client.post("/api/search/vector", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "query",
    [
        "page=0", "page=x", "page_size=0", "page_size=201", "page=99999999999", "kind=sound", "min_score=2",
        "min_score=nan", "min_score=inf", "from=yesterday", "to=2026-13-01", "q=%00", "q=" + "a" * 2001,
    ],
)  # fmt: skip
def test_odd_parameters_are_refused_in_words(client: TestClient, query: str) -> None:
    answer = client.get(f"/api/search?{query}")
    assert answer.status_code == 422
    assert answer.json()["error"] == "parameters"
    assert query.partition("=")[0] in answer.json()["message"]


@pytest.mark.parametrize("moment", ["0001-01-01", "9999-12-31", "9999-12-31T23:59:59.999999", "1969-12-31T23:59:59.5"])
def test_the_ends_of_the_calendar_are_dates(client: TestClient, moment: str) -> None:
    assert client.get(f"/api/search?from={moment}").status_code == 200
    assert client.get(f"/api/search?to={moment}").status_code == 200


@pytest.mark.parametrize("text", ["' OR 1=1 --", '"; DROP TABLE asset; --', "%", "_", "\\", "<script>", "\U0001f600"])
def test_a_text_is_nothing_but_a_text(client: TestClient, text: str) -> None:
    assert client.get("/api/search", params={"q": text}).json()["total"] == 5
    assert client.get("/api/search", params={"path": text}).json()["total"] == 0
    assert client.get("/api/search", params={"tag": text}).json()["total"] == 0


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"", "empty_picture"), (b"hello", "no_picture"), (b"\x89PNG\r\n\x1a\n", "no_picture")],
)
def test_an_upload_that_is_no_picture_is_refused(client: TestClient, data: bytes, error: str) -> None:
    answer = client.post("/api/search/image", files={"file": ("x.png", data)})
    assert answer.status_code == 422
    assert answer.json()["error"] in (error, "damaged", "truncated")


def test_a_search_by_picture_without_one_is_refused(client: TestClient) -> None:
    answer = client.post("/api/search/image", data={"kind": "image"})
    assert (answer.status_code, answer.json()["error"]) == (422, "parameters")
    assert client.post("/api/search/image", data={"asset_id": "7"}).status_code == 404
    assert client.post("/api/search/image", content=b"{}").status_code == 422


def test_the_hits_of_a_picture_come_as_a_file_too(client: TestClient, place: Path) -> None:
    data = (place / "pictures" / "blue.png").read_bytes()
    sent = client.post("/api/search/image", files={"file": ("x", data)}, data={"format": "json", "page_size": "1"})
    assert sent.json()[0]["name"] == "blue.png"
    assert len(sent.json()) == 5
    assert sent.headers["content-disposition"] == 'attachment; filename="toy.json"'
    assert client.post("/api/search/image", files={"file": ("x", data)}, data={"format": "xml"}).status_code == 422


def test_an_export_has_all_hits(client: TestClient) -> None:
    as_json = client.get("/api/export?q=red&format=json&page_size=2")
    assert [hit["name"] for hit in as_json.json()] == names(client.get("/api/search?q=red"))
    as_csv = client.get("/api/export?q=red")
    rows = list(csv.DictReader(io.StringIO(as_csv.content.decode("utf-8-sig"))))
    assert [row["path"] for row in rows] == [hit["path"] for hit in as_json.json()]
    assert rows[[row["kind"] for row in rows].index("video")]["segments"] == "0-3"
    assert as_csv.headers["content-disposition"] == 'attachment; filename="toy.csv"'
    assert json.loads(client.get("/api/export?format=json&path=none").text) == []
