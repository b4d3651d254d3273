"""The model folders that a job makes: of an official checkpoint, and what a training begins with."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel

from scripts.cnclip.model_files.architecture import architecture_name, config_sizes, random_model
from scripts.cnclip.model_files.assembly import assemble
from scripts.cnclip.model_files.folder import (
    CHINESE_CLIP,
    ModelFacts,
    load_model,
    read_facts,
    save_model,
    vocabulary_of,
)
from scripts.cnclip.model_files.official import load_official
from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import file_sha256

_CALIBRATION_PAIRS = 256  # on which the activations of pruning are measured


class _Begun(NamedTuple):
    model: ChineseCLIPModel
    source: str
    trained_on: Sequence[str]
    vocab: Path | None


def make_model(weights: Path, target: Path, *, name: str, trained_on: Sequence[str] = ()) -> ModelFacts:
    """Write the model folder of an official checkpoint.

    Args:
        weights: the `.pt` file.
        target: the folder; appears whole.
        name: of the model.
        trained_on: names of the data sets that it saw in training.

    Returns:
        What `polymill.json` in it says.

    Raises:
        ConfigError: see `official.load_official`.
    """
    model = load_official(weights)
    known = architecture_name(model.config)
    source = f"{weights.name} (sha256 {file_sha256(weights)}{f', {known}' if known else ''})"
    return save_model(model, target, facts=ModelFacts(name, source, tuple(trained_on)))


def make_init(
    target: Path,
    *,
    name: str,
    seed: int,
    context_length: int,
    architecture: str = "",
    model: Path | None = None,
    vision: Path | None = None,
    text: Path | None = None,
    trained_on: Sequence[str] = (),
    prune: Mapping[str, Any] | None = None,
    lmdb: Path | None = None,
) -> ModelFacts:
    """Write the model folder that a training begins with: that of `model`, else of `vision` and `text`, else fresh.

    Args:
        target: the folder; appears whole.
        name: of the model, for `polymill.json`.
        seed: of what is fresh, and of what pruning draws.
        context_length: ids that the model will take a text.
        architecture: by name, of fresh weights.
        model: a model folder, or an official `.pt`.
        vision: see `assembly.assemble`.
        text: likewise.
        trained_on: names of the data sets that the model saw in training, besides those that `model` tells of.
        prune: `fraction` and `criterion`; None to keep all neurons.
        lmdb: pairs on which the criterion `activation` is measured.

    Returns:
        What `polymill.json` in it says.

    Raises:
        ConfigError: a file is missing or damaged, or there is nothing to begin with.
    """
    torch.set_num_threads(1)  # sums depend on it
    if model:
        begun = _begin_with(model)
    elif vision and text:
        source = f"{vision.name} and {text.name}, with a fresh text projection of seed {seed}"
        begun = _Begun(assemble(vision, text, seed=seed), source, (), vocabulary_of(text))
    elif architecture:
        begun = _Begun(random_model(architecture, seed), f"random weights of seed {seed}, {architecture}", (), None)
    else:
        raise ConfigError("init: names nothing to begin with; give a model, vision and text, or an architecture")
    if prune:
        pruned = _prune(begun, prune, seed, lmdb, context_length)
        source = f"{begun.source}; {prune['fraction']:g} of its feed-forward neurons taken out by {prune['criterion']}"
        begun = begun._replace(model=pruned, source=source)
    seen = tuple(dict.fromkeys([*begun.trained_on, *trained_on]))
    facts = ModelFacts(name, begun.source, seen, context_length=context_length)
    return save_model(begun.model, target, facts=facts, vocab=begun.vocab)


def _begin_with(path: Path) -> _Begun:
    if not path.is_dir():
        return _Begun(load_official(path), path.name, (), None)
    facts = read_facts(path)
    if facts.kind != CHINESE_CLIP:
        raise ConfigError(f"{path}: is a model of the kind {facts.kind}; a training begins with a {CHINESE_CLIP}")
    source = f"{facts.name} (sha256 {facts.weights_sha256})"
    return _Begun(load_model(path), source, facts.trained_on, vocabulary_of(path))


def _prune(
    begun: _Begun, prune: Mapping[str, Any], seed: int, lmdb: Path | None, context_length: int
) -> ChineseCLIPModel:
    from scripts.cnclip.compression.pruning import Calibration, prune_feed_forward

    calibration = None
    if prune["criterion"] == "activation":
        if lmdb is None:
            raise ConfigError("prune: the criterion activation is measured on training pairs; give their lmdb")
        size = config_sizes(begun.model.config).vision.image
        calibration = Calibration(*_pairs(lmdb, size, begun.vocab, context_length))
    return prune_feed_forward(
        begun.model, float(prune["fraction"]), criterion=prune["criterion"], seed=seed, calibration=calibration
    )


def _pairs(lmdb: Path, size: int, vocab: Path | None, context_length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures and ids of pairs that are spread evenly over a data set."""
    from scripts.cnclip.data.lmdb_files import PairsLmdb
    from scripts.cnclip.data.pictures import open_picture
    from scripts.cnclip.pixels import pixel_values
    from scripts.cnclip.tokens import Tokenizer, normalise

    pairs = PairsLmdb(lmdb)
    if not pairs.n_pairs:
        raise ConfigError(f"{lmdb}: holds no pairs to measure activations on")
    numbers = np.unique(np.linspace(0, pairs.n_pairs - 1, _CALIBRATION_PAIRS).astype(int))
    chosen = [pairs.pair(int(number)) for number in numbers]
    pixels = np.stack([pixel_values(open_picture(pairs.picture(image_id)), size) for image_id, _, _ in chosen])
    ids = Tokenizer(vocab).encode([normalise(text) for _, _, text in chosen], context_length)
    return torch.from_numpy(pixels), torch.from_numpy(ids)
