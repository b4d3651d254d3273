"""From the configuration's plain values to the options that a training's code has. Light: imported while planning."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from scripts.shared.errors import ConfigError


def chosen_options(kind: type, plain: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Of a mapping that may hold more, what a dataclass has fields for.

    Args:
        kind: the dataclass.
        plain: values by the names of its fields.
        where: part of the configuration, for errors.

    Raises:
        ConfigError: a field has no value.
    """
    names = [field.name for field in fields(kind)]
    missing = [name for name in names if name not in plain]
    if missing:
        raise ConfigError(f"{where}: no option {missing[0]!r}; the configuration's schema gives each its default")
    return {name: plain[name] for name in names}
