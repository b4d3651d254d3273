"""The routes that list: tags, hidden assets, duplicates, failed files."""

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Query

from scripts.search.query.engine import Hit, search
from scripts.search.server.parameters import DuplicatesQuery, ListQuery
from scripts.search.server.served import Parts, in_thread, part

router = APIRouter(prefix="/api")


@router.get("/tags")
def tags(parts: Parts) -> dict[str, Any]:
    """The tags of indexed assets that are not hidden, the commonest first."""
    _, catalogue = parts.catalogue()
    hidden = parts.users.hidden()
    counts = Counter(
        tag
        for path, own in parts.users.tagged().items()
        if path not in hidden and catalogue.number_of_path(path) is not None
        for tag in own
    )
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {"tags": [{"tag": tag, "count": count} for tag, count in ordered]}


@router.get("/hidden")
def hidden(parts: Parts, query: Annotated[ListQuery, Query()]) -> dict[str, Any]:
    """The hidden assets, as a search gives its hits."""
    _, catalogue = parts.catalogue()
    filters = parts.filters(catalogue, query, hidden=True)
    offset = (query.page - 1) * query.page_size
    found = search(catalogue, None, filters=filters, offset=offset, limit=query.page_size)
    return parts.page(catalogue, found, query, 0)


@router.get("/duplicates")
async def near_equal(parts: Parts, query: Annotated[DuplicatesQuery, Query()]) -> dict[str, Any]:
    """Groups of assets that are nearly equal, the nearest first."""
    _, catalogue = parts.catalogue()
    groups = await in_thread(parts.comparing, lambda: parts.duplicates(query))
    return {
        "total": len(groups),
        "page": query.page,
        "page_size": query.page_size,
        "groups": [
            {"score": score, "results": [parts.result(catalogue, Hit(number, None, None, [])) for number in numbers]}
            for score, numbers in part(groups, query.page, query.page_size)
        ],
    }


@router.get("/failures")
def failures(
    parts: Parts,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """The files that could not be indexed, and why."""
    _, catalogue = parts.catalogue()
    return {
        "total": len(catalogue.failures),
        "page": page,
        "page_size": page_size,
        "results": [failure._asdict() for failure in part(catalogue.failures, page, page_size)],
    }
