"""What a model finds: some queries with their first answers, the right ones framed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from scripts.cnclip.data.picture_list import read_pictures
from scripts.cnclip.data.pictures import thumbnail
from scripts.cnclip.data.tsv import open_tsv, picture_at
from scripts.shared import atomic_files
from scripts.shared.figures.folding import folded
from scripts.shared.figures.style import DPI, QUIET, drawable, house_style, say_instead, to_png

_RIGHT, _WRONG = "#2e8b57", "#b9c0c6"
# All in pixels.
_QUERY, _PICTURE, _GAP, _TALL, _TITLE, _HEAD = 300, 150, 18, 178, 56, 36
_LINE, _LETTERS, _LINES = 20, 19, 6  # letters of the width of a Chinese one

Example = Mapping[str, Any]


def draw_examples(*, metrics: Path, tsv: Path, pictures: Path, output: Path) -> None:
    """Draw the examples that an evaluation chose blindly.

    Args:
        metrics: `metrics.json` of `evaluate`.
        tsv: the pictures.
        pictures: the list of the good ones.
        output: PNG.

    Raises:
        JobError: a file is damaged, or the TSV was changed since its check.
        ConfigError: the TSV cannot be opened.
    """
    said = json.loads(metrics.read_bytes())
    examples: list[Example] = said["examples"]
    wanted = {one["query"] for one in examples if one["direction"] == "i2t"}
    wanted |= {image_id for one in examples if one["direction"] == "t2i" for image_id in one["found"]}
    title = f"{said['model']} on {said['dataset']} ({said['split']})"
    figure = examples_figure(examples, _thumbnails(tsv, pictures, wanted), title=title, refused=said["refused"] or "")
    atomic_files.write_bytes(output, to_png(figure))


def _thumbnails(tsv: Path, pictures: Path, wanted: set[int]) -> dict[int, Image.Image]:
    listed = read_pictures(pictures)
    rows = np.flatnonzero(np.isin(listed.image_ids, np.array(sorted(wanted), np.int64))).tolist()
    found = {}
    with open_tsv(tsv) as file:
        for row in rows:
            image_id = int(listed.image_ids[row])
            data = picture_at(file, int(listed.offsets[row]), int(listed.lengths[row]), image_id)
            found[image_id] = thumbnail(data, 2 * _PICTURE)
    return found


def examples_figure(
    examples: Sequence[Example], pictures: Mapping[int, Image.Image], *, title: str, refused: str = ""
) -> Figure:
    """Draw queries in rows: a text and the pictures found, or a picture and the texts found.

    Args:
        examples: `examples` of `metrics.json`.
        pictures: all that are shown, by id.
        title: of the figure.
        refused: why there are none.
    """
    n_answers = max((len(one["found"]) for one in examples), default=5)
    width = _GAP + _QUERY + n_answers * (_PICTURE + _GAP) + _GAP
    height = _TITLE + max(1, len(examples)) * (_TALL + _GAP) + _HEAD
    with house_style():
        figure = Figure(figsize=(width / DPI, height / DPI))

        def write(left: float, top: float, text: str, **style: Any) -> None:
            figure.text(left / width, 1 - top / height, drawable(text), va="top", **style)

        def axes_at(left: float, top: float, size: float) -> Axes:
            return figure.add_axes((left / width, 1 - (top + size) / height, size / width, size / height))

        write(_GAP, 16, f"{title}: queries chosen blindly, with the first answers", fontsize=13)
        if examples:
            write(_GAP, 38, "right answers are green: framed pictures, marked texts", fontsize=9, color=_RIGHT)
        else:
            say_instead(figure.add_axes((0, 0, 1, 0.8)), drawable(refused) or "no query has an answer")
        for number, one in enumerate(examples):
            top = _TITLE + _HEAD / 2 + number * (_TALL + _GAP)
            is_text = one["direction"] == "t2i"
            kind = "text" if is_text else "picture"
            write(_GAP, top, f"{kind} {one['query']}", fontsize=8, color=QUIET)
            if is_text:
                for line, words in enumerate(folded(one["texts"][:1], width=2 * _LETTERS, n_lines=_LINES)):
                    write(_GAP, top + 20 + line * _LINE, words, fontsize=11)
            else:
                _show(axes_at(_GAP, top + 18, _PICTURE), pictures.get(one["query"]), QUIET)
            for place, (found, right) in enumerate(zip(one["found"], one["right"], strict=True)):
                color = _RIGHT if right else _WRONG
                left = _GAP + _QUERY + place * (_PICTURE + _GAP)
                if is_text:
                    write(left, top, f"{place + 1}: {found}", fontsize=8, color=_RIGHT if right else QUIET)
                    _show(axes_at(left, top + 18, _PICTURE), pictures.get(found), color)
                else:
                    at = top + 18 + place * (_TALL - 22) / n_answers
                    answer = folded([one["texts"][place]], width=6 * _LETTERS, n_lines=1)
                    words = f"{place + 1}: {answer[0]}"
                    marked = f"{words}  \N{CHECK MARK}" if right else words
                    write(_GAP + _QUERY, at, marked, fontsize=11, color=_RIGHT if right else "black")
    return figure


def _show(axes: Axes, picture: Image.Image | None, color: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    if picture is not None:
        axes.imshow(picture)
        axes.set_anchor("N")
    for spine in axes.spines.values():
        spine.set(visible=True, edgecolor=color, linewidth=4 if color == _RIGHT else 1)
