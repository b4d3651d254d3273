"""The page `/mobile`, which encodes queries in the browser, and what it loads: text tower, vocabulary, WebAssembly."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, Response

from scripts.cnclip import places, runs
from scripts.cnclip.compression.halves import Side
from scripts.cnclip.compression.mobile_manifest import CHARACTERS, MANIFEST, VOCABULARY, Manifest, read_manifest
from scripts.search.server.answers import Refusal
from scripts.search.server.guard import CONTENT_POLICY
from scripts.search.server.served import Parts
from scripts.shared.errors import ConfigError

router = APIRouter()

RUNTIME_VERSION = "1.30.0"  # of onnxruntime-web, see static/vendor/VENDORED.md
RUNTIME_BYTES = 14_239_897  # of its WebAssembly, unpacked
_RUNTIME = "vendor/ort-wasm-simd-threaded.wasm.gz"
_TEXT: Side = "txt"
_SNAKEMAKE = "snakemake --profile local_cpu"
_ENCODERS = ("onnx", "chinese_clip")  # whose models may have towers
# A changed file has another `v`, so that what is kept under an address stays true.
_KEPT = {"Cache-Control": "private, max-age=31536000, immutable"}
_PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": f"{CONTENT_POLICY}; script-src 'self' 'wasm-unsafe-eval'",
}

Version = Annotated[str, Query(alias="v", max_length=64)]


@dataclass(frozen=True)
class Towers:
    """Towers that answer for the index that is served, or why there are none.

    Attributes:
        folder: of the towers; None where there are none.
        manifest: of that folder.
        reason: `encoder` (that of the index has no towers), `not_made`, or empty.
        message: the reason in words.
        mend: the command that helps.
        offer: the model that the dataset could name instead, where `encoder` is the reason.
    """

    folder: Path | None = None
    manifest: Manifest | None = None
    reason: str = ""
    message: str = ""
    mend: str = ""
    offer: str = ""


def find_towers(config: Mapping[str, Any], meta: Mapping[str, str]) -> Towers:
    """The towers whose vectors may be compared with those of an index.

    Args:
        config: the whole configuration.
        meta: of the index.

    Raises:
        ConfigError: `cnclip.mobile` names a model that does not exist.
    """
    names = runs.mobile(config["cnclip"]) if "cnclip" in config else []
    problems = []
    for name in names:
        folder = places.mobile_folder(config, name)
        try:
            manifest = read_manifest(folder)
        except ConfigError as error:
            problems.append(str(error))
            continue
        if manifest.answers(meta["model_identity"]):
            return Towers(folder, manifest)
    if meta["encoder"] not in _ENCODERS:
        offer = f"{names[0] if names else 'NAME'}.onnx_int8"
        message = (
            f"the index was made with {meta['encoder']}, which has no tower for browsers; give the dataset "
            f"`encoder: onnx` and `model: {offer}` in the configuration"
        )
        mend = f"{_SNAKEMAKE} cnclip_export_mobile all_search"
        return Towers(reason="encoder", message=message, mend=mend, offer=offer)
    message = f"no towers of the model that made the index ({meta['model']}) are there; name it in cnclip.mobile"
    return Towers(reason="not_made", message="; ".join([message, *problems]), mend=f"{_SNAKEMAKE} cnclip_export_mobile")


def _towers(parts: Parts) -> Towers:
    _, catalogue = parts.catalogue()
    return find_towers(parts.settings.config, catalogue.meta)


Found = Annotated[Towers, Depends(_towers)]


@router.get("/mobile", include_in_schema=False)
def page(parts: Parts) -> FileResponse:
    """The page."""
    return FileResponse(parts.settings.static / "mobile.html", headers=_PAGE_HEADERS)


@router.get("/api/mobile")
def facts(parts: Parts, towers: Found) -> dict[str, Any]:
    """Whether a browser can encode queries for this index, with what, and else why not."""
    _, catalogue = parts.catalogue()
    told = {
        "ready": towers.manifest is not None,
        "reason": towers.reason,
        "message": towers.message,
        "mend": towers.mend,
        "offer": towers.offer,
        "index": {key: catalogue.meta[key] for key in ("encoder", "model", "model_identity")},
        "runtime": {
            "version": RUNTIME_VERSION,
            "url": f"/mobile/ort.wasm?v={RUNTIME_VERSION}",
            "size_bytes": RUNTIME_BYTES,
        },
        "towers": None,
    }
    manifest = towers.manifest
    if manifest is None:
        return told
    addresses = {"text": ("text.onnx", _TEXT), VOCABULARY: ("vocab.txt", VOCABULARY)}
    addresses[CHARACTERS] = ("characters.json", CHARACTERS)
    told["towers"] = {
        "model": manifest.name,
        "form": manifest.form,
        "identity": manifest.identity,
        "tokenizer_identity": manifest.tokenizer_identity,
        "dim": manifest.dim,
        "context_length": manifest.context_length,
        "input": manifest.inputs[_TEXT],
        "output": manifest.outputs[_TEXT],
        "files": {
            key: {
                "url": f"/api/mobile/{name}?v={manifest.files[held].sha256}",
                "size_bytes": manifest.files[held].size_bytes,
                "sha256": manifest.files[held].sha256,
            }
            for key, (name, held) in addresses.items()
        },
    }
    return told


@router.get("/api/mobile/text.onnx", response_class=FileResponse)
def text_tower(towers: Found, version: Version = "") -> FileResponse:
    """The text tower, an ONNX file."""
    return _file(towers, _TEXT, version, "application/octet-stream")


@router.get("/api/mobile/vocab.txt", response_class=FileResponse)
def vocabulary(towers: Found, version: Version = "") -> FileResponse:
    """The vocabulary, one entry a line."""
    return _file(towers, VOCABULARY, version, "text/plain; charset=utf-8")


@router.get("/api/mobile/characters.json", response_class=FileResponse)
def characters(towers: Found, version: Version = "") -> FileResponse:
    """The classes of characters that the tokenizer needs."""
    return _file(towers, CHARACTERS, version, "application/json")


@router.get("/mobile/ort.wasm", include_in_schema=False)
def runtime(parts: Parts, request: Request, version: Version = "") -> Response:
    """onnxruntime-web's WebAssembly, as gzip where the client takes that."""
    headers = {"Vary": "Accept-Encoding"} | (_KEPT if version == RUNTIME_VERSION else {})
    path = parts.settings.static / _RUNTIME
    if "gzip" in request.headers.get("accept-encoding", ""):
        return FileResponse(path, media_type="application/wasm", headers=headers | {"Content-Encoding": "gzip"})
    return Response(gzip.decompress(path.read_bytes()), media_type="application/wasm", headers=headers)


def _file(towers: Towers, key: str, version: str, media_type: str) -> FileResponse:
    """One file of the towers, by its key and never by a name of the client's.

    Raises:
        Refusal: there are no towers (409), or they are not those that were asked for (404).
    """
    if towers.folder is None or towers.manifest is None:
        raise Refusal(409, towers.reason, towers.message)
    file = towers.manifest.files[key]
    if version and version != file.sha256:
        raise Refusal(404, "other_towers", "the towers were made again; load the page again")
    path = towers.folder / file.name
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        raise Refusal(404, "not_found", f"{file.name} is not the file that {MANIFEST} tells of; make the towers again")
    return FileResponse(path, media_type=media_type, headers=_KEPT if version else {})
