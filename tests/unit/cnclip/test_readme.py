"""What the README shows to programmers runs as it stands there."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scripts.cnclip.model_files.architecture import random_model
from scripts.cnclip.model_files.folder import ModelFacts, save_model
from tests.snakemake_run import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "scripts.cnclip" in block]


def test_the_readme_shows_how_a_model_is_used() -> None:
    assert BLOCKS


@pytest.mark.parametrize("block", BLOCKS)
def test_the_readme_s_lines_run_and_give_what_they_say(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(random_model("tiny", seed=1), tmp_path / "results/cnclip/runs/distilled/model", facts=ModelFacts("tiny"))
    for number, name in enumerate(("cat.jpg", "rocket.png")):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)  # noqa: S102 - the lines of our own README
    for vectors in (names["texts"], names["images"]):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(names["cosines"], names["texts"] @ names["images"].T, atol=1e-6)
    assert capsys.readouterr().out.strip()
