"""Small networks for the tests of this folder."""

from pathlib import Path

import torch
from torch import Tensor
from transformers.models.clip.modeling_clip import CLIPModel

from scripts.fgclip.model.clip_folder import TINY_CONTEXT, random_clip
from scripts.fgclip.model.identity import TINY
from scripts.fgclip.model.init import make_init
from scripts.fgclip.model.tokens import LibraryTokens, word_tokens
from scripts.fgclip.model.video_clip import VideoClip

WORDS = ["a red square appears", "a surveillance video of a normal day", "nothing happens"]
SIZE = 48
NUM_FRAMES = 8


def words() -> LibraryTokens:
    return word_tokens(WORDS, TINY_CONTEXT)


def tiny_clip(seed: int = 1) -> CLIPModel:
    return random_clip(TINY, words(), seed=seed)


def tiny_model(*, temporal_layers: int = 2, dropout: float = 0.0) -> VideoClip:
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return VideoClip(tiny_clip(), temporal_layers=temporal_layers, dropout=dropout).eval()


def tiny_folder(folder: Path, **options: object) -> Path:
    make_init(folder, name="tiny one", clip=TINY, seed=3, num_frames=NUM_FRAMES, texts=WORDS, **options)
    return folder


def pictures(n: int, seed: int = 0) -> Tensor:
    """(n, S, S, 3) uint8, smooth enough that frames differ as a whole."""
    generator = torch.Generator().manual_seed(seed)
    colour = torch.randint(0, 256, (n, 1, 1, 3), generator=generator)
    noise = torch.randint(-40, 41, (n, SIZE, SIZE, 3), generator=generator)
    return (colour + noise).clamp(0, 255).to(torch.uint8)
