import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text

from scripts.speaker.figures.palette import color_of
from scripts.speaker.figures.planes import draw_plane, speaker_means
from scripts.speaker.figures.projection import Projection, project
from tests.unit.speaker.figures.made import divided, voices


def plane(lengths: list[int], *, n_files: int = 1000, components: tuple[int, int] = (0, 1)) -> tuple[Axes, Projection]:
    axes = Figure(figsize=(7, 4)).add_subplot()
    projection = project(voices(lengths), n_files=n_files, n_components=4)
    segmentation = divided(sum(lengths), *np.cumsum(lengths)[:-1].tolist())
    draw_plane(axes, projection, segmentation, components=components)
    return axes, projection


def test_each_file_is_a_dot_at_its_place_in_the_colour_of_its_speaker() -> None:
    axes, projection = plane([3, 5, 2], components=(2, 3))
    dots = [tuple(place) for cloud in axes.collections for place in np.asarray(cloud.get_offsets())]
    assert dots == [tuple(place) for place in projection.places[:, 2:]]
    colors = [cloud.get_facecolor()[0][:3].tolist() for cloud in axes.collections]  # type: ignore[index]
    assert colors == [list(to_rgba(color_of(speaker))[:3]) for speaker in range(3)]


def test_up_to_twelve_speakers_are_named_and_no_name_covers_another() -> None:
    axes, _ = plane([5] * 12)
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    boxes = [Text.get_window_extent(text) for text in axes.texts]  # not its line to the files
    assert sorted(text.get_text() for text in axes.texts) == [f"speaker_{number:03}" for number in range(1, 13)]
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])
    dots = np.concatenate([np.asarray(cloud.get_offsets()) for cloud in axes.collections])
    pixels = axes.transData.transform(dots)
    assert not any(box.contains(x, y) for box in boxes for x, y in pixels)


def test_thirteen_speakers_are_not_named_and_keep_their_colours() -> None:
    axes, projection = plane([5] * 13)
    (cloud,) = axes.collections
    drawn = {
        tuple(place): tuple(color[:3])
        for place, color in zip(np.asarray(cloud.get_offsets()), cloud.get_facecolor(), strict=True)  # type: ignore[arg-type]
    }
    wanted = {
        tuple(place[:2]): to_rgba(color_of(row // 5))[:3]
        for row, place in zip(projection.rows, projection.places, strict=True)
    }
    assert drawn == wanted
    assert not axes.texts


def test_of_more_than_sixty_speakers_each_is_a_dot_at_the_mean_of_its_files() -> None:
    axes, projection = plane([4] * 61, n_files=200)
    _, dots = axes.collections  # the density lies below
    _, means = speaker_means(projection.places[:, :2], projection.rows // 4)
    assert np.asarray(dots.get_offsets()) == pytest.approx(means)
    assert "of 200 files, evenly spaced" in axes.get_title()


def test_the_mean_of_a_speaker_is_that_of_its_files_alone() -> None:
    places = np.array([[0.0, 0.0], [2.0, 4.0], [9.0, 9.0]])
    present, means = speaker_means(places, np.array([3, 3, 7]))
    assert present.tolist() == [3, 7]
    assert means.tolist() == [[1.0, 2.0], [9.0, 9.0]]
