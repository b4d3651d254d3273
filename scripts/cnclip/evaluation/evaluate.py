"""Retrieval both ways of one model on one split: answers, official files, recall with chance and intervals."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.encoder import open_model
from scripts.cnclip.evaluation.annotation import Annotation, inverted_lines, read_annotation
from scripts.cnclip.evaluation.bootstrap import hit_values, mean_interval
from scripts.cnclip.evaluation.feature_files import TIMINGS, SplitFeatures, read_split
from scripts.cnclip.evaluation.features import encode_texts
from scripts.cnclip.evaluation.gates import RefusedModelError
from scripts.cnclip.evaluation.prediction_files import DIRECTIONS, FIELDS, Direction, prediction_lines
from scripts.cnclip.evaluation.recall import LONGEST, MEASURES, chance, recalls
from scripts.cnclip.evaluation.retrieval import Retrieval, retrieve
from scripts.cnclip.evaluation.scores import failed_score, score, write_score
from scripts.shared import atomic_files
from scripts.shared.errors import JobError
from scripts.shared.fingerprints import digest_file

METRICS, HITS = "metrics.json", "hits.npz"
_N_EXAMPLES, _ANSWERS_SHOWN = 6, 5
_COPIED_FACTS = ("form", "identity", "tokenizer_identity", "dim", "logit_scale", "size", "n_images", "n_texts")

log = logging.getLogger(__name__)

Retrievals = Mapping[Direction, Retrieval]


def evaluate(
    *,
    features: Path,
    texts: Path,
    output: Path,
    name: str,
    dataset: str,
    split: str,
    seed: int,
    directions: Sequence[Direction] = DIRECTIONS,
    languages: Mapping[str, Path] | None = None,
    model: Path | None = None,
    device: str = "cpu",
) -> None:
    """Measure a model's retrieval, or refuse to: then `metrics.json` says why, and holds no score.

    Args:
        features: the folder that `features.join_features` made.
        texts: `{split}_texts.jsonl` that they were made of.
        output: gets `metrics.json`, `hits.npz`, and the official `{split}_predictions.jsonl`,
            `{split}_tr_predictions.jsonl`, `{split}_texts.tr.jsonl`, `{split}_score.json` and `{split}_score_tr.json`.
        name: of the model, with its form.
        dataset: its name.
        split: its name.
        seed: of the intervals and of the choice of examples.
        directions: which are measured; "t2i" alone where, as in MUGE, a picture's texts are not all known.
        languages: texts in others than Chinese, by language; they are encoded here.
        model: what `encoder.open_model` opens; needed for languages.
        device: where vectors are compared.

    Raises:
        JobError: the features are damaged, of other texts, or of another model than `model`.
        ConfigError: the texts cannot be read, or the model cannot be opened.
    """
    annotation = read_annotation(texts)
    made = read_split(features)
    _check(made, annotation, texts, features)
    output.mkdir(parents=True, exist_ok=True)
    for stale in _own_files(output, split):
        stale.unlink(missing_ok=True)
    translated = _translated(made, model, languages or {})
    measured: dict[str, Any]
    retrievals: Retrievals
    try:
        retrievals = {direction: retrieve(made, annotation, direction, device=device) for direction in directions}
        by_language = {
            language: measures({"t2i": retrieve(those, asked, "t2i", device=device)}, made, seed)
            for language, (those, asked) in translated.items()
        }
    except RefusedModelError as error:
        log.warning("%s on %s: refused: %s", name, dataset, error)
        for direction in directions:
            write_score(_score_file(output, split, direction), failed_score(str(error)))
        retrievals = {}
        measured = {"refused": str(error), "notes": [], "directions": {}, "languages": {}}
    else:
        notes = list(_write_official(output, split, made, annotation, retrievals))
        if annotation.is_hidden:
            retrievals, by_language = {}, {}
        measured = {
            "refused": None,
            "notes": notes,
            "directions": measures(retrievals, made, seed),
            "languages": by_language,
        }
    _write_hits(output / HITS, retrievals)
    facts = {key: made.facts[key] for key in _COPIED_FACTS}
    metrics = {
        "model": name,
        "dataset": dataset,
        "split": split,
        **facts,
        **measured,
        "n_failed_images": len(made.facts["failed"]),
        "data": {"pictures": made.facts["pictures_digest"], "texts": made.facts["texts_digest"]},
        "examples": list(_examples(retrievals, annotation, seed)),
    }
    atomic_files.write_json(output / METRICS, metrics)


def measures(retrievals: Retrievals, made: SplitFeatures, seed: int) -> dict[str, Any]:
    """Recall by direction, in percent, with its interval of 95 % and what chance would reach.

    Args:
        retrievals: by direction; each has a query at least.
        made: the features, whose ids are the galleries.
        seed: of the resampling.
    """
    found: dict[str, Any] = {}
    for direction, one in retrievals.items():
        gallery = set((made.image_ids if direction == "t2i" else made.text_ids).tolist())
        intervals = mean_interval(hit_values(one.hits), one.groups, seed=seed)
        found[direction] = {
            "n_queries": len(one.query_ids),
            "n_without_answer": sum(not answers for answers in one.answers),
            "n_gallery": one.n_gallery,
            "k": one.found.shape[1],
            "recall": recalls(one.hits),
            "interval": {name: [at.low, at.high] for name, at in zip(MEASURES, intervals, strict=True)},
            "chance": chance([len(gallery.intersection(answers)) for answers in one.answers], one.n_gallery),
        }
    return found


def _own_files(output: Path, split: str) -> Iterator[Path]:
    yield output / HITS
    yield _inverted_file(output, split)
    for direction in DIRECTIONS:
        yield _predictions_file(output, split, direction)
        yield _score_file(output, split, direction)


def _inverted_file(output: Path, split: str) -> Path:
    return output / f"{split}_texts.tr.jsonl"


def _predictions_file(output: Path, split: str, direction: Direction) -> Path:
    return output / FIELDS[direction].file.format(split=split)


def _score_file(output: Path, split: str, direction: Direction) -> Path:
    return output / f"{split}_score{'_tr' if direction == 'i2t' else ''}.json"


def _check(made: SplitFeatures, annotation: Annotation, texts: Path, folder: Path) -> None:
    same = made.facts["texts_digest"] == digest_file(texts)
    if not same or sorted(made.text_ids.tolist()) != sorted(annotation.query_ids):
        raise JobError(f"{folder}: its features are not of {texts}, but of another data set; remove it and run again")
    if not len(made.image_ids) or not len(made.text_ids):
        raise JobError(f"{folder}: {len(made.image_ids)} pictures and {len(made.text_ids)} texts cannot be compared")


def _translated(
    made: SplitFeatures, model: Path | None, languages: Mapping[str, Path]
) -> dict[str, tuple[SplitFeatures, Annotation]]:
    """The same pictures with texts of other languages."""
    if not languages:
        return {}
    if model is None:
        raise JobError("texts of other languages need the model that encodes them")
    encoder = open_model(model, made.facts["form"])
    if encoder.identity != made.facts["identity"]:
        raise JobError(f"{model}: is not the model that the picture features are of; remove these and run again")
    found = {}
    for language, path in languages.items():
        annotation = read_annotation(path)
        if not annotation.texts:
            raise JobError(f"{path}: holds no texts; leave {language} out of `languages`")
        ids, vectors = np.array(annotation.query_ids, np.int64), encode_texts(encoder, annotation.texts)
        found[language] = made._replace(text_ids=ids, text_features=vectors), annotation
    return found


def _write_official(
    output: Path, split: str, made: SplitFeatures, annotation: Annotation, retrievals: Retrievals
) -> Iterator[str]:
    """Write the official files; yields what is to be noted about them."""
    if annotation.is_hidden:
        yield "no text has an answer, as in hidden test splits: answers are written, and nothing is scored"
    else:
        atomic_files.write_lines(_inverted_file(output, split), inverted_lines(annotation))
    for direction, one in retrievals.items():
        words = FIELDS[direction].words
        if one.n_gallery < LONGEST:
            yield (
                f"{words}: no file of answers to be handed in is written, because the official form has {LONGEST} a "
                f"query and there are {one.n_gallery}"
            )
            continue
        path = _predictions_file(output, split, direction)
        atomic_files.write_lines(path, prediction_lines(direction, one.asked.tolist(), one.found.tolist()))
        if not annotation.is_hidden:
            counted = annotation if direction == "t2i" else annotation.inverted()
            known = set(one.asked.tolist())
            answers = set((made.image_ids if direction == "t2i" else made.text_ids).tolist())
            content = score(path, counted, direction, known_queries=known, known_answers=answers)
            write_score(_score_file(output, split, direction), content)


def _write_hits(path: Path, retrievals: Retrievals) -> None:
    """What a comparison with another model needs, query by query."""
    arrays: dict[str, NDArray[Any]] = {}
    for direction, one in retrievals.items():
        arrays[f"{direction}_ids"] = np.array(one.query_ids, np.int64)
        arrays[f"{direction}_groups"] = np.array(one.groups, np.int64)
        arrays[f"{direction}_hits"] = one.hits
    with atomic_files.open_new(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def _examples(retrievals: Retrievals, annotation: Annotation, seed: int) -> Iterator[dict[str, Any]]:
    """Some queries with their first answers, chosen blindly."""
    texts = dict(zip(annotation.query_ids, annotation.texts, strict=True))
    for direction, one in retrievals.items():
        by_id = {query: row for row, query in enumerate(one.asked.tolist())}
        there = [row for row, query in enumerate(one.query_ids) if query in by_id and one.answers[row]]
        chosen = np.random.default_rng(seed).permutation(len(there))[:_N_EXAMPLES]
        for row in sorted(there[at] for at in chosen):
            query = one.query_ids[row]
            found = one.found[by_id[query], :_ANSWERS_SHOWN].tolist()
            example: dict[str, Any] = {
                "direction": direction,
                "query": query,
                "found": found,
                "right": [answer in set(one.answers[row]) for answer in found],
            }
            words = [texts[query]] if direction == "t2i" else [texts[answer] for answer in found]
            yield example | {"texts": words}


def encoding_time(features: Path) -> dict[str, float | None]:
    """Milliseconds that the model took a picture and a text when the features were made; None where not noted."""
    try:
        timings = json.loads((features / TIMINGS).read_bytes())
    except (OSError, ValueError):
        timings = {}

    def each(what: str) -> float | None:
        part = timings.get(what, {})
        n, encoded_s = part.get(what, 0), part.get("encoded_s")
        return 1000 * encoded_s / n if n and encoded_s is not None else None

    return {"picture_ms": each("pictures"), "text_ms": each("texts")}
