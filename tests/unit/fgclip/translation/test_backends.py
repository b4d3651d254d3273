"""Translators that add to the table."""

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from scripts.fgclip.translation.backends import FIRST_WAIT_S, TRIES, _answer, fill_table, http_service, marian
from scripts.fgclip.translation.table import read_table
from scripts.shared.errors import ConfigError, JobError


class Service:
    """A chat completion service on this machine.

    Args:
        answers: of each request a status and the text that is answered; the last one again and again.
    """

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.requests: list[tuple[str, str | None, Any]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.requests.append((self.path, self.headers["Authorization"], body))
                status, text = answers[min(len(service.requests), len(answers)) - 1]
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps({"choices": [{"message": {"content": text}}]}).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self.server.server_port}/v1/"
        return {"OPENAI_BASE_URL": url, "OPENAI_MODEL": "toy", "OPENAI_API_KEY": "k"}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_a_service_is_asked_once_a_text_with_model_key_and_temperature() -> None:
    service = Service((200, "a man"), (200, "a woman"))
    try:
        assert list(http_service(service.environment)(["一名男子", "女子"])) == ["a man", "a woman"]
    finally:
        service.close()
    path, key, body = service.requests[1]
    assert (path, key) == ("/v1/chat/completions", "Bearer k")
    assert (body["model"], body["temperature"], body["messages"][1]["content"]) == ("toy", 0.2, "女子")
    assert "at most 20 words" in body["messages"][0]["content"]


def test_a_busy_service_is_asked_again_after_waits_that_double() -> None:
    service, waits = Service((429, ""), (503, ""), (200, "a man")), list[float]()
    try:
        assert list(http_service(service.environment, sleep=waits.append)(["一名男子"])) == ["a man"]
    finally:
        service.close()
    assert waits == [FIRST_WAIT_S, 2 * FIRST_WAIT_S]


def test_a_service_that_stays_busy_is_given_up_with_words() -> None:
    service, waits = Service((503, "")), list[float]()
    try:
        with pytest.raises(JobError, match=rf"503 Service Unavailable, {TRIES} times; run again later"):
            list(http_service(service.environment, sleep=waits.append)(["一名男子"]))
    finally:
        service.close()
    assert len(service.requests) == len(waits) + 1 == TRIES


def test_a_key_that_is_refused_is_not_tried_again() -> None:
    service = Service((401, ""))
    try:
        with pytest.raises(JobError, match="401 Unauthorized; are OPENAI_API_KEY and OPENAI_MODEL right"):
            list(http_service(service.environment)(["一名男子"]))
    finally:
        service.close()
    assert len(service.requests) == 1


def test_a_service_that_cannot_be_reached_is_named() -> None:
    service = Service()
    service.close()
    with pytest.raises(JobError, match=r"/v1/chat/completions: .*refused, 5 times"):
        list(http_service(service.environment, sleep=lambda _: None)(["一名男子"]))


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"OPENAI_MODEL": "toy"}, "OPENAI_BASE_URL is not set"),
        ({"OPENAI_BASE_URL": "http://x"}, "OPENAI_MODEL is not set"),
        ({"OPENAI_BASE_URL": "file:///etc", "OPENAI_MODEL": "toy"}, "OPENAI_BASE_URL: 'file:///etc' is no address"),
    ],
)
def test_a_service_that_is_not_configured_is_refused(environment: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        http_service(environment)


def test_only_translations_that_can_be_used_come_to_the_table(tmp_path: Path) -> None:
    table = tmp_path / "translations.tsv"
    table.write_text("男子\ta man\n", encoding="utf-8")

    def translator(texts: Sequence[str]) -> Iterator[str]:
        yield from {"女子": " A woman\n", "孩子": "孩子", "男人": "A man", "狗": "word " * 21}.values()

    refused = fill_table(table, ["女子", "孩子", "男人", "狗"], translator)
    assert table.read_text("utf-8") == "男子\ta man\n女子\tA woman\n"
    assert [line.split(":")[0] for line in refused] == ["孩子", "男人", "狗"]


def test_what_was_translated_before_a_failure_is_kept(tmp_path: Path) -> None:
    def translator(texts: Sequence[str]) -> Iterator[str]:
        yield "a man"
        raise JobError("gone")

    with pytest.raises(JobError, match="gone"):
        fill_table(tmp_path / "new.tsv", ["男子", "女子"], translator)
    assert list(read_table(tmp_path / "new.tsv").rows) == ["男子"]


def test_a_folder_without_a_marian_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no Marian model \(no config\.json\)"):
        marian(tmp_path)


def test_an_answer_that_is_no_completion_is_shown() -> None:
    with pytest.raises(JobError, match="its answer is no chat completion: b'<html>'"):
        _answer(b"<html>", "http://x")
