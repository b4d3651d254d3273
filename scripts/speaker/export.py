"""A model folder in WeSpeaker's layout as one ONNX file, which ONNX Runtime runs faster than torch on a CPU."""

import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from scripts.shared import atomic_files
from scripts.shared.errors import JobError
from scripts.speaker.encoders.encoder import MEL_BANDS, PROBE_FRAMES
from scripts.speaker.encoders.native import load_net
from scripts.speaker.encoders.onnx import INPUT, OUTPUT, OnnxEncoder
from scripts.speaker.encoders.torch_encoder import TorchEncoder

_OPSET = 14  # as the exports of the field
MAX_DISTANCE = 1e-6
# Batch sizes and numbers of frames that an export is tried on: the shortest possible, odd ones, and one that ends in
# the midst of a segment of CAM++.
_TRIED = ((1, 9), (3, 50), (2, 137), (1, 433), (1, 900))


def export_onnx(model_dir: Path, out: Path) -> float:
    """Export a model and check the file against the net before it has its name.

    Args:
        model_dir: a folder with `config.yaml` and `avg_model.pt`.
        out: the ONNX file to write: input `feats` float32 [B, T, 80], output `embs` float32 [B, D], B and T open.
            The same folder, torch and onnx give the same bytes.

    Returns:
        The largest cosine distance between embeddings of the file and of the net.

    Raises:
        ConfigError: the folder is no model that can be loaded; see `load_net`.
        JobError: the file's embeddings differ from the net's; nothing is written.
    """
    net = load_net(model_dir)
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder, "model.onnx")
        write_onnx(net, trial)
        data, distance = trial.read_bytes(), _largest_distance(net, trial)
    if not distance <= MAX_DISTANCE:  # false for NaN too
        raise JobError(
            f"{out}: not written: its embeddings are {distance:.1e} in cosine distance from those of {model_dir}, "
            f"more than {MAX_DISTANCE:.0e}; use runtime native, and report the model's config.yaml"
        )
    atomic_files.write_bytes(out, data)
    return distance


def write_onnx(net: nn.Module, file: Path) -> None:
    """Write the net as an ONNX file, checked by nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the newer exporter needs onnxscript and is slower
        torch.onnx.export(
            net,
            (torch.zeros(2, PROBE_FRAMES, MEL_BANDS),),
            file,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "B", 1: "T"}, OUTPUT: {0: "B"}},
            opset_version=_OPSET,
            dynamo=False,
        )


def _largest_distance(net: nn.Module, file: Path) -> float:
    native = TorchEncoder(net, name="native", device="cpu", precision="float32")
    exported = OnnxEncoder(str(file), name="exported")
    rng = np.random.default_rng(0)
    # About as loud as log-mel features after their mean is taken away.
    batches = [rng.normal(scale=3, size=(*size, MEL_BANDS)).astype(np.float32) for size in _TRIED]
    distances = [cosine_distance(exported.embed(batch), native.embed(batch)) for batch in batches]
    return float(np.concatenate(distances).max())


def cosine_distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosine distance of each row of (B, D) from its row in the other, in float64; NaN where a row is zero or NaN."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        distance: NDArray[np.float64] = 1 - (x * y).sum(1) / (np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1))
    return distance
