"""Whether finished samples and the index of a CLIP4MC dataset hold what they should: `clip4mc_verify`."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scripts.clip4mc.splits import read_splits
from scripts.shared.pickle_head import array_head
from scripts.shared.safe_pickle import UnsafePickleError, loads

_START, _END = 49406, 49407  # of a caption's token ids, by the embedded tokenizer
_N_TOKENS = 77


def sample_checker(settings: Mapping[str, Any]) -> Callable[[Mapping[str, bytes]], str]:
    """Make the check of one sample.

    Args:
        settings: as `stage.byte_settings` gives them.

    Returns:
        A function of a sample's files, each with its content or, where it is large, its first bytes. It says what is
        wrong with them, and nothing where they are right.
    """
    num_frames: int = settings["num_frames"]
    frames = (num_frames, settings["frame_height"], settings["frame_width"], 3)
    embedded = settings["tokenizer"] == "embedded"

    def check(files: Mapping[str, bytes]) -> str:
        try:
            shape, dtype = array_head(files["video_input.pkl"])
            if (shape, dtype) != (frames, np.uint8):
                return f"video_input.pkl: {dtype} {shape}, not uint8 {frames}"
            return _wrong_tokens(loads(files["text_input.pkl"]), embedded=embedded) or _wrong_sizes(
                files["size.json"], num_frames
            )
        except KeyError as error:
            return f"no {error.args[0]} on record"
        except UnsafePickleError as error:
            return f"{error}"

    return check


def _wrong_tokens(held: Any, *, embedded: bool) -> str:
    tokens = held.get("tokens") if isinstance(held, dict) else None
    if not isinstance(tokens, np.ndarray) or tokens.dtype != np.int64 or tokens.shape != (_N_TOKENS,):
        return f"text_input.pkl: no 'tokens' of int64 ({_N_TOKENS},)"
    if embedded and (tokens[0] != _START or _END not in tokens):  # others may number them otherwise
        return f"text_input.pkl: the tokens do not begin with {_START} or have no {_END}"
    return ""


def _wrong_sizes(content: bytes, num_frames: int) -> str:
    try:
        sizes = json.loads(content)
    except (ValueError, RecursionError):
        return "size.json: no JSON"
    if (
        not isinstance(sizes, list)
        or len(sizes) != num_frames
        or not all(isinstance(size, float) and 0 <= size <= 1 for size in sizes)
    ):
        return f"size.json: not {num_frames} numbers from 0 to 1"
    return ""


def listed_folders(dataset_dir: Path) -> list[str]:
    """The sample folders that a dataset's `dataset_info.json` names, as it names them.

    Raises:
        JobError: it cannot be read, or is no such file.
    """
    return [folder for folders in read_splits(dataset_dir / "dataset_info.json").values() for folder in folders]
