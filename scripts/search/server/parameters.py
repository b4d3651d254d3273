"""What a search is asked with, checked."""

import math
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_TEXT = 2000
MAX_PAGE_SIZE = 200
MAX_VECTOR = 1 << 16
_NS = 1_000_000_000
_FAR = (1 << 63) - 1  # ns; some 292 years from 1970


def _plain(text: str) -> str:
    """A text that UTF-8 can say and that holds no NUL."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("it holds characters that no text has")
    return text.strip()


Text = Annotated[str, AfterValidator(_plain)]


def _moment(text: str) -> str:
    begin_ns(text)
    end_ns(text)
    return text


def _parse(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("no date; write it as 2026-01-31 or 2026-01-31T12:00") from None


Moment = Annotated[Text, Field(max_length=40), AfterValidator(_moment)]


class ListQuery(BaseModel):
    """The parameters of every list of assets. Texts that are empty ask for nothing."""

    model_config = ConfigDict(populate_by_name=True, extra="ignore")

    kind: Literal["", "image", "video"] = ""
    path: Annotated[Text, Field(max_length=MAX_TEXT)] = ""
    since: Annotated[Moment, Field(alias="from")] = ""
    until: Annotated[Moment, Field(alias="to")] = ""
    tag: Annotated[Text, Field(max_length=200)] = ""
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    page_size: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = 24


class SearchQuery(ListQuery):
    """Those of every search."""

    q: Annotated[Text, Field(max_length=MAX_TEXT)] = ""
    neg: Annotated[Text, Field(max_length=MAX_TEXT)] = ""
    min_score: Annotated[float | None, Field(ge=-1, le=1, allow_inf_nan=False)] = None


class DuplicatesQuery(ListQuery):
    """Those of a list of duplicates."""

    min_score: Annotated[float, Field(ge=0.5, le=1, allow_inf_nan=False)] = 0.95


class ExportQuery(SearchQuery):
    """Those of an export."""

    format: Literal["csv", "json"] = "csv"


class ImageQuery(SearchQuery):
    """Those of a search by a picture of the index."""

    asset_id: Annotated[int | None, Field(ge=0, lt=1 << 53)] = None
    time: Annotated[float | None, Field(ge=0, allow_inf_nan=False)] = None
    format: Literal["", "csv", "json"] = ""  # all hits as a file


class VectorQuery(SearchQuery):
    """Those of a search by a vector that the client made."""

    vector: Annotated[list[float], Field(min_length=1, max_length=MAX_VECTOR)]
    model_identity: Annotated[str, Field(max_length=1000)]


class Tags(BaseModel):
    """The tags of an asset."""

    tags: Annotated[list[Annotated[Text, Field(max_length=200)]], Field(max_length=200)]


def begin_ns(moment: str) -> int | None:
    """The first moment meant, ns since 1970; of a date its midnight, by the server's clock where no zone is told."""
    return _ns(_parse(moment)) if moment else None


def end_ns(moment: str) -> int | None:
    """The first moment after those meant: of a date the next midnight."""
    if not moment:
        return None
    parsed = _parse(moment)
    try:
        day: date | None = date.fromisoformat(moment)
    except ValueError:
        day = None
    if day is not None:
        try:
            return _ns(datetime.combine(day + timedelta(days=1), time()))
        except OverflowError:  # the last day there is
            return None
    return _ns(parsed) + 1


def _ns(moment: datetime) -> int:
    try:
        seconds = math.floor(moment.timestamp())
    except (OverflowError, ValueError, OSError):  # so far off that the zone's rules do not reach there
        seconds = math.floor(moment.replace(tzinfo=UTC).timestamp())
    return min(max(seconds * _NS + moment.microsecond * 1000, -_FAR), _FAR)
