"""The figures of a CLIP4MC dataset, from its index, its ledgers and some of its samples."""

import json
from array import array
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from sys import intern

from matplotlib.figure import Figure

from scripts.clip4mc.contact_sheet import choose_for_sheet, contact_sheet, read_sample
from scripts.clip4mc.splits import read_splits
from scripts.shared import atomic_files
from scripts.shared.clip_tokens import ClipTokenizer
from scripts.shared.figures.distributions import draw_counts, draw_histogram, failures_figure
from scripts.shared.figures.style import house_style, to_png
from scripts.shared.figures.throughput import Span, spans, throughput_figure
from scripts.shared.index_files import read_listed
from scripts.shared.ledger import Row
from scripts.shared.planning.index_plan import IndexPlan, read_index_plan

_ON_SHEET = 6  # what a report page shows whole on a usual screen: it cuts off the top of a higher picture


def write_figures(
    plan_path: Path,
    *,
    info: Path,
    summary: Path,
    figures: Mapping[str, Path],
    title: str,
    channel_order: str,
    tokenizer: str,
) -> None:
    """Draw a dataset's figures.

    Args:
        plan_path: the index plan.
        info: `dataset_info.json`, which says who is in which split.
        summary: `summary.json`, which counts the failures.
        figures: the PNG files of `contact_sheet`, `sources`, `failures_by_class` and `throughput`.
        title: the dataset in words: `clip4mc train`.
        channel_order: `rgb` or `bgr`, as the frames are stored.
        tokenizer: as the configuration names it.

    Raises:
        JobError: a sample has no row, or one on the sheet, the plan or `dataset_info.json` is damaged.
    """
    plan = read_index_plan(plan_path)
    counted = json.loads(summary.read_text(encoding="utf-8"))
    durations, sizes, codecs = array("d"), Counter[str](), Counter[str]()
    work: list[Span] = []
    for _, source in read_listed(plan, _keep, lambda ledger: work.extend(spans(ledger.rates))):
        if source:
            duration_s, size_px, codec = source
            durations.append(duration_s)
            sizes[size_px] += 1
            codecs[codec] += 1
    n_samples = counted["ok"] + counted["failed"]
    drawn = {
        "contact_sheet": _sheet(plan, info, title=title, channel_order=channel_order, tokenizer=tokenizer),
        "sources": sources_figure(durations, sizes, codecs, title=title),
        "failures_by_class": failures_figure(counted["errors"], n_samples=n_samples, title=title),
        "throughput": throughput_figure(work, title=title),
    }
    for name, path in figures.items():
        atomic_files.write_bytes(path, to_png(drawn[name]))


def _keep(row: Row) -> tuple[float, str, str] | tuple[()]:
    """Duration in seconds, size and codec of a finished sample's source; texts are shared, to hold 300,000 of them."""
    if row["status"] == "failed":
        return ()
    facts = row["facts"]
    width, height = facts["size_px"]
    return facts["duration_s"], intern(f"{width} x {height}"), intern(facts["codec"])


def _sheet(plan: IndexPlan, info: Path, *, title: str, channel_order: str, tokenizer: str) -> Figure:
    splits = {split: [folder.rpartition("/")[2] for folder in folders] for split, folders in read_splits(info).items()}
    chosen = choose_for_sheet(splits, n_samples=_ON_SHEET, seed=plan.settings["seed"])
    clip_tokenizer = ClipTokenizer.from_option(tokenizer)
    samples = [
        read_sample(Path(plan.dataset_dir, key), split=split, tokenizer=clip_tokenizer, channel_order=channel_order)
        for split, key in chosen
    ]
    counts = ", ".join(f"{len(keys):,} {split}" for split, keys in splits.items() if keys)
    n_made = sum(map(len, splits.values()))
    heading = f"{title}: {len(samples)} of the {n_made:,} samples made ({counts})" if samples else title
    return contact_sheet(samples, title=heading)


def sources_figure(
    durations: "array[float]", sizes: Mapping[str, int], codecs: Mapping[str, int], *, title: str
) -> Figure:
    """What the sources of the finished samples are: their durations, sizes and codecs.

    Args:
        durations: of each sample's source in seconds; 0 where the file gives none.
        sizes: how many have each `width x height`.
        codecs: how many have each codec.
        title: of the figure.
    """
    known = array("d", (duration_s for duration_s in durations if duration_s > 0))
    unknown = f", {len(durations) - len(known):,} unknown" if len(known) < len(durations) else ""
    with house_style():
        figure = Figure(figsize=(15, 4.4), layout="constrained")
        figure.suptitle(f"{title}: sources of the samples made ({len(durations):,})", x=0.01, ha="left")
        of_duration, of_size, of_codec = figure.subplots(1, 3)
        of_duration.set_title(f"duration{unknown}")
        draw_histogram(of_duration, known, label="seconds", none="none known")
        of_size.set_title("width x height in pixels")
        draw_counts(of_size, sizes, of=len(durations), none="none made")
        of_codec.set_title("codec")
        draw_counts(of_codec, codecs, of=len(durations), none="none made")
    return figure
