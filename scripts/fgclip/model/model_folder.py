"""Model folders: a CLIP in Hugging Face's layout, which others load with `from_pretrained`, and the head for videos.

A folder holds `config.json`, `model.safetensors`, the tokenizer's files, `preprocessor_config.json`,
`video_head.safetensors` (temporal module, pooling, scale of regions) and `polymill.json` with our facts.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.models.clip.configuration_clip import CLIPConfig

from scripts.fgclip.model.clip_folder import check_vocabulary, clip_of, read_config
from scripts.fgclip.model.identity import CONFIG, FACTS
from scripts.fgclip.model.tokens import Tokenizer, open_tokenizer
from scripts.fgclip.model.video_clip import VideoClip
from scripts.shared.clip_pixels import preprocessor_json
from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import file_sha256
from scripts.shared.new_folder import new_folder
from scripts.shared.torch_state import check_state
from scripts.shared.weight_files import WEIGHTS, check_finite, read_weights

HEAD = "video_head.safetensors"
FGCLIP = "fgclip"
_BACKBONE = "clip."  # before names of the backbone's parameters


@dataclass(frozen=True)
class ModelFacts:
    """What `polymill.json` says of a model.

    Attributes:
        name: of the model, for people.
        source: where its weights come from, for people.
        clip_identity: of the CLIP that its training began with, see `identity.clip_identity`.
        num_frames: T, frames of a window of video.
        context_length: ids that it takes a text, with start and end.
        long_context_length: ids that it takes a long text; 0 where it takes none.
        temporal_layers: of the temporal module; 0 where there is none.
        dropout: of the temporal module in training.
        trained_on: names of the data sets that it saw in training.
        settings: of its training; empty for one that has seen none.
        kind: "fgclip".
        weights_sha256: of `model.safetensors`; set when the folder is written.
        head_sha256: of `video_head.safetensors`; likewise.
    """

    name: str
    source: str = ""
    clip_identity: str = ""
    num_frames: int = 0
    context_length: int = 0
    long_context_length: int = 0
    temporal_layers: int = 0
    dropout: float = 0.0
    trained_on: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    kind: str = FGCLIP
    weights_sha256: str = ""
    head_sha256: str = ""


_NO_FACTS = ModelFacts(name="")


def save_video_clip(model: VideoClip, tokenizer: Tokenizer, folder: Path, *, facts: ModelFacts) -> ModelFacts:
    """Write a model folder; equal weights and facts give equal bytes. One that is there is replaced.

    Args:
        model: any device and precision; written as float32.
        tokenizer: that it reads texts with.
        folder: appears whole.
        facts: lengths of texts, the size of the temporal module and both sha256 are set here.

    Returns:
        The facts as they were written.
    """
    state = {key: value.detach().cpu().float().contiguous() for key, value in model.state_dict().items()}
    backbone = {key.removeprefix(_BACKBONE): value for key, value in state.items() if key.startswith(_BACKBONE)}
    with new_folder(folder) as made:
        save_file(backbone, made / WEIGHTS, metadata={"format": "pt"})
        save_file(_head(state), made / HEAD, metadata={"format": "pt"})
        tokenizer.write(made)
        _write_json(made / CONFIG, _config_json(model.clip.config))
        _write_json(made / "preprocessor_config.json", preprocessor_json("CLIPImageProcessor", model.image_size))
        facts = replace(
            facts,
            context_length=model.context_length,
            long_context_length=model.long_context_length,
            temporal_layers=model.temporal_layers,
            dropout=model.dropout,
            weights_sha256=file_sha256(made / WEIGHTS),
            head_sha256=file_sha256(made / HEAD),
        )
        _write_json(made / FACTS, asdict(facts))
    return facts


def load_video_clip(folder: Path, device: str | torch.device = "cpu") -> tuple[VideoClip, Tokenizer, ModelFacts]:
    """Load the model of a folder, in float32 and evaluation mode; nothing in the files is run.

    Args:
        folder: see the module.
        device: where its weights shall be.

    Raises:
        ConfigError: a file is missing or damaged, or is not the one that `polymill.json` tells of.
    """
    facts = read_facts(folder)
    for name, sha256 in ((WEIGHTS, facts.weights_sha256), (HEAD, facts.head_sha256)):
        if file_sha256(folder / name) != sha256:
            raise ConfigError(
                f"{folder / name}: is not the file that {FACTS} beside it tells of (its sha256 differs): it is "
                "damaged, or was replaced; make the folder again"
            )
    config = read_config(folder)
    tokenizer = open_tokenizer(folder, facts.context_length)
    check_vocabulary(tokenizer, config, where=str(folder))
    clip = clip_of(config, read_weights(folder / WEIGHTS), where=str(folder / WEIGHTS))
    model = VideoClip(
        clip,
        temporal_layers=facts.temporal_layers,
        dropout=facts.dropout,
        context_length=facts.context_length,
    )
    head = read_weights(folder / HEAD)
    check_state(_head(model.state_dict()), head, str(folder / HEAD))
    check_finite(head, str(folder / HEAD))
    model.load_state_dict(head, strict=False)
    nn.Module.eval(model)
    return model.to(device), tokenizer, facts


def read_facts(folder: Path) -> ModelFacts:
    """The facts of a model folder.

    Raises:
        ConfigError: there is no such folder, or it has no facts, damaged ones, or those of another kind of model.
    """
    path = folder / FACTS
    if not path.is_file():
        raise ConfigError(f"{folder}: is no model folder of fgclip: it has no {FACTS}; name one that a training wrote")
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said.get("kind") != FGCLIP:
            raise ConfigError(f"{folder}: is a model of the kind {said.get('kind')!r}, not {FGCLIP}")
        facts = ModelFacts(**{**said, "trained_on": tuple(said["trained_on"])})
        for part in fields(ModelFacts):
            if type(value := getattr(facts, part.name)) is not type(getattr(_NO_FACTS, part.name)):
                raise ValueError(f"{part.name} is {value!r:.60}")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path}: does not hold the facts of a model ({error}); make the folder again") from error
    return facts


def _head(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if not key.startswith(_BACKBONE)}


def _config_json(config: CLIPConfig) -> dict[str, Any]:
    """What `config.json` says of a model; equal for equal models."""
    said: dict[str, Any] = json.loads(config.to_json_string())
    said.pop("transformers_version", None)  # the same model after an upgrade
    return said | {"architectures": ["CLIPModel"], "dtype": "float32"}


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
