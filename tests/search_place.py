"""A folder in which a user runs the search, on small made pictures and videos."""

import csv
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from scripts.search.database import Asset, open_database
from tests.snakemake_run import ROOT, Place, make_clip


def make_picture(path: Path, seed: int, size: tuple[int, int] = (80, 64), **saved: Any) -> None:
    """Write a picture of coloured blocks; another seed gives another one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST).save(path, **saved)


@dataclass
class SearchPlace(Place):
    """One with pictures in `photos/` and videos in `films/`."""

    system = "search"
    name = "mine"

    @classmethod
    def create(cls, folder: Path, n_pictures: int = 4, n_videos: int = 2, **options: Any) -> "SearchPlace":
        """A workplace with `photos/<number>.jpg` and `films/<number>.mp4` of 0.4 s, and nothing made."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "profiles").symlink_to(ROOT / "profiles")
        folders = {"photos": "photos", "films": "films"} if n_videos else {"photos": "photos"}
        small = {"min_size": 32, "frame_interval": 0.2, "shard_size": 4, "workers": 1}
        here = cls(folder, {"folders": folders, **small, **options})
        for number in range(n_pictures):
            make_picture(here.photo(number), seed=number)
        for number in range(n_videos):
            make_clip(here.film(number), seed=number)
        here.save()
        return here

    def copy(self, folder: Path) -> "SearchPlace":
        """The same in another folder, times of change included."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return SearchPlace(folder, dict(self.options), dict(self.top))

    def save(self, **other_datasets: Any) -> None:
        """Write the configuration."""
        config = {**self.top, "search": {"datasets": {self.name: self.options, **other_datasets}}}
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    def photo(self, number: int) -> Path:
        return self.folder / "photos" / f"{number}.jpg"

    def film(self, number: int) -> Path:
        return self.folder / "films" / f"{number}.mp4"

    @property
    def database(self) -> Path:
        return self.dataset / "assets.db"

    def assets(self) -> dict[str, Asset]:
        """What is in the index, by path."""
        with open_database(self.database) as database:
            return {asset.path: asset for asset in database.assets()}

    def meta(self) -> dict[str, str]:
        """What the index says of itself."""
        with open_database(self.database) as database:
            return database.meta

    def indexed(self) -> Mapping[str, NDArray[np.float32]]:
        """The vectors in the index, by path."""
        with open_database(self.database) as database:
            paths = {asset.id: asset.path for asset in database.assets()}
            features, ids, _ = database.vectors()
        return {path: features[ids == number] for number, path in paths.items() if (ids == number).any()}

    def failures(self) -> dict[str, str]:
        """Error class by key."""
        with (self.dataset / "failures.csv").open(encoding="utf-8", newline="") as file:
            return {row["key"]: row["error"] for row in csv.DictReader(file)}

    def marks(self) -> dict[str, tuple[int, int]]:
        """Time of change and inode of every file of vectors: what a remade one does not keep."""
        folder = self.dataset / "vectors"
        files = sorted(folder.rglob("*.npz"))
        return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_ino) for path in files}

    def remade(self, before: Mapping[str, tuple[int, int]]) -> set[str]:
        """The files of vectors that are new, or not the ones that they were."""
        return {name for name, mark in self.marks().items() if before.get(name) != mark}
