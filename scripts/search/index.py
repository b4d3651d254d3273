"""The index of a dataset from its ledgers: `assets.db`, what failed, the summary and the figures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from scripts.search.assets import kind_of
from scripts.search.captions import least_score, matching_scores, read_encoded
from scripts.search.database import FAILED, IMAGE, VIDEO, Asset, AssetVectors, asset_id, write_database
from scripts.search.parts import file_of, read_part, vectors_of
from scripts.search.vectors_file import Vectors
from scripts.shared import atomic_files
from scripts.shared.errors import JobError
from scripts.shared.figures.distributions import failures_figure
from scripts.shared.figures.style import to_png
from scripts.shared.figures.throughput import Span, spans, throughput_figure
from scripts.shared.fingerprints import UNSEEN
from scripts.shared.index_files import Failure, counts, read_listed, write_failures
from scripts.shared.ledger import Row, ShardLedger
from scripts.shared.planning.index_plan import IndexPlan, read_index_plan


class _Encoder(NamedTuple):
    """Which encoder made a vector."""

    identity: str = ""
    tokenizer: str = ""
    dim: int = 0


class _Made(NamedTuple):
    """What is kept of a finished asset."""

    asset: Asset
    file: str
    digest: str
    encoder: _Encoder


@dataclass
class _Content:
    """What the index lists.

    Attributes:
        assets: in list order.
        made: those with vectors, likewise.
        failed: those without.
        work: how the jobs went.
    """

    assets: list[Asset] = field(default_factory=list)
    made: list[_Made] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    work: list[Span] = field(default_factory=list)


def write_index(
    plan_path: Path, *, captions: Path | None, database: Path, outputs: Mapping[str, Path], title: str
) -> None:
    """Write the index files from the ledgers.

    Args:
        plan_path: the index plan.
        captions: encoded captions, from which the least score comes; None where the dataset has none.
        database: `assets.db`. Equal ledgers give equal files.
        outputs: `failures`, `summary` and the figures `failures_by_class` and `throughput`.
        title: the dataset in words: `search demo`.

    Raises:
        JobError: an asset has no row, its file does not hold what its row says, two encoders made the vectors, or the
            captions are another encoder's.
    """
    plan = read_index_plan(plan_path)
    content = _read(plan)
    encoder = _one_encoder(content.made)
    vectors = _VectorsOfShards(plan)
    min_score = _min_score(captions, content.made, encoder, vectors)
    said = {
        **{name: plan.settings[name] for name in ("dataset", "encoder", "model", "frame_interval", "dtype")},
        "model_identity": encoder.identity,
        "tokenizer_identity": encoder.tokenizer,
        "dim": encoder.dim,
        "min_score": "" if min_score is None else min_score,
    }
    counter = _Counter()
    write_database(
        database,
        said,
        plan.settings["folders"],
        content.assets,
        counter.counted(AssetVectors(made.asset.id, *vectors.of(made)) for made in content.made),
    )
    write_failures(outputs["failures"], content.failed)
    errors = counts(failure.error for failure in content.failed)
    kinds: list[str] = [made.asset.kind for made in content.made]
    summary = {
        "ok": len(content.made),
        "failed": len(content.failed),
        "errors": errors,
        "images": kinds.count(IMAGE),
        "videos": kinds.count(VIDEO),
        "vectors": counter.n_vectors,
        "video_seconds": round(sum(made.asset.duration or 0 for made in content.made), 3),
    }
    atomic_files.write_json(outputs["summary"], summary | said)
    drawn = {
        "failures_by_class": failures_figure(errors, n_samples=len(content.assets), title=title),
        "throughput": throughput_figure(content.work, title=title),
    }
    for name, figure in drawn.items():
        atomic_files.write_bytes(outputs[name], to_png(figure))


def _read(plan: IndexPlan) -> _Content:
    content = _Content()
    for _, kept in read_listed(plan, _keep, lambda ledger: _note_work(content, ledger)):
        if isinstance(kept, _Made):
            content.made.append(kept)
            content.assets.append(kept.asset)
        else:
            failed, asset = kept
            content.failed.append(failed)
            content.assets.append(asset)
    return content


def _note_work(content: _Content, ledger: ShardLedger) -> None:
    content.work.extend(spans(ledger.rates))


def _keep(row: Row) -> _Made | tuple[Failure, Asset]:
    key = row["key"]
    kind = cast('Literal["image", "video"]', kind_of(key))
    size, mtime_ns = row["source"] if tuple(row["source"]) != UNSEEN else (None, None)
    if row["status"] == FAILED:
        failure = Failure(key, row["source_name"], row["error"], row["message"])
        asset = Asset(
            asset_id(key), key, kind, size, mtime_ns, status="failed", error=failure.error, message=failure.message
        )
        return failure, asset
    facts: dict[str, Any] = row["facts"]
    known = (facts["sha1"], facts["width"], facts["height"], facts["duration"])
    encoder = _Encoder(intern(facts["identity"]), intern(facts["tokenizer"]), facts["dim"])
    return _Made(Asset(asset_id(key), key, kind, size, mtime_ns, *known), *file_of(row), encoder)


def _one_encoder(made: list[_Made]) -> _Encoder:
    """The encoder of all vectors.

    Raises:
        JobError: there were two: the model was replaced while jobs ran.
    """
    found = dict.fromkeys(of.encoder for of in made)
    if len(found) > 1:
        one, other = (next(of.asset.path for of in made if of.encoder == encoder) for encoder in list(found)[:2])
        raise JobError(
            f"{one} and {other} were encoded by two models: was the model replaced while this ran? Their vectors "
            "cannot be compared; run again with --config remake=all"
        )
    return next(iter(found), _Encoder())


class _VectorsOfShards:
    """The vectors of assets, from the arrays of their shards, and from their files what these lack."""

    def __init__(self, plan: IndexPlan) -> None:
        self._folder = Path(plan.dataset_dir)
        parts = [read_part(self._folder, shard) for shard in plan.shards]
        self._part_of = {digest: part for part in parts for digest in part.digests}

    def of(self, made: _Made) -> Vectors:
        known = self._part_of.get(bytes.fromhex(made.digest))
        return vectors_of(known, self._folder, made.file, made.digest)


class _Counter:
    """Counts the vectors that pass."""

    n_vectors = 0

    def counted(self, all_vectors: Iterator[AssetVectors]) -> Iterator[AssetVectors]:
        for vectors in all_vectors:
            self.n_vectors += len(vectors.features)
            yield vectors


def _min_score(captions: Path | None, made: list[_Made], encoder: _Encoder, vectors: _VectorsOfShards) -> float | None:
    if captions is None or not made:
        return None
    encoded = read_encoded(captions)
    if encoded.identity != encoder.identity:
        raise JobError(
            f"{captions}: its captions were encoded by another model than the pictures; remove it and run again"
        )
    wanted = set(encoded.paths)
    features: dict[str, NDArray[np.float32]] = {
        of.asset.path: vectors.of(of).features for of in made if of.asset.path in wanted
    }
    return least_score(matching_scores(encoded, features))
