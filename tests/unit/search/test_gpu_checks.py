"""The checks of the search on a GPU, run on the CPU."""

from pathlib import Path
from typing import Any

import pytest

from tests.gpu import search_checks as checks


def test_checks_hold_on_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_RATE_PICTURES", 20)
    assert "18 pictures, least cosine 1.0" in checks.check_vectors_are_those_of_the_cpu(tmp_path, device="cpu")
    assert "pictures a second" in checks.check_rates(tmp_path, device="cpu")


def test_a_card_that_computes_vectors_wrongly_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = checks.encoder_on

    class Wrong:
        def __init__(self) -> None:
            self.encoder = real("cpu")
            self.identity = self.encoder.identity

        def encode_pixels(self, pixels: Any) -> Any:
            return self.encoder.encode_pixels(pixels[..., ::-1, :])

    monkeypatch.setattr(checks, "encoder_on", lambda device: Wrong() if device == "cuda" else real(device))
    with pytest.raises(AssertionError, match="with the CPU's vectors"):
        checks.check_vectors_are_those_of_the_cpu(tmp_path)
