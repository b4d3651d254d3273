"""Classification without training: which label's sentences lie nearest to a picture.

Source: Radford et al. 2021, arXiv:2103.00020, section 3.1: a label's weight is the mean of its sentences' vectors. The
file of predictions is that of OFA-Sys/Chinese-CLIP, which ELEVATER takes.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.encoder import TORCH, ImageTextEncoder, open_model
from scripts.cnclip.evaluation.bootstrap import mean_interval
from scripts.cnclip.evaluation.decoding import PictureTask
from scripts.cnclip.evaluation.elevater import read_elevater
from scripts.cnclip.evaluation.features import encode_pictures
from scripts.cnclip.evaluation.gates import RefusedModelError, refuse_alike, refuse_non_finite
from scripts.cnclip.evaluation.model_size import ModelSize, model_size
from scripts.cnclip.evaluation.templates import sentences, set_of, templates
from scripts.shared import atomic_files
from scripts.shared.errors import JobError

_SCALE = 100.0  # of the cosines, whatever the model's own
_DECIMALS = 6
_OFFICIAL_SEED = 123  # the official files name it; nothing is drawn

log = logging.getLogger(__name__)

Features = NDArray[np.float32]


def classifier(encoder: ImageTextEncoder, labels: Sequence[str], names: Sequence[str]) -> Features:
    """Weights of labels.

    Args:
        encoder: encodes the sentences, in lower case and with straight quotes as all captions.
        labels: k classes.
        names: sentences with `{}` for the label.

    Returns:
        (D, k) float32, unit columns.
    """
    weights = np.zeros((len(labels), encoder.dim), np.float32)
    for row, label in enumerate(labels):
        weights[row] = _unit(_unit(encoder.encode_text(sentences(names, label))).mean(axis=0, keepdims=True))[0]
    return weights.T


def probabilities(features: Features, weights: Features) -> NDArray[np.float64]:
    """What a picture is taken for.

    Args:
        features: (n, D), of any length.
        weights: (D, k) of `classifier`.

    Returns:
        (n, k) float64, rows that add up to 1.
    """
    logits = _SCALE * (_unit(features) @ weights).astype(np.float64)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return shares


def prediction_file(predicted: NDArray[np.float64], *, model: str, dataset: str, size: ModelSize) -> dict[str, Any]:
    """The content of the official file.

    Args:
        predicted: (n, k) of `probabilities`.
        model: its name.
        dataset: name of the set.
        size: of the model.
    """
    return {
        "model_name": model,
        "dataset_name": dataset,
        "num_trainable_params": 0,
        "num_params": size.parameters,
        "num_visual_params": size.visual_parameters,
        "num_backbone_params": size.parameters,
        "n_shot": 0,
        "rnd_seeds": [_OFFICIAL_SEED],
        "predictions": [np.round(predicted, _DECIMALS).tolist()],
    }


def zeroshot(
    *,
    model: Path,
    form: str = TORCH,
    root: Path,
    name: str,
    dataset: str,
    template_set: str = "",
    predictions: Path,
    metrics: Path,
    seed: int,
    workers: int = 0,
    device: str = "cpu",
) -> None:
    """Classify the test pictures of a set, or refuse to: then both files say why, and hold no score.

    Args:
        model: what `encoder.open_model` opens.
        form: of the model.
        root: the set in the ELEVATER layout.
        name: of the model, with its form.
        dataset: name of the set.
        template_set: name of a set of sentences; "" for the one that belongs to the set.
        predictions: the official file. Pictures that cannot be decoded have no row in it; `metrics` names them.
        metrics: what was measured.
        seed: of the interval.
        workers: processes that decode.
        device: where the model runs.

    Raises:
        ConfigError: labels and folders do not fit, there is no such set of sentences, or the model cannot be opened.
        JobError: no picture can be decoded.
    """
    pictures = read_elevater(root)
    chosen = template_set or set_of(dataset)
    names = templates(chosen)
    encoder = open_model(model, form, device=device)
    weights = classifier(encoder, pictures.labels, names)
    tasks = [PictureTask(row, path, encoder.image_size) for row, path in enumerate(pictures.paths)]
    features, failed, _ = encode_pictures(encoder, tasks, workers=workers)
    if len(failed) == len(tasks):
        raise JobError(f"{root}: none of its {len(tasks)} pictures can be decoded: {failed[0]}")
    there = [row for row in range(len(tasks)) if row not in failed]
    for row, error in failed.items():
        log.warning("%s", error)
        log.warning("%s is left out", pictures.paths[row])
    targets = np.array(pictures.targets)[there]
    said: dict[str, Any] = {
        "model": name,
        "dataset": dataset,
        "templates": chosen,
        "n_templates": len(names),
        "n_pictures": len(there),
        "n_classes": len(pictures.labels),
        "failed": {str(pictures.paths[row].relative_to(root)): error.error for row, error in failed.items()},
        "identity": encoder.identity,
        "chance": 100.0 / len(pictures.labels),
    }
    try:
        refuse_non_finite(features, "picture vectors")
        refuse_non_finite(weights.T, "label vectors")
        refuse_alike(features[there], "picture vectors")
    except RefusedModelError as error:
        log.warning("%s on %s: refused: %s", name, dataset, error)
        atomic_files.write_json(metrics, said | {"refused": str(error)})
        atomic_files.write_json(predictions, {"model_name": name, "dataset_name": dataset, "refused": str(error)})
        return
    predicted = probabilities(features[there], weights)
    correct = predicted.argmax(axis=1) == targets
    (interval,) = mean_interval(100.0 * correct[:, None], range(len(correct)), seed=seed)
    content = prediction_file(predicted, model=name, dataset=dataset, size=model_size(model, form))
    atomic_files.write_text(predictions, json.dumps(content, ensure_ascii=False))
    measured = {
        "refused": None,
        "top1": interval.value,
        "interval": [interval.low, interval.high],
        "by_class": {label: _share(correct[targets == at]) for at, label in enumerate(pictures.labels)},
        "correct": "".join("1" if one else "0" for one in correct),
    }
    atomic_files.write_json(metrics, said | measured)
    log.info("%s on %s: top-1 %.2f %% of %d pictures", name, dataset, interval.value, len(there))


def _share(correct: NDArray[np.bool_]) -> float | None:
    return 100.0 * float(correct.mean()) if len(correct) else None


def _unit(rows: Features) -> Features:
    with np.errstate(invalid="ignore", divide="ignore"):
        unit: Features = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
