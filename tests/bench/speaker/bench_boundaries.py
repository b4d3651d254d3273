"""Boundaries of made collections: how many each method finds, and what its confidence is worth."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from scripts.shared import atomic_files
from scripts.shared.figures.style import MADE, QUIET, house_style, to_png
from scripts.speaker.boundaries.evaluation import TOLERANCES, match, score_boundaries
from scripts.speaker.boundaries.found import Found
from scripts.speaker.boundaries.job import search
from scripts.speaker.boundaries.options import BoundaryOptions
from tests.bench.speaker.made_collections import HARD_KINDS, Collection, collections, hard_collections
from tests.bench.table import Cell, Table

METHODS = ("changepoint", "cosine", "gmm")
SEEDS = range(5)
HARD_SEEDS = range(15)
PICTURE = Path(__file__).resolve().parents[3] / "docs" / "img" / "speaker_calibration.png"
_EDGES = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1])
_MEASURES = ("precision", "recall", "f1")

Said = list[tuple[float, bool]]  # confidence of a boundary, and whether it is exactly a true one


def run() -> Table:
    """Search every collection with every method."""
    scores: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    said: Said = []
    doubted = defaultdict(list)
    for seed in SEEDS:
        for kind, made in collections(seed).items():
            for method in METHODS:
                found = search(made.embeddings, BoundaryOptions(method=method, segment_size=made.segment_size))
                scores[kind, method].append(_scores(found, made))
                if method == "changepoint":
                    said += _said(found, made)
                else:
                    right = {one for one, _ in match(found.indices[1:-1], made.truth[1:-1], 1)}
                    doubted[method] += [of.reliable for of in found.boundaries if of.index not in right]
    for seed in HARD_SEEDS:
        for made in hard_collections(seed).values():
            said += _said(search(made.embeddings, BoundaryOptions()), made)
    bins = calibration(said)
    atomic_files.write_bytes(PICTURE, to_png(draw_calibration(bins)))
    return Table(
        title="Speaker boundaries",
        about=(
            "Collections made with the statistics of real speech (`tests/bench/speaker/made_collections.py`), mean of "
            f"{len(SEEDS)} seeds: precision, recall and F1 of the boundaries within 0, 1 and 5 files, and the mean "
            "absolute error in files (missed boundaries count with the way to the nearest one that was found). The "
            "walking methods `cosine` and `gmm` are told the expected length: 1,000, 12 of 3 x 12 files, and 200 from "
            "the similar pairs on, where lengths are 200 +- 30 %. The curve below counts the boundaries of these and "
            f"of {len(HARD_SEEDS) * len(HARD_KINDS)} collections with 15 % bad files, where many places are in doubt."
            "\n\n"
            "![How often a boundary is exact, by its confidence](img/speaker_calibration.png)"
        ),
        columns=[
            "collection, method",
            *(f"{name} {tolerance}" for tolerance in TOLERANCES for name in ("P", "R", "F1")),
            "error",
        ],
        rows=[[f"{kind}, {method}", *_mean(all_scores)] for (kind, method), all_scores in scores.items()],
        notes=[
            *_lowest(scores),
            *(
                f"`{method}` calls {100 * (1 - np.mean(reliable)):.0f} % of its {len(reliable):,} wrong boundaries "
                "(further than a file from a true one) not reliable."
                for method, reliable in doubted.items()
            ),
            *(
                f"`changepoint`, boundaries of confidence {low:.2f} to {high:.2f} (mean {mean:.3f}): {n:,}, of which "
                f"{share:.3f} are exact."
                for low, high, n, mean, share in bins
            ),
        ],
        versions={"scikit-learn": metadata.version("scikit-learn")},
    )


def _said(found: Found, made: Collection) -> Said:
    exact = set(made.truth)
    return [(of.confidence, of.index in exact) for of in found.boundaries]


def _scores(found: Found, made: Collection) -> list[float]:
    scores = score_boundaries(found.indices, made.truth)
    by_tolerance = [scores["tolerances"][str(tolerance)][name] for tolerance in TOLERANCES for name in _MEASURES]
    return [*by_tolerance, scores["mean_absolute_error"]]


def _mean(rows: Sequence[Sequence[float]]) -> list[Cell]:
    *parts, error = (float(value) for value in np.mean(rows, axis=0))
    # Three digits also at 1, where the page would print two: 1.00 may be 0.996.
    return [*(f"{part:.3f}" for part in parts), round(error, 2)]


def _lowest(scores: dict[tuple[str, str], list[list[float]]]) -> Iterable[str]:
    column = 3 * TOLERANCES.index(1) + _MEASURES.index("f1")
    for method in METHODS:
        means = {kind: float(np.mean(rows, axis=0)[column]) for (kind, of), rows in scores.items() if of == method}
        worst = min(means, key=means.__getitem__)
        yield f"Lowest F1 within one file of `{method}`: {means[worst]:.3f} ({worst})."


def calibration(said: Said) -> list[tuple[float, float, int, float, float]]:
    """Lower and upper edge, number, mean confidence and share of exact boundaries of each bin that is not empty."""
    confidence, exact = np.array(said, float).T
    bin_of = np.clip(np.searchsorted(_EDGES, confidence, side="right") - 1, 0, len(_EDGES) - 2)
    return [
        (
            *(float(_EDGES[place]), float(_EDGES[place + 1])),
            *(int(inside.sum()), float(confidence[inside].mean()), float(exact[inside].mean())),
        )
        for place in range(len(_EDGES) - 1)
        if (inside := bin_of == place).any()
    ]


def draw_calibration(bins: list[tuple[float, float, int, float, float]]) -> Figure:
    """How often a boundary of some confidence is exact; what lies on the diagonal means what it says."""
    with house_style():
        figure = Figure(figsize=(6.4, 5.2), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle="--", label="means what it says")
        means, shares = [of[3] for of in bins], [of[4] for of in bins]
        low, high = np.array([wilson(share, of[2]) for share, of in zip(shares, bins, strict=True)]).T
        around = [np.subtract(shares, low), np.subtract(high, shares)]
        axes.errorbar(means, shares, around, color=MADE, marker="o", capsize=3, label="boundaries (95 % interval)")
        for count, mean, lowest in zip((of[2] for of in bins), means, low, strict=True):
            axes.annotate(
                f"{count:,}", (mean, lowest), (0, -12), textcoords="offset points", ha="center", color=QUIET, fontsize=8
            )
        axes.set(xlim=(0, 1.03), ylim=(-0.06, 1.03), xlabel="confidence", ylabel="share at exactly the true place")
        axes.set_title("Confidence of boundaries: changepoint, made collections")
        axes.legend(loc="upper left", frameon=False)
    return figure


def wilson(share: float, count: int) -> tuple[float, float]:
    """Interval that holds the true share in 95 of 100 cases (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    z = 1.96
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return max(0.0, middle - reach), min(1.0, middle + reach)
