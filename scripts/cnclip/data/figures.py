"""Pictures of a dataset: some samples with their captions, and what its splits hold, lost and share."""

import json
from collections.abc import Mapping, Sequence
from heapq import nsmallest
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from scripts.cnclip.data.picture_list import read_pictures
from scripts.cnclip.data.pictures import thumbnail
from scripts.cnclip.data.texts import read_good_texts
from scripts.cnclip.data.tsv import open_tsv, picture_at
from scripts.shared import atomic_files
from scripts.shared.figures.distributions import draw_counts
from scripts.shared.figures.folding import folded
from scripts.shared.figures.style import DPI, FAILED, MADE, QUIET, house_style, say_instead, to_png
from scripts.shared.selection import keyed_hash

_SAMPLES = 24
# All in pixels.
_ACROSS, _CARD, _GAP = 6, 240, 22
_PICTURE, _HEAD, _TITLE = 190, 24, 56
_LINE, _LINES = 20, 4  # of a caption
_WIDTH_LINE = 30  # in halves of a Chinese letter's width
_MOST_CAPTIONS = 5  # looked at for one picture


class SplitFiles(NamedTuple):
    """Where a split's pictures and texts lie: the TSV, and the two lists that `make_tables` wrote."""

    tsv: Path
    good_pictures: Path
    good_texts: Path


class Sample(NamedTuple):
    """A picture as the sheet shows it.

    Attributes:
        split: its split.
        image_id: its id.
        picture: RGB, at most as large as it is drawn.
        captions: of it, in file order; none where they are hidden.
    """

    split: str
    image_id: int
    picture: Image.Image
    captions: tuple[str, ...]


def draw_figures(
    splits: Mapping[str, SplitFiles],
    summary: Path,
    *,
    samples: Path,
    overview: Path,
    seed: int,
    title: str,
) -> None:
    """Draw a dataset; equal data give equal bytes with one set of libraries and fonts.

    Args:
        splits: files of each split, in the order to be shown.
        summary: `summary.json` of `join_checks`.
        samples: PNG to write: pictures with their captions.
        overview: PNG to write: how much each split holds and lost, and what splits share.
        seed: of which samples are shown.
        title: of the figures.
    """
    atomic_files.write_bytes(
        samples, to_png(samples_figure(choose_samples(splits, seed=seed, n=_SAMPLES), title=title))
    )
    facts = json.loads(summary.read_text(encoding="utf-8"))
    atomic_files.write_bytes(overview, to_png(overview_figure(facts, list(splits), title=title)))


def choose_samples(splits: Mapping[str, SplitFiles], *, seed: int, n: int) -> list[Sample]:
    """Read some pictures with their captions, from all splits in turn.

    Args:
        splits: files of each split.
        seed: of the hash that decides; samples that are added later displace few.
        n: how many, where there are as many.
    """
    drawn = [_drawn(split, files, seed, n) for split, files in splits.items()]
    in_turn = [sample for samples in zip_longest(*drawn) for sample in samples if sample is not None]
    order = list(splits)
    return sorted(in_turn[:n], key=lambda sample: order.index(sample.split))


def _drawn(split: str, files: SplitFiles, seed: int, n: int) -> list[Sample]:
    ids, offsets, lengths = (column.tolist() for column in read_pictures(files.good_pictures))
    rows = nsmallest(n, range(len(ids)), key=lambda row: keyed_hash(seed, f"sample {ids[row]}"))
    captions = _captions(files.good_texts, [ids[row] for row in rows])
    samples = []
    with open_tsv(files.tsv) as file:
        for row in rows:
            picture = thumbnail(picture_at(file, offsets[row], lengths[row], ids[row]), 2 * _PICTURE)
            samples.append(Sample(split, ids[row], picture, tuple(captions[ids[row]])))
    return samples


def _captions(good_texts: Path, image_ids: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {image_id: [] for image_id in image_ids}
    for text in read_good_texts(good_texts):
        for image_id in text.image_ids:
            if image_id in found and len(found[image_id]) < _MOST_CAPTIONS:
                found[image_id].append(text.text)
    return found


def samples_figure(samples: Sequence[Sample], *, title: str) -> Figure:
    """Draw samples as cards: split and id, the picture, and its first captions below.

    Args:
        samples: in the order to be shown; without any the figure says so.
        title: of the figure.
    """
    n_rows = max(1, -(-len(samples) // _ACROSS))
    tall = _HEAD + _PICTURE + _LINE * _LINES + _GAP
    width, height = _GAP + _ACROSS * (_CARD + _GAP), _TITLE + n_rows * tall
    with house_style():
        figure = Figure(figsize=(width / DPI, height / DPI))

        def write(left: float, top: float, text: str, **style: Any) -> None:
            figure.text(left / width, 1 - top / height, text, va="top", **style)

        write(_GAP, 14, f"{title}: samples with their captions", fontsize=14)
        if not samples:
            say_instead(figure.add_axes((0, 0, 1, 0.8)), "no picture is good")
        for number, sample in enumerate(samples):
            left = _GAP + number % _ACROSS * (_CARD + _GAP)
            top = _TITLE + number // _ACROSS * tall
            write(left, top, f"{sample.split}  {sample.image_id}", color=QUIET, fontsize=9)
            place = (left / width, 1 - (top + _HEAD + _PICTURE) / height, _CARD / width, _PICTURE / height)
            axes = figure.add_axes(place, anchor="W")
            axes.imshow(sample.picture)
            axes.set_axis_off()
            captions = sample.captions or ("(no caption)",)
            for line_number, line in enumerate(folded(captions, width=_WIDTH_LINE, n_lines=_LINES)):
                write(left, top + _HEAD + _PICTURE + 6 + line_number * _LINE, line, fontsize=10)
    return figure


def overview_figure(summary: Mapping[str, Any], splits: Sequence[str], *, title: str) -> Figure:
    """Draw what the splits hold, why the rest failed, and how many pictures splits share.

    Args:
        summary: as `join_checks` wrote it.
        splits: names, in the order to be shown.
        title: of the figure.
    """
    with house_style():
        figure = Figure(figsize=(12, 4.2), layout="constrained")
        figure.suptitle(f"{title}: {summary['ok']:,} pictures and texts are good, {summary['failed']:,} are left out")
        held, failed, shared = figure.subplots(1, 3, width_ratios=(1.2, 1, 0.9))
        _draw_held(held, summary["splits"], splits)
        failed.set_title("left out, by reason")
        draw_counts(failed, summary["errors"], of=summary["samples"], none="nothing is left out", color=FAILED)
        _draw_shared(shared, summary["leakage"])
    return figure


def _draw_held(axes: Axes, facts: Mapping[str, Any], splits: Sequence[str]) -> None:
    axes.set_title("good, and left out")
    names = [(split, kind) for split in splits for kind in ("pictures", "texts")]
    ok, failed = ([facts[split][kind][state] for split, kind in names] for state in ("ok", "failed"))
    axes.barh(range(len(names)), ok, color=MADE, height=0.7)
    bars = axes.barh(range(len(names)), failed, left=ok, color=FAILED, height=0.7)
    axes.bar_label(
        bars, [f"{good:,}" + f" + {bad:,}" * (bad > 0) for good, bad in zip(ok, failed, strict=True)], padding=4
    )
    axes.set_yticks(range(len(names)), [" ".join(name) for name in names])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.35 * max([1, *map(sum, zip(ok, failed, strict=True))]))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def _draw_shared(axes: Axes, leakage: Mapping[str, Any]) -> None:
    """A table, since nearly all of its numbers are 0."""
    axes.set_title("pictures shared by two splits")
    axes.set_axis_off()
    if not leakage:
        say_instead(axes, "there is one split")
        return
    for row, (names, found) in enumerate(sorted(leakage.items())):
        top = 0.9 - 0.13 * row
        color = FAILED if found["pictures"] else "black"
        axes.text(0.0, top, names.replace("/", " and "), transform=axes.transAxes, color=color)
        axes.text(0.8, top, f"{found['pictures']:,}", transform=axes.transAxes, color=color, ha="right")
