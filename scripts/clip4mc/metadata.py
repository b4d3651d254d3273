"""The lists of `source: videos`: the events in whole videos, and `info.csv`, which names each video's file."""

import csv
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from scripts.clip4mc.rows import Row, file_name, read_rows
from scripts.shared.csv_errors import csv_errors
from scripts.shared.errors import PlanningError, SampleError
from scripts.shared.json_items import refuse_unless_file
from scripts.shared.planning.stage import SourceEntry

_COLUMNS = ("url", "filename")
_POSITIONS = ("begin position", "end position")
_MAX_SECONDS = 1e9


@dataclass
class VideoFiles:
    """What an `info.csv` says.

    Attributes:
        name_of: file name of each video, by id.
        other_name_of: a second one, by the ids that have two.
        unusable: lines that name no id or no file.
    """

    name_of: dict[str, str] = field(default_factory=dict)
    other_name_of: dict[str, str] = field(default_factory=dict)
    unusable: list[int] = field(default_factory=list)


class MetadataList:
    """A metadata list as the planner reads it.

    Args:
        metadata: JSON list or JSON Lines of objects with `vid`, `begin position` and `end position` in seconds,
            `transcript` or `transcript clip`, and optionally `size` and `index`.
        info_csv: CSV with the columns `url` and `filename`.
    """

    def __init__(self, metadata: Path, info_csv: Path) -> None:
        self.metadata, self._info_csv = metadata, info_csv
        self._videos = VideoFiles()
        # A hash and a number a row, not a tuple: there may be a million rows.
        self._intervals, self._positions = array("q"), array("q")

    def read(self) -> Iterator[SourceEntry]:
        """Yield one entry a row, in the order of the list; its `interval` is [begin, end] in seconds.

        Raises:
            PlanningError: one of the files is no such list.
        """
        self._videos = read_info_csv(self._info_csv)
        self._intervals, self._positions = array("q"), array("q")
        yield from read_rows(self.metadata, word="row", source=self._video, more=self._interval)

    def remarks(self) -> list[str]:
        """What a user should know of the lists that were read, a line each."""
        remarks = []
        order = sorted(range(len(self._intervals)), key=self._intervals.__getitem__)
        repeats = [(b, a) for a, b in pairwise(order) if self._intervals[a] == self._intervals[b]]
        if repeats:
            later, earlier = (self._positions[place] for place in min(repeats))
            remarks.append(
                f"{self.metadata}: {len(repeats):,} rows have the video and the interval of an earlier row, such as "
                f"row {later} those of row {earlier}; each is a sample of its own"
            )
        if self._videos.unusable:
            remarks.append(
                f"{self._info_csv}: {len(self._videos.unusable):,} rows name no video id or no file and are left out, "
                f"such as line {self._videos.unusable[0]}"
            )
        return remarks

    def _video(self, row: Row, _: str) -> str:
        vid, info = row["vid"], self._info_csv.name
        name = self._videos.name_of.get(vid)
        if name is None:
            raise SampleError(
                "no_video_for_id", f"'vid' is {vid!r}, and {info} has no row for it; add its url and filename"
            )
        if vid in self._videos.other_name_of:
            raise SampleError(
                "two_videos_for_id",
                f"'vid' is {vid!r}, and {info} names two files for it, {name} and {self._videos.other_name_of[vid]}; "
                "take one row away",
            )
        return name

    def _interval(self, row: Row, position: int) -> Row:
        begin, end = (_seconds(row, name) for name in _POSITIONS)
        if not 0 <= begin < end:
            raise SampleError(
                "bad_interval",
                f"'begin position' is {begin} and 'end position' is {end}; the first must be 0 or more and the second "
                "larger",
            )
        self._intervals.append(hash((row["vid"], begin, end)))
        self._positions.append(position)
        return {"interval": [begin, end]}


def _seconds(row: Row, name: str) -> float:
    value = row.get(name)
    # No NaN is less than anything, and an integer may be too large for a float.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _MAX_SECONDS:
        both = " and ".join(f"'{other}' is {row.get(other)!r:.40}" for other in _POSITIONS)
        raise SampleError("bad_interval", f"{both}; both must be numbers of seconds")
    return float(value)


def read_info_csv(path: Path) -> VideoFiles:
    """Read which file holds which video.

    Args:
        path: CSV, UTF-8, with the columns `url` and `filename`, and any others. The id is the URL's `v=` parameter, or
            the last part of its path; of the file name only the last part counts.

    Raises:
        PlanningError: it cannot be read, or lacks a column; names the column and the mend.
    """
    videos = VideoFiles()
    with csv_errors(path, PlanningError, "does info_csv in the configuration name the file?"):
        refuse_unless_file(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            try:
                url, filename = _columns(next(reader, []), path)
                for row in filter(None, reader):  # a blank line is an empty row
                    _take(videos, row, url, filename, reader.line_num)
            except csv.Error as error:
                raise PlanningError(
                    f"{path}: no CSV at line {reader.line_num}: {error}; is a quotation mark left open there or before?"
                ) from error
    return videos


def _columns(header: list[str], path: Path) -> list[int]:
    names = [name.strip() for name in header]
    for column in _COLUMNS:
        if column not in names:
            found = ", ".join(map(repr, names))[:80] or "nothing"
            raise PlanningError(
                f"{path}: no column {column!r} in its first line ({found}); it must be a header with the columns url "
                "and filename, separated by commas"
            )
    return [names.index(column) for column in _COLUMNS]


def _take(videos: VideoFiles, row: list[str], url: int, filename: int, line: int) -> None:
    if len(row) <= max(url, filename):
        videos.unusable.append(line)
        return
    vid, name = _video_id(row[url]), file_name(row[filename].strip())
    if not vid or name is None:
        videos.unusable.append(line)
    elif videos.name_of.setdefault(vid, name) != name:
        videos.other_name_of.setdefault(vid, name)


def _video_id(url: str) -> str:
    """The id in a URL, empty where there is none."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return ""
    given = parse_qs(parts.query).get("v")
    return given[0] if given else parts.path.rstrip("/").rpartition("/")[2]
