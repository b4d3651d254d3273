"""Lengths are drawn as upstream draws them."""

import numpy as np
import torch

from scripts.pose.pose_maker import draw_tokens
from tests.pose_models import GOLDEN


def test_lengths_are_drawn_as_upstream_draws_them() -> None:
    golden = np.load(GOLDEN / "length_estimator.npz")
    drawn = draw_tokens(torch.from_numpy(golden["logits"]), torch.Generator().manual_seed(3407))
    assert drawn.tolist() == golden["sample_seed3407"].reshape(-1).tolist()
