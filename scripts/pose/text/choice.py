"""Load the text encoder that the settings of a plan name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.pose.text.encoder import TextEncoder
from scripts.pose.text.identity import CLIP, MINILM, clip_identity, minilm_identity
from scripts.shared.errors import ConfigError, JobError


def load_text_encoder(settings: Mapping[str, Any], clip: str) -> TextEncoder:
    """Load a text encoder on the CPU.

    Args:
        settings: of the stage: `text_encoder`, "clip" or "minilm", and its `text_identity`.
        clip: where CLIP lies, see `identity.clip_weights`; of no meaning for "minilm".

    Raises:
        ConfigError: its files are missing, damaged or of another kind; the text names file and mend.
        JobError: it is not the encoder that was there at planning.
    """
    name = settings["text_encoder"]
    if name not in (CLIP, MINILM):
        raise ConfigError(f"text_encoder: {name!r} is not clip or minilm")
    found = clip_identity(Path(clip)) if name == CLIP else minilm_identity()
    if found != settings["text_identity"]:
        raise JobError(
            f"{clip or name}: the text encoder changed after this plan was written (its identity was "
            f"{settings['text_identity']} and is {found}); run again to plan with the new one"
        )
    # Each is imported where it is chosen: transformers takes seconds.
    if name == CLIP:
        from scripts.pose.text.clip import ClipText

        return ClipText(Path(clip))
    from scripts.pose.text.minilm import MiniLm

    return MiniLm()
