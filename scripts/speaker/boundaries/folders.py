"""The recordings of each speaker in a folder of its own, as links or copies, and never at the cost of a user's file."""

import json
import logging
from pathlib import Path
from typing import Any

from scripts.shared import atomic_files
from scripts.speaker.boundaries.folder_files import Folder, Made, Recording, survey
from scripts.speaker.boundaries.folder_names import folder_names
from scripts.speaker.boundaries.result import read_result

MANIFEST = ".materialised.json"

logger = logging.getLogger(__name__)


def write_folders(
    *, result: Path, input_dir: Path, output: Path, report: Path, materialise: str = "symlink", flat: bool = False
) -> dict[str, Any]:
    """Bring the folders `speaker_001`, `speaker_002`, ... to what a result says.

    What was made earlier and is not wanted now is removed; a file that was not made here, or was changed since, is left
    as it is and named. Who is killed leaves a list of all that may be there, and the next call finishes.

    Args:
        result: `speaker_boundary_detection_result.json`.
        input_dir: the folder of the recordings.
        output: the folder that holds the speakers' folders; made where it is absent.
        report: JSON file to be written: how many files were `made`, `kept` and `removed`; the recordings that are
            `missing`, or have an `unusable` path; the files that are left as `not_ours`, or as `last_copies` of
            recordings that are gone.
        materialise: `symlink`, `hardlink`, `copy`, or `none`, which removes what was made before.
        flat: file names alone, equal ones numbered; else the tree of the recordings.

    Returns:
        What was written to `report`.

    Raises:
        JobError: hard links cannot be made there.
        OSError: the disk refuses; the next call goes on.
    """
    content = read_result(result)
    sources, unusable = folder_names(content, flat=flat) if materialise != "none" else ({}, [])
    wanted, missing = survey(sources, materialise, input_dir)
    output.mkdir(parents=True, exist_ok=True)
    atomic_files.remove_leftovers(atomic_files.leftovers(output, deep=False))
    finished, earlier = _read_manifest(output / MANIFEST)
    if [wanted] != earlier:
        _write_manifest(output / MANIFEST, [wanted, *earlier], finished=False)
    folder = Folder(output, earlier, interrupted=not finished)
    folder.remove_all_but(wanted, missing)
    folder.make(wanted)
    remaining = folder.remaining(wanted)
    if not finished or remaining != earlier:
        _write_manifest(output / MANIFEST, remaining, finished=True)
    done = {
        "materialise": materialise,
        "flat": flat,
        "made": folder.n_made,
        "kept": folder.n_kept,
        "removed": folder.n_removed,
        "missing": sorted(missing.values()),
        "not_ours": sorted(folder.not_ours),
        "last_copies": folder.last_copies,
        "unusable": unusable,
    }
    atomic_files.write_json(report, done)
    _log(done, input_dir, output)
    return done


def _read_manifest(path: Path) -> tuple[bool, list[Made]]:
    """Whether its writer came to an end, and all that may lie in the folder; nothing where it is absent or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return content["finished"], [
            Made(of["materialise"], of["input_dir"], {name: Recording(*entry) for name, entry in of["files"].items()})
            for of in content["made"]
        ]
    except FileNotFoundError:
        return True, []
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        logger.warning("%s is damaged (%s): what was made before is left as it is", path, error)
        return True, []


def _write_manifest(path: Path, makes: list[Made], *, finished: bool) -> None:
    content = {"finished": finished, "made": [vars(made) for made in makes]}
    atomic_files.write_bytes(path, json.dumps(content, ensure_ascii=False).encode())


def _log(done: dict[str, Any], input_dir: Path, output: Path) -> None:
    logger.info(
        "%s: %s made, %s as before, %s removed", output, *(f"{done[of]:,}" for of in ("made", "kept", "removed"))
    )
    for names, words in (
        ("missing", f"recordings are not in {input_dir}"),
        ("not_ours", f"files or folders in {output} were not made by this rule, or were changed since, and are left"),
        ("last_copies", f"files in {output} are left although not wanted: their recordings are gone"),
        ("unusable", "recordings have a path that leads out of their folder, and are left out"),
    ):
        if done[names]:
            logger.warning("%s %s, such as %s", f"{len(done[names]):,}", words, done[names][0])
