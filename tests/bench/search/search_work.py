"""Work of the search, each in a process of its own; prints what it took as JSON.

python -m tests.bench.search.search_work query FOLDER N DTYPE    queries over an index of N vectors, on one core
python -m tests.bench.search.search_work old FOLDER N            the same by reading the table each time
python -m tests.bench.search.search_work tower FOLDER            write the text tower of a ViT-B/16, INT8
python -m tests.bench.search.search_work serve FOLDER PORT       serve that index with that tower
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.encoder import Features, ImageTextEncoder, fixed_batches, unit_rows
from tests.bench.search import made_index
from tests.bench.search.made_index import DIM, IDENTITY, SHOWN

ARCHITECTURE = "ViT-B-16_RoBERTa-wwm-ext-base-chinese"
ROUNDS = 15
CHECKED = 2  # queries whose answer is compared


def query(folder: Path, n_vectors: int, dtype: str) -> dict[str, Any]:
    """CPU milliseconds of a query, and memory of the process that holds the index as the server does."""
    from scripts.search.query.engine import search
    from scripts.search.server.app import create_app

    assert create_app  # all of the server is loaded, but no model
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    library = _library(folder / "assets.db")
    catalogue = library.serving.catalogue
    assert catalogue is not None

    def ask(wanted: made_index.Vector) -> list[str]:
        found = search(catalogue, wanted, limit=SHOWN)
        return [catalogue.path(hit.number) for hit in found.hits]

    queries = [made_index.query(number) for number in range(ROUNDS)]
    ms = _median_ms([partial(ask, wanted) for wanted in queries])
    peak = _peak_gb()
    exact = all(ask(wanted) == made_index.nearest(n_vectors, wanted, dtype) for wanted in queries[:CHECKED])
    return {"ms": ms, "peak_gb": peak, "exact": exact}


def _library(database: Path) -> Any:
    from scripts.search.server.library import Library

    library = Library(database, lambda: Tower(None), how_to_index="")
    library.look()
    return library


def old(folder: Path, n_vectors: int) -> dict[str, Any]:
    """CPU milliseconds of a query in memory and by reading the table: each asked by itself, and in turn."""
    from scripts.search.query.engine import search
    from scripts.search.query.load import load

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    table = folder / "old.db"
    made_index.write_old_table(table, n_vectors)
    catalogue = load(folder / "assets.db")

    def ours(wanted: made_index.Vector) -> list[str]:
        return [catalogue.path(hit.number) for hit in search(catalogue, wanted, limit=SHOWN).hits]

    theirs = partial(made_index.search_old_table, table)
    queries = [made_index.query(number) for number in range(ROUNDS)]
    same = all(ours(wanted) == theirs(wanted) for wanted in queries)
    ms, old_ms = (_median_ms([partial(way, wanted) for wanted in queries]) for way in (ours, theirs))
    # What the other way reads drives our vectors out of the processor's caches.
    cold_ms = _median_ms([partial(ours, wanted) for wanted in queries], before=partial(theirs, queries[0]))
    return {"ms": ms, "old_ms": old_ms, "ratio": old_ms / ms, "ratio_in_turn": old_ms / cold_ms, "same": same}


def _median_ms(ways: Sequence[Callable[[], object]], before: Callable[[], object] = lambda: None) -> float:
    """CPU milliseconds of the ways after a trial of the first; `before` is called before each, and not counted."""
    ways[0]()
    seconds = []
    for way in ways:
        before()
        started = time.process_time()
        way()
        seconds.append(time.process_time() - started)
    return 1e3 * statistics.median(seconds)


def _peak_gb() -> float:
    """The most memory that this process had, in 10^9 bytes."""
    # Not getrusage: that counts the pages of whoever started the process as well.
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e9


def tower(folder: Path) -> dict[str, Any]:
    """Write the text tower, as `cnclip_export` makes it; untrained, which takes no other time."""
    import onnx

    from scripts.cnclip.compression.int8 import to_int8
    from scripts.cnclip.compression.onnx_export import export_tower
    from scripts.cnclip.compression.towers import towers
    from scripts.cnclip.model_files.architecture import random_model
    from scripts.cnclip.tokens import CONTEXT_LENGTH

    exported = export_tower(towers(random_model(ARCHITECTURE, 0))["txt"], "txt", (CONTEXT_LENGTH,))
    onnx.save(to_int8(exported), folder / "text.onnx")
    return {"mb": (folder / "text.onnx").stat().st_size / 1e6}


class Tower(ImageTextEncoder):
    """The text tower alone, as `OnnxModel` runs it."""

    def __init__(self, file: Path | None) -> None:
        from scripts.cnclip.tokens import CONTEXT_LENGTH, Tokenizer
        from scripts.shared.onnx_session import open_session

        self.dim, self.context_length, self.image_size, self.logit_scale = DIM, CONTEXT_LENGTH, 224, 100.0
        self.identity = self.tokenizer_identity = IDENTITY
        if file is not None:
            self._tokenizer = Tokenizer()
            self._session, _ = open_session(file, device="cpu", precision="float32")

    def tokenize(self, texts: Sequence[str]) -> NDArray[np.int64]:
        from scripts.cnclip.tokens import normalise

        return self._tokenizer.encode([normalise(text) for text in texts], self.context_length)

    def encode_tokens(self, ids: NDArray[np.int64]) -> Features:
        from scripts.cnclip.compression.halves import INPUTS, OUTPUTS

        def run(batch: NDArray[Any]) -> Features:
            found: Features = self._session.run([OUTPUTS["txt"]], {INPUTS["txt"]: batch})[0]
            return unit_rows(found)

        return fixed_batches(ids, 1, run)

    def encode_pixels(self, pixels: NDArray[Any]) -> Features:
        raise NotImplementedError


def serve(folder: Path, port: int) -> dict[str, Any]:
    """Serve until a signal comes."""
    import uvicorn

    from scripts.search.server.app import create_app
    from scripts.search.server.guard import options
    from tests.search_colours import settings

    app = create_app(settings(folder, database=folder / "assets.db", port=port), lambda: Tower(folder / "text.onnx"))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False, **options())
    return {}


def main(words: Sequence[str]) -> None:
    """Do one work."""
    work, folder, *rest = words
    works: dict[str, Callable[..., dict[str, Any]]] = {"query": query, "old": old, "tower": tower, "serve": serve}
    numbers = [int(word) if word.isdigit() else word for word in rest]
    print(json.dumps(works[work](Path(folder), *numbers)))


if __name__ == "__main__":
    main(sys.argv[1:])
