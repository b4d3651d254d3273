"""The routes that search: by text, by picture, by vector; and all hits as a file."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from scripts.search.query.catalogue import Catalogue, Floats
from scripts.search.query.engine import Hits, search
from scripts.search.server.answers import Refusal
from scripts.search.server.export import as_csv, as_json
from scripts.search.server.library import unit_vector
from scripts.search.server.parameters import ExportQuery, ImageQuery, SearchQuery, VectorQuery
from scripts.search.server.pictures import upload_pixels
from scripts.search.server.served import Parts, Served, in_thread

router = APIRouter(prefix="/api")

Vector = Callable[[], Floats] | None

_MAX_FIELDS = 40
_EXPORT_AT_ONCE = 2000
_EXPORTS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}, "application/json": {}}}}
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "a picture"},
                        "asset_id": {"type": "integer", "description": "or an asset of the index"},
                        "time": {"type": "number", "description": "the second of its frame, of a video"},
                        "format": {"enum": ["csv", "json"], "description": "all hits as a file"},
                    },
                }
            }
        },
    }
}


@router.get("/search")
async def search_text(parts: Parts, query: Annotated[SearchQuery, Query()]) -> dict[str, Any]:
    """The assets that are nearest to a text; without one, all, the newest first."""
    return await in_thread(parts.searching, lambda: _page(parts, query, _by_text(parts, query)))


@router.post("/search/image", openapi_extra=_FORM, responses=_EXPORTS, response_model=dict[str, Any])
async def search_image(parts: Parts, request: Request) -> dict[str, Any] | StreamingResponse:
    """The assets that are nearest to a picture: an upload, or an asset's own. Parameters as fields or in the URL.

    With `format`, all of them as a file: csv or json.
    """
    parts.catalogue()
    # Until its turn comes, nothing but a few bytes of a request is read.
    async with parts.uploading, request.form(max_files=1, max_fields=_MAX_FIELDS) as form:
        query = _checked(ImageQuery, request, form)
        upload = form.get("file")
        pixels = None
        if isinstance(upload, UploadFile):
            parts.ready()
            size = parts.library.image_size
            pixels = await in_thread(parts.drawing, lambda: upload_pixels(upload.file, size))
    if pixels is not None:
        vector: Vector = partial(parts.library.vector_of_pixels, pixels)
    elif query.asset_id is not None:
        vector = _by_asset(parts, query.asset_id, query.time)
    else:
        raise Refusal(422, "parameters", "file: send a picture, or the field asset_id")
    if query.format:
        return await _file(parts, query, vector, query.format)
    return await in_thread(parts.searching, lambda: _page(parts, query, vector))


@router.post("/search/vector")
async def search_vector(parts: Parts, query: VectorQuery) -> dict[str, Any]:
    """The assets that are nearest to a vector that the client's own model made."""
    _, catalogue = parts.catalogue()
    if query.model_identity != catalogue.meta["model_identity"]:
        made_with = catalogue.meta["model_identity"]
        raise Refusal(409, "other_model", f"the vector is of another model; the index was made with {made_with}")
    if len(query.vector) != catalogue.dim:
        raise Refusal(422, "parameters", f"vector: {len(query.vector)} numbers, where the index has {catalogue.dim}")
    try:
        vector = unit_vector(np.array(query.vector, dtype=np.float64))
    except ValueError as error:
        raise Refusal(422, "parameters", f"vector: {error}") from None
    return await in_thread(parts.searching, lambda: _page(parts, query, lambda: vector))


@router.get("/export", response_class=StreamingResponse, responses=_EXPORTS)
async def export(parts: Parts, query: Annotated[ExportQuery, Query()]) -> StreamingResponse:
    """All hits of a search, as CSV or JSON."""
    return await _file(parts, query, _by_text(parts, query), query.format)


async def _file(parts: Served, query: SearchQuery, vector: Vector, form: str) -> StreamingResponse:
    """All hits as a file."""
    _, catalogue = parts.catalogue()
    found = await in_thread(parts.searching, lambda: _found(parts, catalogue, query, vector, whole=True))
    rows = (parts.result(catalogue, hit) for hit in found.hits)
    made, media_type = (as_csv, "text/csv; charset=utf-8") if form == "csv" else (as_json, "application/json")
    name = f"{parts.settings.dataset}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_in_blocks(made(rows)), media_type=media_type, headers=headers)


def _in_blocks(lines: Iterator[str]) -> Iterator[str]:
    """Lines put together: each piece passes through threads."""
    block: list[str] = []
    for line in lines:
        block.append(line)
        if len(block) == _EXPORT_AT_ONCE:
            yield "".join(block)
            block = []
    yield "".join(block)


def _by_text(parts: Served, query: SearchQuery) -> Vector:
    if not query.q:
        return None
    parts.ready()
    return lambda: parts.library.vector_of_text(query.q)


def _by_asset(parts: Served, asset_id: int, time_s: float | None) -> Vector:
    catalogue, number = parts.number(asset_id)
    row = catalogue.nearest_row(number, time_s)
    return lambda: catalogue.vector(row)


def _page(parts: Served, query: SearchQuery, vector: Vector) -> dict[str, Any]:
    started = time.perf_counter()
    _, catalogue = parts.catalogue()
    found = _found(parts, catalogue, query, vector)
    found = found._replace(hits=iter(list(found.hits)))  # a page of them, made now
    return parts.page(catalogue, found, query, (time.perf_counter() - started) * 1000)


def _found(parts: Served, catalogue: Catalogue, query: SearchQuery, vector: Vector, *, whole: bool = False) -> Hits:
    offset = 0 if whole else (query.page - 1) * query.page_size
    limit = None if whole else query.page_size
    filters = parts.filters(catalogue, query, min_score=query.min_score)
    if vector is None:
        return search(catalogue, None, filters=filters, offset=offset, limit=limit)
    negative = None
    if query.neg:
        parts.ready()
        negative = parts.library.vector_of_text(query.neg)
    return search(catalogue, vector(), negative=negative, filters=filters, offset=offset, limit=limit)


def _checked(model: type[ImageQuery], request: Request, form: FormData) -> ImageQuery:
    """The parameters of a form and its URL, checked as FastAPI checks them."""
    given = dict(request.query_params) | {name: value for name, value in form.items() if isinstance(value, str)}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        wrong = [{**one, "loc": ("form", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(wrong) from None
