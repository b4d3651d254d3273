"""The sentences of the classes: read whole, or refused with what is wrong."""

from pathlib import Path

import pytest

from scripts.fgclip.data.categories import CLASSES, NORMAL
from scripts.fgclip.scoring.prompts import PromptSets, read_prompts
from scripts.shared.errors import ConfigError

GOOD = """
anomaly: ["a video of {}", "{} on camera"]
normal: nothing happens
classes:
  Fire: [fire, smoke]
  Flood: water
"""


def test_our_own_sentences_are_fourteen_sets_named_as_the_classes_of_ucf_crime() -> None:
    prompts = read_prompts()
    assert prompts.classes == (*CLASSES, NORMAL)
    assert len(prompts.classes) == 14
    assert all(prompts.anomalies.values())
    assert "a surveillance video of abuse" in prompts.anomalies["Abuse"]


def test_each_word_of_a_class_stands_in_each_sentence(tmp_path: Path) -> None:
    (path := tmp_path / "p.yaml").write_text(GOOD)
    prompts = read_prompts(path)
    assert prompts.anomalies == {
        "Fire": ("a video of fire", "a video of smoke", "fire on camera", "smoke on camera"),
        "Flood": ("a video of water", "water on camera"),
    }
    assert prompts.normal == ("nothing happens",)


def test_sentences_survive_being_settings() -> None:
    prompts = read_prompts()
    assert PromptSets.from_settings(prompts.as_settings()) == prompts


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("normal: nothing happens", "", "three parts, anomaly, normal and classes"),
        ("a video of {}", "a video", "needs {} once"),
        ("[fire, smoke]", "[]", "classes: Fire: must be a list of sentences"),
        ("[fire, smoke]", "[fire, 7]", "classes: Fire: must be a list of sentences"),
        ("Fire:", "Normal:", "'Normal' cannot name a class of anomalies"),
        ("  Fire: [fire, smoke]\n  Flood: water", "  []", "classes: write at least one"),
        ("anomaly: [", "anomaly: {", "no prompts"),
    ],
)
def test_what_is_wrong_with_a_file_of_prompts_is_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    (path := tmp_path / "p.yaml").write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError, match=f"p.yaml: .*{said}"):
        read_prompts(path)


def test_a_missing_file_of_prompts_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: no prompts: .*No such file"):
        read_prompts(tmp_path / "none.yaml")
