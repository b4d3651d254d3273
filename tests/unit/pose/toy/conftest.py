import pytest
import torch

from scripts.pose.toy.motions import Clip, read_clips
from tests.unit.pose.toy.demo import CAPTIONS, MOTIONS


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def clips() -> list[Clip]:
    return read_clips(MOTIONS, CAPTIONS)
