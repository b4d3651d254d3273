"""What the user's process asks of the jobs that pack: a request a shard, written anew where its tars are out of date.

Snakemake sees no tar. So before any job it is asked here, of each shard, whether the tars still answer the ledger.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from scripts.shared import layout
from scripts.shared.dataset_dir import put_link
from scripts.shared.disk_errors import disk_errors
from scripts.shared.errors import JobError, PlanningError
from scripts.shared.fingerprints import digest_file
from scripts.shared.ledger import list_shards
from scripts.shared.planning.plans import PlanMode, Plans
from scripts.shared.planning.stage import Stage
from scripts.systems import SYSTEMS
from scripts.upkeep.folder_apart import check_folder_apart
from scripts.upkeep.packing.shard import (
    Record,
    ShardToPack,
    content_of,
    is_whole,
    read_record,
    stamp,
    wanted_tars,
    write_record,
)
from scripts.upkeep.request_file import read_request, settle_request

PACKED = "packed"  # in a dataset's folder


class Packing:
    """Requests by dataset and shard: each is settled once, at the first question, and kept.

    Args:
        config: the whole configuration.
        plans: of this process: what is to be made is planned first.
        mode: tells how far this process may go.
        stages: of each system, what gives all stages of a dataset from its name; none where it has no samples.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        plans: Plans,
        mode: Callable[[], PlanMode],
        stages: Mapping[str, Callable[[str], tuple[Stage, ...]]],
    ) -> None:
        self._config, self._plans, self._mode, self._stages = config, plans, mode, stages
        self._asked: dict[tuple[str, str], dict[str, Path]] = {}

    def datasets(self, system: str, *, kept_current: bool) -> list[str]:
        """The datasets with samples to pack; with `kept_current` those of which `all_X` keeps the tars current."""
        configured = self._config[system]["datasets"]
        return [
            name
            for name, options in configured.items()
            if (options["pack"] or not kept_current) and self._stages[system](name)
        ]

    def shards(self, system: str, dataset: str) -> list[str]:
        """The shards of a dataset.

        Raises:
            PlanningError: it cannot be planned, or a folder is where the link to its tars belongs.
            ConfigError: its `pack_dir` cannot be one.
        """
        if self._mode().plans:
            return list(self._requests(system, dataset))
        return self._plans.shards(self._stages[system](dataset)[-1])

    def request(self, system: str, dataset: str, shard: str) -> Path:
        """The request of a shard; see `shards`."""
        if self._mode().plans:
            requests = self._requests(system, dataset)
            if shard not in requests:
                raise PlanningError(f"{system} {dataset}: no shard {shard}; there are {', '.join(list(requests)[:5])}")
            return requests[shard]
        return _request_file(self._stages[system](dataset)[-1], shard)

    def _requests(self, system: str, dataset: str) -> dict[str, Path]:
        if (system, dataset) not in self._asked:
            stages = self._stages[system](dataset)
            # A later stage is planned by what is planned of the ones before it.
            shards = [self._plans.shards(stage) for stage in stages][-1]
            packed = tuple(stage for stage in stages if stage.name in SYSTEMS[system].packed)
            with disk_errors(stages[-1].dataset_dir, PlanningError, label=f"{system} {dataset}: "):
                self._asked[system, dataset] = self._settle(packed, shards)
        return self._asked[system, dataset]

    def _settle(self, stages: tuple[Stage, ...], shards: list[str]) -> dict[str, Path]:
        scratch, last = self._mode().scratch, stages[-1]
        options = self._config[last.system]["datasets"][last.dataset]
        packed_dir = self._packed_dir(last, options.get("pack_dir", ""), dry=scratch is not None)
        ledgers = {stage.name: list_shards(stage.ledger_dir) for stage in stages}
        requests = {}
        for shard in shards:
            task = ShardToPack(
                label=f"{last.system} {last.dataset} {shard}",
                system=last.system,
                dataset=last.dataset,
                dataset_dir=str(last.dataset_dir),
                stages=[stage.name for stage in stages],
                plan=str(layout.plan_file(last.stage_work_dir, shard)),
                shard=shard,
                packed_dir=str(packed_dir),
                n_samples=options["pack_samples"],
            )
            files = {stage: of_shards.get(shard, []) for stage, of_shards in ledgers.items()}
            requests[shard] = settle_pack(
                _request_file(last, shard), task, files, read_all=options["verify"] == "digest", scratch=scratch
            )
        return requests

    def _packed_dir(self, stage: Stage, pack_dir: str, *, dry: bool) -> Path:
        """The folder of a dataset's tars; in a real run its place in the dataset's folder is a link where it is apart.

        Raises:
            ConfigError, PlanningError: see `shards`.
        """
        place = stage.dataset_dir / PACKED
        if not pack_dir:
            if place.is_symlink() and not dry:
                place.unlink()  # they lay elsewhere before; what lies there stays
            return place
        ours = [Path(self._config["results_dir"]), Path(self._config["work_dir"]), stage.dataset_dir]
        check_folder_apart("pack_dir", Path(pack_dir), ours)
        folder = Path(pack_dir, stage.system, stage.dataset)
        if place.exists() and not place.is_symlink():
            raise PlanningError(
                f"{stage.system} {stage.dataset}: pack_dir is {pack_dir}, but {place} is a folder with tars of before: "
                f"move it to {folder} (they are packed again, for their time of change may differ), or delete it"
            )
        if not dry:
            folder.mkdir(parents=True, exist_ok=True)
            put_link(place, folder)
        return folder


def _request_file(last: Stage, shard: str) -> Path:
    return last.work_dir / "pack" / "request" / f"{shard}.json"


def settle_pack(
    path: Path, task: ShardToPack, ledger_files: dict[str, list[Path]], *, read_all: bool, scratch: Path | None
) -> Path:
    """Write the request of a shard where its tars are not as they should be; the file that stands for it.

    Args:
        path: the request.
        task: what to ask.
        ledger_files: the shard's ledger files by stage.
        read_all: read the tars, not their size and time of change alone.
        scratch: None in a real run; else a folder for empty files, and nothing else is written.
    """
    again = _not_as_recorded(task) if read_all else []
    if not again and _asks(path) == task and _is_current(task, ledger_files, scratch):
        return path
    return settle_request(path, asdict(replace(task, again=again)), scratch=scratch)


def _asks(path: Path) -> ShardToPack | None:
    """What a request asks, but for the tars to make again; None where there is none."""
    try:
        return replace(ShardToPack(**read_request(path)), again=[])
    except (JobError, TypeError):
        return None


def _not_as_recorded(task: ShardToPack) -> list[str]:
    packed_dir = Path(task.packed_dir)
    record = read_record(packed_dir, task.shard)
    tars: Record = record["tars"] if record else {}
    return [
        name
        for name, tar in tars.items()
        if is_whole(packed_dir, name, tar) and digest_file(packed_dir / name) != tar["blake2b"]
    ]


def _is_current(task: ShardToPack, ledger_files: dict[str, list[Path]], scratch: Path | None) -> bool:
    packed_dir = Path(task.packed_dir)
    record = read_record(packed_dir, task.shard)
    if record is None or not all(is_whole(packed_dir, name, tar) for name, tar in record["tars"].items()):
        return False
    now = stamp(task, ledger_files)
    if record["stamp"] == now:
        return True
    # A ledger that was compacted says the same as before.
    try:
        wanted = {name: content_of(samples) for name, samples in wanted_tars(task, ledger_files).items()}
    except JobError:
        return False
    if wanted != {name: tar["content"] for name, tar in record["tars"].items()}:
        return False
    if scratch is None:
        write_record(packed_dir, task.shard, {**record, "stamp": now})
    return True
