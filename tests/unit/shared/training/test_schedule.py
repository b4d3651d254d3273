import json
from pathlib import Path

import pytest

from scripts.shared.training.schedule import warmup_cosine

GOLDEN = Path(__file__).parents[3] / "data" / "golden" / "cnclip" / "lr_golden.json"


def test_the_rates_are_exactly_those_of_the_golden_file() -> None:
    golden = json.loads(GOLDEN.read_text())
    rates = {
        step: warmup_cosine(int(step), lr=golden["base_lr"], warmup=golden["warmup"], total=golden["total_steps"])
        for step in golden["lr"]
    }
    assert rates == golden["lr"]


def test_without_a_warmup_the_first_step_has_the_highest_rate() -> None:
    assert warmup_cosine(0, lr=0.5, warmup=0, total=10) == 0.5
    assert warmup_cosine(5, lr=0.5, warmup=0, total=10) == pytest.approx(0.25)
