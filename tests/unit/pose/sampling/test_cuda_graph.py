import torch
from torch import Tensor

from scripts.pose.sampling.cuda_graph import Graphed


def test_without_a_gpu_the_function_itself_is_called() -> None:
    seen = []

    def double(x: Tensor, y: Tensor | None) -> Tensor:
        seen.append((x, y))
        return 2 * x

    graphed = Graphed(double)
    for value in (1.0, 3.0):
        x = torch.tensor([value])
        assert graphed(x, None).tolist() == [2 * value]
        assert seen[-1][0] is x
        assert seen[-1][1] is None
    graphed.forget()
    assert graphed(torch.tensor([5.0]), None).tolist() == [10.0]
