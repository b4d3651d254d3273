"""How the figures look, and how one becomes the bytes of a file: equal input, equal bytes."""

import io
import logging
from contextlib import AbstractContextManager
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

DPI = 100
MADE, FAILED, QUIET = "#3b6ea8", "#c0492f", "#667078"

# DejaVu comes with matplotlib. It has no Chinese, Japanese or Korean; these are what systems have for them.
_OWN_FONT = "DejaVu Sans"
_OTHER_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Zen Hei"),
    *("WenQuanYi Micro Hei", "Droid Sans Fallback", "PingFang SC", "Arial Unicode MS", "Microsoft YaHei"),
)
# A Python package that is a font (Noto Sans SC), for systems that have none of them.
_FONT_PACKAGE, _FONT_FILE = "pylopdf_fonts_zh_cn", "NotoSansSC-Regular.otf"


def house_style() -> "AbstractContextManager[None]":
    """Inside it figures are drawn, and turned into bytes, alike for all users, whatever their matplotlibrc."""
    return matplotlib.style.context(
        [
            "default",
            {
                "font.family": list(fonts()),
                "figure.dpi": DPI,
                "savefig.dpi": DPI,
                "axes.titlelocation": "left",
                "axes.titlesize": 11,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.axisbelow": True,
                "axes.grid": True,
                "grid.color": "#e4e7ea",
                "figure.titlesize": 13,
                "pdf.fonttype": 42,  # whole letters, which can be selected and which journals take
                "text.parse_math": False,  # a caption's dollar signs are dollar signs
            },
        ]
    )


@cache
def fonts() -> tuple[str, ...]:
    """Names of the fonts to draw with: the first that has a character draws it."""
    package = find_spec(_FONT_PACKAGE)  # found, not imported
    for folder in (package and package.submodule_search_locations) or ():
        fontManager.addfont(Path(folder, _FONT_FILE))
    there = set(fontManager.get_font_names())
    return (_OWN_FONT, *(name for name in _OTHER_FONTS if name in there))


@cache
def _covered() -> frozenset[int]:
    """Code points for which one of the fonts has a picture."""
    return frozenset().union(*(get_font(findfont(FontProperties(family=[name]))).get_charmap() for name in fonts()))


def drawable(text: str, covered: frozenset[int] | None = None) -> str:
    r"""The text as it can be drawn: a character that no font has is shown as its escape, such as `\u4e2d`.

    Args:
        text: any text.
        covered: code points that can be drawn; None for those of this machine's fonts.
    """
    there = _covered() if covered is None else covered
    return "".join(
        mark if ord(mark) in there and mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text
    )


def say_instead(axes: Axes, text: str) -> None:
    """Write a line where there is nothing to draw."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=QUIET, fontsize=12)


def to_png(figure: Figure) -> bytes:
    """The figure as a PNG file; equal figures give equal bytes with one version of matplotlib and the same fonts."""
    content = io.BytesIO()
    with house_style():
        figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def to_pdf(figure: Figure) -> bytes:
    """The figure as a PDF file; equal figures give equal bytes, as with `to_png`."""
    content = io.BytesIO()
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells every table of every font
    with house_style():
        figure.savefig(content, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return content.getvalue()
