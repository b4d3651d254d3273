"""The lines that say how far a job is."""

import logging

import pytest

from scripts.shared import progress
from scripts.shared.progress import Progress, duration_text


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_every_ten_seconds_says_done_failed_rate_and_time_left(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        bar = Progress("clip4mc train 00042", total=500, log=logging.getLogger("job"))
        for number in range(260):
            clock[0] += 0.08
            bar.step(failed="no_video" if number == 7 else None)
    assert caplog.messages == [
        "[clip4mc train 00042] 125/500, 1 failed, 12.50/s, 30 s left",
        "[clip4mc train 00042] 250/500, 1 failed, 12.50/s, 20 s left",
    ]


def test_the_last_line_names_no_time_left(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        bar = Progress("toy 00000", total=1, log=logging.getLogger("job"))
        clock[0] += 2
        bar.step(failed=None)
        bar.end()
    assert caplog.messages == ["[toy 00000] 1/1, 0 failed, 0.50/s"]


def test_a_job_that_ends_before_its_first_sample_says_so(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        Progress("toy 00000", total=9, log=logging.getLogger("job")).end()
    assert caplog.messages == ["[toy 00000] 0/9, 0 failed, 0.00/s"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (60 * 59.4, "59 min"),
        (3600 * 3.2, "3 h 12 min"),
        (3600 * 47.999, "2 d 0 h"),
        (3600 * 51, "2 d 3 h"),
    ],
)
def test_a_time_is_told_in_its_largest_units(seconds: float, words: str) -> None:
    assert duration_text(seconds) == words
