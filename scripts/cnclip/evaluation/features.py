"""Pictures and texts of a dataset as vectors of one model: in parts by shard, then joined for a split."""

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.data.picture_list import read_pictures
from scripts.cnclip.encoder import TORCH, ImageTextEncoder, open_model
from scripts.cnclip.evaluation.annotation import read_annotation
from scripts.cnclip.evaluation.decoding import PictureTask, decoded_batches
from scripts.cnclip.evaluation.feature_files import (
    FACTS,
    IMAGES,
    TEXTS,
    TIMINGS,
    Features,
    Part,
    lmdb_order,
    official_lines,
    pair_paths,
    read_part,
    write_part,
)
from scripts.cnclip.evaluation.model_size import model_size
from scripts.shared import atomic_files
from scripts.shared.errors import JobError, SampleError
from scripts.shared.fingerprints import digest_file

_TEXTS_AT_ONCE = 1_024
_NO_FEATURES = np.zeros((0, 0), np.float32)

log = logging.getLogger(__name__)


def picture_features(
    *,
    model: Path,
    form: str = TORCH,
    tsv: Path,
    pictures: Path,
    shard: int = 0,
    n_shards: int = 1,
    part: Path,
    workers: int = 0,
    device: str = "cpu",
) -> None:
    """Encode the pictures of one shard.

    Args:
        model: what `encoder.open_model` opens.
        form: of the model.
        tsv: the pictures.
        pictures: the list of the good ones.
        shard: which part of the list, from 0.
        n_shards: parts in all.
        part: where the features go.
        workers: processes that decode.
        device: where the model runs.

    Raises:
        JobError: the TSV was changed since its check.
        ConfigError: the model cannot be opened.
    """
    listed = read_pictures(pictures)
    n = len(listed.image_ids)
    mine = range(n * shard // n_shards, n * (shard + 1) // n_shards)
    started = time.monotonic()
    encoder = open_model(model, form, device=device)
    opened_s = time.monotonic() - started
    tasks = [
        PictureTask(
            row, tsv, encoder.image_size, int(listed.offsets[at]), int(listed.lengths[at]), int(listed.image_ids[at])
        )
        for row, at in enumerate(mine)
    ]
    features, failed, timings = encode_pictures(encoder, tasks, workers=workers)
    ids = listed.image_ids[mine.start : mine.stop]
    kept = np.ones(len(ids), np.bool_)
    kept[list(failed)] = False
    for row, error in failed.items():
        log.warning("picture %d: %s", ids[row], error)
    facts = _facts(encoder, model, form) | {"kind": IMAGES, "source": digest_file(pictures), "n_shards": n_shards}
    errors = {int(ids[row]): error.error for row, error in sorted(failed.items())}
    write_part(part, Part(ids[kept], features[kept], errors, facts, {"opened_s": opened_s, **timings}))
    log.info("%d pictures encoded, %.0f a second", kept.sum(), kept.sum() / max(timings["wall_s"], 1e-9))


def encode_pictures(
    encoder: ImageTextEncoder, tasks: Sequence[PictureTask], *, workers: int
) -> tuple[Features, dict[int, SampleError], dict[str, float]]:
    """Decode and encode pictures, the one beside the other.

    Args:
        encoder: the model.
        tasks: the pictures, numbered from 0.
        workers: processes that decode.

    Returns:
        (n, D) float32 unit rows, zeros where a picture failed; what is wrong with those; and seconds: `start_s` until
        the first batch came, `waited_s` in which the model had to wait later, `encoded_s` of the model, `wall_s`.
    """
    features = np.zeros((len(tasks), encoder.dim), np.float32)
    failed: dict[int, SampleError] = {}
    waited, encoded, started = [], 0.0, time.monotonic()
    for batch in decoded_batches(tasks, workers=workers):
        waited.append(batch.waited_s)
        failed |= batch.failed
        before = time.monotonic()
        if len(batch.rows):
            features[batch.rows] = encoder.encode_pixels(batch.pixels)
        encoded += time.monotonic() - before
    timings = {
        "pictures": float(len(tasks) - len(failed)),
        "start_s": waited[0] if waited else 0.0,
        "waited_s": sum(waited[1:]),
        "encoded_s": encoded,
        "wall_s": time.monotonic() - started,
    }
    return features, failed, timings


def text_features(*, model: Path, form: str = TORCH, texts: Path, part: Path, device: str = "cpu") -> None:
    """Encode all texts of a split, in the order of their file.

    Args:
        model: what `encoder.open_model` opens.
        form: of the model.
        texts: `{split}_texts.jsonl`, checked.
        part: where the features go.
        device: where the model runs.

    Raises:
        JobError: a line is not of the official form.
        ConfigError: the model cannot be opened.
    """
    annotation = read_annotation(texts)
    started = time.monotonic()
    encoder = open_model(model, form, device=device)
    opened = time.monotonic()
    features = encode_texts(encoder, annotation.texts)
    encoded_s = time.monotonic() - opened
    facts = _facts(encoder, model, form) | {"kind": TEXTS, "source": digest_file(texts), "n_shards": 1}
    timings = {"texts": float(len(features)), "opened_s": opened - started, "encoded_s": encoded_s}
    write_part(part, Part(np.array(annotation.query_ids, np.int64), features, {}, facts, timings))
    log.info("%d texts encoded, %.0f a second", len(features), len(features) / max(encoded_s, 1e-9))


def encode_texts(encoder: ImageTextEncoder, texts: Sequence[str]) -> Features:
    """Unit vectors of texts, (n, D) float32, some at a time."""
    features = np.zeros((len(texts), encoder.dim), np.float32)
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        features[start : start + _TEXTS_AT_ONCE] = encoder.encode_text(texts[start : start + _TEXTS_AT_ONCE])
    return features


def _facts(encoder: ImageTextEncoder, model: Path, form: str) -> dict[str, Any]:
    return {
        "form": form,
        "identity": encoder.identity,
        "tokenizer_identity": encoder.tokenizer_identity,
        "dim": encoder.dim,
        "logit_scale": encoder.logit_scale,
        "size": model_size(model, form)._asdict(),
    }


def join_features(
    *,
    picture_parts: Sequence[Path],
    text_part: Path,
    folder: Path,
    official: tuple[Path, Path] | None = None,
) -> None:
    """Join the parts of a split; see `feature_files` for what comes of it.

    Memory is bounded: one part at a time goes into its rows on the disk.

    Args:
        picture_parts: of `picture_features`, in order of their shards.
        text_part: of `text_features`.
        folder: where the whole goes.
        official: where the official JSON Lines of pictures and of texts go; None for none, as for training splits.

    Raises:
        JobError: the parts are of different models, forms or data.
    """
    # One by one, and again below: together their features may not fit into the memory.
    heads = {path: read_part(path)._replace(features=_NO_FEATURES) for path in picture_parts}
    facts = {path: head.facts for path, head in heads.items()}
    texts = read_part(text_part)
    _check_same(facts, of_data=True)
    _check_same({**facts, text_part: texts.facts}, of_data=False)
    ids = np.concatenate([head.ids for head in heads.values()])
    if len(np.unique(ids)) < len(ids):
        raise JobError(f"{picture_parts[0].parent}: parts repeat pictures; remove the folder and run again")
    order = lmdb_order(ids)
    place = np.empty(len(ids), np.int64)
    place[order] = np.arange(len(ids))
    folder.mkdir(parents=True, exist_ok=True)
    ids_path, features_path = pair_paths(folder, IMAGES)
    _write_array(ids_path, ids[order])
    failed, timings = _write_pictures(features_path, picture_parts, place, texts.features.shape[1])
    ids_path, text_path = pair_paths(folder, TEXTS)
    _write_array(ids_path, texts.ids)
    _write_array(text_path, texts.features)
    if official:
        images = np.lib.format.open_memmap(features_path, mode="r")
        atomic_files.write_lines(official[0], official_lines(IMAGES, ids[order], images))
        atomic_files.write_lines(official[1], official_lines(TEXTS, texts.ids, texts.features))
    said = {key: value for key, value in texts.facts.items() if key not in ("kind", "source", "n_shards")}
    atomic_files.write_json(
        folder / FACTS,
        said
        | {
            "n_images": len(ids),
            "n_texts": len(texts.ids),
            "failed": {str(number): error for number, error in failed.items()},
            "pictures_digest": next(iter(facts.values()))["source"],
            "texts_digest": texts.facts["source"],
        },
    )
    atomic_files.write_json(folder / TIMINGS, {"pictures": timings, "texts": dict(texts.timings)})


def official_files(folder: Path, split: str) -> tuple[Path, Path] | None:
    """Where the official files of pictures and texts go; None for the training split, which may be 20 GB of text."""
    if split == "train":
        return None
    return folder / f"{split}_imgs.img_feat.jsonl", folder / f"{split}_texts.txt_feat.jsonl"


def _check_same(facts: Mapping[Path, Mapping[str, Any]], *, of_data: bool) -> None:
    """Refuse parts that do not belong together: of one list of pictures, or else of one model."""
    keys = ("source", "n_shards") if of_data else ("form", "identity", "tokenizer_identity", "dim")
    first_path, first = next(iter(facts.items()))
    for path, one in facts.items():
        for key in keys:
            if one.get(key) != first.get(key):
                other = "another data set" if of_data else "another model"
                raise JobError(
                    f"{path}: made of {other} than {first_path}: {key} is {one.get(key)!r}, there {first.get(key)!r}; "
                    "remove both and run again"
                )
    if of_data and len(facts) != first.get("n_shards"):
        raise JobError(f"{first_path}: one of {first.get('n_shards')} parts, and {len(facts)} are given; run again")


def _write_pictures(
    path: Path, parts: Sequence[Path], place: NDArray[np.int64], dim: int
) -> tuple[dict[int, str], dict[str, float]]:
    failed: dict[int, str] = {}
    timings: Counter[str] = Counter()
    with atomic_files.open_new(path) as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(place), dim)}
        np.lib.format.write_array_header_1_0(file, header)
        begin = file.tell()
        file.truncate(begin + 4 * len(place) * dim)
        row = 0
        for part in map(read_part, parts):
            if len(part.ids):
                whole = np.memmap(file, np.float32, "r+", begin, (len(place), dim))
                whole[place[row : row + len(part.ids)]] = part.features
                whole.flush()
                del whole  # so that its pages are not held
            row += len(part.ids)
            failed |= part.failed
            timings.update(part.timings)
    return failed, dict(timings)


def _write_array(path: Path, array: NDArray[Any]) -> None:
    with atomic_files.open_new(path) as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
