"""Lists of captions rewritten in English by the table, and by nothing else: the same table gives the same bytes."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from scripts.fgclip.data.item_check import is_chinese
from scripts.fgclip.translation.find import Caption, captions_of, drop_regions, read_members
from scripts.fgclip.translation.gate import Gate
from scripts.fgclip.translation.table import Table, read_table
from scripts.shared.atomic_files import write_json, write_text
from scripts.shared.errors import ConfigError

OnMissing = Literal["stop", "keep", "drop"]
REPORT_FORMAT = 1


def translate_lists(
    lists: Sequence[Path], table: Path, *, translated: Path, report: Path | None, todo: Path, on_missing: OnMissing
) -> None:
    """Write lists as one list, in English.

    Args:
        lists: JSON files in any of the three shapes.
        table: see `table.read_table`.
        translated: the list to write: the members of all files in their order, with English captions and the Chinese
            beside them, under the field's name with `_zh`. Videos of an object come as members with `f_path`.
        report: what was translated, kept and dropped, and the table's version (JSON); None for none.
        todo: what the table lacks, in its form without the English; not there where it lacks nothing.
        on_missing: what to do with a caption that the table lacks: `stop`, `keep` it as it is, or `drop` its item or
            region.

    Raises:
        ConfigError: the table has rows that cannot be used, or lacks some and `on_missing` is `stop`.
        PlanningError: a list cannot be read.
    """
    members = [member for path in lists for member in read_members(path)]
    found = read_table(table)
    gate = Gate()
    gate.check_table(found)
    captions = [caption for member in members for caption in captions_of(member)]
    chinese = [caption for caption in captions if is_chinese(caption.text)]
    english = {text: found.translate(text) for text in {caption.text for caption in chinese}}
    gate.check_captions(found, sorted(filter(None, english.values())))
    missing = found.missing(english)
    _write_todo(todo, missing)
    if missing and on_missing == "stop":
        raise ConfigError(
            f"{table}: {len(missing)} texts have no translation, such as {missing[0]!r:.60}; write the English behind "
            f"the tabs of {todo}, add the lines to the table and run again (or set on_missing: keep or drop)"
        )
    lacking = [caption for caption in chinese if english[caption.text] is None]
    for caption in chinese:
        if (text := english[caption.text]) is not None:
            caption.write(text)
    kept = _drop(members, lacking) if on_missing == "drop" else members
    write_text(translated, _json_list(kept))
    if report:
        counts = {
            "captions": _counts(captions),
            "chinese": _counts(chinese),
            "without_translation": _counts(lacking),
            "items": len(members),
            "items_dropped": len(members) - len(kept),
        }
        about = {"file": str(table), "version": found.version, "rows": len(found.rows)}
        write_json(
            report,
            {"format": REPORT_FORMAT, "table": about, "on_missing": on_missing, "missing": missing, **counts},
        )


def missing_texts(lists: Sequence[Path], table: Table) -> list[str]:
    """What a table lacks to translate lists, each text once."""
    captions = [caption for path in lists for member in read_members(path) for caption in captions_of(member)]
    return table.missing(caption.text for caption in captions if is_chinese(caption.text))


def _drop(members: list[Any], lacking: list[Caption]) -> list[Any]:
    """The members without the items and regions of captions that have no English."""
    items = {id(caption.item) for caption in lacking if caption.region is None}
    regions: dict[int, set[int]] = {}
    for caption in lacking:
        if caption.region is not None:
            regions.setdefault(id(caption.item), set()).add(caption.region)
    kept = [member for member in members if id(member) not in items]
    for member in kept:
        if id(member) in regions:
            drop_regions(member, regions[id(member)])
    return kept


def _write_todo(path: Path, missing: list[str]) -> None:
    if missing:
        write_text(path, "".join(f"{text}\t\n" for text in missing))
    else:
        path.unlink(missing_ok=True)


def _counts(captions: list[Caption]) -> dict[str, int]:
    found = Counter("items" if caption.region is None else "regions" for caption in captions)
    return {"items": found["items"], "regions": found["regions"]}


def _json_list(members: list[Any]) -> str:
    """A member a line, so that two versions can be compared line by line."""
    return "[\n" + ",\n".join(json.dumps(member, ensure_ascii=False) for member in members) + "\n]\n"
