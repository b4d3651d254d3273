"""Pairs as a step takes them: read, decoded, changed at random and tokenised, in processes of their own."""

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from scripts.cnclip import pixels
from scripts.cnclip.data.lmdb_files import PairsLmdb
from scripts.cnclip.data.pictures import open_picture
from scripts.cnclip.tokens import Tokenizer, normalise
from scripts.cnclip.training.augmentation import augmented
from scripts.cnclip.training.batches import Share
from scripts.shared.errors import ConfigError, SampleError

_LENGTHS = 8  # texts are cut to a multiple: what GPUs multiply fastest, and few different shapes
_MOST_UNREADABLE = 100  # pairs on end; then nothing of the set can be read


class Pairs(NamedTuple):
    """What a process has of a batch.

    Attributes:
        pictures: (n, 3, S, S) uint8.
        ids: (n, length) int64 tokens, zero where a text has ended.
        image_ids: (n,) int64.
        text_ids: (n,) int64.
        unreadable: a sentence for each pair that another had to stand in for.
    """

    pictures: Tensor
    ids: Tensor
    image_ids: Tensor
    text_ids: Tensor
    unreadable: tuple[str, ...]

    def on(self, device: torch.device) -> "Pairs":
        """The same with pictures and tokens on a device; a GPU copies them while it computes."""
        return self._replace(
            pictures=self.pictures.to(device, non_blocking=True), ids=self.ids.to(device, non_blocking=True)
        )


class PairReader(Dataset[Pairs]):
    """Reads what `Share` names.

    Args:
        lmdb: the pairs.
        tokenizer: of the model.
        size: of the pictures, pixels.
        context_length: tokens of a text, at most.
        augment_seed: what the changes of pictures are drawn with; None leaves them as they are.
        captions: for each pair the pair whose text it gets; None: its own.
    """

    def __init__(
        self,
        lmdb: PairsLmdb,
        tokenizer: Tokenizer,
        *,
        size: int,
        context_length: int,
        augment_seed: int | None = None,
        captions: NDArray[np.int64] | None = None,
    ) -> None:
        self._lmdb, self._tokenizer = lmdb, tokenizer
        self._size, self._context_length = size, context_length
        self._augment_seed, self._captions = augment_seed, captions

    def __getitem__(self, share: Share) -> Pairs:
        """Read and prepare the pairs of a share.

        Raises:
            ConfigError: hardly a pair can be read.
        """
        unreadable: list[str] = []
        read = [self._read(int(pair), share.epoch, unreadable) for pair in share.pairs]
        pictures, texts, image_ids, text_ids = zip(*read, strict=True)
        ids = self._tokenizer.encode([normalise(text) for text in texts], self._context_length)
        return Pairs(
            pictures=torch.from_numpy(np.stack(pictures)),
            ids=torch.from_numpy(trimmed(ids)),
            image_ids=torch.tensor(image_ids),
            text_ids=torch.tensor(text_ids),
            unreadable=tuple(unreadable),
        )

    def _read(self, pair: int, epoch: int, unreadable: list[str]) -> tuple[NDArray[np.uint8], str, int, int]:
        for number in self._stand_ins(pair):
            try:
                image_id, text_id, text = self._lmdb.pair(number)
                picture = self._picture(image_id, number, epoch)
                if self._captions is not None:
                    _, text_id, text = self._lmdb.pair(int(self._captions[number]))
            except SampleError as error:
                unreadable.append(f"{self._lmdb.folder.name} pair {number}: {error}; the next one stands in")
                continue
            return picture, text, image_id, text_id
        raise ConfigError(
            f"{self._lmdb.folder}: of many pairs on end none can be read, the last because of {unreadable[-1]}; check "
            "the dataset: snakemake cnclip_data"
        )

    def _stand_ins(self, pair: int) -> Iterator[int]:
        """A pair, and where it cannot be read those after it."""
        yield pair
        n_pairs = self._lmdb.n_pairs
        for further in range(1, min(n_pairs, _MOST_UNREADABLE)):
            yield (pair + further) % n_pairs

    def _picture(self, image_id: int, pair: int, epoch: int) -> NDArray[np.uint8]:
        picture = open_picture(self._lmdb.picture(image_id))
        if self._augment_seed is None:
            return pixels.as_uint8(picture, self._size)
        changed = augmented(picture, self._size, seed=self._augment_seed, epoch=epoch, pair=pair)
        return np.asarray(changed, np.uint8).transpose(2, 0, 1)


def trimmed(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Tokens without the columns in which every text has ended, but for some to a multiple of 8.

    Nothing changes by it: no token attends to a padded one, and positions count from the left.
    """
    longest = int((ids != 0).sum(axis=1).max())
    return np.ascontiguousarray(ids[:, : -(-longest // _LENGTHS) * _LENGTHS])


def pair_ids(lmdb: PairsLmdb) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ids of all pictures and of all texts that readable pairs have, each once, ascending."""
    found: list[tuple[int, int]] = []
    for number in range(lmdb.n_pairs):
        with suppress(SampleError):  # told when its turn comes
            found.append(lmdb.pair(number)[:2])
    images, texts = np.array(found, np.int64).reshape(-1, 2).T
    return np.unique(images), np.unique(texts)
