"""What the toy system gives to `toy_verify`."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scripts.shared.errors import JobError


def checker(settings: Mapping[str, Any]) -> Callable[[Mapping[str, bytes]], str]:
    def check(files: Mapping[str, bytes]) -> str:
        shown = next(content for name, content in files.items() if name.startswith("upper")).strip()
        return "" if shown == shown.upper() else f"upper.txt: lower case at repeat {settings['repeat']}"

    return check


def listed(dataset_dir: Path) -> list[str]:
    try:
        made: list[str] = json.loads((dataset_dir / "index.json").read_text())["made"]
    except (OSError, ValueError) as error:
        raise JobError(f"index.json: {error}") from error
    return made


def draw(dataset_dir: Path, keys: list[str], out: Path, **about: Any) -> dict[str, str]:
    out.write_text(f"{about['title']}\n" + "\n".join((dataset_dir / key / "upper.txt").read_text() for key in keys))
    return {}
