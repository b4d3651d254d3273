"""Load the model that the settings of a plan name."""

from collections.abc import Mapping
from typing import Any

from scripts.shared.errors import ConfigError, JobError
from scripts.speaker.encoders.encoder import Encoder
from scripts.speaker.encoders.model_folder import ModelFolder, inspect_model


def load_encoder(settings: Mapping[str, Any], model_dir: str, *, device: str = "cpu") -> Encoder:
    """Load a model, computing on one thread of the CPU or on a GPU.

    Args:
        settings: `runtime` (never `auto`), `model` and `model_digest` as `inspect_model` gave them, and `precision`:
            "float32", "tf32" or "float16", which a CPU does not heed.
        model_dir: `ModelFolder.path`.
        device: "cpu", or "cuda" for the first GPU that CUDA_VISIBLE_DEVICES names; a runtime that cannot use it logs
            so and takes the CPU: see `Encoder.device`.

    Raises:
        ConfigError: the model's files are missing, damaged, unsafe or of another kind; the text names file and mend.
        JobError: the model's files are not those that were there at planning.
    """
    runtime = settings["runtime"]
    found = inspect_model(model_dir, runtime)
    if found.digest != settings["model_digest"]:
        raise JobError(
            f"{model_dir or runtime}: the model changed after this plan was written (its digest was "
            f"{settings['model_digest']} and is {found.digest}); run again to plan with the new one"
        )
    return _load(found, name=settings["model"], device=device, precision=settings["precision"])


def _load(found: ModelFolder, *, name: str, device: str, precision: str) -> Encoder:
    # Each runtime is imported where it is chosen: torch and ONNX Runtime take seconds and may be absent.
    match found.runtime:
        case "onnx":
            from scripts.speaker.encoders.onnx import OnnxEncoder

            return OnnxEncoder(found.path, name=name, device=device, precision=precision)
        case "native":
            from scripts.speaker.encoders.native import load_native

            return load_native(found.path, name=name, device=device, precision=precision)
        case "wespeaker":
            from scripts.speaker.encoders.wespeaker_package import load_wespeaker

            return load_wespeaker(found.path, name=name, device=device, precision=precision)
        case "resemblyzer":
            from scripts.speaker.encoders.resemblyzer import ResemblyzerEncoder

            return ResemblyzerEncoder(name=name, device=device)
        case "dvector":
            from scripts.speaker.encoders.dvector import DvectorEncoder

            return DvectorEncoder(name=name, device=device)
        case _:
            raise ConfigError(f"runtime: {found.runtime!r} has no encoder")
