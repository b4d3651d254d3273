import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from scripts.fgclip.figures.strip import BOX, strip_figure
from scripts.shared.figures.style import FAILED
from tests.unit.fgclip.figures.made import GOOD, HEIGHT, NORMAL, WIDTH, Made, shown

PLACES = np.array([1, 4, 6, 9])  # frames 4, 16, 24, 36: the second and third lie in the event


def draw(made: Made, key: str = GOOD, *, stepwise: bool = False) -> Figure:
    pictures = np.full((len(PLACES), HEIGHT, WIDTH, 3), 90, np.uint8)
    return strip_figure(shown(made, key), PLACES, pictures, title="made, run", stepwise=stepwise)


def frames_of(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.images]


def test_frames_of_the_event_have_a_red_edge_and_all_their_number_and_score(made: Made) -> None:
    frames = frames_of(draw(made))
    assert [same_color(axes.spines["left"].get_edgecolor(), FAILED) for axes in frames] == [False, True, True, False]
    assert [axes.get_title(loc="left").split(":")[0] for axes in frames] == [
        "4 (0.4 s)",
        "16 (1.6 s)",
        "24 (2.4 s)",
        "36 (3.6 s)",
    ]


def test_a_box_is_outlined_only_while_its_region_is_in_sight(made: Made) -> None:
    """Defect D2 of the guide's program: keyframes with `enabled: false` were taken for boxes."""
    boxes = [[patch for patch in axes.patches if isinstance(patch, Rectangle)] for axes in frames_of(draw(made))]
    assert [len(found) for found in boxes] == [0, 1, 0, 0]
    (box,) = boxes[1]
    assert np.allclose([*box.get_xy(), box.get_width(), box.get_height()], [4.8, 6.4, 14.4, 19.2])
    assert same_color(box.get_edgecolor(), BOX)


def test_colours_of_all_frames_are_those_of_the_one_bar(made: Made) -> None:
    figure = draw(made)
    bar = next(axes for axes in figure.axes if axes.get_title(loc="left") == "margin")
    cold, hot = (np.asarray(frames_of(figure)[place].images[0].get_array()).astype(int) for place in (0, 1))
    assert np.abs(hot - 90).sum() > 3 * np.abs(cold - 90).sum()
    maps = shown(made, GOOD).margin_map
    assert np.allclose(bar.get_ylim(), [np.percentile(maps, 5), maps.max()])


def test_the_curve_shades_the_truth_and_marks_the_frames_shown(made: Made) -> None:
    curve = draw(made).axes[-1]
    (shade,) = (patch for patch in curve.patches if isinstance(patch, Rectangle))
    assert (shade.get_x(), shade.get_width()) == (16, 12)
    marks = curve.get_lines()[-1]
    assert list(marks.get_xdata()) == [4, 16, 24, 36]
    labels = [text.get_text() for text in curve.get_legend().get_texts()]
    assert labels == ["anomaly as annotated", "whole frame", "places", "mean of both", "threshold of an alarm"]
    assert curve.get_xlabel() == "frame of 40 (4.0 s, 10 a second)"


def test_scores_that_are_repeated_are_drawn_in_steps(made: Made) -> None:
    assert [draw(made, stepwise=stepwise).axes[-1].get_lines()[0].get_drawstyle() for stepwise in (False, True)] == [
        "default",
        "steps-post",
    ]


def test_a_normal_video_has_no_shade(made: Made) -> None:
    assert not draw(made, NORMAL).axes[-1].patches


def test_a_heading_that_is_too_long_ends_in_dots(made: Made) -> None:
    pictures = np.full((len(PLACES), HEIGHT, WIDTH, 3), 90, np.uint8)
    figure = strip_figure(shown(made, GOOD), PLACES, pictures, title="a" * 300, stepwise=False)
    assert figure.texts[0].get_text() == "a" * 117 + "..."


def test_captions_of_regions_stand_above(made: Made) -> None:
    assert "a person hits another" in [text.get_text() for text in draw(made).texts]
