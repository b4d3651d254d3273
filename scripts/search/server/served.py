"""What the routes share: the running parts of the application, and answers about assets."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar, cast

import anyio
import anyio.to_thread
import numpy as np
from fastapi import Depends, Request

from scripts.search.query.catalogue import Catalogue, Ints
from scripts.search.query.duplicates import Group, duplicates
from scripts.search.query.engine import Filters, Hit, Hits, numbers_of_paths
from scripts.search.server.answers import Refusal
from scripts.search.server.kept_files import KeptFiles
from scripts.search.server.library import Library, Serving
from scripts.search.server.login import Login
from scripts.search.server.parameters import DuplicatesQuery, ListQuery, begin_ns, end_ns
from scripts.search.server.scan import Scan
from scripts.search.server.settings import Settings
from scripts.search.server.user_db import UserDatabase

Value = TypeVar("Value")

_COMPARISONS_KEPT = 4


@dataclass
class Served:
    """The parts of the application while it runs.

    Attributes:
        settings: as it was started.
        library: index and encoder.
        users: tags and hidden assets.
        scan: the indexing in the background.
        login: None where everybody may ask.
        searching: how many queries are computed at once.
        drawing: how many pictures are decoded at once.
        cutting: how many clips are cut at once.
        looking: how many short questions are answered at once.
        uploading: how many uploads are read at once.
        comparing: how many comparisons of all with all are made at once.
        thumbs: small pictures.
        clips: clips of videos.
    """

    settings: Settings
    library: Library
    users: UserDatabase
    scan: Scan
    login: Login | None
    searching: anyio.CapacityLimiter
    drawing: anyio.CapacityLimiter
    cutting: anyio.CapacityLimiter
    looking: anyio.CapacityLimiter
    uploading: anyio.Semaphore
    comparing: anyio.CapacityLimiter
    thumbs: KeptFiles
    clips: KeptFiles
    _hidden: tuple[Catalogue | None, int, Ints] = field(default=(None, 0, np.empty(0, dtype=np.int64)))
    _groups: OrderedDict[Hashable, list[Group]] = field(default_factory=OrderedDict)

    def catalogue(self) -> tuple[Serving, Catalogue]:
        """What is served now.

        Raises:
            Refusal: nothing is, with the state as its class.
        """
        serving = self.library.serving
        if serving.catalogue is None:
            raise Refusal(503, serving.state, serving.message, {"Retry-After": "2"})
        return serving, serving.catalogue

    def ready(self) -> tuple[Serving, Catalogue]:
        """What is served now, with the model.

        Raises:
            Refusal: the model or the index is not there yet, or not to be had.
        """
        serving, catalogue = self.catalogue()
        if serving.state != "ready":
            raise Refusal(503, serving.state, serving.message, {"Retry-After": "2"})
        return serving, catalogue

    def number(self, asset_id: int) -> tuple[Catalogue, int]:
        """The asset of an id.

        Raises:
            Refusal: there is none (404), or no index (503).
        """
        _, catalogue = self.catalogue()
        number = catalogue.number_of_id(asset_id)
        if number is None:
            raise Refusal(404, "not_found", f"there is no asset {asset_id}")
        return catalogue, number

    def duplicates(self, query: DuplicatesQuery) -> list[Group]:
        """The groups of near-equal assets that a query asks for; those asked for lately are at hand.

        Called for one after the other.
        """
        serving, catalogue = self.catalogue()
        asked = (query.min_score, query.kind, query.path, query.since, query.until, query.tag)
        key = (serving.generation, self.users.changes, *asked)
        if key not in self._groups:
            filters = self.filters(catalogue, query)
            self._groups[key] = duplicates(catalogue, min_score=query.min_score, filters=filters)
            while len(self._groups) > _COMPARISONS_KEPT:
                self._groups.popitem(last=False)
        return self._groups[key]

    def filters(
        self, catalogue: Catalogue, query: ListQuery, *, min_score: float | None = None, hidden: bool = False
    ) -> Filters:
        """The filters of a query over an index; with `hidden`, of the hidden assets alone."""
        kept_out = self._hidden_in(catalogue)
        only = numbers_of_paths(catalogue, self.users.paths_tagged(query.tag)) if query.tag else None
        return Filters(
            kind=query.kind or None,
            path=query.path,
            since_ns=begin_ns(query.since),
            until_ns=end_ns(query.until),
            min_score=min_score,
            only=kept_out if hidden else only,
            hidden=None if hidden else kept_out,
        )

    def _hidden_in(self, catalogue: Catalogue) -> Ints:
        """The numbers of hidden assets; looked up again when the index or what is hidden has changed."""
        changes = self.users.changes
        known, known_changes, numbers = self._hidden
        if known is not catalogue or known_changes != changes:
            numbers = numbers_of_paths(catalogue, self.users.hidden())
            self._hidden = (catalogue, changes, numbers)
        return numbers

    def result(self, catalogue: Catalogue, hit: Hit) -> dict[str, Any]:
        """A hit as the API gives it."""
        return {
            **self.asset(catalogue, hit.number),
            "score": hit.score,
            "time": hit.time,
            "segments": [segment._asdict() for segment in hit.segments],
        }

    def asset(self, catalogue: Catalogue, number: int) -> dict[str, Any]:
        """An asset as the API gives it."""
        path = catalogue.path(number)
        duration = float(catalogue.duration[number])
        return {
            "id": int(catalogue.ids[number]),
            "path": path,
            "name": path.rpartition("/")[2],
            "file": str(catalogue.file(number).absolute()),
            "kind": "video" if catalogue.is_video[number] else "image",
            "width": int(catalogue.width[number]) or None,
            "height": int(catalogue.height[number]) or None,
            "duration": None if np.isnan(duration) else round(duration, 3),
            "mtime": iso(int(catalogue.mtime_ns[number]) / 1e9),
            "size": int(catalogue.size[number]),
            "tags": list(self.users.tags_of(path)),
        }

    def page(self, catalogue: Catalogue, found: Hits, query: ListQuery, took_ms: float) -> dict[str, Any]:
        """A page of hits as the API gives it."""
        return {
            "total": found.total,
            "page": query.page,
            "page_size": query.page_size,
            "took_ms": round(took_ms, 1),
            "encoder": catalogue.meta["encoder"],
            "results": [self.result(catalogue, hit) for hit in found.hits],
        }


def served(request: Request) -> Served:
    """The running parts, for a route."""
    return cast("Served", request.app.state.served)


Parts = Annotated[Served, Depends(served)]


async def in_thread(limiter: anyio.CapacityLimiter, work: Callable[[], Value]) -> Value:
    """Do work beside the other requests, when its turn comes."""
    return await anyio.to_thread.run_sync(work, limiter=limiter)


def iso(seconds: float) -> str:
    """A Unix time in ISO 8601, UTC, to the second."""
    # As far as the calendar goes: files tell any time.
    held = min(max(seconds, -62_135_596_800), 253_402_300_799)
    return datetime.fromtimestamp(held, UTC).isoformat(timespec="seconds")


def part(items: Sequence[Value], page: int, page_size: int) -> Sequence[Value]:
    """One page of a list."""
    return items[(page - 1) * page_size : page * page_size]
