"""The report's page has a line for each file: of two with the same words it shows one alone."""

import re
from pathlib import Path

RULES = "".join(path.read_text(encoding="utf-8") for path in sorted(Path("rules").glob("fgclip_*.smk")))


def test_no_two_files_have_the_same_words_in_the_report() -> None:
    """A dataset and a run may share their name, so that what a file shows has to tell it from all others."""
    [drawn] = re.findall(r"FGCLIP_DATA_FIGURES = \{.*?for name in \((.*?)\)", RULES, re.DOTALL)
    words = [name.replace("_", " ") for name in re.findall(r'"(\w+)"', drawn)]
    words += re.findall(r'fgclip_report\(\s*f"[^"]+",\s*"([^"]+)"', RULES)
    words += re.findall(r'"what": "([^"]+)"', RULES)
    assert len(words) >= 11
    assert sorted(set(words)) == sorted(words)
