import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from scripts.pose.toy.control import Control
from scripts.pose.toy.figures import control_figure, losses_figure
from scripts.shared.figures.style import to_png


def _texts(figure: Figure) -> str:
    suptitle = figure.get_suptitle()
    return "\n".join([suptitle, *(axes.get_title(loc="left") for axes in figure.axes)])


def test_both_losses_are_drawn_with_their_last_value() -> None:
    figure = losses_figure(np.linspace(1, 0.1, 200).tolist(), [2.0] * 30)
    assert "autoencoder" in figure.axes[0].get_title(loc="left")
    assert figure.axes[1].get_title(loc="left") == "denoiser: at last 2, mean of 25 steps"
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [200, 176]  # type: ignore[arg-type]
    assert to_png(figure) == to_png(losses_figure(np.linspace(1, 0.1, 200).tolist(), [2.0] * 30))


def test_few_steps_are_drawn_too() -> None:
    assert losses_figure([1.0], [0.5, 0.4]).axes[0].lines


def test_the_nearest_clip_of_each_caption_is_framed() -> None:
    distances = np.array([[0.1, 0.4, 0.5], [0.2, 0.3, 0.6], [0.5, 0.5, 0.12]])
    figure = control_figure(Control(("crawl", "jump", "walk"), ("crawls", "jumps", "walks"), distances))
    axes = figure.axes[0]
    assert "2 of 3" in _texts(figure)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["crawl", "jump", "walk"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["crawls", "jumps", "walks"]
    frames = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [frame.get_x() + 0.5 for frame in frames] == [0, 0, 2]
    assert [text.get_text() for text in axes.texts][:3] == ["10", "40", "50"]
