import pytest
import torch

from scripts.speaker.nets.campplus import segment_means


@pytest.mark.parametrize("n_frames", [1, 99, 100, 101, 250])
def test_each_frame_has_the_mean_of_its_own_segment(n_frames: int) -> None:
    x = torch.arange(2 * 3 * n_frames, dtype=torch.float32).reshape(2, 3, n_frames)
    expected = torch.cat([part.mean(-1, keepdim=True).expand_as(part) for part in x.split(100, dim=-1)], dim=-1)
    assert torch.allclose(segment_means(x), expected)
