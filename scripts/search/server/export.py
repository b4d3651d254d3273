"""Hits as a file for other programs."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

COLUMNS = ("path", "file", "kind", "score", "time", "segments", "width", "height", "duration", "mtime", "size", "tags")
# What spreadsheets take for the beginning of a formula; also as full-width signs.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def as_csv(results: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a CSV file, UTF-8 with its mark, so that spreadsheets read Chinese names.

    A text that begins as a formula does gets an apostrophe before it: no name of a file is to be computed.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    yield "\ufeff"
    writer.writerow(COLUMNS)
    for result in results:
        row = dict(result)
        row["segments"] = " ".join(f"{part['start']:g}-{part['end']:g}" for part in result["segments"])
        row["tags"] = "; ".join(result["tags"])
        writer.writerow([_cell(row[name]) for name in COLUMNS])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA) else value


def as_json(results: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the pieces of a JSON list of hits, one a line."""
    yield "["
    separator = "\n"
    for result in results:
        yield separator + json.dumps(result, ensure_ascii=False)
        separator = ",\n"
    yield "\n]\n"
