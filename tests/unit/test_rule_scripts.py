"""What a rule's script takes of `snakemake` a rule of it gives: nothing else looks at both, and mypy at neither."""

import re
from collections import defaultdict

import pytest

from tests.snakemake_run import ROOT

SCRIPT = re.compile(r'^ {4}script:\n {8}"\.\./(\S+)"', re.MULTILINE)
TAKEN = re.compile(r"\bsnakemake\.(input|output|params)\.(\w+)")
METHODS = {"get", "items", "keys", "values"}  # of what `snakemake` gives


def rules_of_scripts() -> dict[str, list[str]]:
    """The text of each rule that has a script, by the script."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for text in re.split(r"^(?=\S)", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
            if text.startswith("rule ") and (script := SCRIPT.search(text)):
                found[script[1]].append(text)
    return found


RULES = rules_of_scripts()


def given(text: str, section: str) -> set[str] | None:
    """The names in a section of a rule; None where a function says them."""
    found = re.search(rf"^ {{4}}{section}:\n((?: {{8}}.*\n)+)", text, re.MULTILINE)
    body = found[1] if found else ""
    if re.search(r"^ {8}(unpack\(|\*)", body, re.MULTILINE):
        return None
    return set(re.findall(r"^ {8}(\w+)=", body, re.MULTILINE))


def test_names_are_read_off_a_rule() -> None:
    (text,) = RULES["scripts/fgclip/training/rule_features.py"]
    assert given(text, "output") == {"made"}
    (text,) = RULES["scripts/fgclip/training/rule_train.py"]
    assert given(text, "input") is None


@pytest.mark.parametrize("script", RULES)
def test_a_script_takes_what_a_rule_gives(script: str) -> None:
    lacking = []
    for section, name in sorted(set(TAKEN.findall((ROOT / script).read_text(encoding="utf-8")))):
        named = [given(text, section) for text in RULES[script]]
        if name not in METHODS and not any(there is None or name in there for there in named):
            lacking.append(f"{section}.{name}")
    assert lacking == []


WITH_GPU = [script for script, texts in RULES.items() if any(re.search(r"^ {8}gpu=", text, re.M) for text in texts)]


@pytest.mark.parametrize("script", WITH_GPU)
def test_a_script_heeds_how_many_gpus_the_run_gives_its_job(script: str) -> None:
    # `--resources gpu=0`, which is the profile local_cpu, tells the job 0 on a machine that has some.
    asked_for = [re.search(r"^ {8}gpu=0,", text, re.M) is None for text in RULES[script]]
    heeded = 'snakemake.resources.get("gpu", 0)' in (ROOT / script).read_text(encoding="utf-8")
    assert heeded == any(asked_for)
