"""The index of a list of captions: which files each has, what failed, and how the work went."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

from scripts.pose.index_file import BETWEEN_FILES, FINISHED, write_index_file
from scripts.shared import atomic_files
from scripts.shared.figures.distributions import failures_figure
from scripts.shared.figures.style import to_png
from scripts.shared.figures.throughput import Span, spans, throughput_figure
from scripts.shared.index_files import Failure, counts, read_listed, write_failures
from scripts.shared.ledger import Row
from scripts.shared.planning.index_plan import IndexPlan, read_index_plan


class _Text(NamedTuple):
    tokens: int
    cut: bool


class _Poses(NamedTuple):
    files: tuple[str, ...]
    frames: int
    frame: int
    device: str


class _Listed(NamedTuple):
    """A caption with what each stage has of it; nothing of a stage that has no more than another one's failure."""

    name: str
    text: _Text | None
    poses: _Poses | None
    pictures: tuple[str, ...]
    failure: Failure | None


def write_index(plan_path: Path, *, outputs: Mapping[str, Path], title: str) -> None:
    """Write the index files from the ledgers of the three stages.

    Args:
        plan_path: the index plan. Its settings have the captions by name as `captions`; the others go into the summary.
        outputs: `index` (`index.csv`), `failures`, `summary` and the figures `failures_by_class` and `throughput`.
            Equal ledgers give equal files.
        title: the dataset in words: `pose tenk`.

    Raises:
        JobError: a caption has no row in one of the ledgers, or the plan is damaged.
    """
    plan = read_index_plan(plan_path)
    settings = dict(plan.settings)
    captions: dict[str, str] = settings.pop("captions")
    work: list[Span] = []
    listed = list(_read_stages(plan, work))
    failed = [caption.failure for caption in listed if caption.failure is not None]
    errors = counts(failure.error for failure in failed)
    write_index_file(outputs["index"], (_index_row(captions[caption.name], caption) for caption in listed))
    write_failures(outputs["failures"], failed)
    atomic_files.write_json(
        outputs["summary"],
        {
            "ok": len(listed) - len(failed),
            "failed": len(failed),
            "errors": errors,
            "pictures": sum(len(caption.pictures) for caption in listed),
            "cut_captions": sum(caption.text.cut for caption in listed if caption.text is not None),
            "devices": counts(caption.poses.device for caption in listed if caption.poses is not None),
            "settings": settings,
        },
    )
    drawn = {
        "failures_by_class": failures_figure(errors, n_samples=len(listed), title=title),
        "throughput": throughput_figure(work, title=f"{title}, poses"),
    }
    for name, figure in drawn.items():
        atomic_files.write_bytes(outputs[name], to_png(figure))


def _read_stages(plan: IndexPlan, work: list[Span]) -> Iterator[_Listed]:
    """Yield the captions in list order; the times at which poses were made are added to `work`."""
    texts = read_listed(replace(plan, stage="text"), _keep_text)
    poses = read_listed(replace(plan, stage="generate"), _keep_poses, lambda ledger: work.extend(spans(ledger.rates)))
    pictures = read_listed(replace(plan, stage="render"), lambda row: _failure(row) or tuple(row["files"]))
    for (name, text), (_, made), (_, drawn) in zip(texts, poses, pictures, strict=True):
        # A later stage only repeats the failure of an earlier one.
        failure = next((left for left in (text, made, drawn) if isinstance(left, Failure)), None)
        yield _Listed(
            name,
            text if isinstance(text, _Text) else None,
            made if isinstance(made, _Poses) else None,
            () if isinstance(drawn, Failure) else drawn,
            failure,
        )


def _failure(row: Row) -> Failure | None:
    if row["status"] == "failed":
        return Failure(row["key"], row["source_name"], row["error"], row["message"])
    return None


def _keep_text(row: Row) -> _Text | Failure:
    return _failure(row) or _Text(row["facts"]["tokens"], row["facts"]["cut"])


def _keep_poses(row: Row) -> _Poses | Failure:
    facts: dict[str, Any] = row.get("facts", {})
    return _failure(row) or _Poses(tuple(row["files"]), facts["frames"], facts["frame"], intern(facts["device"]))


def _index_row(text: str, caption: _Listed) -> dict[str, object]:
    files = (*(caption.poses.files if caption.poses else ()), *caption.pictures)
    row: dict[str, object] = {"caption": text, "name": caption.name, "files": BETWEEN_FILES.join(files)}
    if caption.poses is not None:
        row |= {"frames": caption.poses.frames, "frame": caption.poses.frame}
    if caption.text is not None:
        row |= {"tokens": caption.text.tokens, "cut": str(caption.text.cut).lower()}
    return row | {"status": "failed" if caption.failure else FINISHED}
