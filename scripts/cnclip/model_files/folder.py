"""Model folders: Hugging Face's layout, which others load with `from_pretrained`, and `polymill.json` with our facts.

The folder of a Chinese CLIP holds `config.json`, `model.safetensors`, `vocab.txt`, `tokenizer_config.json`,
`preprocessor_config.json` and `polymill.json`. A folder of others, without the last, can be read as well.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers.models.chinese_clip.configuration_chinese_clip import ChineseCLIPConfig
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel

from scripts.cnclip.model_files.architecture import config_sizes, empty_model
from scripts.cnclip.pixels import MEAN, STD
from scripts.cnclip.tokens import CONTEXT_LENGTH, VOCABULARY_FILE, Tokenizer
from scripts.shared.errors import ConfigError
from scripts.shared.new_folder import new_folder
from scripts.shared.torch_file import load_plain
from scripts.shared.torch_state import check_state

FACTS, CONFIG, WEIGHTS, VOCABULARY = "polymill.json", "config.json", "model.safetensors", "vocab.txt"
CHINESE_CLIP = "chinese_clip"
_OLD_WEIGHTS = "pytorch_model.bin"
_ALIGNMENT = 64  # bytes
_MOST_LAYERS, _LARGEST_SIZE = 1_000, 1_000_000
# In folders of older versions: numbers that are computed now, and a layer that Chinese CLIP does not use.
_NOT_NEEDED = ("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")
_POOLER = "text_model.pooler."


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
    there = {
        key: _aligned(value.contiguous().float())
        for key, value in state.items()
        if key not in _NOT_NEEDED and not key.startswith(_POOLER)
    }
    check_state(model.state_dict(), there, where)
    _check_finite(there, where)
    model.load_state_dict(there, assign=True)
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
        _write_json(made / "preprocessor_config.json", preprocessor_json(config_sizes(model.config).vision.image))
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


def preprocessor_json(image_size: int) -> dict[str, Any]:
    """Image processor that squashes a picture to a square, as Chinese CLIP's training does.

    The processor's own defaults scale the shorter edge and crop the rest away.
    """
    return {
        "image_processor_type": "ChineseCLIPImageProcessor",
        "do_resize": True,
        "size": {"height": image_size, "width": image_size},
        "resample": 3,  # bicubic
        "do_center_crop": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(MEAN),
        "image_std": list(STD),
        "do_convert_rgb": True,
    }


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        with path.open("rb", buffering=0) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _tokenizer_json(context_length: int) -> dict[str, Any]:
    return {
        "tokenizer_class": "BertTokenizer",
        "processor_class": "ChineseCLIPProcessor",
        "do_lower_case": True,
        "tokenize_chinese_chars": True,
        "model_max_length": context_length,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("cls", "mask", "pad", "sep", "unk")},
    }


def weights_file(folder: Path) -> Path:
    """The weights in a folder of Hugging Face's layout.

    Raises:
        ConfigError: there are none.
    """
    for name in (WEIGHTS, _OLD_WEIGHTS):
        if (folder / name).is_file():
            return folder / name
    raise ConfigError(f"{folder}: has neither {WEIGHTS} nor {_OLD_WEIGHTS}; copy the weights there")


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of `weights_file`, by name, on the CPU; nothing in the file is run.

    Raises:
        ConfigError: it is damaged, or holds more than tensors.
    """
    if path.name == _OLD_WEIGHTS:
        found = load_plain(path)
        if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
            raise ConfigError(f"{path}: holds more than tensors by key; save model.state_dict() alone")
        return found
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ConfigError(f"{path}: is damaged ({error}); copy it again") from error


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def _check_finite(state: Mapping[str, Tensor], where: str) -> None:
    for key, value in state.items():
        if not torch.isfinite(value).all():
            bad = torch.nonzero(~torch.isfinite(value))
            raise ConfigError(
                f"{where}: {len(bad):,} of {value.numel():,} values of {key} are NaN or infinite, the first at "
                f"{bad[0].tolist()}: its training broke down; take an earlier checkpoint"
            )


def _aligned(value: Tensor) -> Tensor:
    """A tensor as PyTorch lays it in memory.

    Those of a safetensors file lie anywhere; there the same weights take other routines and give other last bits.
    """
    return value if value.data_ptr() % _ALIGNMENT == 0 else value.clone()


def _fill_buffers(model: ChineseCLIPModel) -> None:
    """Numbers that no file holds because they are computed; the meta device has left them out."""
    text, vision = model.text_model.embeddings, model.vision_model.embeddings
    positions = torch.arange(config_sizes(model.config).text.positions).expand((1, -1))
    text.register_buffer("position_ids", positions, persistent=False)
    text.register_buffer("token_type_ids", torch.zeros_like(positions), persistent=False)
    vision.register_buffer("position_ids", torch.arange(vision.num_positions).expand((1, -1)), persistent=False)
