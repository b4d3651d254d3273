"""The files of the validator: what can be used, what cannot and why, and a page that shows both."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.fgclip.data.annotation import read_annotation
from scripts.fgclip.data.lookup import key_of
from scripts.fgclip.data.options import DataOptions
from scripts.fgclip.data.shapes import read_items
from scripts.fgclip.data.validation import Problem, Validation, validate
from scripts.fgclip.data.validation_page import validation_page
from scripts.fgclip.data.video_facts import VideoFacts
from scripts.fgclip.data.video_list import refuse_leak
from scripts.shared import atomic_files
from scripts.shared.errors import JobError, PlanningError
from scripts.shared.index_files import Failure, read_made, write_failures
from scripts.shared.planning.index_plan import read_index_plan

FORMAT = 1  # of validation.json


def write_validation(
    plan_path: Path,
    *,
    lists: Sequence[Path],
    test: Path,
    test_boxes: Path | None,
    options: DataOptions,
    outputs: Mapping[str, Path],
    title: str,
) -> None:
    """Check a dataset's lists against its videos and write what came of it.

    Args:
        plan_path: the index plan of the stage that looked at the videos.
        lists: the files of captions and boxes; the translated one where captions were translated.
        test: the annotation of the test videos.
        test_boxes: a list with boxes of test videos, if there is one.
        options: of the dataset.
        outputs: `records`, `test`, `validation` (JSON), `page` (HTML), `failures` (CSV) and `summary`. Equal lists and
            videos give equal files.
        title: the dataset in words: `fgclip ucf`.

    Raises:
        JobError: a list is none, a training video is a test video too, or a video has no row.
    """
    plan = read_index_plan(plan_path)
    try:
        listed, annotated = [item for path in lists for item in read_items(path)], read_annotation(test)
        boxed = read_items(test_boxes) if test_boxes is not None else []
        named = {key_of(item.video) for item in listed if isinstance(item.video, str)}
        refuse_leak(named, {key_of(row.name) for row in annotated}, test)
    except PlanningError as error:
        raise JobError(str(error)) from error
    made, failed = read_made(plan, lambda row: VideoFacts(**row["facts"]))
    facts: dict[str, VideoFacts | Failure] = {**made, **{failure.key: failure for failure in failed}}
    found = validate(listed, annotated, boxed, facts, options)
    summary = found.summary()
    atomic_files.write_json(outputs["records"], found.records.as_json())
    atomic_files.write_json(outputs["test"], found.test.as_json())
    atomic_files.write_json(outputs["validation"], _report(found))
    atomic_files.write_text(outputs["page"], validation_page(found, title=title))
    write_failures(outputs["failures"], found.failures)
    atomic_files.write_json(outputs["summary"], summary)


def _report(found: Validation) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "summary": found.summary(),
        "errors": [_as_json(problem) for problem in found.errors],
        "warnings": [_as_json(problem) for problem in found.warnings],
        "statistics": found.statistics,
        "test": {
            "listed": found.test.listed,
            "usable": len(found.test.videos),
            "missing": list(found.test.missing),
            "clipped": list(found.test.clipped),
        },
    }


def _as_json(problem: Problem) -> dict[str, str]:
    return {"item": problem.item, "place": problem.place, "error": problem.kind, "message": problem.message}
