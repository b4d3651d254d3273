"""The application: its parts, its routes, and what all requests pass."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import parse_qs

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles

from scripts.cnclip.encoder import ImageTextEncoder
from scripts.search.server import assets_api, lists_api, mobile, scan_api, search_api
from scripts.search.server.answers import DESCRIBED, Refusal, answer_errors
from scripts.search.server.guard import Guard
from scripts.search.server.kept_files import KeptFiles
from scripts.search.server.library import Library, OpenEncoder
from scripts.search.server.login import SESSION_S, Login
from scripts.search.server.scan import Scan
from scripts.search.server.served import Parts, Served
from scripts.search.server.settings import Settings
from scripts.search.server.user_db import UserDatabase

# Queries use all memory bandwidth, pictures up to 300 MB each while they are decoded.
_QUERIES, _PICTURES, _CLIPS, _QUESTIONS, _UPLOADS = 1, 2, 1, 4, 16
_THUMBS_BYTES, _CLIPS_BYTES = 2_000_000_000, 1_000_000_000


def create_app(settings: Settings, open_model: OpenEncoder | None = None) -> FastAPI:
    """The application over one dataset.

    Args:
        settings: what it is told.
        open_model: loads the model; None for the one that the configuration names.

    Raises:
        ConfigError: what users wrote cannot be kept; names the mend.
    """
    login = None
    if settings.password is not None:
        login = Login(settings.password, cookie=f"polymill_search_{settings.port}")
    app = FastAPI(
        title="Polymill search",
        version="1",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=_lifespan,
        responses=DESCRIBED,
    )
    library = Library(
        settings.database, open_model or partial(_open_model, settings), how_to_index=settings.how_to_index
    )
    app.state.served = Served(
        settings=settings,
        library=library,
        users=UserDatabase(settings.user_database),
        scan=Scan(
            settings.scan_command,
            settings.scan_log,
            stage_work_dir=settings.stage_work_dir,
            ledger_dir=settings.ledger_dir,
            environment=settings.scan_environment,
        ),
        login=login,
        searching=anyio.CapacityLimiter(_QUERIES),
        drawing=anyio.CapacityLimiter(_PICTURES),
        cutting=anyio.CapacityLimiter(_CLIPS),
        looking=anyio.CapacityLimiter(_QUESTIONS),
        uploading=anyio.Semaphore(_UPLOADS),
        comparing=anyio.CapacityLimiter(1),
        thumbs=KeptFiles(settings.kept / "thumbs", ".jpg", most_bytes=_THUMBS_BYTES),
        clips=KeptFiles(settings.kept / "clips", ".mp4", most_bytes=_CLIPS_BYTES),
    )
    answer_errors(app)
    for part in (search_api, assets_api, lists_api, scan_api, mobile):
        app.include_router(part.router)
    _pages(app, settings)
    if login is not None:
        _login_routes(app, login)
    app.mount("/static", StaticFiles(directory=settings.static, check_dir=False))
    app.add_middleware(Guard, hosts=settings.hosts, login=login)
    return app


def _open_model(settings: Settings) -> ImageTextEncoder:
    # Loads torch or onnxruntime, in the thread that waits for it.
    from scripts.search.encoders import open_encoder

    own = settings.config["search"]["datasets"][settings.dataset]
    return open_encoder(own["encoder"], own.get("model", ""), settings.config)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Served = app.state.served
    parts.library.start()
    try:
        yield
    finally:
        parts.scan.close()
        parts.library.close()
        parts.users.close()


def _pages(app: FastAPI, settings: Settings) -> None:
    @app.get("/", include_in_schema=False)
    def index() -> FileResponse:
        return _page(settings, "index.html")

    @app.get("/login", include_in_schema=False)
    def login(parts: Parts) -> Response:
        return RedirectResponse("/", 303) if parts.login is None else _page(settings, "login.html")


def _page(settings: Settings, name: str) -> FileResponse:
    path = settings.static / name
    if not path.is_file():
        raise Refusal(404, "not_found", f"this server has no {name}; the API is under /api/")
    return FileResponse(path, headers={"Cache-Control": "no-cache"})


def _login_routes(app: FastAPI, login: Login) -> None:
    @app.post("/login", status_code=204, include_in_schema=False)
    async def log_in(request: Request) -> Response:
        client = request.client.host if request.client else ""
        body = await request.body()
        if wait := login.wait_s(client):
            seconds = max(1, round(wait))
            words = f"too many wrong passwords; wait {seconds} s"
            raise Refusal(429, "wait", words, {"Retry-After": str(seconds)})
        try:
            fields = parse_qs(body.decode(errors="replace"), max_num_fields=5)
        except ValueError:
            raise Refusal(400, "form", "a login has the field password alone") from None
        secret = login.open(client, fields.get("password", [""])[0])
        if secret is None:
            raise Refusal(401, "password", "that is not the password")
        response = Response(status_code=204)
        # No `secure`: the server speaks HTTP; whoever puts TLS before it adds that there.
        response.set_cookie(login.cookie, secret, max_age=SESSION_S, httponly=True, samesite="strict")
        return response

    @app.post("/logout", include_in_schema=False)
    async def log_out(request: Request) -> Response:
        login.close(request.headers.get("cookie"))
        response = JSONResponse({})
        response.delete_cookie(login.cookie, httponly=True, samesite="strict")
        return response
