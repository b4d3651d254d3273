"""The routes that tell how the server does, and begin to index."""

from typing import Any

from fastapi import APIRouter

from scripts.search.server.answers import Refusal
from scripts.search.server.served import Parts, Served, in_thread, iso

router = APIRouter(prefix="/api")


@router.get("/status")
async def status(parts: Parts) -> dict[str, Any]:
    """What is served, and how far an indexing is."""
    return await in_thread(parts.looking, lambda: _status(parts))


@router.post("/scan", status_code=202)
async def scan(parts: Parts) -> dict[str, Any]:
    """Index what is new or changed in the folders, in the background."""
    if not await in_thread(parts.looking, parts.scan.start):
        raise Refusal(409, "running", "an indexing runs already")
    return {"scan": await in_thread(parts.looking, parts.scan.status)}


def _status(parts: Served) -> dict[str, Any]:
    serving, encoder = parts.library.serving, parts.library.encoder
    catalogue = serving.catalogue
    told: dict[str, Any] = {
        "state": serving.state,
        "message": serving.message,
        "dataset": parts.settings.dataset,
        "generation": serving.generation,
        "indexed_at": None if serving.indexed_at is None else iso(serving.indexed_at),
        "languages": list(getattr(encoder, "languages", ("zh", "en"))),
        "login": parts.login is not None,
        "scan": parts.scan.status(),
        "how_to_index": parts.settings.how_to_index,
        "encoder": "", "model": "", "model_identity": "", "dim": 0, "n_assets": 0, "n_images": 0, "n_videos": 0,
        "n_vectors": 0, "n_failed": 0, "min_score": None, "folders": [],
    }  # fmt: skip
    if catalogue is not None:
        n_videos = int(catalogue.is_video.sum())
        told |= {
            "encoder": catalogue.meta["encoder"],
            "model": catalogue.meta["model"],
            "model_identity": catalogue.meta["model_identity"],
            "dim": catalogue.dim,
            "n_assets": len(catalogue),
            "n_images": len(catalogue) - n_videos,
            "n_videos": n_videos,
            "n_vectors": len(catalogue.vectors),
            "n_failed": len(catalogue.failures),
            "min_score": catalogue.min_score,
            "folders": sorted(catalogue.folders),
        }
    return told
