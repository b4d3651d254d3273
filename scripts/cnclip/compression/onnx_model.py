"""A Chinese CLIP that runs in ONNX Runtime. Imports no torch."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.compression.exported_encoder import ExportedEncoder
from scripts.cnclip.compression.halves import INPUTS, OUTPUTS, Side
from scripts.cnclip.encoder import Features
from scripts.cnclip.pixels import normalised
from scripts.shared.onnx_session import has_cuda, open_session

_GPU_BATCH, _CPU_BATCH_OF_SMALL = 128, 32
_SMALL = 20_000_000  # parameters
_INT8 = "onnx_int8"


class OnnxModel(ExportedEncoder):
    """See `ImageTextEncoder`.

    Args:
        path: a folder of exports.
        form: "onnx_fp32", "onnx_fp16" or "onnx_int8".
        device: "cuda" or "cpu"; None for a GPU where there is one and ONNX Runtime is built for it.
        batch_size: rows at once; None for what suits model and device. INT8 always takes one row: its activations are
            quantised by the range of all rows together, so that a row's vector would depend on its company.

    Raises:
        ConfigError: there is no such form, or a file is damaged.
    """

    def __init__(self, path: Path, form: str, *, device: str | None = None, batch_size: int | None = None) -> None:
        super().__init__(path, form)
        # The CPU alone multiplies bytes; on a GPU each layer would go there and back.
        wanted = "cpu" if form == _INT8 else device or ("cuda" if has_cuda() else "cpu")
        self._sessions: dict[Side, Any] = {}
        for side, file in self.files.items():
            self._sessions[side], self.device = open_session(file, device=wanted.partition(":")[0], precision="float32")
        suited = _CPU_BATCH_OF_SMALL if self.export.parameters["all"] < _SMALL else 1
        self.batch_size = 1 if form == _INT8 else batch_size or (suited if self.device == "cpu" else _GPU_BATCH)

    def features(self, side: Side, batch: NDArray[Any]) -> Features:
        """See `ExportedEncoder.features`."""
        if batch.dtype == np.uint8:
            batch = normalised(batch)
        found: Features = self._sessions[side].run([OUTPUTS[side]], {INPUTS[side]: batch})[0]
        return found
