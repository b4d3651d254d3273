"""The sentences that labels are put into: `templates.yaml`."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from scripts.shared.errors import ConfigError

_FILE = Path(__file__).with_name("templates.yaml")


@functools.cache
def _read() -> Mapping[str, Any]:
    content: Mapping[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return content


def template_sets() -> Mapping[str, list[str]]:
    """The sentences of every set by its name; each holds `{}` once."""
    sets: Mapping[str, list[str]] = _read()["sets"]
    return sets


def set_of(dataset: str) -> str:
    """The name of the set that belongs to an ELEVATER data set."""
    return str(_read()["datasets"].get(dataset, _read()["default"]))


def templates(name: str) -> list[str]:
    """The sentences of one set.

    Raises:
        ConfigError: there is no such set.
    """
    sets = template_sets()
    if name not in sets:
        raise ConfigError(f"templates: no set {name!r}; there are {', '.join(sets)}")
    return sets[name]


def sentences(names: Sequence[str], label: str) -> list[str]:
    """One label in every sentence."""
    return [sentence.replace("{}", label) for sentence in names]
