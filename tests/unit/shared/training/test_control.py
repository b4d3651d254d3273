import numpy as np
import pytest

from scripts.shared.training.control import strange_captions


@pytest.mark.parametrize("n", [2, 3, 50])
def test_in_the_control_each_item_has_the_caption_of_another(n: int) -> None:
    others = strange_captions(n, seed=1)
    assert sorted(others.tolist()) == list(range(n))
    assert (others != np.arange(n)).all()
