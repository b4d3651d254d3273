"""A model on its device: decoded frames in, margins out. Imports torch.

Bytes: a video's scores depend on its frames alone. Frames go through the network `batch` at a time, the last of them
beside empty ones, and windows one after the other, all of one shape.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from scripts.fgclip.model.model_folder import load_video_clip
from scripts.fgclip.model.tokens import Tokenizer
from scripts.fgclip.model.video_clip import VideoClip
from scripts.fgclip.scoring.prompts import PromptSets
from scripts.fgclip.scoring.score_files import VideoScores
from scripts.fgclip.scoring.windows import window_starts


class EncodedFrames(NamedTuple):
    """What is kept of frames once they are encoded.

    Attributes:
        pooled: (n, D) float32, of the whole frames.
        margin_map: (n, H, W) float32.
    """

    pooled: Tensor
    margin_map: Tensor


class VideoScorer:
    """Scores videos by one model.

    Args:
        model: on its device, for evaluation.
        tokenizer: of the model.
        prompts: the classes.
        num_frames: T, frames of a window: as many as in training.
        top_k: places whose mean margin is a frame's dense score; all of them where the map has fewer.
        batch: frames at once.
    """

    def __init__(
        self,
        model: VideoClip,
        tokenizer: Tokenizer,
        prompts: PromptSets,
        *,
        num_frames: int,
        top_k: int,
        batch: int,
    ) -> None:
        self.image_size = model.image_size
        self._model, self._device = model, model.region_logit_scale.device
        self._classes = prompts.classes
        self._num_frames, self._top_k, self._batch = num_frames, top_k, batch
        with torch.inference_mode():
            self._vectors = class_vectors(model, tokenizer, prompts)

    @torch.inference_mode()
    def encode(self, frames: NDArray[np.uint8]) -> EncodedFrames:
        """Encode frames, each once.

        Args:
            frames: (n, S, S, 3) uint8 RGB.
        """
        pooled, maps = [], []
        scale = self._model.region_scale()
        for first in range(0, len(frames), self._batch):
            part = torch.from_numpy(frames[first : first + self._batch])
            filled = functional.pad(part, (0, 0, 0, 0, 0, 0, 0, self._batch - len(part))).to(self._device)
            features = self._model.encode_frames(filled, dense=True, chunk=self._batch)
            places = functional.normalize(cast(Tensor, features.dense), dim=1).movedim(1, -1)
            pooled.append(features.pooled[: len(part)])
            maps.append(margins(scale * places @ self._vectors.T)[: len(part)].cpu())
        return EncodedFrames(torch.cat(pooled), torch.cat(maps))

    @torch.inference_mode()
    def score(self, parts: Iterable[EncodedFrames], frames: NDArray[np.int64], n_frames: int) -> VideoScores:
        """Score a video.

        Args:
            parts: its encoded frames, in order.
            frames: (n,) their numbers.
            n_frames: of the video.
        """
        pooled, maps = (torch.cat(of) for of in zip(*parts, strict=True))
        class_logits, video_logits = self._logits(pooled)
        places = maps.flatten(1)
        dense = places.topk(min(self._top_k, places.shape[1]), dim=1).values.mean(1)
        return VideoScores(
            frames=frames,
            global_margins=margins(class_logits).numpy(),
            dense_margins=dense.numpy(),
            margin_map=maps.numpy(),
            class_logits=class_logits.numpy(),
            video_logits=video_logits.numpy(),
            classes=self._classes,
            n_frames=n_frames,
        )

    def _logits(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the frames, (n, K + 1), and of the video, (K + 1,): the means over the windows that see them."""
        n, length, scale = len(pooled), self._num_frames, self._model.scale()
        sums = torch.zeros(n, len(self._vectors))
        seen = torch.zeros(n, 1)
        of_windows = []
        for start in window_starts(n, length):
            window = pooled[start : start + length]
            mask = torch.arange(length, device=self._device)[None] < len(window)
            filled = functional.pad(window, (0, 0, 0, length - len(window)))[None]
            frames = self._model.temporal_frames(filled, mask)
            each = scale * functional.normalize(frames[0], dim=-1) @ self._vectors.T
            sums[start : start + length] += each[: len(window)].cpu()
            seen[start : start + length] += 1
            of_windows.append((scale * self._model.pool(frames, mask)[0] @ self._vectors.T).cpu())
        return sums / seen, torch.stack(of_windows).mean(0)


def open_scorer(
    folder: Path, prompts: PromptSets, *, num_frames: int, top_k: int, batch: int, device: str
) -> VideoScorer:
    """Load a model folder to score videos.

    Raises:
        ConfigError: the folder holds no model, or a damaged one.
    """
    torch.set_num_threads(1)  # sums depend on it
    torch.backends.cudnn.benchmark = False  # it chooses by the clock
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False  # else a GPU rounds the patches to 10 bits before it embeds them
    model, tokenizer, _ = load_video_clip(folder, device)
    return VideoScorer(model.eval(), tokenizer, prompts, num_frames=num_frames, top_k=top_k, batch=batch)


def class_vectors(model: VideoClip, tokenizer: Tokenizer, prompts: PromptSets) -> Tensor:
    """Unit vectors of the classes, (K + 1, D) float32, the normal one last: the means of their sentences' vectors."""
    device = model.region_logit_scale.device
    means = [
        model.encode_text(torch.from_numpy(tokenizer.encode(list(texts))).to(device)).mean(0)
        for texts in (*prompts.anomalies.values(), prompts.normal)
    ]
    return functional.normalize(torch.stack(means), dim=-1)


def margins(logits: Tensor) -> Tensor:
    """How much more an anomaly than normal: (..., K + 1) logits, the last normal, to (...) margins.

    Logits as they are: probabilities saturate at 1.0, and their ties destroy rankings.
    """
    return logits[..., :-1].logsumexp(-1) - logits[..., -1]
