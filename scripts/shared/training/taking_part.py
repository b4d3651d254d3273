"""Being one process of a training: what each does before it computes, and what all of them tell. Imports torch."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import torch

from scripts.shared.errors import ConfigError
from scripts.shared.stop_request import StopRequest
from scripts.shared.training import run_folder
from scripts.shared.training.determinism import make_deterministic
from scripts.shared.training.processes import Processes, from_environment

log = logging.getLogger(__name__)


class Part(NamedTuple):
    """This process among those of its training, and whether it is asked to end."""

    processes: Processes
    stop: StopRequest


@contextmanager
def taking_part(plan: Mapping[str, Any], *, seed: int, processes: int, where: str) -> Iterator[Part]:
    """Be one process of a training while the context lasts; the first one has the run's folder and writes its log.

    Args:
        plan: what `start_training` wrote down.
        seed: of the run.
        processes: that it is to have.
        where: part of the configuration that says so, for errors.

    Raises:
        ConfigError: there are more or fewer.
        StoppedError: it was asked to end while another had the folder.
    """
    run_dir = Path(plan["run_dir"])
    make_deterministic(seed)
    on_cpu = plan["device"] == "cpu"
    with (
        from_environment((lambda _: torch.device("cpu")) if on_cpu else None) as among,
        StopRequest(run_folder.stop_file(run_dir)) as stop,
        run_folder.run_held(run_dir, label=plan["name"], stop=stop) if among.first else nullcontext(),
    ):
        if among.n != processes:
            raise ConfigError(f"{where}: processes: {processes}, but {among.n} run")
        among.barrier()  # until the first one has the folder
        if among.first:
            _log_to(run_dir / f"out_{plan['moment']}.log")
        yield Part(among, stop)


def _log_to(path: Path) -> None:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s | INFO | %(message)s", "%Y-%m-%d,%H:%M:%S"))
    logging.getLogger().addHandler(handler)


class Unreadable:
    """What could not be read in a training, each said once.

    Args:
        label: the run in words, for the log.
        told: sentences of earlier attempts.
    """

    def __init__(self, label: str, told: Iterable[str] = ()) -> None:
        self._label, self._told = label, set(told)

    def tell(self, sentences: Iterable[str]) -> None:
        """Say those that are new."""
        for sentence in sentences:
            if sentence not in self._told:
                self._told.add(sentence)
                log.warning("[%s] %s", self._label, sentence)

    def anywhere(self, processes: Processes) -> tuple[str, ...]:
        """Those of all processes, sorted; each of them must ask."""
        return tuple(sorted(set().union(*processes.gather(self._told))))
