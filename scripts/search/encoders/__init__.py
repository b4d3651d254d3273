"""Encoders of texts and pictures: the door through which index and server come to one. Light until one is opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.search.encoders.choice import CONSE, EncoderChoice, choose_encoder
from scripts.shared.errors import ConfigError

if TYPE_CHECKING:
    from scripts.cnclip.encoder import ImageTextEncoder

__all__ = ["open_chosen", "open_encoder"]


def open_encoder(encoder: str, model: str, config: Mapping[str, Any], *, device: str | None = None) -> ImageTextEncoder:
    """Load the encoder that the options `encoder` and `model` of a dataset mean.

    Args:
        encoder: "conse", "chinese_clip" or "onnx".
        model: see the configuration's schema; "" for conse.
        config: the whole configuration, as `load_config` gives it.
        device: such as "cpu"; None for a GPU where there is one.

    Raises:
        ConfigError: there is no such model, it is not made yet, or it is damaged; names the mend.
    """
    return open_chosen(choose_encoder(config, encoder, model), device=device)


def open_chosen(choice: EncoderChoice, *, device: str | None = None) -> ImageTextEncoder:
    """As `open_encoder`, of what `choose_encoder` gave."""
    if choice.encoder == CONSE:
        from scripts.search.encoders.conse import ConseEncoder  # loads torch

        return ConseEncoder(device=device)
    if not Path(choice.path).exists():
        raise ConfigError(
            f"search: model {choice.model!r} is yet to be made: {choice.path} is not there; snakemake with the target "
            "search_index makes it"
        )
    from scripts.cnclip.encoder import open_model  # loads Pillow

    return open_model(Path(choice.path), choice.form, device=device)
