"""What the server serves: the index and the encoder, read and replaced beside the requests."""

import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.encoder import ImageTextEncoder
from scripts.search.query.catalogue import Catalogue, Floats
from scripts.search.query.load import load
from scripts.shared.errors import ConfigError, PolymillError

State = Literal["loading", "ready", "empty", "error"]
OpenEncoder = Callable[[], ImageTextEncoder]

_LOG = logging.getLogger(__name__)
_TEXTS_KEPT = 256


@dataclass(frozen=True)
class Serving:
    """What is served at one moment.

    Attributes:
        state: `loading` (the index or the model is being read), `ready`, `empty` (there is no index yet) or `error`.
        message: for the user, a line; empty where there is nothing to say.
        catalogue: the index, None where there is none that can be served.
        generation: counts the indexes served.
        indexed_at: when the index was made, Unix time.
    """

    state: State
    message: str = ""
    catalogue: Catalogue | None = None
    generation: int = 0
    indexed_at: float | None = None


class Library:
    """Reads index and encoder in a thread of its own, and the index again when it is replaced.

    Args:
        database: the `assets.db`.
        open_encoder: loads the model that the configuration names.
        how_to_index: the command that makes the index, for who has none.
        look_every_s: how often to look for a new index.
    """

    def __init__(
        self, database: Path, open_encoder: OpenEncoder, *, how_to_index: str, look_every_s: float = 1.0
    ) -> None:
        self._database, self._open_encoder = database, open_encoder
        self._how_to_index, self._look_every_s = how_to_index, look_every_s
        self._seen: Hashable = None
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="library", daemon=True)
        self._encoder_lock = threading.Lock()
        self._encoder: ImageTextEncoder | None = None
        self._encoder_error = ""
        self.serving = Serving("loading", "the index is being read")
        self.vector_of_text = lru_cache(_TEXTS_KEPT)(self._vector_of_text)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking for a new index."""
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout=2)  # a model that loads is not waited for

    @property
    def encoder(self) -> ImageTextEncoder | None:
        """The model, None while it loads."""
        return self._encoder

    @property
    def image_size(self) -> int:
        """Edge of the pictures that the model takes."""
        return self._loaded().image_size

    def vector_of_pixels(self, pixels: NDArray[np.uint8]) -> Floats:
        """The unit vector of a picture (1, 3, S, S), (dim,) float32."""
        with self._encoder_lock:
            vector: Floats = self._loaded().encode_pixels(pixels)[0]
        return vector

    def _loaded(self) -> ImageTextEncoder:
        if self._encoder is None:
            raise ConfigError(self.serving.message or "the model is not loaded")
        return self._encoder

    def _vector_of_text(self, text: str) -> Floats:
        """The unit vector of a text, (dim,) float32."""
        with self._encoder_lock:
            vector: Floats = self._loaded().encode_text([text])[0]
        vector.setflags(write=False)
        return vector

    def look(self) -> None:
        """Look for a new index now, and wait until what is there was read (for tests)."""
        self._look()

    def _run(self) -> None:
        # The index first: it is there to be leafed through while the model loads.
        self._look()
        self._load_encoder()
        while not self._stop.is_set():
            self._look()
            self._wake.wait(self._look_every_s)
            self._wake.clear()

    def _load_encoder(self) -> None:
        started = time.monotonic()
        try:
            encoder = self._open_encoder()
            encoder.encode_text(["a"])  # some load their other half at the first text, others make room for their work
            self._encoder = encoder
            _LOG.info("model loaded in %.1f s: %s", time.monotonic() - started, encoder.identity)
        except (PolymillError, ImportError, OSError, MemoryError) as error:
            self._encoder_error = f"the model cannot be loaded: {error}"
            _LOG.error("%s", self._encoder_error)
        self._seen = None  # an index read meanwhile is now to be compared with it

    def _look(self) -> None:
        try:
            status = self._database.stat()
        except OSError:
            self._none()
            return
        seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        if seen == self._seen:
            return
        old = self.serving
        try:
            catalogue = self._kept(seen) or load(self._database)
        except (PolymillError, OSError, MemoryError) as error:
            self._refuse(str(error))
        else:
            self._take(catalogue, status.st_mtime, new=catalogue is not old.catalogue)
            self._read_of = seen
        self._seen = seen

    _read_of: Hashable = None

    def _kept(self, seen: Hashable) -> Catalogue | None:
        """The catalogue that was read of this very file, while it waited for the model."""
        return self.serving.catalogue if self._read_of == seen else None

    def _take(self, catalogue: Catalogue, made_at: float, *, new: bool) -> None:
        if reason := self._not_ours(catalogue):
            self._refuse(reason)
            return
        state: State = "ready" if self._encoder else "error" if self._encoder_error else "loading"
        message = self._encoder_error or ("" if self._encoder else "the model is being loaded")
        generation = self.serving.generation + new
        self.serving = Serving(state, message, catalogue, generation, made_at)

    def _not_ours(self, catalogue: Catalogue) -> str:
        """Why an index is none of this encoder's; empty where it is, or the encoder is not there yet."""
        if self._encoder is None:
            return ""
        made_with, ours = catalogue.meta["model_identity"], self._encoder.identity
        if made_with != ours:
            return (
                f"{self._database} was made with the model {made_with} ({catalogue.meta['model']}), and the "
                f"configuration names {ours}; make the index again ({self._how_to_index}), or name that model"
            )
        if catalogue.dim != self._encoder.dim:
            return f"{self._database} has vectors of {catalogue.dim}, the model of {self._encoder.dim}"
        return ""

    def _refuse(self, reason: str) -> None:
        """Keep what is served, where it can be, and say why the new index is not."""
        _LOG.warning("%s", reason)
        old = self.serving
        if old.catalogue is not None and not self._not_ours(old.catalogue):
            self.serving = replace(old, message=f"the index from before still answers: {reason}")
        else:
            self.serving = Serving("error", reason, generation=old.generation)

    def _none(self) -> None:
        self._seen = None
        old = self.serving
        if old.catalogue is not None:
            self.serving = replace(old, message=f"{self._database} is gone; what was read from it still answers")
        else:
            words = f"nothing is indexed yet; type: {self._how_to_index}"
            self.serving = Serving("empty", words, generation=old.generation)


def unit_vector(values: Floats) -> Floats:
    """A vector brought to unit length.

    Args:
        values: (dim,) float32.

    Raises:
        ValueError: it has no direction: a NaN, an infinite value, or zeros alone.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        length = float(np.linalg.norm(values.astype(np.float64)))
    if not np.isfinite(length) or length == 0:
        raise ValueError("the vector has no direction")
    unit: Floats = (values.astype(np.float64) / length).astype(np.float32)
    return unit
