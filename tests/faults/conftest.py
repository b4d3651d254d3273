"""A list of odd captions, to be made and made: runs of the pose system take long."""

import pytest

from tests.odd_captions import ODD_CAPTIONS
from tests.pose_place import PosePlace


@pytest.fixture(scope="session")
def fresh_poses(tmp_path_factory: pytest.TempPathFactory) -> PosePlace:
    """The list, of which nothing is made yet; one caption stands there twice."""
    captions = [*ODD_CAPTIONS, "A person waving", "a person bows#8"]
    return PosePlace.create(tmp_path_factory.mktemp("fresh") / "place", captions, shard_size=20, allow_non_latin=True)


@pytest.fixture(scope="session")
def finished_poses(fresh_poses: PosePlace, tmp_path_factory: pytest.TempPathFactory) -> PosePlace:
    """What a run that nobody disturbs makes of it."""
    here = fresh_poses.copy(tmp_path_factory.mktemp("finished") / "place")
    here.make()
    return here
