import subprocess
import sys

import matplotlib
import pytest
from matplotlib.figure import Figure

from scripts.shared.figures.style import drawable, house_style, say_instead, to_pdf, to_png


def drawn(text: str) -> Figure:
    with house_style():
        figure = Figure(figsize=(3, 1))
        say_instead(figure.add_subplot(), text)
    return figure


def test_what_no_font_has_and_what_cannot_be_seen_is_shown_as_an_escape() -> None:
    covered = frozenset(map(ord, "a pick \a\u202e"))
    assert drawable("a pick 挖\a\u202e\U0001f600", covered) == "a pick \\u6316\\x07\\u202e\\U0001f600"


@pytest.mark.filterwarnings("error")  # a glyph that is missing is a warning, and an empty box on the picture
def test_any_text_that_is_drawable_is_drawn_without_a_box() -> None:
    to_png(drawn(drawable("挖 pick عربي \U0001f600 \ue123 \ud800 $5 $x^2$ \t")))


def test_dollar_signs_are_dollar_signs() -> None:
    (text,) = drawn("$5$ for a pick").axes[0].texts
    assert not text.get_parse_math()


def test_equal_figures_give_equal_bytes_and_others_do_not() -> None:
    assert to_png(drawn("none failed")) == to_png(drawn("none failed"))
    assert to_png(drawn("none failed")) != to_png(drawn("one failed"))


@pytest.mark.filterwarnings("error")
def test_a_figure_becomes_a_pdf_without_a_date() -> None:
    made = to_pdf(drawn(drawable("none failed 挖")))
    assert made.startswith(b"%PDF")
    assert b"CreationDate" not in made
    assert made == to_pdf(drawn(drawable("none failed 挖")))


def test_a_users_own_matplotlib_settings_change_nothing_and_are_left_as_they_were() -> None:
    ours = to_png(drawn("none failed"))
    with matplotlib.rc_context({"font.size": 30, "figure.facecolor": "red", "savefig.dpi": 7}):
        assert to_png(drawn("none failed")) == ours
        assert matplotlib.rcParams["font.size"] == 30


def test_neither_the_snakefile_nor_the_frames_job_loads_matplotlib() -> None:
    modules = "scripts.systems, scripts.shared.config, scripts.shared.planning.plans, scripts.shared.shard_job"
    code = f"import sys, {modules}, scripts.clip4mc.sample, scripts.clip4mc.index; print('matplotlib' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
