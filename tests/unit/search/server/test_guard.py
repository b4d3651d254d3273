"""Who may ask, how much may be sent, and what browsers are told."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from scripts.search.server.guard import UPLOAD_BYTES

BOUNDARY = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "localhost:99", "127.0.0.1:5000", "[::1]:5000", "192.168.1.4", "testserver"]
)
def test_addresses_and_our_own_names_are_ours(client: TestClient, host: str) -> None:
    assert client.get("/api/status", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.com", "127.0.0.1.evil.com", "localhost.evil.com", "localhost@evil.com", "evil.com:localhost", "",
     "2130706433", "testserver, evil.com", "testserver evil.com", "[::1", "0x7f.1"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/api/status", "/static/api.js", "/login"])
def test_other_names_are_refused_everywhere(client: TestClient, host: str, path: str) -> None:
    answer = client.get(path, headers={"Host": host})
    assert (answer.status_code, answer.json()["error"]) == (421, "host")
    assert "--allow-host" in answer.json()["message"]


@pytest.mark.parametrize(
    ("headers", "write", "read"),
    [
        ({}, 404, 200),
        ({"Origin": "http://testserver"}, 404, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"}, 404, 200),
        ({"Sec-Fetch-Site": "none"}, 404, 200),  # typed into the address bar
        ({"Origin": "http://evil.com"}, 403, 403),
        ({"Origin": "http://testserver:81"}, 403, 403),
        ({"Origin": "http://testserver.evil.com"}, 403, 403),
        ({"Origin": "null"}, 403, 403),
        ({"Origin": ""}, 403, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403, 403),
        ({"Sec-Fetch-Site": "none", "Origin": "http://evil.com"}, 403, 200),
        ({"Sec-Fetch-Site": "nonsense"}, 403, 403),
    ],
)
def test_other_sites_pages_may_neither_change_nor_read(
    client: TestClient, headers: dict[str, str], write: int, read: int
) -> None:
    assert client.delete("/api/assets/12345", headers=headers).status_code == write
    assert client.post("/api/assets/12345/restore", headers=headers).status_code == write
    assert client.put("/api/assets/12345/tags", json={"tags": []}, headers=headers).status_code == write
    assert client.get("/api/status", headers=headers).status_code == read


def test_a_link_on_another_site_may_lead_to_the_page(client: TestClient) -> None:
    assert client.get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/status", "/api/nothing", "/static/api.js", "/static/nothing"])
def test_every_answer_carries_the_strict_policy(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


def test_nothing_is_kept_by_browsers_unasked(client: TestClient) -> None:
    assert client.get("/api/status").headers["cache-control"] == "no-store"
    module = client.get("/static/api.js")
    assert module.headers["cache-control"] == "no-cache"
    again = client.get("/static/api.js", headers={"If-None-Match": module.headers["etag"]})
    assert again.status_code == 304


def test_an_upload_that_says_it_is_too_long_is_refused_unread(client: TestClient) -> None:
    answer = client.post("/api/search/image", headers={**BOUNDARY, "Content-Length": str(4 << 30)}, content=b"")
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


def test_an_upload_that_does_not_say_its_length_is_counted(client: TestClient) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        yield head
        while sent < 4 * UPLOAD_BYTES:
            sent += 1 << 20
            yield b"x" * (1 << 20)

    answer = client.post("/api/search/image", headers=BOUNDARY, content=body())
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
    assert answer.headers["connection"] == "close"


def test_other_bodies_are_short(client: TestClient) -> None:
    for path, method in (("/api/search/vector", "POST"), ("/api/assets/1/tags", "PUT"), ("/api/scan", "POST")):
        answer = client.request(method, path, content=b" " * 300_000, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413, path


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "٣".encode(), "+5", "0x10"])
def test_a_length_that_is_no_number_is_refused(client: TestClient, length: Any) -> None:
    assert client.post("/api/scan", headers={"Content-Length": length}).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n' * 100 + b"--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="q"\r\n\r\n' + b"x" * 2_000_000 + b"\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="1"\r\n\r\nx\r\n' * 2 + b"--b--\r\n",
        b"--b\r\n" + b"A: " + b"x" * 100_000 + b"\r\n\r\nx\r\n--b--\r\n",
        b"no form at all",
        b"",
    ],
)
def test_odd_forms_are_refused_in_json(client: TestClient, body: bytes) -> None:
    answer = client.post("/api/search/image", headers=BOUNDARY, content=body)
    assert answer.status_code in (400, 422)
    assert set(answer.json()) == {"error", "message"}


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/..%5capp.py", "/static/....//app.py",
     "/static//etc/passwd", "/static/%2fetc/passwd", "/static/api.js%00", "/static/", "/%2e%2e/%2e%2e/etc/passwd"],
)  # fmt: skip
def test_no_path_leads_out_of_the_static_folder(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


def test_no_page_of_the_framework_is_served(client: TestClient) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert client.get(path).status_code == 404
