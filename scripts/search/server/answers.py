"""Refusals as the API answers them: `{"error": ..., "message": ...}`, never a traceback."""

import logging
import sqlite3
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from scripts.shared.errors import PolymillError, SampleError

_LOG = logging.getLogger(__name__)
_NAMES = {401: "login", 403: "forbidden", 404: "not_found", 405: "method", 413: "too_large", 422: "parameters"}


class Refused(BaseModel):
    """What every refused request is answered with.

    Attributes:
        error: class of the refusal, such as `not_found`.
        message: one line for the user.
    """

    error: str
    message: str


# For the description of the API; any route may answer with most of them.
DESCRIBED: dict[int | str, dict[str, Any]] = {
    status: {"model": Refused, "description": words}
    for status, words in {
        400: "a body that cannot be read",
        401: "log in first",
        403: "another site's page asks",
        404: "no such asset, or its file is gone",
        408: "the body did not come to its end",
        409: "another model's vector, or an indexing runs already",
        413: "too many bytes",
        416: "no such bytes",
        421: "another server's name",
        422: "parameters that cannot be, or a file that cannot be read",
        503: "the index or the model is not there yet, or the server is busy",
    }.items()
}


class Refusal(HTTPException):
    """A request that is refused.

    Args:
        status: of HTTP, 4xx or 503.
        error: class of the refusal, such as `not_found`.
        message: one line for the user.
        headers: to be sent with it.
    """

    def __init__(self, status: int, error: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.error = error


def refusal(status: int, error: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The response of a refusal."""
    return JSONResponse({"error": error, "message": message}, status, dict(headers or {}))


def answer_errors(app: FastAPI) -> None:
    """Answer every error of an application in this form."""

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> JSONResponse:
        name = error.error if isinstance(error, Refusal) else _NAMES.get(error.status_code, "refused")
        return refusal(error.status_code, name, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def _parameters(_request: Request, error: RequestValidationError) -> JSONResponse:
        wrong = [f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors()[:5]]
        return refusal(422, "parameters", "; ".join(wrong))

    @app.exception_handler(SampleError)
    async def _sample(_request: Request, error: SampleError) -> JSONResponse:
        return refusal(422, error.error, error.message)

    @app.exception_handler(PolymillError)
    async def _polymill(_request: Request, error: PolymillError) -> JSONResponse:
        return refusal(422, "refused", str(error))

    @app.exception_handler(OSError)
    @app.exception_handler(sqlite3.Error)
    async def _disk(request: Request, error: OSError | sqlite3.Error) -> JSONResponse:
        _LOG.error("%s %s: %s", request.method, request.url.path, error)
        words = (getattr(error, "strerror", None) if isinstance(error, OSError) else str(error)) or type(error).__name__
        return refusal(503, "disk", f"the server's disk refuses: {words}")

    @app.exception_handler(Exception)
    async def _defect(request: Request, error: Exception) -> JSONResponse:
        _LOG.error("%s %s", request.method, request.url.path, exc_info=error)
        return refusal(500, "defect", "a defect of the server: its terminal has the reason")
