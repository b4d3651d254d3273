"""The NVIDIA cards of this machine at this moment, asked through the driver (NVML): nothing is taken from a run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

TOO_HOT_C = 85

# What the video decoder reads, by compute capability: NVIDIA's NVDEC application note 13.0.
_HEVC_AND_VP9_FROM = (6, 0)  # Pascal
_AV1_FROM, _HOPPER = (8, 6), 9  # GA10x; not the A100 (8.0) and, though newer, not Hopper


@dataclass(frozen=True)
class Gpu:
    """One card; what it does not tell is None.

    Attributes:
        number: as `nvidia-smi` counts.
        name: of the model.
        use_percent: part of the last moment in which it computed.
        memory_used, memory_total: in bytes.
        temperature_c: in degrees Celsius.
        power_w, power_limit_w: in watts.
        capability: CUDA's compute capability, such as (9, 0).
        trouble: why it does not answer; empty where it does.
    """

    number: int
    name: str = "GPU"
    use_percent: int | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    temperature_c: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    capability: tuple[int, int] | None = None
    trouble: str = ""

    @property
    def too_hot(self) -> bool:
        """Whether it is so hot that it will slow down."""
        return self.temperature_c is not None and self.temperature_c >= TOO_HOT_C

    @property
    def codecs(self) -> tuple[str, ...]:
        """The video codecs that its decoder reads: there is no way to ask without a CUDA context."""
        if self.capability is None:
            return ()
        codecs = ["H.264"]
        if self.capability >= _HEVC_AND_VP9_FROM:
            codecs += ["HEVC", "VP9"]
        if self.capability >= _AV1_FROM and self.capability[0] != _HOPPER:
            codecs += ["AV1"]
        return tuple(codecs)


@dataclass(frozen=True)
class Gpus:
    """All cards.

    Attributes:
        cards: in the driver's order.
        driver: its version; empty where none answers.
        trouble: why none answers; empty where it does.
    """

    cards: tuple[Gpu, ...] = ()
    driver: str = ""
    trouble: str = ""


def read_gpus() -> Gpus:
    """Ask the driver; without one, or without nvidia-ml-py, the answer says so."""
    try:
        import pynvml  # type: ignore[import-untyped]
    except ImportError:
        return Gpus(trouble="the Python package nvidia-ml-py is missing: `make env` installs it")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return Gpus(trouble=str(error))
    try:
        cards = tuple(_read_gpu(pynvml, number) for number in range(pynvml.nvmlDeviceGetCount()))
        return Gpus(cards, driver=str(pynvml.nvmlSystemGetDriverVersion()))
    except pynvml.NVMLError as error:
        return Gpus(trouble=str(error))
    finally:
        pynvml.nvmlShutdown()


def _read_gpu(nvml: Any, number: int) -> Gpu:
    try:
        card = nvml.nvmlDeviceGetHandleByIndex(number)
        name = nvml.nvmlDeviceGetName(card)
    except nvml.NVMLError as error:  # it fell off the bus
        return Gpu(number, trouble=str(error))

    def told(ask: Callable[..., Any], *arguments: Any) -> Any | None:
        try:
            return ask(card, *arguments)
        except nvml.NVMLError:  # a card that lacks the sensor, or a part of a card
            return None

    use, memory = told(nvml.nvmlDeviceGetUtilizationRates), told(nvml.nvmlDeviceGetMemoryInfo)
    power, limit = told(nvml.nvmlDeviceGetPowerUsage), told(nvml.nvmlDeviceGetEnforcedPowerLimit)
    capability = told(nvml.nvmlDeviceGetCudaComputeCapability)
    return Gpu(
        number,
        str(name),
        use_percent=use.gpu if use else None,
        memory_used=memory.used if memory else None,
        memory_total=memory.total if memory else None,
        temperature_c=told(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU),
        power_w=power / 1000 if power is not None else None,
        power_limit_w=limit / 1000 if limit is not None else None,
        capability=(capability[0], capability[1]) if capability else None,
    )
