"""docs/weights.md: its example is a configuration, and names what the system reads."""

import re

import yaml

from scripts.shared.config import load_config
from tests.snakemake_run import ROOT

PAGE = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")


def test_the_example_is_a_configuration_that_is_accepted() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    config = load_config(yaml.safe_load(example), lambda key: key)
    (download,) = config["clip4mc"]["downloads"].values()
    assert download["to"] == config["clip4mc"]["tokenizer"]
    assert set(download["files"]) == {"vocab.json", "merges.txt"}


def test_every_system_has_its_models_listed() -> None:
    listed = set(re.findall(r"^\| (\w+) \|", PAGE, re.MULTILINE)) - {"system"}
    assert listed == {"clip4mc", "speaker", "pose", "cnclip", "fgclip", "search"}
