"""Which encoder a dataset is indexed with, and how it is told from others without loading it. Light."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.cnclip.places import model_folder
from scripts.cnclip.runs import INIT, ONNX_FORMS, form_of, of_model
from scripts.search.encoders.conse_files import conse_identity
from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import digest_file, digest_value
from scripts.shared.weights_identity import contents_digest

CONSE, CHINESE_CLIP, ONNX = "conse", "chinese_clip", "onnx"
TORCH = "torch"
_CONSE_MODEL = "EfficientNet-Lite0 and multilingual-e5-small"
_FACTS, _EXPORT = "polymill.json", "export.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class EncoderChoice:
    """An encoder that a dataset names.

    Attributes:
        encoder: "conse", "chinese_clip" or "onnx".
        model: its name for people.
        path: of a model its folder or file; "" of conse.
        form: of a model: "torch", or an exported one.
        settings: what tells it from others, of what is there already; change when its vectors do.
        made_before: likewise of what rules make: small files by name, see `Stage.made_before`.
        needs: what rules make of it.
    """

    encoder: str
    model: str
    path: str = ""
    form: str = TORCH
    settings: dict[str, str] = field(default_factory=dict)
    made_before: dict[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()


def choose_encoder(config: Mapping[str, Any], encoder: str, model: str) -> EncoderChoice:
    """The encoder that the options `encoder` and `model` mean together.

    Args:
        config: the whole configuration, as `load_config` gives it.
        encoder: of the options.
        model: of the options; "" where there is none.

    Raises:
        ConfigError: they do not go together, there is no such model, or a package with weights is missing.
    """
    if encoder == CONSE:
        if model:
            raise ConfigError(f"search: model is {model!r}, but encoder: conse has none; take one of the two away")
        return EncoderChoice(CONSE, _CONSE_MODEL, settings={"identity": conse_identity()})
    if not model:
        raise ConfigError(
            f"search: encoder: {encoder} needs a model: a name of cnclip.models or cnclip.runs, or the place of one"
        )
    return _onnx(config, model) if encoder == ONNX else _chinese_clip(config, model)


def _chinese_clip(config: Mapping[str, Any], model: str) -> EncoderChoice:
    if form_of(model) in ONNX_FORMS:
        raise ConfigError(f"search: model {model!r} is an exported form; take encoder: onnx for it")
    if not _is_name(config, model):
        path = Path(model)
        return EncoderChoice(CHINESE_CLIP, path.name, model, settings={"identity": _identity(path)})
    folder = model_folder(config, model)
    if not _is_made(config, model):
        return EncoderChoice(CHINESE_CLIP, model, str(folder), settings={"identity": _identity(folder)})
    return EncoderChoice(
        CHINESE_CLIP, model, str(folder), made_before={"model": str(folder / _FACTS)}, needs=(str(folder),)
    )


def _onnx(config: Mapping[str, Any], model: str) -> EncoderChoice:
    if _is_name(config, model):
        form = form_of(model)
        folder = model_folder(config, model) if form in ONNX_FORMS else None
        needs: tuple[str, ...] = (str(folder),)
    else:
        place, _, form = model.rpartition(":")
        folder, needs = Path(place), ()
    if form not in ONNX_FORMS or folder is None:
        raise ConfigError(
            f"search: encoder: onnx needs a model with its form, such as distilled.onnx_int8 for a name of cnclip, or "
            f"FOLDER:onnx_int8 for a folder of exports; {model!r} says none of {', '.join(ONNX_FORMS)}"
        )
    name = model if needs else f"{folder.name} {form}"
    if needs:
        return EncoderChoice(ONNX, name, str(folder), form, {"form": form}, {"model": str(folder / _EXPORT)}, needs)
    if not (folder / _EXPORT).is_file():
        raise ConfigError(f"search: model: {folder} has no {_EXPORT}; name a folder that cnclip_export made")
    return EncoderChoice(ONNX, name, str(folder), form, {"form": form, "identity": digest_file(folder / _EXPORT)})


def _is_name(config: Mapping[str, Any], model: str) -> bool:
    cnclip = config["cnclip"]
    return of_model(model) in cnclip["runs"] or of_model(model) in cnclip["models"]


def _is_made(config: Mapping[str, Any], model: str) -> bool:
    """Whether a rule makes the folder of a named model: that of a run, or of an official checkpoint."""
    name = of_model(model)
    if form_of(model) not in ("", INIT):
        raise ConfigError(f"search: model: no form {form_of(model)!r} of {name!r} for encoder: chinese_clip")
    weights = config["cnclip"]["models"].get(name, {}).get("weights", "")
    return name in config["cnclip"]["runs"] or not Path(weights).is_dir()


def _identity(path: Path) -> str:
    """What tells a model folder, or an official file, from others, in milliseconds."""
    if path.is_file():
        return contents_digest(path, what="search.model", wanted="name an official .pt file, or a model folder")
    weights = [path / name for name in _WEIGHTS if (path / name).is_file()]
    if not weights or not (path / "config.json").is_file():
        raise ConfigError(
            f"search: model: {path} is no model: neither a name of cnclip.models or cnclip.runs, nor a folder with "
            "config.json and model.safetensors, nor an official .pt file"
        )
    small = sorted(file for file in path.glob("*") if file.suffix in (".json", ".txt") and file.is_file())
    wanted = "copy the folder again"
    return digest_value(
        [contents_digest(weights[0], what="search.model", wanted=wanted), {p.name: digest_file(p) for p in small}]
    )
