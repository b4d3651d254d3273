"""`manifest.json`: what a folder of towers for phones and browsers holds, and how their inputs are made. Light."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.cnclip.compression.halves import SIDES
from scripts.shared import atomic_files
from scripts.shared.clip_pixels import MEAN, STD
from scripts.shared.errors import ConfigError

MANIFEST = "manifest.json"
VOCABULARY, CHARACTERS = "vocab", "characters"  # keys of the files; the towers stand there by their sides
FORMAT = 1


@dataclass(frozen=True)
class MobileFile:
    """One file of the folder.

    Attributes:
        name: in the folder.
        size_bytes: of it.
        sha256: of it.
    """

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A folder of towers.

    Attributes:
        name: of the model.
        form: of the towers.
        identity: of their vectors, as `ImageTextEncoder.identity` of that form.
        relatives: identities of other forms of the same weights, by form: their vectors lie in the same space.
        weights_sha256: of the `model.safetensors` that all were made of.
        tokenizer_identity: of the vocabulary.
        dim: length of the vectors.
        context_length: ids that the text tower takes.
        image_size: edge of the pictures that the image tower takes, in pixels.
        logit_scale: what a cosine is multiplied with before a softmax.
        opset: of ONNX.
        operators: that the towers use.
        files: by `img`, `txt`, `vocab` and `characters`.
        inputs: name of each tower's input.
        outputs: name of each tower's output.
        preprocessing: how a text and a picture become inputs, and outputs become vectors.
        format: of this file.
    """

    name: str
    form: str
    identity: str
    relatives: Mapping[str, str]
    weights_sha256: str
    tokenizer_identity: str
    dim: int
    context_length: int
    image_size: int
    logit_scale: float
    opset: int
    operators: tuple[str, ...]
    files: Mapping[str, MobileFile]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    preprocessing: Mapping[str, Any]
    format: int = FORMAT

    def answers(self, identity: str) -> bool:
        """Whether vectors of a model with this identity may be compared with those of the towers."""
        return identity == self.identity or identity in self.relatives.values()


def preprocessing(context_length: int, image_size: int) -> dict[str, Any]:
    """How inputs are made and outputs are read, for who writes it anew on another platform."""
    return {
        "text": {
            "normalise": "lower case, then U+201C and U+201D become U+0022",
            "tokenizer": "Chinese BERT's, of vocab.txt and characters.json: scripts/search/server/static/tokenizer.js",
            "ids": f"int64, (1, {context_length}): [CLS], pieces, [SEP], zeros",
        },
        "image": {
            "colours": "RGB",
            "resize": "bicubic with antialiasing, squashed to the square, not cropped",
            "scale": 1 / 255,
            "mean": list(MEAN),
            "std": list(STD),
            "pixels": f"float32, (1, 3, {image_size}, {image_size})",
        },
        "output": "float32, (1, dim); divide by its length",
    }


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`."""
    atomic_files.write_json(folder / MANIFEST, asdict(manifest))


def read_manifest(folder: Path) -> Manifest:
    """Read `manifest.json`.

    Raises:
        ConfigError: it is missing or damaged, or names files elsewhere.
    """
    path = folder / MANIFEST
    mend = "make the folder again with `snakemake cnclip_export_mobile`"
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        files = {str(key): MobileFile(**values) for key, values in said.pop("files").items()}
        manifest = Manifest(**said | {"operators": tuple(said["operators"])}, files=files)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; {mend}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path}: does not describe towers ({error}); {mend}") from error
    if manifest.format != FORMAT or set(files) != {*SIDES, VOCABULARY, CHARACTERS}:
        raise ConfigError(f"{path}: is of another version; {mend}")
    if any(file.name != Path(str(file.name)).name for file in files.values()):
        raise ConfigError(f"{path}: names a file outside its folder; {mend}")
    return manifest
