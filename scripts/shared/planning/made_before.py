"""Files that rules make before a stage's jobs run, such as a trained model: their content joins the settings.

The planner sees them as they are before the run and the job as they are then, so samples are made again when a file
has become another one, and not when the same one was made again.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.shared.fingerprints import digest_file


def settings_now(settings: Mapping[str, Any], made_before: Mapping[str, str]) -> dict[str, Any]:
    """The settings that change bytes, with the digest of each file by its name; None of one that is not there yet.

    Args:
        settings: of the stage.
        made_before: small files by name; see `Stage`.
    """
    return {**settings, **{name: _digest(Path(path)) for name, path in made_before.items()}}


def _digest(path: Path) -> str | None:
    try:
        return digest_file(path)
    except FileNotFoundError:
        return None
