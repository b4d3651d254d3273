"""One password, where it is asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from scripts.search.server.login import SESSION_S, Login
from tests.unit.search.server.conftest import client_of, wait_for

RIGHT = "correct horse 电池"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def login() -> Login:
    return Login(RIGHT, cookie="c", clock=Clock())


def clock_of(login: Login) -> Clock:
    clock = login._clock
    assert isinstance(clock, Clock)
    return clock


def test_wrong_guesses_cost_ever_more_time_and_the_right_one_none(login: Login) -> None:
    waits = []
    for _ in range(14):
        assert login.open("10.0.0.1", "guess") is None
        waits.append(login.wait_s("10.0.0.1"))
        clock_of(login).now += waits[-1]
    assert waits == [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert login.wait_s("10.0.0.2") == 0
    assert login.open("10.0.0.1", RIGHT) is not None
    assert login.open("10.0.0.1", "guess") is None
    assert login.wait_s("10.0.0.1") == 0


def test_addresses_of_one_ipv6_network_are_one_guesser(login: Login) -> None:
    for number in range(3):
        login.open(f"2001:db8::{number}", "guess")
    assert login.wait_s("2001:db8::ffff") == 1
    assert login.wait_s("2001:db8:0:1::1") == 0


def test_memory_of_guessers_and_sessions_is_bounded(login: Login) -> None:
    for number in range(12_000):
        login.open(f"10.0.{number // 250}.{number % 250}", "guess")
    for _ in range(1_200):
        login.open("9.9.9.9", RIGHT)
    assert len(login._guesses) <= 10_000
    assert len(login._sessions) <= 1_000


def test_a_session_ends_in_time_and_by_logging_out(login: Login) -> None:
    first, second = login.open("a", RIGHT), login.open("a", RIGHT)
    assert first != second
    assert login.knows(f"x=1; c={first}")
    assert not login.knows(f"c={first}x")
    login.close(f"c={first}")
    assert not login.knows(f"c={first}")
    clock_of(login).now += SESSION_S + 1
    assert not login.knows(f"c={second}")


@pytest.mark.parametrize("cookies", [None, "", "c=", "c", "=", ";;;", "c=\x00", 'c="', "c=a; c=b", "c=\xff"])
def test_odd_cookies_open_nothing(login: Login, cookies: str | None) -> None:
    assert not login.knows(cookies)


@pytest.fixture
def locked(place: Path) -> Iterator[TestClient]:
    with client_of(place, password=RIGHT, user_database=place / "results" / "locked.db") as client:
        client.follow_redirects = False
        yield client


def test_without_the_password_nothing_but_the_login_page_is_shown(locked: TestClient) -> None:
    for path in (
        "/api/status",
        "/api/search",
        "/api/assets/1/file",
        "/api/openapi.json",
        "/api/export",
        "/api/nothing",
    ):
        answer = locked.get(path)
        assert (answer.status_code, answer.json()["error"]) == (401, "login"), path
    for method, path in (("POST", "/api/scan"), ("DELETE", "/api/assets/1"), ("PUT", "/api/assets/1/tags")):
        assert locked.request(method, path).status_code == 401
    page = locked.get("/")
    assert (page.status_code, page.headers["location"]) == (303, "/login")
    assert locked.get("/login").status_code == 200
    for path in (
        "/static/../../api/status",
        "/login/../api/status",
        "/static/%2e%2e/api/status",
        "/loginx",
        "//api/status",
    ):
        assert "state" not in locked.get(path).text, path


def test_the_password_opens_and_logging_out_closes(locked: TestClient) -> None:
    opened = locked.post("/login", data={"password": RIGHT})
    assert (opened.status_code, opened.content) == (204, b"")
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert RIGHT not in cookie
    assert wait_for(locked, "ready")["login"] is True
    secret = locked.cookies["polymill_search_5000"]
    locked.post("/logout")
    locked.cookies.set("polymill_search_5000", secret)
    assert locked.get("/api/status").status_code == 401


def test_guessing_is_slowed(locked: TestClient) -> None:
    answers = [locked.post("/login", data={"password": str(n)}).status_code for n in range(20)]
    assert answers == [401] * 3 + [429] * 17
    late = locked.post("/login", data={"password": RIGHT})
    assert (late.status_code, late.json()["error"]) == (429, "wait")
    assert int(late.headers["retry-after"]) >= 1


@pytest.mark.parametrize("body", [b"", b"password", b"password=&password=x", b"\xff\xfe", b"&" * 1000, b"a=1&" * 50])
def test_odd_forms_open_nothing(locked: TestClient, body: bytes) -> None:
    answer = locked.post("/login", content=body)
    assert answer.status_code in (400, 401, 422)
    assert set(answer.json()) == {"error", "message"}


def test_where_no_password_is_asked_for_there_is_no_login(client: TestClient) -> None:
    assert client.get("/login", follow_redirects=False).headers["location"] == "/"
    assert client.post("/login", data={"password": ""}).status_code == 405
    assert client.get("/api/status").json()["login"] is False
