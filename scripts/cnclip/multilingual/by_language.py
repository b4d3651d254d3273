"""Recall by language: the same questions, asked in each language that the model was taught."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scripts.cnclip.evaluation.gates import refuse_non_finite
from scripts.cnclip.evaluation.ranking import top_k
from scripts.cnclip.evaluation.recall import DEPTHS, LONGEST, MEASURES, answered, chance, recalls
from scripts.cnclip.multilingual.parallel import TEACHER_LANGUAGE
from scripts.shared import atomic_files
from scripts.shared.figures.style import QUIET, house_style, say_instead, to_png

Features = NDArray[np.float32]
_LETTERS_AN_INCH = 10  # of the title
_COLORS = ("#3b6ea8", "#7fa3cb", "#c3d3e6")  # of recall at 1, 5 and 10


class Queries(NamedTuple):
    """What is asked in one language.

    Attributes:
        features: (n, D) float32 unit rows, n at least 1.
        answers: of each the ids of the gallery that are right.
    """

    features: Features
    answers: Sequence[Sequence[int]]


def by_language(
    gallery_ids: Sequence[int] | NDArray[np.int64], gallery: Features, queries: Mapping[str, Queries]
) -> dict[str, dict[str, float]]:
    """Recall of each language over one gallery.

    Args:
        gallery_ids: (N,) ids, pictures mostly; N at least 1.
        gallery: (N, D) float32 unit rows.
        queries: by language.

    Returns:
        By language `queries` (how many), `r1`, `r5`, `r10` and `mean_recall` in percent, and `chance_r1` and so on,
        what a random order would reach.

    Raises:
        RefusedModelError: a feature is NaN or infinite.
    """
    ids = np.asarray(gallery_ids, np.int64)
    refuse_non_finite(gallery, "features of the gallery")
    found: dict[str, dict[str, float]] = {}
    for language, asked in queries.items():
        refuse_non_finite(asked.features, f"text features ({language})")
        rows = top_k(asked.features, gallery, min(LONGEST, len(ids)))
        by_chance = chance([len(set(right)) for right in asked.answers], len(ids))
        found[language] = {
            "queries": len(asked.features),
            **recalls(answered(ids[rows].tolist(), asked.answers)),
            **{f"chance_{name}": value for name, value in by_chance.items()},
        }
    return found


def languages_figure(found: Mapping[str, Mapping[str, float]], *, title: str) -> Figure:
    """Bars of recall at 1, 5 and 10 for each language, with a line where chance would be at 1.

    Args:
        found: see `by_language`.
        title: of the figure.
    """
    languages = sorted(found, key=lambda name: (name != TEACHER_LANGUAGE, name))
    with house_style():
        if not languages:
            figure = Figure(figsize=(5.0, 3.6), layout="constrained")
            say_instead(figure.add_subplot(), "nothing was scored")
            return figure
        figure = Figure(figsize=(max(5.0, 1.6 * len(languages) + 2.0), 3.6), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(fill(title, int(_LETTERS_AN_INCH * (figure.get_figwidth() - 1))))
        width = 0.8 / len(DEPTHS)
        for number, (depth, measure, color) in enumerate(zip(DEPTHS, MEASURES, _COLORS, strict=False)):
            places = np.arange(len(languages)) + (number - 1) * width
            values = [found[language][measure] for language in languages]
            bars = axes.bar(places, values, width, color=color, label=f"R@{depth}")
            axes.bar_label(bars, [f"{value:.1f}" for value in values], padding=2, fontsize=8)
        by_chance = max(found[language]["chance_r1"] for language in languages)
        axes.axhline(by_chance, color=QUIET, linewidth=1, linestyle="--", label=f"chance, R@1 ({by_chance:.1f})")
        names = [f"{language} ({int(found[language]['queries']):,})" for language in languages]
        axes.set_xticks(range(len(languages)), names)
        axes.set_xlabel("language of the texts (number of them)")
        axes.set_ylabel("recall, %")
        axes.set_ylim(0, 112)
        axes.grid(visible=False, axis="x")
        axes.legend(ncols=4, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.22))
    return figure


def write_languages_figure(metrics: Path, figure: Path) -> None:
    """Draw the recall by language of an evaluation.

    Args:
        metrics: `metrics.json` of `evaluation.evaluate`.
        figure: the picture (PNG).
    """
    said = json.loads(metrics.read_text(encoding="utf-8"))
    measured = {TEACHER_LANGUAGE: said["directions"], **said["languages"]}
    found = {
        language: {
            "queries": directions["t2i"]["n_queries"],
            **directions["t2i"]["recall"],
            **{f"chance_{name}": value for name, value in directions["t2i"]["chance"].items()},
        }
        for language, directions in measured.items()
        if "t2i" in directions
    }
    title = f"{said['model']} on {said['dataset']}, {said['split']}: text to image by language"
    atomic_files.write_bytes(figure, to_png(languages_figure(found, title=title)))
