"""What a training run of the configuration says with its preset and the schema's defaults. Light."""

import functools
from collections.abc import Mapping
from typing import Any

import yaml

from scripts.shared.config import SCHEMA_DIR, Schema, read_schema
from scripts.shared.errors import ConfigError


@functools.cache
def presets(system: str) -> Mapping[str, Mapping[str, Any]]:
    """The named values of `config/presets/<system>.yaml`."""
    path = SCHEMA_DIR.parent / "presets" / f"{system}.yaml"
    named: Mapping[str, Mapping[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return named


@functools.cache
def run_schema(system: str) -> Schema:
    """The options of a system's runs, with their defaults."""
    schema: Schema = read_schema()["properties"][system]["properties"]["runs"]["additionalProperties"]
    return schema


def preset_of(system: str, name: str, own: Mapping[str, Any], *, otherwise: str) -> str:
    """The preset of a run: the one it names, else the one of its own name, else `otherwise`."""
    preset: str = own.get("preset", name if name in presets(system) else otherwise)
    return preset


def check_preset(system: str, name: str, preset: str) -> None:
    """Refuse a preset that does not exist.

    Raises:
        ConfigError: naming those that do.
    """
    if preset not in presets(system):
        raise ConfigError(f"{system}.runs.{name}.preset: no preset {preset!r}; there are {', '.join(presets(system))}")


def with_preset(system: str, own: Mapping[str, Any], preset: str, *, seed: int) -> dict[str, Any]:
    """Every option of a run: its own, else its preset's, else the schema's default.

    Options that are objects come as the run or its preset says them, without defaults of their own.

    Args:
        system: whose run it is.
        own: what the run says.
        preset: its name; one that does not exist says nothing.
        seed: of the system, where neither says one.
    """
    schema = run_schema(system)["properties"].items()
    defaults = {key: part["default"] for key, part in schema if "default" in part and part.get("type") != "object"}
    return defaults | {"seed": seed, **presets(system).get(preset, {}), **own, "preset": preset}
