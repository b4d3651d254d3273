"""A training step with the order of work of the guide's program, in plain PyTorch: the baseline of the training bench.

The first 512 frames of a video are decoded in order into pictures of 224 pixels, once for the video and once more for
each of its regions. Then every step encodes T frames of each video, and T / 4 whole frames of each of four regions a
video, those that do not exist as black frames; the dense map is computed and thrown away. Two videos at once; plain
activations, parameters of one precision (bfloat16 on a GPU), AdamW as it is by default. Nothing of the project is used
but sizes and the frames of made-up batches.
"""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.clip.modeling_clip import CLIPModel

FIRST_FRAMES, REGIONS, VIDEOS = 512, 4, 2
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def decode(path: Path, size: int) -> list[np.ndarray]:
    """The first frames of a video as pictures of a square, all of them kept."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        frames = islice(container.decode(video=0), FIRST_FRAMES)
        return [np.asarray(frame.to_image().resize((size, size))) for frame in frames]


def read_video(path: Path, n_regions: int, num_frames: int, size: int) -> Tensor:
    """A video's frames and those of its regions, ((T + REGIONS * T / 4), size, size, 3) uint8.

    Args:
        path: of the video.
        n_regions: that it has; the others are black.
        num_frames: T.
        size: pixels.
    """
    share = num_frames // 4
    black = np.zeros((share, size, size, 3), np.uint8)
    parts = [_spread(decode(path, size), num_frames)]
    parts += [_spread(decode(path, size), share) if number < n_regions else black for number in range(REGIONS)]
    return torch.from_numpy(np.concatenate(parts))


def _spread(frames: Sequence[np.ndarray], n: int) -> np.ndarray:
    return np.stack([frames[place] for place in np.linspace(0, len(frames) - 1, n).astype(int)])


def frames_of_a_video(num_frames: int) -> int:
    """That are encoded."""
    return num_frames + REGIONS * (num_frames // 4)


class GuideModel(nn.Module):
    """CLIP, a temporal module of two layers without positions, attention pooling, and whole frames as regions."""

    def __init__(self, clip: CLIPModel) -> None:
        super().__init__()
        dim = clip.config.projection_dim
        layer = nn.TransformerEncoderLayer(dim, 8, 2048, 0.1, "gelu", batch_first=True)
        self.clip, self.temporal = clip, nn.TransformerEncoder(layer, 2)
        self.pool = nn.Sequential(nn.Linear(dim, 256), nn.ReLU(), nn.Linear(256, 1))

    def forward(self, pixels: Tensor, num_frames: int, texts: Tensor, region_texts: Tensor) -> Tensor:
        """The loss of some videos: (B, frames_of_a_video, 3, S, S) pixels, (B, L) and (B * REGIONS, L) ids."""
        n_videos = len(pixels)
        frames = self._encode(pixels[:, :num_frames].flatten(0, 1))
        regions = self._encode(pixels[:, num_frames:].flatten(0, 1))
        loss = _info_nce(self._videos(frames.unflatten(0, (n_videos, -1))), self._texts(texts), self.clip.logit_scale)
        regions = self._videos(regions.unflatten(0, (n_videos * REGIONS, -1)))
        return loss + 0.5 * _info_nce(regions, self._texts(region_texts), self.clip.logit_scale)

    def _encode(self, pixels: Tensor) -> Tensor:
        vision = self.clip.vision_model
        seen = vision(pixel_values=pixels, output_hidden_states=True)
        last = vision.encoder.layers[-1]
        patches = seen.hidden_states[-2]
        patches = patches + last.self_attn.out_proj(last.self_attn.v_proj(last.layer_norm1(patches)))
        patches = patches + last.mlp(last.layer_norm2(patches))
        self.clip.visual_projection(vision.post_layernorm(patches[:, 1:]))  # that nobody reads
        projected: Tensor = self.clip.visual_projection(seen.pooler_output)
        return projected

    def _videos(self, frames: Tensor) -> Tensor:
        timed = self.temporal(frames)
        weights = self.pool(timed).softmax(1)
        return functional.normalize((weights * timed).sum(1), dim=-1)

    def _texts(self, ids: Tensor) -> Tensor:
        pooled = self.clip.text_model(input_ids=ids).pooler_output
        return functional.normalize(self.clip.text_projection(pooled), dim=-1)


def _info_nce(one: Tensor, other: Tensor, logit_scale: Tensor) -> Tensor:
    logits = logit_scale.exp() * one @ other.T
    wanted = torch.arange(len(one), device=one.device)
    return (functional.cross_entropy(logits, wanted) + functional.cross_entropy(logits.T, wanted)) / 2


class GuideStep:
    """Steps of that program.

    Args:
        clip: its backbone, on the CPU.
        device: "cuda" or "cpu".
        bf16: whether parameters are bfloat16, as the program has them.
        num_frames: T.
    """

    def __init__(self, clip: CLIPModel, device: str, *, bf16: bool, num_frames: int) -> None:
        self._type = torch.bfloat16 if bf16 else torch.float32
        self._device, self._num_frames = device, num_frames
        self.model = GuideModel(clip).to(device, self._type).train()
        self._optimizer = torch.optim.AdamW(self.model.parameters(), lr=5e-6)
        self._mean, self._std = (torch.tensor(of).view(3, 1, 1) for of in (MEAN, STD))

    def __call__(self, videos: Sequence[Tensor], texts: Tensor, region_texts: Tensor) -> Tensor:
        """Take a step.

        Args:
            videos: frames of each by `read_video`, an even number of them; two are encoded at once.
            texts: (n, L) ids, a row for each video.
            region_texts: (n * REGIONS, L) ids.
        """
        self._optimizer.zero_grad()
        total = torch.zeros((), device=self._device)
        for first in range(0, len(videos), VIDEOS):
            pixels = torch.stack([self._pixels(video) for video in videos[first : first + VIDEOS]])
            loss = self.model(
                pixels.to(self._device, self._type),
                self._num_frames,
                texts[first : first + VIDEOS].to(self._device),
                region_texts[first * REGIONS : (first + VIDEOS) * REGIONS].to(self._device),
            ) * (VIDEOS / len(videos))
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimizer.step()
        return total

    def _pixels(self, frames: Tensor) -> Tensor:
        return (frames.permute(0, 3, 1, 2).float() / 255 - self._mean) / self._std
