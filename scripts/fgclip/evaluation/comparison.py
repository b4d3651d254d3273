"""All forms of models on one dataset in one table: measured, controls, and published figures marked as such."""

import csv
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from scripts.fgclip.data.records import read_test
from scripts.fgclip.evaluation.metrics_file import BOOTSTRAP, DENSE, MEASURES, RATES, SCORES, read_metrics
from scripts.fgclip.evaluation.published import OTHER_PROTOCOL, published_rows
from scripts.fgclip.evaluation.ranking import interval
from scripts.fgclip.evaluation.tables import html_table, latex_table
from scripts.fgclip.scoring.score_files import read_scores
from scripts.shared import atomic_files
from scripts.shared.errors import JobError

TABLE, PROMPTS = "comparison", "prompts"  # names of the files, without suffix
MEASURED, CONTROL = "measured", "control"
COLUMNS = (
    *("kind", "model", "score"),
    *(f"{measure}{end}" for measure in MEASURES for end in ("", "_low", "_high")),
    *RATES,
    *("pointing", "pointing_low", "pointing_high"),
    "baseline",
    *(f"{measure}_minus_baseline{end}" for measure in MEASURES for end in ("", "_low", "_high")),
    *("n_videos", "n_listed", "note"),
)
_SUPERVISION = (
    "Measured models learned from boxes and times of a part of the training videos, published ones mostly from labels "
    "of whole videos: the figures are not directly comparable."
)

log = logging.getLogger(__name__)

Row = dict[str, Any]


@dataclass(frozen=True)
class _Measured:
    """One form: its `metrics.json`, and the arrays of `bootstrap.npz` beside it."""

    said: Mapping[str, Any]
    drawn: Mapping[str, NDArray[Any]]

    @property
    def form(self) -> str:
        form: str = self.said["form"]
        return form


def compare(
    *,
    metrics: Sequence[Path],
    about: Mapping[str, Mapping[str, Any]],
    baseline: str,
    scores_dir: Path,
    test: Path,
    target: Path,
) -> dict[str, Any]:
    """Write the tables of all forms of one dataset.

    Args:
        metrics: `metrics.json` of each form, `bootstrap.npz` beside it, in the order of the table.
        about: by form what else its rows are to tell, such as the captions' language; further columns.
        baseline: the form that others are compared with, of the same run's step 0 or any; "" for the first one.
        scores_dir: holds a folder of scores by the name of each form.
        test: `test.json`.
        target: gets `comparison.json`, `.csv`, `.tex` and `.html`, and `prompts.csv` and `.json`: the table of the
            guide's program, each video's whole vector against the classes.

    Returns:
        What `comparison.json` holds.

    Raises:
        JobError: measurements or scores cannot be read.
    """
    measured = [_read(path) for path in metrics]
    chosen = baseline or (measured[0].form if measured else "")
    base = next((one for one in measured if one.form == chosen), None)
    if base is None:
        log.warning("the baseline %s is not among what is compared: no differences", chosen)
    rows = list(_rows(measured, base, about))
    besides = list(dict.fromkeys(name for one in about.values() for name in one))
    title, note = _title(measured), _note(measured, base)
    content = {"title": title, "baseline": chosen, "columns": besides, "rows": rows, "note": note}
    prompts = list(_prompt_rows([one.form for one in measured], scores_dir, test))
    target.mkdir(parents=True, exist_ok=True)
    atomic_files.write_json(target / f"{TABLE}.json", content)
    atomic_files.write_text(target / f"{TABLE}.csv", _csv(rows, (*COLUMNS, *besides)))
    atomic_files.write_text(target / f"{TABLE}.tex", latex_table(rows, besides))
    atomic_files.write_text(target / f"{TABLE}.html", html_table(rows, besides, title=title, note=note))
    atomic_files.write_json(target / f"{PROMPTS}.json", prompts)
    columns = dict.fromkeys(("video", "model", *(name for row in prompts for name in row)))
    atomic_files.write_text(target / f"{PROMPTS}.csv", _csv(prompts, tuple(columns)))
    return content


def _read(path: Path) -> _Measured:
    said = read_metrics(path)
    beside = path.with_name(BOOTSTRAP)
    try:
        with np.load(beside, allow_pickle=False) as arrays:
            return _Measured(said, {name: arrays[name] for name in arrays.files})
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise JobError(f"{beside}: cannot be read ({error}); remove it and {path.name} and run again") from error


def _title(measured: Sequence[_Measured]) -> str:
    """The dataset, and how many of its test videos were scored where some are missing."""
    parts: dict[str, None] = {}
    for one in measured:
        videos = one.said["videos"]
        parts[one.said["dataset"]] = None
        if one.said["missing"]:
            parts[f"{videos['n']} of {videos['n_listed']} videos"] = None
    return ", ".join(parts)


def _note(measured: Sequence[_Measured], base: _Measured | None) -> str:
    """What a reader must know before comparing."""
    ways = dict.fromkeys(one.said["ap"] for one in measured)
    gained = [f"AUC gained is the difference to {base.form}."] if base and len(measured) > 1 else []
    return " ".join([_SUPERVISION, *(f"AP is the {way}." for way in ways), *gained])


def _rows(
    measured: Sequence[_Measured], base: _Measured | None, about: Mapping[str, Mapping[str, Any]]
) -> Iterator[Row]:
    for one in measured:
        videos = one.said["videos"]
        counts = {"n_videos": videos["n"], "n_listed": videos["n_listed"]}
        for score in SCORES:
            said = one.said["scores"][score]
            row = {"kind": MEASURED, "model": one.form, "score": score, **counts, **about.get(one.form, {})}
            for measure in MEASURES:
                row |= _with_ends(measure, said[measure], said[f"{measure}_interval"])
            row |= {rate: said[rate] for rate in RATES}
            if score == DENSE:
                pointing = one.said["pointing"]
                row |= _with_ends("pointing", pointing["accuracy"], pointing["accuracy_interval"])
            note = "; ".join(dict.fromkeys(said["why_null"].values()))
            yield row | _differences(one, base, score) | {"note": note}
    if measured:
        # Of the first: all are measured on the same videos, or their titles tell.
        first = measured[0].said
        for name in ("random", "video_label_oracle"):
            note = "; ".join(dict.fromkeys(first["controls"]["why_null"].values()))
            yield {"kind": CONTROL, "model": name.replace("_", " "), **first["controls"][name], "note": note}
        for row in published_rows(first["videos"]):
            yield {"kind": OTHER_PROTOCOL, **row}


def _with_ends(name: str, value: float | None, ends: Sequence[float] | None) -> Row:
    low, high = ends or (None, None)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _differences(one: _Measured, base: _Measured | None, score: str) -> Row:
    """What a form has more than the baseline, in the same resamplings of the same videos."""
    if base is None or base is one:
        return {}
    same_draws = one.said["bootstrap"] == base.said["bootstrap"]
    if not same_draws or not np.array_equal(one.drawn["videos"], base.drawn["videos"]):
        log.warning("%s and %s were measured on other videos: no difference", one.form, base.form)
        return {}
    row: Row = {"baseline": base.form}
    for measure in MEASURES:
        ours, theirs = (of.said["scores"][score][measure] for of in (one, base))
        if ours is None or theirs is None:
            continue
        name = f"{score}.{measure}"
        ends = interval(one.drawn[name] - base.drawn[name])
        row |= _with_ends(f"{measure}_minus_baseline", ours - theirs, ends)
    return row


def _prompt_rows(forms: Sequence[str], scores_dir: Path, test: Path) -> Iterator[Row]:
    """`video`, `model`, and the logit of each class for the whole video: the form of the guide's comparison."""
    keys = [video.key for video in read_test(test).videos]
    for key in keys:
        for form in forms:
            path = scores_dir / form / f"{key}.npz"
            if path.exists():
                scores = read_scores(path)
                logits = dict(zip(scores.classes, scores.video_logits.tolist(), strict=True))
                yield {"video": key, "model": form, **logits}


def _csv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
