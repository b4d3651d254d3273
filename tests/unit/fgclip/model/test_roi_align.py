"""RoIAlign equals onnxruntime's kernel on every kind of box, and has the gradient of what it computes."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

from scripts.fgclip.model.roi_align import axis_weights, roi_align

HEIGHT, WIDTH = 7, 5
TRIALS = 50


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> onnxruntime.InferenceSession:
    """onnxruntime's RoiAlign to one cell, which takes boxes in cells of the map."""
    node = helper.make_node(
        "RoiAlign",
        ["maps", "boxes", "numbers"],
        ["cells"],
        mode="avg",
        output_height=1,
        output_width=1,
        sampling_ratio=0,
        spatial_scale=1.0,
        coordinate_transformation_mode="half_pixel",
    )
    inputs = [
        helper.make_tensor_value_info("maps", TensorProto.FLOAT, [None, None, None, None]),
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [None, 4]),
        helper.make_tensor_value_info("numbers", TensorProto.INT64, [None]),
    ]
    outputs = [helper.make_tensor_value_info("cells", TensorProto.FLOAT, [None, None, 1, 1])]
    graph = helper.make_graph([node], "roi_align", inputs, outputs)
    path: Path = tmp_path_factory.mktemp("onnx") / "roi_align.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8), path)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def random_boxes(kind: str, rng: np.random.Generator) -> NDArray[np.float32]:
    """(TRIALS, 1, 4) x1, y1, x2, y2 as parts of the map."""
    corners = np.sort(rng.random((TRIALS, 2, 2)), axis=1).reshape(TRIALS, 4)  # x1, y1, x2, y2
    if kind == "whole":
        corners[:] = 0, 0, 1, 1
    elif kind == "overhanging":
        corners = corners * 3 - 1
    elif kind == "tiny":
        corners[:, 2:] = corners[:, :2] + rng.random((TRIALS, 2)) * 0.01
    elif kind == "empty":
        corners[:, 2:] = corners[:, :2]
    return corners.astype(np.float32)[:, None]


@pytest.mark.parametrize("kind", ["inside", "whole", "overhanging", "tiny", "empty"])
def test_it_equals_onnxruntimes_kernel(kernel: onnxruntime.InferenceSession, kind: str) -> None:
    rng = np.random.default_rng(7)
    maps = rng.standard_normal((TRIALS, 3, HEIGHT, WIDTH)).astype(np.float32)
    boxes = random_boxes(kind, rng)
    in_cells = boxes[:, 0] * np.array([WIDTH, HEIGHT, WIDTH, HEIGHT], np.float32)
    (wanted,) = kernel.run(None, {"maps": maps, "boxes": in_cells, "numbers": np.arange(TRIALS)})
    found = roi_align(torch.from_numpy(maps), torch.from_numpy(boxes))
    assert found.shape == (TRIALS, 1, 3)
    assert np.abs(found[:, 0].numpy() - wanted[..., 0, 0]).max() < 2e-6
    assert bool(np.abs(wanted).max() > 0) == (kind != "empty")


def test_its_gradient_is_that_of_what_it_computes() -> None:
    generator = torch.Generator().manual_seed(1)
    maps = torch.randn(2, 3, 4, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    boxes = torch.tensor([[[0.1, 0.2, 0.6, 0.7], [0.3, 0.0, 0.9, 0.4]]] * 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda value: roi_align(value, boxes), (maps,))


def test_what_a_box_gives_does_not_depend_on_the_boxes_beside_it() -> None:
    maps = torch.randn(1, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    small, large = torch.tensor([0.4, 0.4, 0.5, 0.6]), torch.tensor([0.0, 0.0, 1.0, 1.0])
    alone = roi_align(maps, small[None, None])[0, 0]
    assert torch.equal(alone, roi_align(maps, torch.stack([large, small])[None])[0, 1])


def test_a_box_of_whole_cells_gives_their_mean() -> None:
    maps = torch.arange(36.0).view(1, 1, 6, 6)
    found = roi_align(maps, torch.tensor([[[2 / 6, 1 / 6, 4 / 6, 3 / 6]]]))
    assert found.item() == pytest.approx(maps[0, 0, 1:3, 2:4].mean().item())


def test_weights_of_an_axis_sum_to_one_inside_of_it() -> None:
    low = torch.tensor([0.5, 1.0, 2.2])
    assert torch.allclose(axis_weights(low, low + torch.tensor([1.0, 3.0, 0.1]), 6).sum(-1), torch.ones(3))
