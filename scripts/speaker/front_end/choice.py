"""The front end of a model: what it takes, by the runtime that runs it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.speaker.front_end import dvector, fbank, resemblyzer


@dataclass(frozen=True)
class FrontEnd:
    """Features of one kind.

    Attributes:
        compute: float32 (n,) mono samples at 16 kHz to float32 (T, F) features.
        window: name of the analysis window, as pickles give it.
        scale: what samples are multiplied by first.
    """

    compute: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    window: str
    scale: int

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the features, (T, F) float32; T is 0 where the samples are fewer than a window."""
        return self.compute(samples)


def front_end(settings: Mapping[str, Any]) -> FrontEnd:
    """Choose the front end of a model.

    Args:
        settings: `runtime`, and `window` ("hamming" or "povey") and `scale` (32768 or 1) for WeSpeaker's models; the
            encoders of packages have each their own.
    """
    match settings["runtime"]:
        case "resemblyzer":
            return FrontEnd(resemblyzer.features, resemblyzer.WINDOW, 1)
        case "dvector":
            return FrontEnd(dvector.features, dvector.WINDOW, 1)
        case _:
            window, scale = settings["window"], settings["scale"]
            return FrontEnd(partial(fbank.fbank, window=window, scale=scale), window, scale)
