"""What a system tells the planner about one stage of one dataset."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from scripts.shared import layout
from scripts.shared.errors import PlanningError


class SourceEntry(NamedTuple):
    """One sample as the source list gives it.

    Attributes:
        key: name of the sample; unique in the list. Where the stage's samples have folders of their own, of its folder.
        source: its source file, relative to the stage's `source_dir`; empty where the list names none.
        entry: what the job needs, as `canonical_json`: a dict that repeats `source` where there is one. Its member
            `error`, a class and a message, rules the sample out. Where samples share folders, `files` names its files,
            relative to the dataset's folder; no two samples of a list have one in common.
    """

    key: str
    source: str
    entry: bytes


@dataclass(frozen=True)
class PlanOptions:
    """What the user asks of one run; none of it changes bytes.

    Attributes:
        retry_failed: try failed samples again: all, none, or those of the error classes named.
        remake: `none`, `all`, or the key of one sample.
        verify: how finished samples are looked at; see `sample_state.why_make`.
        fingerprint: `mtime+size`, or `size` for copied trees.
        sources_gone: `stop` or `ok`, when too many sources cannot be seen.
        max_failed_fraction: how many sources may be gone.
    """

    retry_failed: bool | list[str] = False
    remake: str = "none"
    verify: str = "cheap"
    fingerprint: str = "mtime+size"
    sources_gone: str = "stop"
    max_failed_fraction: float = 0.05

    @classmethod
    def from_config(cls, dataset: Mapping[str, Any]) -> "PlanOptions":
        """Take them from a dataset's configuration, where they stand under these names."""
        return cls(**{option.name: dataset[option.name] for option in fields(cls)})


@dataclass(frozen=True)
class Stage:
    """One stage of one dataset.

    Attributes:
        system: name of the system, such as `clip4mc`.
        dataset: name of the dataset.
        name: name of the stage, such as `frames`.
        dataset_dir: the dataset's results folder.
        work_dir: the dataset's folder for plans and receipts; may be deleted at any time.
        source_dir: the folder that sources are relative to.
        source_dirs: where it is several: folders by name, and each source begins with the name of its own and a slash.
            A folder may then move: what is on record holds its name only.
        source_option: the config's name for that folder.
        read_list: reads the source list, in its order.
        settings: the settings that change bytes, with the integer `format`, raised when the stage's bytes change.
        made_before: small files that rules make before this stage's jobs, by the name under which the digest of each
            joins the settings; see `made_before.settings_now`.
        means: what a job uses and changes no bytes, by name: a model's folder, a decoder.
        files: names of the files in a sample's folder; empty where samples share folders.
        bytes_per_sample: disk that a sample takes, for the forecast.
        shard_size: samples that one job makes.
        sample_timeout_s: running time allowed to one sample, in seconds.
        choose: which positions of the list are wanted, from its keys; ascending.
        index: all that the index files depend on besides the samples; None where a later stage of the dataset has the
            index, which then speaks for the shards of this one too.
        index_of_list: gives what they depend on of the source list's own words; asked once the list was read, where the
            stage has the index.
        explain_gone: says in words why keys are no longer wanted, from those keys and the new ones; or nothing.
        options: what the user asks of this run.
        link: where a link to `dataset_dir` belongs, when the user chose a folder outside the results.
        link_to: what the link names instead, where `dataset_dir` is a folder in it.
        title: the stage in words, where system and dataset are not enough.
        remarks: what the user should know of the source list, a line each; asked after the list was read.
        decide: decides, in a real run that has samples to make, what can only be decided then, such as the quicker
            decoder: from this stage and the wanted samples to the stage with its `means` and `index` as they then are.
        own_folders: whether each sample has a folder of its own, `<dataset_dir>/<key>`; else its entry names its files.
        upstream: name of the earlier stage of the same dataset, with the same keys, that makes the sources of these
            samples; empty where they are files of the user. See `upstream.fingerprint`.
        part: whether it has samples for a part of the dataset's keys only: then others on record are not its affair,
            and its index is its own, in its own `work_dir`.
    """

    system: str
    dataset: str
    name: str
    dataset_dir: Path
    work_dir: Path
    source_dir: Path
    source_option: str
    read_list: Callable[[], Iterable[SourceEntry]]
    settings: dict[str, Any]
    means: dict[str, Any]
    files: tuple[str, ...]
    bytes_per_sample: int
    shard_size: int
    sample_timeout_s: float
    choose: Callable[[Sequence[str]], Sequence[int]]
    index: dict[str, Any] | None
    explain_gone: Callable[[list[str], list[str]], str]
    options: PlanOptions = PlanOptions()
    link: Path | None = None
    link_to: Path | None = None
    title: str = ""
    remarks: Callable[[], list[str]] = list
    decide: Callable[["Stage", Iterable[SourceEntry]], "Stage"] | None = None
    own_folders: bool = True
    upstream: str = ""
    made_before: Mapping[str, str] = field(default_factory=dict)
    part: bool = False
    index_of_list: Callable[[], dict[str, Any]] = dict
    source_dirs: Mapping[str, str] = field(default_factory=dict)

    @property
    def stage_work_dir(self) -> Path:
        """The folder of this stage's plans and receipts."""
        return self.work_dir / self.name

    @property
    def ledger_dir(self) -> Path:
        """The folder of this stage's ledger."""
        return layout.ledger_dir(self.dataset_dir, self.name)

    @property
    def label(self) -> str:
        """The dataset in words: `clip4mc train`."""
        return self.title or f"{self.system} {self.dataset}"


def key_of_file(stage: Stage, file: str, *, unknown: str) -> str:
    """The sample that makes a file, in a stage whose samples share folders.

    Args:
        stage: the stage.
        file: relative to the dataset's folder.
        unknown: what to say where none does.

    Raises:
        PlanningError: no sample makes it.
    """
    for entry in stage.read_list():
        if file in json.loads(entry.entry).get("files", ()):
            return entry.key
    raise PlanningError(f"{stage.label}: {unknown}")
