from pathlib import Path

from matplotlib.figure import Figure

from scripts.cnclip.evaluation.bars_figure import accuracy_figure, recall_figure
from scripts.shared.figures.style import to_png
from tests.unit.cnclip.evaluation.test_comparison import labelled, measured, table


def words(figure: Figure) -> str:
    found = [text.get_text() for axes in figure.axes for text in (*axes.texts, *axes.get_yticklabels(), axes.title)]
    return "\n".join([*found, *(axes.get_title(loc="left") for axes in figure.axes)])


def test_every_model_and_direction_has_bars_intervals_and_chance(tmp_path: Path) -> None:
    metrics = [measured(tmp_path, "plain"), measured(tmp_path, "other", collapsed=True)]
    figure = recall_figure(table(tmp_path, metrics)["retrieval"], title="t")
    assert len(figure.axes) == 2
    first = figure.axes[0]
    assert [round(bar.get_width(), 2) for bar in first.patches] == [41.67, 85.0, 93.33]
    chance = [line for line in first.lines if line.is_dashed()]
    assert [round(line.get_xdata()[0], 2) for line in chance] == [3.79, 18.1, 34.18]
    assert "refused: no score is made" in words(figure)
    assert "plain\ntrained on" in words(figure)
    assert "60 asked, 40 to choose from" in words(figure)


def test_bars_stand_beside_their_model_where_some_texts_are_in_another_language(tmp_path: Path) -> None:
    rows = table(tmp_path, [measured(tmp_path, "plain"), measured(tmp_path, "other")])["retrieval"]
    worse = {"language": "en", "r1": 1.0, "r1_low": 0.5, "r1_high": 2.0}
    mixed = [each for row in rows for each in ([row, {**row, **worse}] if row["direction"] == "t2i" else [row])]
    figure = recall_figure(mixed, title="t")
    panels = {axes.get_title(loc="left").split(" (")[0]: axes for axes in figure.axes if axes.axison}
    assert len(panels) == 3
    english = next(axes for title, axes in panels.items() if "texts in en" in title)
    for axes in panels.values():
        assert [label.get_text().split("\n")[0] for label in axes.get_yticklabels()] == ["plain", "other"]
    assert [round(bar.get_width(), 2) for bar in english.patches[::3]] == [1.0, 1.0]


def test_accuracy_has_a_bar_a_model_and_the_line_of_chance(tmp_path: Path) -> None:
    zeroshot = [labelled(tmp_path, "plain", "1100"), labelled(tmp_path, "other", "1110")]
    (axes,) = accuracy_figure(table(tmp_path, [], zeroshot)["zeroshot"], title="t").axes
    assert [bar.get_width() for bar in axes.patches] == [50.0, 75.0]
    assert any(list(line.get_xdata()) == [33.3, 33.3] for line in axes.lines)


def test_nothing_measured_is_said() -> None:
    assert "nothing is measured" in words(recall_figure([], title="t"))
    assert to_png(accuracy_figure([], title="t")).startswith(b"\x89PNG")
