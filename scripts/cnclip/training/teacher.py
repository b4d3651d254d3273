"""The teachers of a distillation: features that were made before, or a model that runs in the loop."""

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from scripts.cnclip.model_files.folder import load_model, read_facts
from scripts.cnclip.training.distillation import TeacherRows
from scripts.cnclip.training.loading import Pairs
from scripts.cnclip.training.options import Distillation
from scripts.cnclip.training.towers import image_rows, text_rows
from scripts.shared.errors import ConfigError

_ROWS_CHECKED = 1 << 16
_WITH_TEXTS = ("kl", "kl_feat")
_ARRAYS = ("image_ids", "image_features", "text_ids", "text_features")  # files of the evaluation


class Teacher(ABC):
    """Gives its unit rows of pairs.

    Attributes:
        dim: D, width of its rows.
        scale: what its cosines are multiplied with; None where it has pictures alone.
    """

    dim: int
    scale: float | None

    @abstractmethod
    def rows(self, pairs: Pairs, device: torch.device) -> TeacherRows:
        """Its rows of pairs, on a device."""


class Table:
    """Features by id.

    Args:
        ids: (n,) whole numbers, each once.
        features: (n, D); opened in the file, since those of a large set are larger than what else a step needs.
        where: the file, for errors.

    Raises:
        ConfigError: they do not fit together, or a feature is no finite number.
    """

    def __init__(self, ids: NDArray[Any], features: NDArray[Any], where: Path) -> None:
        if ids.ndim != 1 or features.ndim != 2 or len(ids) != len(features) or not np.issubdtype(ids.dtype, np.integer):
            raise ConfigError(
                f"{where}: ids of shape {ids.shape} ({ids.dtype}) and features of shape {features.shape} do not go "
                "together; a whole number and a row each are needed"
            )
        self._order = np.argsort(ids, kind="stable")
        self._ids = np.asarray(ids, np.int64)[self._order]
        self._features, self._where = features, where
        self.dim: int = features.shape[1]
        if (twice := np.flatnonzero(self._ids[1:] == self._ids[:-1])).size:
            raise ConfigError(f"{where}: id {self._ids[twice[0]]} is there twice; make the features again")
        for start in range(0, len(features), _ROWS_CHECKED):
            if not np.isfinite(features[start : start + _ROWS_CHECKED]).all():
                raise ConfigError(
                    f"{where}: not every number is finite; its teacher is broken, make the features again"
                )

    def require(self, ids: NDArray[np.int64], what: str) -> None:
        """Refuse a table that lacks any of these ids.

        Raises:
            ConfigError: it does; says which and how many.
        """
        missing = ids[~np.isin(ids, self._ids)]
        if missing.size:
            raise ConfigError(
                f"{self._where}: the teacher's features are of other {what}: {missing.size} of {ids.size} that the "
                f"training set has are missing, such as {missing[0]}; make them from this dataset's train split"
            )

    def rows(self, ids: NDArray[np.int64]) -> Tensor:
        """(n, D) float32 unit rows."""
        places = self._order[np.searchsorted(self._ids, ids)]
        return functional.normalize(torch.from_numpy(np.asarray(self._features[places], np.float32)), dim=-1)


class StoredTeacher(Teacher):
    """Features from files.

    Args:
        images: of pictures.
        texts: of texts; None where only pictures are there.
        scale: see `Teacher`.
    """

    def __init__(self, images: Table, texts: Table | None, scale: float | None) -> None:
        self._images, self._texts = images, texts
        self.dim, self.scale = images.dim, scale

    def require(self, image_ids: NDArray[np.int64], text_ids: NDArray[np.int64]) -> None:
        """Refuse a teacher that has not seen all of these.

        Raises:
            ConfigError: it has not.
        """
        self._images.require(image_ids, "pictures")
        if self._texts is not None:
            self._texts.require(text_ids, "texts")

    def rows(self, pairs: Pairs, device: torch.device) -> TeacherRows:
        """See `Teacher`."""
        texts = None if self._texts is None else self._texts.rows(pairs.text_ids.numpy())
        images = self._images.rows(pairs.image_ids.numpy())
        return TeacherRows(images.to(device), None if texts is None else texts.to(device))


class RunningTeacher(Teacher):
    """A model that sees what the student sees.

    Args:
        folder: of the model.
        device: where it runs.
        image_size: of the student's pictures.
        tokenizer_sha256: of the student's vocabulary.
        rows_at_once: pairs.

    Raises:
        ConfigError: it cannot read what the student reads.
    """

    def __init__(
        self, folder: Path, device: torch.device, *, image_size: int, tokenizer_sha256: str, rows_at_once: int
    ) -> None:
        self._model = load_model(folder).to(device).requires_grad_(False)  # type: ignore[arg-type]
        self._model.set_attn_implementation("sdpa")
        wanted = self._model.config.vision_config.image_size
        if wanted != image_size:
            raise ConfigError(
                f"{folder}: this teacher takes pictures of {wanted} pixels and the student of {image_size}; with "
                "kd.online both read the same, so take another teacher, or its stored features"
            )
        if read_facts(folder).tokenizer_sha256 != tokenizer_sha256:
            raise ConfigError(f"{folder}: this teacher has another vocabulary than the student; take stored features")
        self._rows_at_once = rows_at_once
        self.dim = int(self._model.config.projection_dim)
        self.scale = float(self._model.logit_scale.exp())

    @torch.no_grad()
    def rows(self, pairs: Pairs, device: torch.device) -> TeacherRows:
        """See `Teacher`."""
        seen = pairs.on(device)
        size = self._rows_at_once
        images = [image_rows(self._model, part) for part in torch.split(seen.pictures, size)]
        texts = [text_rows(self._model, part) for part in torch.split(seen.ids, size)]
        return TeacherRows(torch.cat(images), torch.cat(texts))


def open_stored(path: Path, kd: Distillation) -> StoredTeacher:
    """Read a teacher's features.

    Args:
        path: a folder as the evaluation writes it (`image_ids.npy`, `image_features.npy`, `text_ids.npy`,
            `text_features.npy`, `facts.json`), or an `.npz` with `image_ids` and `image_features` alone, for teachers
            that cannot be loaded here.
        kd: what is done with them.

    Raises:
        ConfigError: a file is missing or wrong, or the distillation needs what is not there.
    """
    try:
        if path.is_dir():
            held = {name: np.load(path / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
            scale = float(json.loads((path / "facts.json").read_text(encoding="utf-8"))["logit_scale"])
            texts = Table(held["text_ids"], held["text_features"], path / "text_features.npy")
            return StoredTeacher(
                Table(held["image_ids"], held["image_features"], path / "image_features.npy"), texts, scale
            )
        with np.load(path, allow_pickle=False) as found:
            images = Table(found["image_ids"], found["image_features"], path)
    except OSError as error:
        raise ConfigError(
            f"{error.filename or path}: {error.strerror or error}: a teacher's features are needed"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path}: no features of a teacher ({error}); see docs on cnclip.runs.*.kd.teacher"
        ) from error
    if kd.name in _WITH_TEXTS:
        raise ConfigError(f"{path}: has pictures alone, and {kd.name} also needs the teacher's texts; use cos_interp")
    return StoredTeacher(images, None, None)
