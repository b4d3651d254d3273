"""Asking the cards, by way of a module that stands in for NVIDIA's."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from scripts.upkeep.gpus import Gpu, Gpus, read_gpus


class NVMLError(Exception):
    pass


def stand_in(cards: list[dict[str, Any] | str], *, trouble: str = "") -> ModuleType:
    """A `pynvml` of some cards; a text in place of a card, or of one of its values, is the error that it answers."""
    nvml = ModuleType("pynvml")

    def check(answer: Any) -> Any:
        if isinstance(answer, str) and answer.startswith("error: "):
            raise NVMLError(answer.removeprefix("error: "))
        return answer

    def tell(value: str) -> Any:
        return lambda card, *_: check(card[value])

    nvml.__dict__.update(
        NVMLError=NVMLError,
        NVML_TEMPERATURE_GPU=0,
        nvmlInit=lambda: check(trouble),
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: len(cards),
        nvmlSystemGetDriverVersion=lambda: "575.57.08",
        nvmlDeviceGetHandleByIndex=lambda number: check(cards[number]),
        nvmlDeviceGetName=tell("name"),
        nvmlDeviceGetUtilizationRates=tell("use"),
        nvmlDeviceGetMemoryInfo=tell("memory"),
        nvmlDeviceGetTemperature=tell("temperature"),
        nvmlDeviceGetPowerUsage=tell("power"),
        nvmlDeviceGetEnforcedPowerLimit=tell("limit"),
        nvmlDeviceGetCudaComputeCapability=tell("capability"),
    )
    return nvml


H200 = {
    "name": "NVIDIA H200",
    "use": SimpleNamespace(gpu=97, memory=40),
    "memory": SimpleNamespace(used=41_000_000_000, total=150_754_820_096, free=0),
    "temperature": 91,
    "power": 688_123,
    "limit": 700_000,
    "capability": (9, 0),
}


def read(monkeypatch: pytest.MonkeyPatch, *cards: dict[str, Any] | str, trouble: str = "") -> Gpus:
    monkeypatch.setitem(sys.modules, "pynvml", stand_in(list(cards), trouble=trouble))
    return read_gpus()


def test_a_card_tells_all_that_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, H200)
    assert (found.driver, found.trouble) == ("575.57.08", "")
    card = Gpu(0, "NVIDIA H200", 97, 41_000_000_000, 150_754_820_096, 91, 688.123, 700.0, (9, 0))
    assert found.cards == (card,)
    assert card.too_hot


def test_a_sensor_that_a_card_lacks_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    card = read(monkeypatch, {**H200, "power": "error: Not Supported", "use": "error: Not Supported"}).cards[0]
    assert (card.power_w, card.use_percent, card.temperature_c) == (None, None, 91)


def test_a_card_that_fell_off_the_bus_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    lost, named_not, well = read(monkeypatch, "error: GPU is lost", {**H200, "name": "error: GPU is lost"}, H200).cards
    assert (lost.number, lost.trouble, lost.too_hot) == (0, "GPU is lost", False)
    assert named_not.trouble == "GPU is lost"
    assert (well.number, well.name) == (2, "NVIDIA H200")


def test_without_a_driver_the_answer_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, trouble="error: Driver Not Loaded") == Gpus(trouble="Driver Not Loaded")


def test_without_the_package_the_answer_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert "nvidia-ml-py is missing: `make env`" in read_gpus().trouble


@pytest.mark.parametrize(
    ("card", "capability", "codecs"),
    [
        ("GeForce GTX 750", (5, 0), "H.264"),
        ("GTX 1080", (6, 1), "H.264 HEVC VP9"),
        ("V100", (7, 0), "H.264 HEVC VP9"),
        ("T4", (7, 5), "H.264 HEVC VP9"),
        ("A100", (8, 0), "H.264 HEVC VP9"),
        ("RTX 3090", (8, 6), "H.264 HEVC VP9 AV1"),
        ("L4", (8, 9), "H.264 HEVC VP9 AV1"),
        ("H200", (9, 0), "H.264 HEVC VP9"),
        ("B200", (10, 0), "H.264 HEVC VP9 AV1"),
        ("RTX 5090", (12, 0), "H.264 HEVC VP9 AV1"),
        ("one that does not tell", None, ""),
    ],
)
def test_the_codecs_that_a_card_decodes(card: str, capability: tuple[int, int] | None, codecs: str) -> None:
    assert Gpu(0, card, capability=capability).codecs == tuple(codecs.split())
