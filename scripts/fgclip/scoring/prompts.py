"""The sentences that frames are compared with: a set for each class of anomalies, and the normal one.

Light, since the Snakefile imports it: the sentences are among the settings that scores are made with.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scripts.fgclip.scoring.score_files import NORMAL
from scripts.shared.errors import ConfigError

DEFAULT = Path(__file__).with_name("prompts.yaml")


@dataclass(frozen=True)
class PromptSets:
    """The sentences of each class.

    Attributes:
        anomalies: sentences by class, at least one class, none without a sentence.
        normal: at least one.
    """

    anomalies: Mapping[str, tuple[str, ...]]
    normal: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, the last one `Normal`."""
        return (*self.anomalies, NORMAL)

    def as_settings(self) -> dict[str, Any]:
        """All sentences, as they belong among the settings of scores; a list of pairs, since their order counts."""
        return {"anomalies": [[name, list(texts)] for name, texts in self.anomalies.items()], NORMAL: list(self.normal)}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "PromptSets":
        """What `as_settings` gave."""
        return cls({name: tuple(texts) for name, texts in settings["anomalies"]}, tuple(settings[NORMAL]))


def read_prompts(path: Path = DEFAULT) -> PromptSets:
    """Read the sentences: `anomaly`, each with one `{}`; `normal`; and `classes`, the words for each `{}`.

    Raises:
        ConfigError: the file cannot be read, or is not of this form.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: no prompts: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or content.keys() != {"anomaly", "normal", "classes"}:
        raise ConfigError(f"{path}: prompts have three parts, anomaly, normal and classes; see {DEFAULT.name}")
    templates, normal = (_sentences(path, part, content[part]) for part in ("anomaly", "normal"))
    for template in templates:
        if template.count("{}") != 1:
            raise ConfigError(f"{path}: anomaly: {template!r:.80} needs {{}} once, where the class's words go")
    if not isinstance(content["classes"], dict) or not content["classes"]:
        raise ConfigError(f"{path}: classes: write at least one, such as Abuse: [abuse]")
    anomalies = {}
    for name, words in content["classes"].items():
        if not isinstance(name, str) or name == NORMAL:
            raise ConfigError(f"{path}: classes: {name!r:.80} cannot name a class of anomalies")
        said = _sentences(path, f"classes: {name}", words)
        anomalies[name] = tuple(template.replace("{}", word) for template in templates for word in said)
    return PromptSets(anomalies, normal)


def _sentences(path: Path, part: str, value: Any) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise ConfigError(f"{path}: {part}: must be a list of sentences, at least one")
    return tuple(texts)
