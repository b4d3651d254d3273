"""A Chinese CLIP model as two ONNX files, for pictures and for texts, with the batch left open."""

import onnx
import torch
from torch import nn

from scripts.cnclip.compression.halves import INPUTS, OUTPUTS, Side
from scripts.cnclip.compression.onnx_file import forget_origin, without_chatter

OPSET = 20  # has Gelu as an operator
_ROWS = 2  # one row would be taken for a batch that is always one


def export_tower(tower: nn.Module, side: Side, shape: tuple[int, ...]) -> onnx.ModelProto:
    """Export one half with torch's exporter (the one over torch.export).

    Args:
        tower: from `towers`.
        side: which half.
        shape: of one row of its input.

    Returns:
        A model with the official names: input `image` float32 [batch, 3, S, S] or `text` int64 [batch, C], output
        `unnorm_image_features` or `unnorm_text_features` float32 [batch, D]. Equal weights give equal models.
    """
    batch = torch.zeros(_ROWS, *shape) if side == "img" else torch.ones(_ROWS, *shape, dtype=torch.int64)
    with without_chatter():
        program = torch.onnx.export(
            tower,
            (batch,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUTS[side]],
            output_names=[OUTPUTS[side]],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    assert program is not None  # noqa: S101 - with dynamo=True there is one
    return forget_origin(program.model_proto)
