"""A small searched folder: pictures and a video of plain colours, their index, and a model that knows colours."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scripts.cnclip.encoder import Features, ImageTextEncoder, unit_rows
from scripts.search.database import Asset, AssetVectors, asset_id, write_database
from scripts.search.server.settings import Settings
from scripts.shared.video.writing import write_h264

DIM = 4
IDENTITY = "colours-1"
FPS, INTERVAL = 10, 2.0
NAMES = {
    "red": (255, 0, 0), "红": (255, 0, 0), "green": (0, 255, 0), "绿": (0, 255, 0), "blue": (0, 0, 255),
    "蓝": (0, 0, 255), "yellow": (255, 255, 0), "white": (255, 255, 255),
}  # fmt: skip
VIDEO_COLOURS = ("red", "red", "green", "blue", "blue")  # each for an interval
VIDEO = "videos/片段.mp4"


class ColourEncoder(ImageTextEncoder):
    """Puts texts that name colours, and pictures by their mean colour, into one space of four dimensions."""

    def __init__(self, identity: str = IDENTITY) -> None:
        self.dim, self.context_length, self.image_size, self.logit_scale = DIM, 8, 8, 100.0
        self.identity, self.tokenizer_identity = identity, "names"

    def tokenize(self, texts: Sequence[str]) -> NDArray[np.int64]:
        ids = [[n for n, name in enumerate(NAMES, 1) if name in text] for text in texts]
        return np.array([(row + [0] * 8)[:8] for row in ids], dtype=np.int64)

    def encode_tokens(self, ids: NDArray[np.int64]) -> Features:
        colours = np.array([(0, 0, 0), *NAMES.values()], dtype=np.float32)
        return vectors_of(colours[ids].sum(axis=1))

    def encode_pixels(self, pixels: NDArray[Any]) -> Features:
        return vectors_of(pixels.astype(np.float32).mean(axis=(2, 3)))


def vectors_of(colours: NDArray[np.float32]) -> Features:
    """Unit vectors, (n, 4) float32, of RGB colours (n, 3)."""
    return unit_rows(np.concatenate([colours / 255, np.full((len(colours), 1), 0.1)], axis=1).astype(np.float32))


def make_folders(place: Path) -> dict[str, str]:
    """The searched folders: four pictures, and a video of ten seconds."""
    folders = {"pictures": str(place / "pictures"), "videos": str(place / "videos")}
    for name in ("red", "green", "blue", "yellow"):
        path = place / "pictures" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (96, 64), NAMES[name]).save(path)
    (place / "videos").mkdir()
    frames = (np.full((48, 64, 3), NAMES[name], dtype=np.uint8) for name in VIDEO_COLOURS for _ in range(FPS * 2))
    write_h264(place / VIDEO, frames, fps=FPS, options={"preset": "ultrafast"})
    return folders


def index(
    path: Path, folders: Mapping[str, str], *, identity: str = IDENTITY, dtype: str = "float32", **more: Any
) -> None:
    """Index the files of `make_folders` and whatever pictures lie beside them."""
    encoder = ColourEncoder(identity)
    assets, vectors = [], []
    files = sorted(
        (f"{name}/{file.relative_to(folder).as_posix()}", file)
        for name, folder in folders.items()
        for file in Path(folder).rglob("*")
        if file.is_file()
    )
    for key, file in files:
        seen = file.stat()
        number = asset_id(key)
        facts: dict[str, Any] = {"id": number, "path": key, "size": seen.st_size, "mtime_ns": seen.st_mtime_ns}
        if key == VIDEO:
            assets.append(Asset(**facts, kind="video", width=64, height=48, duration=len(VIDEO_COLOURS) * INTERVAL))
            colours = np.array([NAMES[name] for name in VIDEO_COLOURS], dtype=np.float32)
            times = np.arange(len(colours)) * INTERVAL
            vectors.append(AssetVectors(number, vectors_of(colours), times))
            continue
        try:
            picture = Image.open(file).convert("RGB")
        except OSError:
            error, message = "no_picture", "not a JPEG, PNG, GIF, BMP, WebP or TIFF file"
            assets.append(Asset(**facts, kind="image", status="failed", error=error, message=message))
            continue
        assets.append(Asset(**facts, kind="image", width=picture.width, height=picture.height))
        vectors.append(AssetVectors(number, encoder.encode_image([picture]), np.empty(0)))
    meta: dict[str, Any] = {
        "dataset": "toy", "encoder": "conse", "model": "colours", "model_identity": identity,
        "tokenizer_identity": "names", "dim": DIM, "dtype": dtype, "frame_interval": INTERVAL, "min_score": "",
    }  # fmt: skip
    write_database(path, {**meta, **more}, folders, assets, vectors)


def settings(place: Path, **more: Any) -> Settings:
    """Those of a server in a folder."""
    given: dict[str, Any] = {
        "dataset": "toy",
        "database": place / "results" / "assets.db",
        "user_database": place / "results" / "user.db",
        "kept": place / "work",
        "scan_command": ("true",),
        "how_to_index": "snakemake search_index",
        "scan_log": place / "logs" / "scan.log",
        "stage_work_dir": place / "work" / "vectors",
        "ledger_dir": place / "results" / ".state" / "vectors" / "ledger",
        "config": {},
        "hosts": ("testserver",),
    }
    return Settings(**{**given, **more})
