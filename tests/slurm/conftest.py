"""The one-node SLURM that its tests share; see README.md beside this file."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, missing_tool
from tests.slurm.remote_place import RemotePlace
from tests.snakemake_run import Workplace


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running SLURM of 8 CPUs and 4 fake GPUs, with the jobs of the tests before in its accounting."""
    if why := missing_tool():
        pytest.skip(why)
    running = Cluster.start(tmp_path_factory.mktemp("cluster"))
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def fresh_clips(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Two shards of three samples, of which nothing is made yet."""
    return Workplace.create(tmp_path_factory.mktemp("fresh") / "here", n_clips=6, shard_size=3)


@pytest.fixture(scope="session")
def finished_clips(fresh_clips: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """What a local run makes of them."""
    here = fresh_clips.copy(tmp_path_factory.mktemp("finished") / "here")
    here.make()
    return here


@pytest.fixture
def remote(fresh_clips: Workplace, cluster: Cluster, tmp_path: Path) -> Iterator[Callable[..., RemotePlace]]:
    """Makes workplaces on the cluster; see `RemotePlace.create`."""
    made: list[RemotePlace] = []

    def create(name: str = "remote", *, fault: str = "") -> RemotePlace:
        made.append(RemotePlace.create(fresh_clips, tmp_path / name, cluster, fault))
        return made[-1]

    yield create
    for here in made:
        here.go()  # a test that failed leaves no job that waits
