"""The small text encoder of the toy model: all-MiniLM-L6-v2 as a Python package ships it, without a download.

Vectors as sentence-transformers gives them for this model (Reimers and Gurevych 2019, arXiv:1908.10084): the mean over
a caption's tokens, at unit length.
"""

import json

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer

# From the modules themselves: the package's own names look through all of its models first.
from transformers.models.bert.configuration_bert import BertConfig
from transformers.models.bert.modeling_bert import BertModel

from scripts.pose.nets.loading import load_state
from scripts.pose.text.encoder import Tokens
from scripts.pose.text.identity import minilm_folder

_NOT_USED = ("pooler.", "embeddings.position_ids")  # a layer for another task, and numbers that are computed


class MiniLm:
    """The encoder, on one thread of the CPU.

    Raises:
        ConfigError: the package is not installed, or its weights are of another net.
    """

    def __init__(self) -> None:
        torch.set_num_threads(1)  # sums depend on it
        folder = minilm_folder()
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        # The file asks for 128 tokens of any caption, padded; sentence-transformers goes by the other one.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._context: int = json.loads((folder / "sentence_bert_config.json").read_bytes())["max_seq_length"]
        config = BertConfig.from_json_file(folder / "config.json")
        self._net = BertModel(config, add_pooling_layer=False)
        weights = folder / "model.safetensors"
        state = {key: value for key, value in load_file(weights).items() if not key.startswith(_NOT_USED)}
        load_state(self._net, state, where=str(weights))
        self._net.train(mode=False)
        self.dim: int = config.hidden_size

    def encode(self, caption: str) -> NDArray[np.float32]:
        """Vector of a caption, (384,) float32, at unit length."""
        return self.encode_tokens(self.tokenize(caption))

    def tokenize(self, caption: str) -> Tokens:
        """See `TextEncoder.tokenize`; at most 256 ids."""
        # Half of a surrogate pair, which JSON can spell, is no text to the tokenizer.
        ids: list[int] = self._tokenizer.encode(caption.encode(errors="replace").decode()).ids
        cut = len(ids) > self._context
        return Tokens([*ids[: self._context - 1], ids[-1]] if cut else ids, cut)

    def encode_tokens(self, tokens: Tokens) -> NDArray[np.float32]:
        """See `TextEncoder.encode_tokens`."""
        with torch.inference_mode():
            states = self._net(input_ids=torch.tensor([tokens.ids])).last_hidden_state
            vector: NDArray[np.float32] = torch.nn.functional.normalize(states.mean(dim=1))[0].numpy()
        return vector
