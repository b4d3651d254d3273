"""Whatever Polymill remembers, damaged in any way: it is told by name, and costs the samples whose rows are lost.

Damage is drawn at random and dealt to a small dataset, whose planner and jobs run in this process: hundreds in
seconds. What `snakemake` shows of it is tested in `test_damage_seen.py`.
"""

import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from scripts.shared import layout, shard_job
from scripts.shared.errors import JobError, PolymillError, SampleError
from scripts.shared.ledger import FORMAT, decode_row, encode_row
from scripts.shared.planning.one_sample import plan_single
from scripts.shared.planning.planner import plan_dataset
from scripts.shared.planning.report import describe
from scripts.shared.sample_task import SampleTask
from scripts.upkeep.request_file import read_request, settle_request
from tests.faults.tally import tell
from tests.snakemake_run import contents, leftovers
from tests.toy_system import FUNCTION, VERSIONS, SharedToy, Toy, make_sample, write_index
from tests.unit.shared.conftest import release

N_QUICK, N_LONG = 12, 400
_KEYS = [f"{voice}/{word}.wav" for voice in ("ann", "bob", "eve") for word in ("a", "b", "c", "d")]


@dataclass
class Ground:
    """A finished dataset that is damaged again and again, each time from the same whole one.

    Attributes:
        toy: the dataset.
        whole: a copy of its folder.
        made: samples that jobs made or tried since it was last restored.
    """

    toy: Toy
    whole: Path
    made: list[str] = field(default_factory=list)

    def restore(self) -> None:
        release()
        shutil.rmtree(self.toy.root)
        shutil.copytree(self.whole, self.toy.root, symlinks=True)
        self.made.clear()

    def run(self) -> list[str]:
        """Plan and do what is due, as a run of Snakemake would; what the user is told.

        Raises:
            PolymillError: as such a run.
        """
        release()
        plan = plan_dataset(self.toy.stage(), scratch=None)
        for shard in self.toy.due(plan):
            receipt = layout.receipt_file(self.toy.work / "words", shard)
            shard_job.run_shard(plan.plans[shard], receipt, function=FUNCTION, versions=VERSIONS, workers=1)
        write_index(plan.index_plan, self.toy.dataset_dir)
        return describe(plan, self.toy.stage(), cores=1)

    def asked_for(self, key: str) -> list[str]:
        """Plan one sample by its path, and make it where it is due; what the user is told."""
        release()
        plan = plan_single(self.toy.stage(), key, scratch=None, inner=False)
        if not plan.current:
            shard_job.run_shard(plan.path, None, function=FUNCTION, versions=VERSIONS, workers=1)
        return list(plan.notes)

    def files(self, pattern: str) -> list[Path]:
        return sorted(self.toy.root.glob(pattern))


def in_this_process(_: str, tasks: Sequence[SampleTask], **_named: Any) -> Iterator[tuple[SampleTask, Any]]:
    """As `run_tasks` does for the toy system, without worker processes."""
    for task in tasks:
        try:
            yield task, make_sample(task)
        except SampleError as error:
            yield task, error


@pytest.fixture(params=[Toy, pytest.param(SharedToy, marks=pytest.mark.slow)])
def ground(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    """Twelve samples in three shards, one of which cannot be made, one asked for by its path, and one changed later."""
    keys = _KEYS if request.param is SharedToy else [key.replace("/", "-") for key in _KEYS]
    ground = Ground(request.param(tmp_path / "here", keys=list(keys[:8]), shard_size=4), tmp_path / "whole")

    def noted(name: str, tasks: Sequence[SampleTask], **named: Any) -> Iterator[tuple[SampleTask, Any]]:
        for task, result in in_this_process(name, tasks, **named):
            ground.made.append(task.key)
            yield task, result

    monkeypatch.setattr(shard_job, "run_tasks", noted)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    for key in keys:
        ground.toy.source(key).parent.mkdir(parents=True, exist_ok=True)
        ground.toy.source(key).write_text("bad luck" if key == keys[2] else f"text {key}")
    ground.run()
    ground.toy.keys = list(keys)  # members and ledgers of two runs each
    ground.toy.source(keys[0]).write_text("another text")
    ground.run()
    ground.asked_for(keys[5])
    ground.run()
    settle_request(ground.toy.work / "verify" / "request.json", {"keys": keys, "level": "full"}, scratch=None)
    release()
    shutil.copytree(ground.toy.root, ground.whole, symlinks=True)
    ground.made.clear()
    yield ground
    release()


# Damage

Damage = Callable[[bytes, random.Random], bytes]


def _somewhere(content: bytes, draw: random.Random) -> tuple[int, int]:
    first = draw.randrange(len(content) + 1)
    return first, min(len(content), first + draw.randint(1, 60))


def _cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content))]


def _flipped(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.randint(1, 5)):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _garbage(_: bytes, draw: random.Random) -> bytes:
    return draw.randbytes(draw.randint(1, 2000))


def _empty(_content: bytes, _draw: random.Random) -> bytes:
    return b""


def _zeros(content: bytes, draw: random.Random) -> bytes:
    first, end = _somewhere(content, draw)
    return content[:first] + bytes(end - first) + content[end:]


def _long_line(content: bytes, draw: random.Random) -> bytes:
    first, _ = _somewhere(content, draw)
    return content[:first] + draw.choice([b"[", b"9", b"x", b'{"a":']) * 200_000 + content[first:]


def _without_a_line(content: bytes, draw: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    del lines[draw.randrange(len(lines)) :: draw.choice([1, len(lines)])]
    return b"".join(lines)


def _line_twice(content: bytes, draw: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    lines.insert(draw.randrange(len(lines)), draw.choice(lines))
    return b"".join(lines)


def _other_file(content: bytes, draw: random.Random) -> bytes:
    return draw.choice([b"{}", b"[]", b"null\n", b'"a"', b"17 b\n", b"\xff\xfe\0\0", b"\n" * 50, content * 2])


DAMAGES: list[Damage] = [
    *(_cut, _flipped, _garbage, _empty, _zeros, _long_line, _without_a_line, _line_twice, _other_file),
]


def _folder(path: Path) -> None:
    path.unlink()
    (path / "inner").mkdir(parents=True)


def _link_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


OTHER_THINGS: list[Callable[[Path], None]] = [_folder, _link_to_nowhere, _link_to_itself]

# Files by what is remembered in them.
KINDS = {
    "ledger": "results/toy/toys/.state/words/ledger/*",
    "members file": "results/toy/toys/.state/members",
    "plan": "work/toy/toys/words/plan/*",
    "receipt": "work/toy/toys/words/receipt/*",
    "index plan": "work/toy/toys/index/plan.json",
    "plan of a single sample": "work/toy/toys/words/single/*/plan.json",
    "lock file": "results/toy/toys/.state/**/*.lock",
}


def rows_in(content: bytes) -> list[dict[str, Any] | None]:
    """The row of each line, None of one that is torn."""
    return [decode_row(line) if line.endswith(b"\n") else None for line in content.splitlines(keepends=True)]


def rows_lost(damaged: Path, before: bytes, after: bytes) -> set[str]:
    """The samples whose last row in all ledgers of a shard is not there any more, or not the last."""
    files = sorted(damaged.parent.glob(f"{damaged.name.partition('.')[0]}.*"))
    was, now = (
        last_rows(row for path in files for row in rows_in(content if path == damaged else path.read_bytes()))
        for content in (before, after)
    )
    return {key for key, row in was.items() if now.get(key) != row}


def last_rows(rows: Iterable[dict[str, Any] | None]) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in rows if row and "key" in row}


def is_torn(before: bytes, after: bytes) -> bool:
    """Whether a line is left that cannot be read, and a row of a sample gone, be it one that another follows."""
    left = rows_in(after)
    return None in left and any(row not in left for row in rows_in(before) if row and "key" in row)


def run_until_well(ground: Ground, damaged: Path) -> str:
    """Run, and where a file is named that must go, take it away as told and run again; all that was said."""
    said: list[str] = []
    for _ in range(3):
        try:
            return "\n".join([*said, *ground.run()])
        except PolymillError as error:
            said.append(str(error))
        assert str(damaged) in said[-1], "a user cannot know which file to mend"
        assert "and run again" in said[-1], "nor how"
        shutil.rmtree(damaged) if damaged.is_dir() and not damaged.is_symlink() else damaged.unlink()
    raise AssertionError(said)


def is_told(damaged: Path, after: bytes, said: str) -> bool:
    if damaged.parent.name == "ledger" and None not in rows_in(after):
        # Of lines that are gone as a whole nothing is left to be told but that there were rows, or older ones.
        return any(words in said for words in ("rows of finished samples are gone", "source changed", "interrupted"))
    return str(damaged) in said


def must_be_told(kind: str, before: bytes, damaged: bytes, lost: set[str]) -> bool:
    """Whether more is damaged than what changes nothing and cannot be seen."""
    if kind == "ledger":
        return bool(lost) or is_torn(before, damaged)
    if kind == "members file":
        whole = {line for line in before.splitlines() if not line.startswith(b"#")}
        return not whole <= set(damaged.splitlines())
    if kind == "receipt":  # of its values only `status` shows the counts
        with suppress(ValueError, RecursionError):
            return not isinstance(json.loads(damaged), dict) or '"digest"' not in damaged.decode()
        return True
    return kind in ("plan", "index plan")


def damage_once(ground: Ground, kind: str, damage: Any, draw: random.Random) -> None:
    """Deal one damage and run; everything that must hold is asserted."""
    ground.restore()
    path = draw.choice(ground.files(KINDS[kind]))
    before = path.read_bytes()
    after = b""
    if damage in OTHER_THINGS:
        damage(path)
    else:
        after = damage(before or b"\0", draw)
        path.write_bytes(after)
    link = path.is_symlink()
    lost = rows_lost(path, before, after) if kind == "ledger" else set()
    said = run_until_well(ground, path)
    where = f"{kind} {path.name}, {damage.__name__}, {after[:300]!r}: {said}"
    assert contents(ground.toy.dataset_dir) == contents(ground.whole / "results/toy/toys"), where
    assert set(ground.made) <= lost, where
    assert not [key for key, times in Counter(ground.made).items() if times > 1], where
    # A link to nowhere in `work` is no file there: that may be gone at any time.
    if must_be_told(kind, before, after, lost) and not (path.is_relative_to(ground.toy.work) and link):
        assert is_told(path, after, said), where
    assert "nothing to make" in ground.run()[0], where
    assert not leftovers(ground.toy.root), where


@pytest.mark.parametrize("n_times", [N_QUICK, pytest.param(N_LONG, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_told_by_name_and_costs_no_more_than_its_rows(kind: str, n_times: int, ground: Ground) -> None:
    draw = random.Random(f"{kind} {n_times}")
    for damage in islice(cycle([*DAMAGES, *OTHER_THINGS]), n_times):
        damage_once(ground, kind, damage, draw)
    tell(f"a damaged {kind}", systems="the planner and the shard job", tried=n_times)


# What random damage does not hit


def decoded(path: Path) -> list[dict[str, Any]]:
    return [row for row in rows_in(path.read_bytes()) if row]


def without_crc(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "crc"}


@pytest.mark.parametrize("kind", ["ledger", "members file", "plan", "index plan"])
def test_a_newer_version_is_named_and_its_files_are_left_alone_where_they_are_a_memory(
    kind: str, ground: Ground
) -> None:
    path = ground.files(KINDS[kind])[0]
    before = path.read_bytes()
    if kind == "ledger":
        newer = [row | {"format": FORMAT + 1} if "format" in row else row for row in decoded(path)]
        path.write_bytes(b"".join(encode_row(without_crc(row)) for row in newer))
    elif kind == "members file":
        path.write_bytes(before.replace(b"# 1 ", b"# 2 "))
    else:
        path.write_bytes(before.replace(b'"format": 1', b'"format": 2').replace(b'"digest": ', b'"sum": '))
    written = path.read_bytes()
    if kind in ("plan", "index plan"):
        assert f"{path}: damaged, or of another version; made anew" in "\n".join(ground.run())
    else:
        with pytest.raises(PolymillError, match=r"written by a newer version of Polymill.*update Polymill") as told:
            ground.run()
        assert str(path) in str(told.value)
        assert path.read_bytes() == written
        path.write_bytes(before)
        ground.run()
    assert ground.made == []
    assert contents(ground.toy.dataset_dir) == contents(ground.whole / "results/toy/toys")
    tell("state of a newer version", systems="the planner and the shard job", tried=1)


def test_of_two_ledgers_that_contradict_each_other_the_newer_holds_and_nothing_else_is_made(ground: Ground) -> None:
    older, newer = (path for path in ground.files(KINDS["ledger"]) if path.name.startswith("00000."))
    keys = {row["key"] for row in decoded(newer) if "key" in row}
    newer.rename(newer.with_name(newer.name.replace(".000002-", ".000000-")))
    ground.run()
    assert set(ground.made) <= keys
    assert contents(ground.toy.dataset_dir) == contents(ground.whole / "results/toy/toys")
    ground.restore()
    # Whole, and of another shard.
    older.with_name(older.name.replace("00000.", "00002.")).write_bytes(older.read_bytes())
    ground.run()
    assert ground.made == []
    assert contents(ground.toy.dataset_dir) == contents(ground.whole / "results/toy/toys")
    tell("ledgers that contradict each other", systems="the planner and the shard job", tried=2)


def test_a_members_file_that_names_a_key_twice_keeps_it_in_one_shard(ground: Ground) -> None:
    from scripts.shared.planning.members import _close

    path = layout.members_file(ground.toy.dataset_dir)
    again = b"".join(f"00007 {key}\n00001 {key}\n".encode() for key in ground.toy.keys[:3])
    path.write_bytes(path.read_bytes() + again + _close(again))
    ground.run()
    assert ground.made == []
    assert contents(ground.toy.dataset_dir) == contents(ground.whole / "results/toy/toys")
    tell("a members file that names keys twice", systems="the planner and the shard job", tried=1)


def test_members_that_lost_whole_saves_are_recalled_from_the_ledgers(ground: Ground) -> None:
    path = layout.members_file(ground.toy.dataset_dir)
    first, _, _ = path.read_bytes().partition(b"# ")
    path.write_bytes(path.read_bytes()[: len(first) + len("# 1 00000000\n")])
    ground.toy.shard_size = 5  # new ones would go elsewhere
    assert "4 lines were lost; what the ledgers know was put back" in "\n".join(ground.run())
    assert ground.made == []
    assert contents(ground.toy.dataset_dir) == contents(ground.whole / "results/toy/toys")
    tell("a members file that lost whole saves", systems="the planner and the shard job", tried=1)


@pytest.mark.parametrize("n_times", [30, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_request_of_upkeep_says_what_was_asked_or_that_it_cannot_be_used(n_times: int, ground: Ground) -> None:
    (path,) = ground.files("work/toy/toys/verify/request.json")
    before, asked = path.read_bytes(), read_request(path)
    draw = random.Random(n_times)
    for damage in islice(cycle(DAMAGES), n_times):
        path.write_bytes(damage(before, draw))
        if path.read_bytes() == before:
            assert read_request(path) == asked
            continue
        with suppress(JobError):  # by name, below
            assert read_request(path) == asked, damage.__name__
            continue
        with pytest.raises(JobError, match=r"request\.json: not a request that can be used .*; run again"):
            read_request(path)
    tell("a damaged request of upkeep", systems="verify, prune, backup", tried=n_times)


@pytest.mark.parametrize("n_times", [8, pytest.param(300, marks=pytest.mark.slow)])
def test_a_plan_damaged_after_planning_ends_its_job_by_name_and_is_written_anew(n_times: int, ground: Ground) -> None:
    draw = random.Random(n_times)
    for damage in islice(cycle(DAMAGES), n_times):
        ground.restore()
        shutil.rmtree(ground.toy.work / "words" / "receipt")
        release()
        plan = plan_dataset(ground.toy.stage(), scratch=None)
        path = plan.plans["00001"]
        path.write_bytes(damage(path.read_bytes(), draw))
        receipt = layout.receipt_file(ground.toy.work / "words", "00001")
        if path.read_bytes() != (ground.whole / path.relative_to(ground.toy.root)).read_bytes():
            with pytest.raises(JobError, match="not a plan that can be used") as told:
                shard_job.run_shard(path, receipt, function=FUNCTION, versions=VERSIONS, workers=1)
            assert f"{path}: " in str(told.value)
            assert "delete it and run again" in str(told.value)
        path.unlink()
        ground.run()
        assert ground.made == []
        assert contents(ground.toy.dataset_dir) == contents(ground.whole / "results/toy/toys")
    tell("a plan damaged between planning and its job", systems="the planner and the shard job", tried=n_times)


@pytest.mark.parametrize("entry", [".", "words", "words/ledger", "words/lock", "words/unfinished"])
@pytest.mark.parametrize("how", ["a file", pytest.param("a link to nowhere", marks=pytest.mark.slow)])
def test_a_file_where_a_folder_of_the_state_must_be_is_named(entry: str, how: str, ground: Ground) -> None:
    path = ground.toy.state / entry
    aside = ground.toy.root / "aside"
    path.rename(aside) if path.exists() else aside.mkdir()
    path.symlink_to("nowhere") if how != "a file" else path.write_text("what is this?")
    shutil.rmtree(ground.toy.work)
    ground.toy.source(ground.toy.keys[3]).write_text("changed")
    said = ""
    try:
        ground.run()
    except PolymillError as error:
        said = str(error)
    assert not said or (str(ground.toy.state) in said and "and run again" in said)
    path.unlink() if path.is_symlink() or path.is_file() else shutil.rmtree(path)
    aside.rename(path)
    ground.made.clear()
    ground.run()
    assert set(ground.made) <= {ground.toy.keys[3]}
    assert "nothing to make" in ground.run()[0]
    tell("a file or a link where a folder of the state must be", systems="the planner and the shard job", tried=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_line_of_a_hundred_megabytes_is_damage_like_any_other(kind: str, ground: Ground) -> None:
    for damage in (
        lambda content, _: content + b"x" * 100_000_000,
        lambda content, _: content[:-40] + b"[" * 100_000_000 + b"\n" + content[-40:],
    ):
        damage_once(ground, kind, damage, random.Random(0))
    tell("a line of 100 MB in a file of the state", systems="the planner and the shard job", tried=2)
