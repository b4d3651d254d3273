"""Whether what is recorded of a dataset's videos, facts and scores, holds what it should: `fgclip_verify`."""

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any
from zipfile import BadZipFile

import numpy as np

from scripts.fgclip.scoring.prompts import PromptSets
from scripts.shared.pickle_head import HEAD_BYTES

_ZIP = b"PK\x03\x04"

Check = Callable[[Mapping[str, bytes]], str]


def facts_checker(_settings: Mapping[str, Any]) -> Check:
    """Make the check of the facts of one video.

    Returns:
        A function of a sample's files with their content. It says what is wrong with them, and nothing where they are
        right.
    """

    def check(files: Mapping[str, bytes]) -> str:
        for name, content in files.items():
            try:
                facts = json.loads(content)
                right = facts["n_frames"] > 0 and facts["width"] > 0 and facts["height"] > 0
            except (ValueError, KeyError, TypeError) as error:
                return f"{name}: no facts of a video: {error}"
            if not right:
                return f"{name}: says of a video that it has no frame"
        return "" if files else "no file on record"

    return check


def scores_checker(settings: Mapping[str, Any]) -> Check:
    """Make the check of the scores of one video.

    Args:
        settings: of the stage that made them.

    Returns:
        As `facts_checker`. Of a large file, of which only the beginning is at hand, its kind alone is checked.
    """
    classes = list(PromptSets.from_settings(settings["prompts"]).classes)

    def check(files: Mapping[str, bytes]) -> str:
        for name, content in files.items():
            if not content.startswith(_ZIP):
                return f"{name}: no scores of a video"
            if len(content) != HEAD_BYTES and (wrong := _wrong_scores(content, classes, settings["stride"])):
                return f"{name}: {wrong}"
        return "" if files else "no file on record"

    return check


def _wrong_scores(content: bytes, classes: list[str], stride: int) -> str:
    try:
        with np.load(BytesIO(content), allow_pickle=False) as arrays:
            frames, margins, said = arrays["frames"], arrays["global"], arrays["classes"].tolist()
            n_frames = int(arrays["n_frames"])
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        return f"cannot be read: {error}"
    if said != classes:
        return f"scores for the classes {', '.join(said)}, not {', '.join(classes)}"
    if not np.array_equal(frames, np.arange(0, n_frames, stride)) or frames.shape != margins.shape:
        return f"{len(margins)} scores of {n_frames} frames, not one in every {stride}"
    return "" if np.isfinite(margins).all() else "a score is no number"
