"""A folder of pictures and videos, its index, and the search's server over it, for tests of the page."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from scripts.cnclip.encoder import ImageTextEncoder
from scripts.search.database import Asset, AssetVectors, asset_id, write_database
from scripts.search.server.app import create_app
from scripts.search.server.settings import Settings
from scripts.shared.video.writing import write_h264
from tests.served_app import served

PHOTOS = {
    "cat": ("skimage", "data/chelsea.png"),
    "coffee": ("skimage", "data/coffee.png"),
    "rocket": ("skimage", "data/rocket.jpg"),
    "astronaut": ("skimage", "data/astronaut.png"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "pagoda": ("sklearn", "datasets/images/china.jpg"),
}
SECONDS_A_SCENE = 4
SCENES = ("coffee", "rocket", "cat")  # of both videos
FRAME_INTERVAL = 2.0
HOSTILE = "<img src=x onerror=window.hit=1>\u202egpj.jpg"  # a name that tries to be markup, and turns letters around
BROKEN = "broken.jpg"
NEW = "new_pagoda.jpg"  # what a scan finds
_SIDES = (320, 240)
_PLAIN = 9  # pictures of nothing, so that there is more than a page
_DAY_S = 86_400


def photo(package: str, path: str) -> Image.Image:
    """A picture that a package holds; the package itself is not imported."""
    found = find_spec(package)
    assert found is not None
    assert found.submodule_search_locations
    with Image.open(Path(found.submodule_search_locations[0]) / path) as opened:
        return opened.convert("RGB")


def make_files(folder: Path) -> None:
    """Pictures of six things, a near copy, pictures of nothing, a broken one, and two videos of three scenes each."""
    pictures, videos = folder / "pictures", folder / "videos"
    pictures.mkdir(parents=True)
    videos.mkdir()
    opened = {name: photo(*place) for name, place in PHOTOS.items()}
    opened.pop("pagoda").save(pictures / NEW)
    for name, picture in opened.items():
        picture.save(pictures / f"{name}.jpg", quality=88)
    opened["cat"].resize((380, 253)).save(pictures / "cat_small.jpg", quality=70)
    opened["flower"].filter(ImageFilter.GaussianBlur(40)).save(pictures / HOSTILE, format="JPEG")
    for number in range(_PLAIN):
        Image.new("RGB", (96, 72), (20 * number, 120, 240 - 20 * number)).save(pictures / f"plain_{number}.png")
    (pictures / BROKEN).write_bytes(b"no picture")
    scenes = [np.asarray(opened[name].resize(_SIDES)) for name in SCENES]
    frames = [scene for scene in scenes for _ in range(4 * SECONDS_A_SCENE)]
    write_h264(videos / "scenes.mp4", frames, fps=4)
    write_avi(videos / "old.avi", frames)


def write_avi(path: Path, frames: list[NDArray[np.uint8]]) -> None:
    """A video as old cameras made it, which browsers cannot play."""
    with av.open(str(path), "w", format="avi") as container:
        stream: Any = container.add_stream("mpeg4", rate=4)
        (stream.width, stream.height), stream.pix_fmt = _SIDES, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


Row = tuple[Asset, AssetVectors]


def indexed(folder: Path, encoder: ImageTextEncoder) -> list[Row]:
    """The rows of what `make_files` made, as far as it can be read."""
    scenes = encoder.encode_image([folder / "pictures" / f"{name}.jpg" for name in SCENES])
    rows = []
    for age, file in enumerate(sorted(folder.glob("*/*"))):
        path = f"{file.parent.name}/{file.name}"
        known: dict[str, Any] = {"size": file.stat().st_size, "mtime_ns": (1_780_000_000 - age * _DAY_S) * 10**9}
        if file.parent.name == "videos":
            length = SECONDS_A_SCENE * len(SCENES)
            times = np.arange(0, length, FRAME_INTERVAL)
            asset = Asset(asset_id(path), path, "video", width=_SIDES[0], height=_SIDES[1], duration=length, **known)
            rows.append((asset, AssetVectors(asset.id, scenes[(times // SECONDS_A_SCENE).astype(int)], times)))
        elif file.name != BROKEN:
            with Image.open(file) as opened:
                asset = Asset(asset_id(path), path, "image", width=opened.width, height=opened.height, **known)
            rows.append((asset, AssetVectors(asset.id, encoder.encode_image([file]), np.zeros(0))))
    return rows


def write_index(database: Path, folder: Path, encoder: ImageTextEncoder, rows: list[Row]) -> None:
    """The index of these rows, and of the broken picture."""
    path = f"pictures/{BROKEN}"
    failed = Asset(asset_id(path), path, "image", status="failed", error="damaged", message="<b>not</b> a picture")
    meta = {
        "dataset": "demo", "encoder": "conse", "model": "EfficientNet-Lite0 and multilingual-e5-small",
        "model_identity": encoder.identity, "tokenizer_identity": encoder.tokenizer_identity, "dim": encoder.dim,
        "dtype": "float32", "frame_interval": FRAME_INTERVAL, "min_score": "0.123",
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
def serving(place: Path, open_model: Callable[[], ImageTextEncoder], *, password: str | None = None) -> Iterator[Site]:
    """Serve what lies in `place`."""
    app = create_app(settings(place, password=password), open_model)
    with served(app) as url:
        yield Site(url, place, place / "go_on")


def make_place(place: Path, encoder: ImageTextEncoder) -> None:
    """Files, their index, and the index that a scan makes, which has one picture more."""
    files = place / "files"
    make_files(files)
    rows = indexed(files, encoder)
    write_index(place / "next.db", files, encoder, rows)
    write_index(place / "assets.db", files, encoder, [row for row in rows if not row[0].path.endswith(NEW)])
