from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.shared.figures.style import to_png
from scripts.shared.figures.throughput import Span, leave_out_idle, per_second, spans, throughput_figure

DAY = 86_400.0
works = st.lists(
    st.builds(
        lambda start, length, done: Span(start, start + length, done, 0),
        *(st.floats(0, 1e5), st.floats(1e-3, 1e4), st.integers(1, 1000)),
    ),
    min_size=1,
    max_size=20,
)


def rate(at: float, seconds: float, made: int, failed: int = 0) -> dict[str, Any]:
    return {"made": made, "failed": failed, "seconds": seconds, "at": at, "workers": 8}


def test_the_rows_of_a_job_are_the_stretches_between_them() -> None:
    rows = [rate(110, 10, 50, 1), rate(120, 20, 90, 1), rate(123, 23, 100, 4)]
    assert spans(rows) == [Span(100, 110, 50, 1), Span(110, 120, 40, 0), Span(120, 123, 10, 3)]


def test_the_next_job_of_a_shard_counts_from_its_own_start() -> None:
    killed, resumed = [rate(110, 10, 50), rate(120, 20, 90)], [rate(160, 10, 60), rate(190, 40, 70)]
    assert spans(killed + resumed)[2:] == [Span(150, 160, 60, 0), Span(160, 190, 10, 0)]
    # Also where it has made more in more time by its first row than the one before it in all.
    assert spans([rate(110, 10, 5), rate(160, 30, 60)]) == [Span(100, 110, 5, 0), Span(130, 160, 60, 0)]
    # And where the two worked beside each other.
    assert spans([rate(110, 10, 5), rate(112, 5, 60)]) == [Span(100, 110, 5, 0), Span(107, 112, 60, 0)]


def test_rows_without_a_time_and_stretches_in_which_nothing_ended_are_left_out() -> None:
    old = {"made": 2, "seconds": 0.673, "workers": 2}
    assert spans([old, rate(110, 10, 0), rate(120, 20, 8)]) == [Span(110, 120, 8, 0)]


def test_the_clock_stands_still_while_nobody_works_for_long() -> None:
    work = [Span(50, 150, 10, 0), Span(0, 100, 10, 0), Span(10 * DAY, 10 * DAY + 30, 5, 0)]
    moved, idle = leave_out_idle(work)
    assert moved == [Span(0, 100, 10, 0), Span(50, 150, 10, 0), Span(150, 180, 5, 0)]
    assert idle == [(150, 10 * DAY - 150)]


def test_a_short_pause_stays_to_be_seen() -> None:
    work = [Span(1000, 1100, 10, 0), Span(1010, 1020, 1, 0), Span(1109, 1200, 10, 0)]
    moved, idle = leave_out_idle(work)
    assert [(span.start, span.end) for span in moved] == [(0, 100), (10, 20), (109, 200)]
    assert idle == []


def test_jobs_beside_each_other_add_up() -> None:
    work = [Span(0, 10, 100, 0), Span(5, 10, 20, 0)]
    assert per_second(work, [100, 20], np.array([0.0, 5.0, 10.0])).tolist() == pytest.approx([10, 14])


@settings(derandomize=True, max_examples=200, deadline=None)
@given(works)
def test_whatever_the_jobs_no_sample_is_lost_or_counted_twice(work: list[Span]) -> None:
    moved, _ = leave_out_idle(work)
    edges = np.linspace(0.0, max(span.end for span in moved), 121)
    done = [span.done for span in moved]
    total = float((per_second(moved, done, edges) * np.diff(edges)).sum())
    assert total == pytest.approx(sum(span.done for span in work), rel=1e-6)
    assert sorted(done) == sorted(span.done for span in work)


def test_the_figure_shows_what_was_done_and_what_failed_over_working_time() -> None:
    work = [Span(1.7e9, 1.7e9 + 600, 6000, 60), Span(1.7e9 + DAY, 1.7e9 + DAY + 600, 1200, 0)]
    (axes,) = throughput_figure(work, title="clip4mc train").axes
    done, failed = (patch.get_data() for patch in axes.patches)
    assert done.edges[-1] == pytest.approx(20)  # minutes
    assert done.values[[0, -1]].tolist() == pytest.approx([10, 2])
    assert failed.values[[0, -1]].tolist() == pytest.approx([0.1, 0])
    title, when = axes.get_title("left").split("\n")
    assert title == "clip4mc train: 7,200 samples done, 60 of them failed, in 20 minutes"
    assert when == "2023-11-14 22:13 to 2023-11-15 22:23 UTC"
    assert axes.get_xlabel() == "working time in minutes (idle times left out: 1)"
    assert axes.get_ylabel() == "samples a second"
    assert [text.get_text() for text in axes.texts] == ["idle 23.8 hours"]


def test_without_rates_the_figure_says_so() -> None:
    figure = throughput_figure([], title="clip4mc train")
    assert [text.get_text() for text in figure.axes[0].texts] == ["no rate was recorded"]
    assert to_png(figure)
