"""The model folders that a job makes: of an official checkpoint, and what a training begins with."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel

from scripts.cnclip.model_files.architecture import CONTEXT_LENGTH, architecture_name, config_sizes, random_model
from scripts.cnclip.model_files.assembly import assemble
from scripts.cnclip.model_files.folder import (
    CHINESE_CLIP,
    ModelFacts,
    file_sha256,
    load_model,
    read_facts,
    save_model,
    vocabulary_of,
)
from scripts.cnclip.model_files.official import load_official
from scripts.shared.errors import ConfigError

_CALIBRATION_PAIRS = 256


class _Begun(NamedTuple):
    model: ChineseCLIPModel
    source: str
    trained_on: Sequence[str]
    vocab: Path | None
    context_length: int


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


def make_init(settings: Mapping[str, Any], target: Path) -> ModelFacts:
    """Write the model folder that a training begins with.

    Args:
        settings: `seed`, and the first of these that is there: `model` (a folder, or an official `.pt`), `vision` and
            `text` (see `assembly.assemble`), `architecture`; maybe `name`, `trained_on`, `context_length` (for
            `polymill.json`), `prune` (`fraction` and `criterion`), `prune_seed` and `lmdb` (pairs on which the
            criterion `activation` is measured).
        target: the folder; appears whole.

    Returns:
        What `polymill.json` in it says.

    Raises:
        ConfigError: a file is missing or damaged, or the settings name nothing to begin with.
    """
    torch.set_num_threads(1)
    begun = _begin(settings)
    context_length = int(settings.get("context_length", begun.context_length))
    model, source = begun.model, begun.source
    prune = settings.get("prune")
    if prune:
        model = _prune(model, prune, settings, begun.vocab, context_length)
        source += f"; {prune['fraction']:g} of its feed-forward neurons taken out by {prune['criterion']}"
    facts = ModelFacts(
        str(settings.get("name", target.name)),
        source,
        tuple(dict.fromkeys([*begun.trained_on, *settings.get("trained_on", ())])),
        context_length=context_length,
    )
    return save_model(model, target, facts=facts, vocab=begun.vocab)


def _begin(settings: Mapping[str, Any]) -> _Begun:
    seed = int(settings.get("seed", 0))
    if "model" in settings:
        path = Path(settings["model"])
        if not path.is_dir():
            return _Begun(load_official(path), path.name, (), None, CONTEXT_LENGTH)
        facts = read_facts(path)
        if facts.kind != CHINESE_CLIP:
            raise ConfigError(f"{path}: is a model of the kind {facts.kind}; a training begins with a {CHINESE_CLIP}")
        source = f"{facts.name} (sha256 {facts.weights_sha256})"
        return _Begun(load_model(path), source, facts.trained_on, vocabulary_of(path), facts.context_length)
    if "vision" in settings:
        vision, text = Path(settings["vision"]), Path(settings["text"])
        model = assemble(vision, text, seed=seed, image_size=settings.get("image_size"))
        source = f"{vision.name} and {text.name}, with a fresh text projection of seed {seed}"
        return _Begun(model, source, (), vocabulary_of(text), CONTEXT_LENGTH)
    if "architecture" not in settings:
        raise ConfigError("init: names nothing to begin with; give a model, vision and text, or an architecture")
    name = str(settings["architecture"])
    return _Begun(random_model(name, seed), f"random weights of seed {seed}, {name}", (), None, CONTEXT_LENGTH)


def _prune(
    model: ChineseCLIPModel,
    prune: Mapping[str, Any],
    settings: Mapping[str, Any],
    vocab: Path | None,
    context_length: int,
) -> ChineseCLIPModel:
    from scripts.cnclip.compression.pruning import Calibration, prune_feed_forward

    calibration = None
    if prune["criterion"] == "activation":
        if "lmdb" not in settings:
            raise ConfigError("prune: the criterion activation is measured on training pairs; give their lmdb")
        size = config_sizes(model.config).vision.image
        calibration = Calibration(*_pairs(Path(settings["lmdb"]), size, vocab, context_length))
    seed = int(settings.get("prune_seed", settings.get("seed", 0)))
    return prune_feed_forward(
        model, float(prune["fraction"]), criterion=prune["criterion"], seed=seed, calibration=calibration
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
