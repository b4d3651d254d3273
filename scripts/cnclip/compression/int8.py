"""ONNX with 8-bit weights: a quarter of the size, and faster on CPUs that multiply bytes."""

import tempfile
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic  # type: ignore[import-untyped]

from scripts.cnclip.compression.onnx_file import forget_origin, without_chatter


def to_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its weights as int8, a scale for each output channel; activations are quantised as they come.

    Args:
        model: in float32, without shapes of inner values; see `forget_origin`.
    """
    with tempfile.TemporaryDirectory() as folder, without_chatter():
        file = Path(folder, "int8.onnx")
        quantize_dynamic(model, file, weight_type=QuantType.QInt8, per_channel=True)
        return forget_origin(onnx.load(file))
