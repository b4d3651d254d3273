"""Reading the configuration: every default, type and description stands in `config/schemas/`."""

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, cast

import yaml
from jsonschema import Draft202012Validator, ValidationError

from scripts.shared.errors import ConfigError

SCHEMA_DIR = Path(__file__).resolve().parents[2] / "config" / "schemas"
SHIPPED_CONFIG = SCHEMA_DIR.parent / "config.yaml"
_ERRORS_SHOWN = 10
_NEAREST_SHOWN = 3
_ALIKE, _COMMON_WORD = 0.6, 0.3
# Options of no dataset.
OF_THE_SYSTEM = frozenset({"datasets", "merge", "downloads", "motions"}) | {
    *("models", "runs", "zeroshot", "compare", "baseline", "export", "package", "mobile"),
}
# Things by name, each with defaults of its own. (What a run of cnclip does not say, its preset may.)
_NAMED = frozenset({"downloads", "models"})

Schema = dict[str, Any]


def load_config(raw: Mapping[str, Any], where: Callable[[str], str]) -> dict[str, Any]:
    """Check a configuration and fill in its defaults.

    Args:
        raw: the configuration as Snakemake merged it.
        where: names the file, or command line, that a top-level key came from.

    Returns:
        The whole configuration. In `config[system]["datasets"]` every dataset has every option of its system: its own
        value, else the system's, else the top level's, else the default.

    Raises:
        ConfigError: naming each wrong key, the nearest valid one and the values allowed.
    """
    schema = read_schema()
    try:
        config = _coerce(dict(raw), schema)
    except RecursionError as error:
        raise ConfigError(
            "the configuration has a value that lies in itself (an alias, *NAME, below its anchor, &NAME): write it out"
        ) from error
    if place := next(_with_nul(config, []), None):
        raise ConfigError(f"{_place(place, where)}a NUL byte stands in it, which no name or path can hold; remove it")
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path)))
    if errors:
        # One error a missing key, each naming all: say it once.
        lines = list(dict.fromkeys(_explain(error, where, schema) for error in errors))
        if len(lines) > _ERRORS_SHOWN:
            lines[_ERRORS_SHOWN:] = [f"... and {len(lines) - _ERRORS_SHOWN} more"]
        raise ConfigError("\n".join(lines))
    return _resolve(config, schema)


def read_config(path: Path) -> dict[str, Any]:
    """Read a configuration file outside Snakemake; see `load_config`.

    Raises:
        ConfigError: it cannot be read, is no YAML mapping, or is wrong.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: no YAML: {error}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: holds no options; config/config.yaml shows the form")
    return load_config(raw, lambda _: str(path))


def read_schema() -> Schema:
    """The whole schema: references replaced, and each dataset allowed the options of its system."""
    files = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(SCHEMA_DIR.glob("*.json"))}
    schema: Schema = _expand(files["config.schema.json"], files, "config.schema.json")
    for system in systems(schema):
        properties = schema["properties"][system]["properties"]
        dataset = properties["datasets"]["additionalProperties"]
        dataset["properties"] = _options(properties) | dataset["properties"]
    return schema


def systems(schema: Schema) -> list[str]:
    """Names of the systems that a schema knows."""
    return [name for name, part in schema["properties"].items() if "datasets" in part.get("properties", {})]


def _options(properties: Schema) -> Schema:
    """A system's options, as a dataset may give them: without defaults, which are the system's."""
    return {
        name: {word: value for word, value in part.items() if word != "default"}
        for name, part in properties.items()
        if name not in OF_THE_SYSTEM
    }


def _expand(part: Any, files: dict[str, Schema], file: str) -> Any:
    """Replace every `$ref` by what it names."""
    if isinstance(part, list):
        return [_expand(member, files, file) for member in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        name, _, pointer = part["$ref"].partition("#")
        target: Any = files[name or file]
        for word in filter(None, pointer.split("/")):
            target = target[word]
        return _expand(target, files, name or file)
    return {word: _expand(value, files, file) for word, value in part.items() if word not in ("$defs", "$id")}


def _coerce(value: Any, schema: Schema) -> Any:
    """Give strings the type that the schema asks for: `--config` passes nothing but strings."""
    if isinstance(value, Mapping):
        known, other = schema.get("properties", {}), schema.get("additionalProperties")
        default = other if isinstance(other, dict) else {}
        return {key: _coerce(member, known.get(key, default)) for key, member in value.items()}
    types = schema.get("type", "string")
    types = [types] if isinstance(types, str) else types
    if isinstance(value, float) and "integer" in types and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_coerce(member, schema.get("items", {})) for member in value]
    if not isinstance(value, str) or "enum" in schema or types == ["string"]:
        return value
    parsed = _parse(value)
    if Draft202012Validator({"type": types}).is_valid(parsed) and not isinstance(parsed, str):
        return _coerce(parsed, schema) if isinstance(parsed, dict | list) else parsed
    return value.split(",") if "array" in types and "string" not in types else value


def _with_nul(value: Any, path: list[str]) -> Iterator[list[str]]:
    """The places of texts with a NUL byte."""
    if isinstance(value, str) and "\0" in value:
        yield path
    for key, member in value.items() if isinstance(value, Mapping) else ():
        yield from _with_nul(key, path)
        yield from _with_nul(member, [*path, str(key)])
    for number, member in enumerate(value) if isinstance(value, list) else ():
        yield from _with_nul(member, [*path, str(number)])


def _parse(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _resolve(config: dict[str, Any], schema: Schema) -> dict[str, Any]:
    resolved = _defaults(schema) | config
    for system in systems(schema):
        part = schema["properties"][system]
        given = config.get(system, {})
        # Weakest first; the top level speaks for all systems where a system has the same option.
        options = (
            {key: value for key, value in resolved.items() if key in part["properties"]}
            | _defaults(part)
            | {key: value for key, value in config.items() if key in part["properties"]}
            | given
        )
        dataset_schema = part["properties"]["datasets"]["additionalProperties"]
        inherited = {key: value for key, value in options.items() if key not in OF_THE_SYSTEM}
        options["datasets"] = {
            name: inherited | _defaults(dataset_schema) | dict(own) for name, own in options["datasets"].items()
        }
        for kind in _NAMED.intersection(part["properties"]):
            defaults = _defaults(part["properties"][kind]["additionalProperties"])
            options[kind] = {name: defaults | own for name, own in given.get(kind, {}).items()}
        if "merge" in given:
            options["merge"] = _defaults(part["properties"]["merge"]) | given["merge"]
        resolved[system] = options
    return resolved


def _defaults(schema: Schema) -> dict[str, Any]:
    return {
        name: part["default"]
        for name, part in schema["properties"].items()
        if "default" in part and (part.get("type") != "object" or isinstance(part.get("additionalProperties"), dict))
    }


def _explain(error: ValidationError, where: Callable[[str], str], whole: Schema) -> str:
    path = [str(word) for word in error.path]
    rule, value, schema = str(error.validator), cast("Any", error.validator_value), cast("Schema", error.schema)
    instance = cast("Any", error.instance)
    if rule == "additionalProperties":
        return "\n".join(_explain_unknown(instance, schema, path, where))
    start = _place(path, where)
    about = schema.get("description", "")
    if rule == "required":
        missing = [key for key in value if key not in instance]
        options = _options_at(error, whole)
        return "; ".join(f"{start}{key!r} is missing: {options[key]['description']}" for key in missing)
    if rule == "not":  # an option that another one rules out
        return f"{start}{about}"
    if rule == "enum":
        return f"{start}{instance!r} is not one of {', '.join(map(str, value))}"
    if rule == "type":
        types = value if isinstance(value, str) else " or ".join(value)
        return f"{start}{instance!r} is no {types}. {about}".rstrip()
    return f"{start}{error.message}. {about}".rstrip()


def _options_at(error: ValidationError, whole: Schema) -> Schema:
    """The options of the object in error, also where a condition asks for one of them."""
    part: Any = whole
    for word in takewhile(lambda word: word not in ("then", "else", "required"), error.absolute_schema_path):
        part = part[word]
    return cast("Schema", part["properties"])


def _place(path: list[str], where: Callable[[str], str]) -> str:
    return f"{where(path[0] if path else '')}: " + (f"{'.'.join(path)}: " if path else "")


def _explain_unknown(
    instance: dict[str, Any], schema: Schema, path: list[str], where: Callable[[str], str]
) -> Iterator[str]:
    known = list(schema.get("properties", {}))
    for key in map(str, instance):
        if key not in known:
            nearest = _nearest(key, known)
            mend = f"did you mean {nearest}?" if nearest else f"options are {', '.join(sorted(known))}"
            start = _place(path, where) if path else f"{where(key)}: "
            yield f"{start}no option {key!r}; {mend}"


def _nearest(key: str, known: list[str]) -> str:
    """The options that look most like a wrong one: spelt alike, or with a word in common."""

    def likeness(option: str) -> float:
        stems = {word[:4] for word in key.split("_")} & {word[:4] for word in option.split("_")}
        return difflib.SequenceMatcher(None, key, option).ratio() + _COMMON_WORD * bool(stems)

    best = sorted(known, key=likeness, reverse=True)[:_NEAREST_SHOWN]
    return " or ".join(repr(option) for option in best if likeness(option) >= _ALIKE)
