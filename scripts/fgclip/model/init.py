"""The model folder that a training begins with: step 0, which scores as zero-shot CLIP does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.models.clip.configuration_clip import CLIPConfig
from transformers.models.clip.modeling_clip import CLIPModel

from scripts.fgclip.data.records import read_records
from scripts.fgclip.model.clip_folder import TINY_CONTEXT, clip_of, load_clip, random_clip
from scripts.fgclip.model.identity import FACTS, RANDOM, TINY, clip_identity
from scripts.fgclip.model.model_folder import ModelFacts, load_video_clip, save_video_clip
from scripts.fgclip.model.temporal import HEADS
from scripts.fgclip.model.tokens import Tokenizer, openai_tokens, word_tokens
from scripts.fgclip.model.video_clip import VideoClip
from scripts.shared.errors import ConfigError

_CONTEXT = 77  # ids of a text that OpenAI's CLIPs take
_KEPT = 20  # positions of a text that stretching leaves alone, as those that short texts have trained
_STRETCH = 4


def make_init(
    target: Path,
    *,
    name: str,
    clip: str,
    seed: int,
    num_frames: int,
    temporal_layers: int = 2,
    dropout: float = 0.1,
    long_captions: bool = False,
    records: Path | None = None,
    texts: Sequence[str] = (),
) -> ModelFacts:
    """Write the model folder of step 0: the CLIP, a temporal module that changes nothing yet, the mean over frames.

    Args:
        target: the folder; appears whole.
        name: of the model, for `polymill.json`.
        clip: a path as `clip_folder.load_clip` takes it, or a name of `identity.RANDOM`. Of a model folder of ours the
            CLIP is taken, and neither its temporal module nor its pooling.
        seed: of what is random.
        num_frames: T, frames of a window of video.
        temporal_layers: of the temporal module; 0 for none, so that a video is the mean of its frames.
        dropout: of the temporal module in training.
        long_captions: whether to add positions for texts of about three times the length.
        records: `records.json`, whose captions the tiny network's vocabulary is made of; of no meaning for others.
        texts: further texts for that vocabulary, such as prompts.

    Returns:
        What `polymill.json` in it says.

    Raises:
        ConfigError: see `load_clip`; or its features cannot be divided among the temporal module's heads.
    """
    torch.set_num_threads(1)  # sums depend on it
    backbone, tokenizer = _backbone(clip, seed, records, texts)
    context_length = tokenizer.context_length
    dim = backbone.visual_projection.out_features
    if temporal_layers and dim % HEADS:
        raise ConfigError(
            f"clip: {clip}: its features of {dim} numbers cannot be divided among the {HEADS} heads of the temporal "
            "module; set temporal_layers: 0, or take another CLIP"
        )
    text: Any = backbone.config.text_config
    if long_captions and text.max_position_embeddings == context_length:
        backbone = with_long_positions(backbone)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = VideoClip(backbone, temporal_layers=temporal_layers, dropout=dropout, context_length=context_length)
    source = f"random weights of seed {seed}, {clip}" if clip in RANDOM else Path(clip).name
    facts = ModelFacts(name, source, clip_identity=clip_identity(clip), num_frames=num_frames)
    return save_video_clip(model, tokenizer, target, facts=facts)


def with_long_positions(clip: CLIPModel) -> CLIPModel:
    """A CLIP whose table of text positions has rows for long texts after those that it had; the rest is shared."""
    key = "text_model.embeddings.position_embedding.weight"
    state = clip.state_dict()
    table = torch.cat([state[key], stretched_positions(state[key])])
    config = CLIPConfig.from_dict(clip.config.to_dict())
    text: Any = config.text_config
    text.max_position_embeddings = len(table)
    return clip_of(config, state | {key: table}, where="long captions")


def stretched_positions(table: Tensor) -> Tensor:
    """Positions of long texts: the first 20 as they are, each later one as four, linearly interpolated.

    Args:
        table: (n, width) of short texts, n above 21.

    Returns:
        (20 + 4 (n - 20), width); of 77 positions 248.

    Source: Long-CLIP (Zhang et al. 2024, arXiv:2403.15378), which goes on beyond the last position in its direction.
    """
    kept, later = table[:_KEPT], table[_KEPT:]
    ends = torch.cat([later[1:], 2 * later[-1:] - later[-2:-1]])
    parts = [later + (ends - later) * (part / _STRETCH) for part in range(_STRETCH)]
    return torch.cat([kept, torch.stack(parts, 1).flatten(0, 1)])


def _backbone(clip: str, seed: int, records: Path | None, texts: Sequence[str]) -> tuple[CLIPModel, Tokenizer]:
    if clip not in RANDOM:
        if (Path(clip) / FACTS).is_file():
            # Its table of positions may have rows of long texts; where those begin, its facts alone say.
            trained, tokenizer, _ = load_video_clip(Path(clip))
            return trained.clip, tokenizer
        return load_clip(Path(clip))
    tiny = clip == TINY
    tokenizer = word_tokens([*_captions(records), *texts], TINY_CONTEXT) if tiny else openai_tokens(_CONTEXT)
    return random_clip(clip, tokenizer, seed=seed), tokenizer


def _captions(records: Path | None) -> list[str]:
    items = read_records(records).items if records else ()
    return [caption for item in items for caption in (item.caption, *(region.caption for region in item.regions))]
