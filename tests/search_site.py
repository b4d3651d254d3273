"""A folder of pictures and videos, its index, and the search's server over it, for tests of the page."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageFilter

from scripts.cnclip.encoder import ImageTextEncoder
from scripts.search.database import Asset, AssetVectors, asset_id, write_database
from scripts.search.reading import read_picture, read_video
from scripts.search.server.app import create_app
from scripts.search.server.settings import Settings
from tests.served_app import served
from tests.snakemake_run import ROOT

DEMO = ROOT / "tests" / "data" / "demo" / "search"
LEFT_OUT = ("chopping.mp4", "corridor.mp4", "rabbit.mp4", "street.mp4")  # videos of the demo: two are enough
HOSTILE = "<img src=x onerror=window.hit=1>\u202egpj.jpg"  # a name that tries to be markup, and turns letters around
BROKEN = "broken.jpg"
NEW = "古塔.jpg"  # what a scan finds
FRAME_INTERVAL = 2.0
MIN_SCORE = "0.123"
_MIN_SIZE = 64
_DAY_S = 86_400

Row = tuple[Asset, AssetVectors]


def make_files(folder: Path) -> None:
    """The demo's pictures and two of its videos; a near copy, an odd name, a broken picture, and an old AVI."""
    shutil.copytree(DEMO, folder, ignore=shutil.ignore_patterns("*.jsonl", "*.md", "*.py", *LEFT_OUT))
    pictures, videos = folder / "pictures", folder / "videos"
    with Image.open(pictures / "animals" / "cat.jpg") as cat:
        cat.resize((cat.width * 4 // 5, cat.height * 4 // 5)).save(pictures / "cat_small.jpg", quality=70)
    with Image.open(pictures / "flower.jpg") as flower:
        flower.filter(ImageFilter.GaussianBlur(40)).save(pictures / HOSTILE, format="JPEG")
    (pictures / BROKEN).write_bytes(b"no picture")
    write_avi(videos / "scenes.mp4", videos / "old.avi")


def write_avi(video: Path, avi: Path) -> None:
    """A video as old cameras made it, which browsers cannot play."""
    with av.open(str(video)) as read, av.open(str(avi), "w", format="avi") as container:
        source = read.streams.video[0]
        stream: Any = container.add_stream("mpeg4", rate=source.average_rate)
        stream.width, stream.height, stream.pix_fmt = source.width, source.height, "yuv420p"
        for frame in read.decode(source):
            pixels = frame.to_ndarray(format="rgb24")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def indexed(folder: Path, encoder: ImageTextEncoder) -> list[Row]:
    """The rows of what `make_files` made, as far as it can be read; the later in the alphabet, the longer ago."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != BROKEN)
    rows = []
    for age, file in enumerate(files):
        path = file.relative_to(folder).as_posix()
        known: dict[str, Any] = {"size": file.stat().st_size, "mtime_ns": (1_780_000_000 - age * _DAY_S) * 10**9}
        if path.startswith("videos/"):
            facts, parts = read_video(file, size=encoder.image_size, min_size=_MIN_SIZE, interval=FRAME_INTERVAL)
            frames = list(parts)
            features = encoder.encode_pixels(np.concatenate([part.pixels for part in frames]))
            vectors = AssetVectors(asset_id(path), features, np.concatenate([part.times for part in frames]))
            rows.append((Asset(asset_id(path), path, "video", **known, **facts._asdict()), vectors))
        else:
            pixels, facts = read_picture(file, size=encoder.image_size, min_size=_MIN_SIZE)
            vectors = AssetVectors(asset_id(path), encoder.encode_pixels(pixels[None]), np.zeros(0))
            rows.append((Asset(asset_id(path), path, "image", **known, **facts._asdict()), vectors))
    return rows


def write_index(database: Path, folder: Path, encoder: ImageTextEncoder, rows: list[Row]) -> None:
    """The index of these rows, and of the broken picture."""
    path = f"pictures/{BROKEN}"
    failed = Asset(asset_id(path), path, "image", status="failed", error="damaged", message="<b>not</b> a picture")
    meta = {
        "dataset": "demo", "encoder": "conse", "model": "EfficientNet-Lite0 and multilingual-e5-small",
        "model_identity": encoder.identity, "tokenizer_identity": encoder.tokenizer_identity, "dim": encoder.dim,
        "dtype": "float32", "frame_interval": FRAME_INTERVAL, "min_score": MIN_SCORE,
    }  # fmt: skip
    folders = {name: str(folder / name) for name in ("pictures", "videos")}
    assets = sorted([failed, *(asset for asset, _ in rows)], key=lambda asset: asset.path)
    write_database(database, meta, folders, assets, [vectors for _, vectors in rows])


@dataclass(frozen=True)
class Site:
    """A server that runs.

    Attributes:
        url: of its page.
        place: the folder of the files, `files`, and of its `assets.db`.
        go_on: a scan waits for this file.
    """

    url: str
    place: Path
    go_on: Path


def settings(place: Path, *, password: str | None = None) -> Settings:
    """Of a server over the index in `place`, whose scan waits for the file `go_on`, then takes the next index."""
    scan = (
        "import pathlib, shutil, sys, time\n"
        "place = pathlib.Path(sys.argv[1])\n"
        "while not (place / 'go_on').exists(): time.sleep(0.05)\n"
        "shutil.copy(place / 'next.db', place / 'copied.db')\n"
        "(place / 'copied.db').replace(place / 'assets.db')\n"
    )
    return Settings(
        dataset="demo",
        database=place / "assets.db",
        user_database=place / "user.db",
        kept=place / "kept",
        scan_command=(sys.executable, "-c", scan, str(place)),
        how_to_index="snakemake search_index",
        scan_log=place / "scan.log",
        stage_work_dir=place / "work",
        ledger_dir=place / "ledger",
        config={},
        password=password,
    )


@contextmanager
def serving(
    place: Path, open_model: Callable[[], ImageTextEncoder], *, password: str | None = None, half: bool = False
) -> Iterator[Site]:
    """Serve what lies in `place`, once index and model are there; with `half`, once the index is."""
    app = create_app(settings(place, password=password), open_model)
    library = app.state.served.library
    with served(app) as url:
        while library.serving.state == "loading" and not (half and library.serving.catalogue):
            time.sleep(0.01)
        yield Site(url, place, place / "go_on")


def make_place(place: Path, encoder: ImageTextEncoder) -> None:
    """Files, their index, and the index that a scan makes, which has one picture more."""
    files = place / "files"
    make_files(files)
    rows = indexed(files, encoder)
    write_index(place / "next.db", files, encoder, rows)
    write_index(place / "assets.db", files, encoder, [row for row in rows if not row[0].path.endswith(NEW)])
