"""Model folders: Hugging Face's layout, which others load with `from_pretrained`, and `polymill.json` with our facts.

The folder of a Chinese CLIP holds `config.json`, `model.safetensors`, `vocab.txt`, `tokenizer_config.json`,
`preprocessor_config.json` and `polymill.json`. A folder of others, without the last, can be read as well.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.models.chinese_clip.configuration_chinese_clip import ChineseCLIPConfig
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel

from scripts.cnclip.model_files.architecture import config_sizes, empty_model
from scripts.cnclip.tokens import CONTEXT_LENGTH, VOCABULARY_FILE, Tokenizer
from scripts.shared.clip_pixels import preprocessor_json
from scripts.shared.clip_weights import is_computed
from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import file_sha256
from scripts.shared.new_folder import new_folder
from scripts.shared.weight_files import WEIGHTS, give_weights, read_weights, weights_file

FACTS, CONFIG, VOCABULARY = "polymill.json", "config.json", "vocab.txt"
CHINESE_CLIP = "chinese_clip"
_MOST_LAYERS, _LARGEST_SIZE = 1_000, 1_000_000
_POOLER = "text_model.pooler."  # a layer in folders of older versions that Chinese CLIP does not use


@dataclass(frozen=True)
class ModelFacts:
    """What `polymill.json` says of a model.

    Attributes:
        name: of the model, for people.
        source: where its weights come from, for people.
        trained_on: names of the data sets that it saw in training.
        kind: "chinese_clip" or "multilingual".
        context_length: ids that it takes a text, with start and end.
        weights_sha256: of `model.safetensors`; set when the folder is written or read.
        tokenizer_sha256: of the vocabulary.
    """

    name: str
    source: str = ""
    trained_on: tuple[str, ...] = ()
    kind: str = CHINESE_CLIP
    context_length: int = CONTEXT_LENGTH
    weights_sha256: str = ""
    tokenizer_sha256: str = ""


_NO_FACTS = ModelFacts(name="")


def read_facts(folder: Path) -> ModelFacts:
    """The facts of a model folder; of a folder that somebody else made, what can be told of it.

    Raises:
        ConfigError: there is no such folder, or its `polymill.json` is damaged.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such model folder")
    path = folder / FACTS
    if not path.is_file():
        return ModelFacts(
            name=folder.name,
            source=f"the folder {folder.name}, made elsewhere",
            weights_sha256=file_sha256(weights_file(folder)),
            tokenizer_sha256=file_sha256(vocabulary_of(folder)),
        )
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        facts = ModelFacts(**{**said, "trained_on": tuple(said["trained_on"])})
        for part in fields(ModelFacts):
            if type(value := getattr(facts, part.name)) is not type(getattr(_NO_FACTS, part.name)):
                raise ValueError(f"{part.name} is {value!r:.60}")
        return facts
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ConfigError(f"{path}: does not hold the facts of a model ({error}); make the folder again") from error


def load_model(folder: Path, *, device: str | torch.device = "cpu") -> ChineseCLIPModel:
    """Load the Chinese CLIP of a model folder, in float32 and evaluation mode; nothing in the files is run.

    Args:
        folder: see the module.
        device: where its weights shall be.

    Raises:
        ConfigError: a file is missing or damaged, the weights are not those of `config.json`, or some are not finite.
    """
    config = read_config(folder)
    weights = weights_file(folder)
    facts = read_facts(folder)
    if facts.kind != CHINESE_CLIP:
        raise ConfigError(f"{folder}: is a model of the kind {facts.kind}, not {CHINESE_CLIP}")
    if facts.weights_sha256 != file_sha256(weights):
        raise ConfigError(
            f"{weights}: is not the file that {FACTS} beside it tells of (its sha256 differs): it is damaged, or was "
            f"replaced; make the folder again, or remove {FACTS} if these are the weights you want"
        )
    return model_of(config, read_weights(weights), where=str(weights), device=device)


def model_of(
    config: ChineseCLIPConfig, state: Mapping[str, Tensor], *, where: str, device: str | torch.device = "cpu"
) -> ChineseCLIPModel:
    """A model with these weights, in float32 and evaluation mode. On the CPU it shares their memory where it can.

    Args:
        config: its sizes.
        state: tensors by the names of transformers.
        where: the file, as an error should name it.
        device: where its weights shall be.

    Raises:
        ConfigError: a key is missing or unexpected, a shape is another, or a value is not finite; names the first.
    """
    model = empty_model(config)
    there = {key: value for key, value in state.items() if not is_computed(key) and not key.startswith(_POOLER)}
    give_weights(model, there, where=where)
    _fill_buffers(model)
    nn.Module.to(model, device)
    nn.Module.eval(model)
    return model


def save_model(model: ChineseCLIPModel, folder: Path, *, facts: ModelFacts, vocab: Path | None = None) -> ModelFacts:
    """Write a model folder; equal weights and facts give equal bytes. One that is there is replaced.

    Args:
        model: any device and precision; written as float32.
        folder: appears whole.
        facts: its two sha256 are set here.
        vocab: the vocabulary that the model reads; None for the official one.

    Returns:
        The facts as they were written.

    Raises:
        ConfigError: the vocabulary is not one for this model.
    """
    source = vocab or VOCABULARY_FILE
    check_vocabulary(Tokenizer(source), model.config, where=str(source))
    state = {key: value.detach().cpu().float().contiguous() for key, value in model.state_dict().items()}
    with new_folder(folder) as made:
        save_file(state, made / WEIGHTS, metadata={"format": "pt"})
        (made / VOCABULARY).write_bytes(source.read_bytes())
        _write_json(made / CONFIG, config_json(model.config))
        _write_json(made / "tokenizer_config.json", _tokenizer_json(facts.context_length))
        _write_json(
            made / "preprocessor_config.json",
            preprocessor_json("ChineseCLIPImageProcessor", config_sizes(model.config).vision.image),
        )
        facts = replace(
            facts,
            weights_sha256=file_sha256(made / WEIGHTS),
            tokenizer_sha256=file_sha256(made / VOCABULARY),
        )
        _write_json(made / FACTS, asdict(facts))
    return facts


def read_config(folder: Path) -> ChineseCLIPConfig:
    """The sizes of the model in a folder.

    Raises:
        ConfigError: there is no folder, no `config.json` in it, or it is not that of a Chinese CLIP.
    """
    path = folder / CONFIG
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such model folder")
    if not path.is_file():
        raise ConfigError(f"{folder}: has no {CONFIG}; a model folder holds {CONFIG}, {WEIGHTS} and {VOCABULARY}")
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is no JSON ({error}); copy it again") from error
    kind = said.get("model_type") if isinstance(said, dict) else None
    if kind != "chinese_clip":
        raise ConfigError(f"{path}: describes a model of the type {kind!r}, not 'chinese_clip'")
    try:
        config = ChineseCLIPConfig.from_dict(said)
        _check_sizes(config)
        return config
    except Exception as error:
        # transformers' validators raise classes of their own, and which ones changes with the version.
        raise ConfigError(f"{path}: is not the configuration of a Chinese CLIP ({error}); copy it again") from error


def _check_sizes(config: ChineseCLIPConfig) -> None:
    """Refuse sizes that no model has: of zeros none can be built, and building a giant one would never end."""
    dim, vision, text = config_sizes(config)
    for part, sizes in (("vision", vision._asdict()), ("text", text._asdict()), ("model", {"dim": dim})):
        for name, size in sizes.items():
            most = _MOST_LAYERS if name == "layers" else _LARGEST_SIZE
            if size is not None and not 1 <= size <= most:
                raise ValueError(f"the {part}'s {name} is {size}, out of 1 to {most:,}")


def config_json(config: ChineseCLIPConfig) -> dict[str, Any]:
    """What `config.json` says of a model; equal for equal models."""
    said: dict[str, Any] = json.loads(config.to_json_string())
    said.pop("transformers_version", None)  # the same model after an upgrade
    return said | {"architectures": ["ChineseCLIPModel"], "dtype": "float32"}


def vocabulary_of(folder: Path) -> Path:
    """The vocabulary of a model folder: its own, or the official one where it has none."""
    own = folder / VOCABULARY
    return own if own.is_file() else VOCABULARY_FILE


def check_vocabulary(tokenizer: Tokenizer, config: ChineseCLIPConfig, *, where: str) -> None:
    """Compare a vocabulary with the model that shall read it.

    Raises:
        ConfigError: it has another number of entries than the model has embeddings.
    """
    n_embeddings = config_sizes(config).text.vocabulary
    if len(tokenizer) != n_embeddings:
        raise ConfigError(
            f"{where}: is a vocabulary of {len(tokenizer):,} entries, but the model has embeddings for "
            f"{n_embeddings:,}; put the vocabulary of this model there"
        )


def _tokenizer_json(context_length: int) -> dict[str, Any]:
    return {
        "tokenizer_class": "BertTokenizer",
        "processor_class": "ChineseCLIPProcessor",
        "do_lower_case": True,
        "tokenize_chinese_chars": True,
        "model_max_length": context_length,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("cls", "mask", "pad", "sep", "unk")},
    }


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def _fill_buffers(model: ChineseCLIPModel) -> None:
    """Numbers that no file holds because they are computed; the meta device has left them out."""
    text, vision = model.text_model.embeddings, model.vision_model.embeddings
    positions = torch.arange(config_sizes(model.config).text.positions).expand((1, -1))
    text.register_buffer("position_ids", positions, persistent=False)
    text.register_buffer("token_type_ids", torch.zeros_like(positions), persistent=False)
    vision.register_buffer("position_ids", torch.arange(vision.num_positions).expand((1, -1)), persistent=False)
