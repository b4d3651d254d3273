import pytest
from matplotlib.figure import Figure

from scripts.speaker.figures.marks import counted, mark_reference, plain, whole_numbers


@pytest.mark.parametrize(("number", "text"), [(1346.2, "1,350"), (0.01249, "0.0125"), (194.5, "194"), (12.0, "12")])
def test_a_number_has_three_digits_and_no_exponent(number: float, text: str) -> None:
    assert plain(number) == text


def test_one_is_no_plural() -> None:
    assert [counted(1, "file"), counted(2000, "file")] == ["1 file", "2,000 files"]


@pytest.mark.parametrize("n", [1, 2, 9, 56, 1_000_000])
def test_an_axis_of_files_has_a_few_ticks_at_whole_numbers(n: int) -> None:
    axes = Figure().add_subplot()
    axes.set_xlim(-0.5, n - 0.5)
    whole_numbers(axes.xaxis, 10)
    ticks = [tick for tick in axes.get_xticks() if -0.5 <= tick <= n - 0.5]
    assert all(tick == round(tick) for tick in ticks)
    assert 1 <= len(ticks) <= 11


def test_a_reference_without_a_boundary_here_takes_no_room() -> None:
    figure = Figure()
    _, axes = figure.subplots(1, 2)
    before = axes.get_tightbbox().bounds
    mark_reference(axes, [])
    assert axes.get_tightbbox().bounds == before


def test_a_boundary_of_the_reference_is_marked_before_its_row() -> None:
    axes = Figure().add_subplot()
    mark_reference(axes, [3, 8])
    (marks,) = axes.lines
    assert list(marks.get_xdata()) == [2.5, 7.5]  # type: ignore[arg-type]
