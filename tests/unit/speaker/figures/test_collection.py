from array import array

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.speaker.figures.collection import collection_figure, draw_file_counts
from scripts.speaker.figures.segmentation import Segmentation
from tests.unit.speaker.figures.made import divided


def counts(segmentation: Segmentation) -> Axes:
    axes = Figure().add_subplot()
    draw_file_counts(axes, segmentation)
    return axes


def test_few_speakers_are_bars_in_the_order_of_the_collection() -> None:
    axes = counts(divided(10, 3, 9, segment_size=4))
    assert [bar.get_width() for bar in axes.patches] == [3, 6, 1]  # type: ignore[attr-defined]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["speaker_001", "speaker_002", "speaker_003"]
    assert np.asarray(axes.lines[0].get_xdata()).tolist() == [4, 4]


def test_many_speakers_are_a_curve_from_the_most_files_to_the_fewest() -> None:
    axes = counts(divided(210, *np.cumsum(range(1, 20)).tolist(), segment_size=10))
    (curve,) = axes.patches
    assert curve.get_data().values.tolist() == sorted(range(1, 21), reverse=True)  # type: ignore[attr-defined]
    assert np.asarray(axes.lines[0].get_ydata()).tolist() == [10, 10]
    assert axes.get_title() == "files of each speaker: 1 to 20, median 10.5"


def test_without_an_expected_length_none_is_marked() -> None:
    assert not counts(divided(10, 3)).lines


def test_unknown_durations_are_counted_and_left_out() -> None:
    figure = collection_figure(divided(3), array("d", [1.5, 0.0, 4.5]), title="speaker studio")
    of_duration, _ = figure.axes
    assert sum(bar.get_height() for bar in of_duration.patches) == 2  # type: ignore[attr-defined]
    assert of_duration.get_title("left") == "duration of the recordings, 1 unknown"
    assert figure.get_suptitle() == "speaker studio: 3 files, 0.1 minutes, 1 speaker found"
