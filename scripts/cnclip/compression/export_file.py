"""`export.json`: what a folder of exports holds. With it and `vocab.txt` the folder can be used on its own. Light."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scripts.cnclip.compression.halves import SIDES, Side
from scripts.cnclip.compression.onnx_file import EXTRA
from scripts.shared import atomic_files
from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import digest_file, digest_value

EXPORT, VOCABULARY = "export.json", "vocab.txt"
ONNX_FORMS: Mapping[str, str] = {"onnx_fp32": "fp32", "onnx_fp16": "fp16", "onnx_int8": "int8"}
TENSORRT = "tensorrt"
FORMS = (*ONNX_FORMS, TENSORRT)
_LARGEST_SIZE = 1_000_000


@dataclass(frozen=True)
class Exported:
    """What one form of a model consists of and how near it is.

    Attributes:
        files: names and `digest_file` of its files, the half of the model first: `{"img": {"kl.img.fp32.onnx": ...}}`.
        size_bytes: of all of them.
        differences: from torch, by half; see `likeness.Likeness`.
        skipped: why it was not made; empty where it was.
        made_with: versions and device that its files depend on.
    """

    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    size_bytes: int = 0
    differences: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    skipped: str = ""
    made_with: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Export:
    """A folder of exports.

    Attributes:
        name: of the model.
        dim: length of its vectors.
        context_length: ids that it takes a text.
        image_size: edge of the pictures that it takes, in pixels.
        logit_scale: what a cosine is multiplied with before a softmax.
        parameters: of the model in torch, and of each half.
        weights_sha256: of the `model.safetensors` that was exported.
        tokenizer_sha256: of the vocabulary.
        forms: by name.
        checked_with: number of pictures and texts, and the batch sizes, that the forms were compared on.
    """

    name: str
    dim: int
    context_length: int
    image_size: int
    logit_scale: float
    parameters: Mapping[str, int]
    weights_sha256: str
    tokenizer_sha256: str
    forms: Mapping[str, Exported]
    checked_with: Mapping[str, Any]


def write_export(folder: Path, export: Export) -> None:
    """Write `export.json`."""
    atomic_files.write_json(folder / EXPORT, asdict(export))


def read_export(folder: Path) -> Export:
    """Read `export.json`; see `form_files` for what it names.

    Raises:
        ConfigError: it is missing or damaged.
    """
    path = folder / EXPORT
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        forms = {str(form): Exported(**values) for form, values in said.pop("forms").items()}
        export = Export(**said, forms=forms)
        _check(export)
        return export
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: a folder of exports holds {EXPORT}; export the model") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path}: does not describe an export ({error}); export the model again") from error


def _check(export: Export) -> None:
    """Refuse what others could not work with; the file may be anybody's."""
    for name in ("dim", "context_length", "image_size"):
        if type(size := getattr(export, name)) is not int or not 1 <= size <= _LARGEST_SIZE:
            raise ValueError(f"{name} is {size!r:.60}")
    if unknown := sorted(export.forms.keys() - set(FORMS)):
        raise ValueError(f"no form {unknown[0]!r:.60}; forms are {', '.join(FORMS)}")
    for form, exported in export.forms.items():
        named = [exported.files, *exported.files.values()] if isinstance(exported.files, dict) else [None]
        if not all(isinstance(names, dict) for names in named):
            raise ValueError(f"forms.{form}.files names no files by half")


def form_identity(export: Export, form: str) -> str:
    """What stands for the vectors of a form: its name and the bytes of its files."""
    return digest_value([form, export.forms[form].files])


def form_files(folder: Path, export: Export, form: str) -> dict[Side, Path]:
    """The file of each half of the model in one form, after comparing the digests of all its files.

    Raises:
        ConfigError: there is no such form, or a file is missing or another; says why and names the mend.
    """
    exported = export.forms.get(form, Exported(skipped="it was not asked for"))
    if exported.skipped:
        raise ConfigError(f"{folder}: has no form {form} of {export.name}: {exported.skipped}")
    found: dict[Side, Path] = {}
    for side in SIDES:
        digests = exported.files.get(side, {})
        main = [name for name in digests if not name.endswith(EXTRA)]
        # Names come from a file that may be anybody's: they lead nowhere but into this folder.
        if len(main) != 1 or any(name != Path(name).name for name in digests):
            raise ConfigError(f"{folder / EXPORT}: forms.{form}.files.{side}: one file name is needed; export again")
        for name, digest in digests.items():
            if _digest(folder / name) != digest:
                raise ConfigError(f"{folder / name}: is not the file that {EXPORT} beside it tells of; export again")
        found[side] = folder / main[0]
    return found


def _digest(path: Path) -> str:
    try:
        return digest_file(path)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; export the model again") from error
