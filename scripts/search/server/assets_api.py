"""The routes of one asset: its facts, file, small picture and clips; its tags; hiding it."""

from pathlib import Path as FilePath
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import FileResponse

from scripts.search.server.answers import Refusal
from scripts.search.server.asset_files import media_type, real_file, refuse_range
from scripts.search.server.clips import MAX_CLIP_S, cut
from scripts.search.server.parameters import Tags
from scripts.search.server.pictures import EDGES, thumb
from scripts.search.server.served import Parts, in_thread
from scripts.search.server.user_db import clean_tags

Described = dict[int | str, dict[str, Any]]


def _content(*media_types: str) -> Described:
    """What a route that gives a file answers, for the description of the API."""
    return {200: {"content": {name: {"schema": {"type": "string", "format": "binary"}} for name in media_types}}}


router = APIRouter(prefix="/api/assets/{asset_id}")

AssetId = Annotated[int, Path(ge=0, lt=1 << 53)]
Range = Annotated[str | None, Header(alias="range")]
_Second = Query(ge=0, le=1e7, allow_inf_nan=False)
_WAITING_CLIPS = 4
_UNKNOWN = "application/octet-stream"
_PARTIAL: Described = {206: {"description": "the bytes asked for"}}
_PRIVATE = {"Cache-Control": "private, max-age=600"}


@router.get("")
def asset(parts: Parts, asset_id: AssetId) -> dict[str, Any]:
    """All that is known of an asset."""
    catalogue, number = parts.number(asset_id)
    told = parts.asset(catalogue, number)
    times = catalogue.frame_time[catalogue.rows(number)]
    return {
        **told,
        "hidden": told["path"] in parts.users.hidden(),
        "frame_times": [round(float(time), 3) for time in times if not np.isnan(time)],
    }


@router.head("/file", include_in_schema=False)
@router.get("/file", response_class=FileResponse, responses=_content("image/*", "video/*", _UNKNOWN) | _PARTIAL)
async def file(parts: Parts, asset_id: AssetId, wanted: Range = None) -> FileResponse:
    """The file itself, whole or by byte ranges."""
    catalogue, number = parts.number(asset_id)
    path, status = await in_thread(parts.looking, lambda: real_file(catalogue, number))
    refuse_range(wanted, status.st_size)
    kind = media_type(path)
    return FileResponse(
        path,
        media_type=kind,
        stat_result=status,
        filename=path.name,
        content_disposition_type="attachment" if kind == _UNKNOWN else "inline",
        headers={"Cache-Control": "private, no-cache"},
    )


@router.get("/thumb", response_class=FileResponse, responses=_content("image/jpeg"))
async def small_picture(
    parts: Parts,
    asset_id: AssetId,
    size: Annotated[int, Query(ge=1, le=EDGES[-1])] = 320,
    time: Annotated[float | None, _Second] = None,
) -> FileResponse:
    """A small picture, JPEG: of a video the indexed frame nearest to `time`."""
    catalogue, number = parts.number(asset_id)
    made = await in_thread(parts.drawing, lambda: thumb(catalogue, number, parts.thumbs, edge=size, time_s=time))
    return FileResponse(made, media_type="image/jpeg", headers=_PRIVATE)


@router.get("/clip", response_class=FileResponse, responses=_content("video/mp4"))
async def clip(
    parts: Parts,
    asset_id: AssetId,
    start: Annotated[float, _Second],
    end: Annotated[float, _Second],
    download: bool = False,
) -> FileResponse:
    """The frames of a video from `start` to before `end`, in seconds, and its sound: MP4, at most a minute."""
    catalogue, number = parts.number(asset_id)
    if not catalogue.is_video[number]:
        raise Refusal(422, "parameters", "this is a picture; clips are of videos")
    if not 0 < end - start <= MAX_CLIP_S:
        raise Refusal(422, "parameters", f"end: a clip has more than 0 and at most {MAX_CLIP_S:g} seconds")
    if parts.cutting.statistics().tasks_waiting >= _WAITING_CLIPS:
        raise Refusal(503, "busy", "other clips are being made; ask again soon", {"Retry-After": "10"})
    made = await in_thread(parts.cutting, lambda: cut(catalogue, number, parts.clips, start=start, end=end))
    stem = FilePath(catalogue.path(number)).stem
    return FileResponse(
        made,
        media_type="video/mp4",
        filename=f"{stem}_{start:g}-{end:g}s.mp4",
        content_disposition_type="attachment" if download else "inline",
        headers=_PRIVATE,
    )


@router.delete("")
def hide(parts: Parts, asset_id: AssetId) -> dict[str, Any]:
    """Leave an asset out of all answers; its file stays."""
    catalogue, number = parts.number(asset_id)
    parts.users.hide(catalogue.path(number))
    return {"id": asset_id, "hidden": True}


@router.post("/restore")
def restore(parts: Parts, asset_id: AssetId) -> dict[str, Any]:
    """Take a hidden asset back."""
    catalogue, number = parts.number(asset_id)
    parts.users.restore(catalogue.path(number))
    return {"id": asset_id, "hidden": False}


@router.put("/tags")
def tag(parts: Parts, asset_id: AssetId, body: Tags) -> dict[str, Any]:
    """Give an asset these tags and no others."""
    catalogue, number = parts.number(asset_id)
    try:
        tags = clean_tags(body.tags)
    except ValueError as error:
        raise Refusal(422, "parameters", f"tags: {error}") from None
    return {"id": asset_id, "tags": list(parts.users.set_tags(catalogue.path(number), tags))}
