import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.shared.figures.distributions import bin_edges, draw_counts, draw_histogram, failures_figure, gather_rare
from scripts.shared.figures.style import to_png

positive = st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=60)


def axes() -> Axes:
    return Figure().add_subplot()


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_each_class_of_failure_is_a_bar_as_long_as_its_count_the_commonest_on_top() -> None:
    (drawn,) = failures_figure({"corrupt": 3, "not_found": 40}, n_samples=200, title="clip4mc train").axes
    assert [bar.get_width() for bar in drawn.patches] == [40, 3]
    assert [label.get_text() for label in drawn.get_yticklabels()] == ["not_found", "corrupt"]
    assert drawn.yaxis_inverted()
    assert texts(drawn) == ["40 (20 %)", "3 (1.5 %)"]
    assert drawn.get_title("left") == "clip4mc train: 43 of 200 samples failed"
    assert drawn.get_xlabel() == "samples"


def test_without_failures_the_figure_says_so() -> None:
    figure = failures_figure({}, n_samples=7, title="clip4mc train")
    (drawn,) = figure.axes
    assert texts(drawn) == ["none failed"]
    assert not drawn.patches
    assert to_png(figure)


def test_of_many_kinds_the_rarest_are_one_bar_and_none_is_lost() -> None:
    counts = {f"codec{number:02}": 100 - number for number in range(30)}
    bars = gather_rare(counts, 12)
    assert bars[:2] == [("codec00", 100), ("codec01", 99)]
    assert bars[12:] == [("18 others", sum(100 - number for number in range(12, 30)))]
    assert gather_rare({"a": 1, "b": 2}, 1) == [("b", 2), ("a", 1)]  # one other has a name
    drawn = axes()
    draw_counts(drawn, counts, of=sum(counts.values()), none="none")
    assert sum(bar.get_width() for bar in drawn.patches) == sum(counts.values())


def test_equally_common_kinds_stand_in_the_order_of_their_names() -> None:
    assert gather_rare({"b": 1, "a": 1}, 12) == gather_rare({"a": 1, "b": 1}, 12) == [("a", 1), ("b", 1)]


@settings(derandomize=True, max_examples=200)
@given(positive)
def test_the_bins_of_a_histogram_hold_every_value(values: list[float]) -> None:
    edges, _ = bin_edges(values)
    assert (np.diff(edges) >= 0).all()
    assert np.histogram(values, edges)[0].sum() == len(values)


@pytest.mark.parametrize(("greatest", "logarithmic"), [(49.0, False), (51.0, True)])
def test_values_that_range_far_have_a_logarithmic_axis(greatest: float, logarithmic: bool) -> None:
    drawn = axes()
    draw_histogram(drawn, [1.0, 2.0, greatest], label="seconds", none="none")
    assert drawn.get_xscale() == ("log" if logarithmic else "linear")
    assert sum(bar.get_height() for bar in drawn.patches) == 3
    assert (drawn.get_xlabel(), drawn.get_ylabel()) == ("seconds", "samples")


def test_equal_values_are_one_bin_around_them() -> None:
    edges, logarithmic = bin_edges([3.2, 3.2])
    assert edges[0] < 3.2 < edges[1]
    assert (len(edges), logarithmic) == (2, False)


def test_without_values_the_histogram_says_so() -> None:
    drawn = axes()
    draw_histogram(drawn, [], label="seconds", none="none known")
    assert texts(drawn) == ["none known"]
