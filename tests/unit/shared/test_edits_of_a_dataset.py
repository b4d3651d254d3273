"""Whatever a user does to a dataset, the next run makes exactly the samples concerned."""

import importlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from scripts.shared import shard_job
from scripts.shared.errors import PlanningError, SampleError
from scripts.shared.ledger import decode_row
from scripts.shared.planning import planner
from scripts.shared.planning.stage import PlanOptions
from tests.snakemake_run import everything
from tests.toy_system import SharedToy, Toy, expected_contents, write_index

_TOO_MANY_GONE = 0.05


@dataclass
class Made:
    """What the model knows of a sample that was tried.

    Attributes:
        files: where its files were put, relative to the dataset's folder.
        taken: whether they are another sample's since.
    """

    repeat: int
    note: str
    files: list[str]
    source: tuple[int, int] | None
    text: str | None
    ok: bool
    taken: bool = False


@dataclass
class Model:
    """A dataset beside a plain account of what it must hold."""

    toy: Toy
    made: dict[str, Made] = field(default_factory=dict)
    mounted: bool = True
    clock: int = 10**18
    n_keys: int = 0
    calls: list[str] = field(default_factory=list)
    lost_rows: bool = False
    # Of the edits since the last run:
    damaged: set[str] = field(default_factory=set)
    perhaps: set[str] = field(default_factory=set)
    options: PlanOptions = field(default_factory=PlanOptions)

    def write_source(self, key: str, text: str, *, tick: bool = True) -> None:
        path = self.toy.source(key)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.clock += tick
        os.utime(path, ns=(self.clock, self.clock))

    def new_key(self) -> str:
        self.n_keys += 1
        # So that neither age nor place is the order of keys.
        shared = isinstance(self.toy, SharedToy)
        key = f"d{self.n_keys % 3}/k{self.n_keys}.wav" if shared else f"k{self.n_keys % 7}-{self.n_keys}"
        self.write_source(key, f"text {key}")
        return key

    def seen(self, key: str) -> tuple[int, int] | None:
        try:
            stat = os.stat(self.toy.source(key))
        except OSError:
            return None
        return stat.st_size, stat.st_mtime_ns

    def expected(self) -> set[str]:
        """The samples that a run must make, by the words of the design."""
        return {key for key in self.toy.keys if self._is_due(key)}

    def _is_due(self, key: str) -> bool:
        made, seen = self.made.get(key), self.seen(key)
        if made is None or made.taken or key in self.damaged or self.options.remake in ("all", key):
            return True
        if (made.repeat, made.note) != (self.toy.repeat, self.toy.notes.get(key, "")):
            return True
        if made.files != self.files(key):
            return True
        if seen is not None and seen != made.source:
            return True
        return not made.ok and bool(self.options.retry_failed)

    def files(self, key: str) -> list[str]:
        return list(self.toy.files(key).values())

    def refuses(self) -> bool:
        """Whether planning must stop: too many sources seen before are gone."""
        before = [
            key for key in self.toy.keys if (made := self.made.get(key)) and made.ok and not made.taken and made.source
        ]
        gone = [key for key in before if self.seen(key) is None]
        if self.options.sources_gone == "ok" or not self.toy.keys:
            return False
        return len(gone) > _TOO_MANY_GONE * len(before) or (not before and not self.toy.sources.is_dir())

    def account(self, keys: Sequence[str]) -> None:
        for key in keys:
            text = self.toy.source(key).read_text(encoding="utf-8") if self.seen(key) else None
            ok = text is not None and not text.startswith("bad")
            note = self.toy.notes.get(key, "")
            self.made[key] = Made(self.toy.repeat, note, self.files(key), self.seen(key), text, ok)

    def pass_files_on(self) -> None:
        """Note whose files belong to others as the list is now."""
        owner = {path: key for key in self.toy.keys for path in self.files(key)}
        for key, made in self.made.items():
            made.taken |= made.ok and any(owner.get(path, key) != key for path in made.files)


def in_this_process(function: str, tasks: Sequence[Any], **_: Any) -> Iterator[tuple[Any, Any]]:
    """What `run_tasks` promises, without processes: those have tests of their own."""
    module, _, name = function.partition(":")
    for task in tasks:
        try:
            yield task, getattr(importlib.import_module(module), name)(task)
        except SampleError as error:
            yield task, error


Edit = Callable[[Model, int], None]
EDITS: dict[str, Edit] = {}


def edit(function: Edit) -> Edit:
    EDITS[function.__name__] = function
    return function


def pick(model: Model, number: int) -> str | None:
    """One of the listed keys."""
    return model.toy.keys[number % len(model.toy.keys)] if model.toy.keys else None


def pick_made(model: Model, number: int) -> str | None:
    """One of the listed keys that has files."""
    made = [key for key in model.toy.keys if key in model.made and model.made[key].ok and not model.made[key].taken]
    made = [key for key in made if model.made[key].files == model.files(key)]
    made = [key for key in made if all((model.toy.dataset_dir / path).exists() for path in model.files(key))]
    return made[number % len(made)] if made else None


def output(model: Model, key: str, name: str) -> Path:
    return model.toy.dataset_dir / model.toy.files(key)[name]


@edit
def touch_a_source(model: Model, number: int) -> None:
    if model.mounted and (key := pick(model, number)) and model.seen(key):
        model.clock += 1
        os.utime(model.toy.source(key), ns=(model.clock, model.clock))


@edit
def replace_a_source_by_equal_content(model: Model, number: int) -> None:
    if model.mounted and (key := pick(model, number)) and model.seen(key):
        text = model.toy.source(key).read_text()
        model.toy.source(key).unlink()
        model.write_source(key, text)


@edit
def replace_a_source_and_keep_its_time(model: Model, number: int) -> None:
    if model.mounted and (key := pick(model, number)) and (seen := model.seen(key)):
        text = model.toy.source(key).read_text()
        model.toy.source(key).unlink()
        model.toy.source(key).write_text(text)
        os.utime(model.toy.source(key), ns=(seen[1], seen[1]))


@edit
def set_a_sources_clock_back(model: Model, number: int) -> None:
    if model.mounted and (key := pick(model, number)) and (seen := model.seen(key)):
        model.toy.source(key).write_text("older")
        earlier = seen[1] - 10**9 * (number + 1) - model.clock % 10**6
        os.utime(model.toy.source(key), ns=(earlier, earlier))


@edit
def replace_a_source_by_other_content(model: Model, number: int) -> None:
    if model.mounted and (key := pick(model, number)):
        model.write_source(key, f"other {number}")


@edit
def spoil_a_source(model: Model, number: int) -> None:
    if model.mounted and (key := pick(model, number)):
        model.write_source(key, "bad text")


@edit
def remove_a_source(model: Model, number: int) -> None:
    if model.mounted and (key := pick(model, number)):
        model.toy.source(key).unlink(missing_ok=True)


@edit
def change_a_note(model: Model, number: int) -> None:
    if key := pick(model, number):
        model.toy.notes[key] = f"note {number % 3}"


@edit
def change_a_setting(model: Model, number: int) -> None:
    model.toy.repeat = 1 + number % 3


@edit
def delete_an_output(model: Model, number: int) -> None:
    if key := pick_made(model, number):
        output(model, key, "count.txt").unlink()
        model.damaged.add(key)


@edit
def delete_all_of_a_sample(model: Model, number: int) -> None:
    if key := pick_made(model, number):
        for path in model.files(key):
            (model.toy.dataset_dir / path).unlink()
            with suppress(OSError):  # another sample's files are there
                (model.toy.dataset_dir / path).parent.rmdir()
        model.damaged.add(key)


@edit
def truncate_an_output_and_verify(model: Model, number: int) -> None:
    if key := pick_made(model, number):
        os.truncate(output(model, key, "upper.txt"), 3)
        model.damaged.add(key)
        if model.options.verify == "cheap":  # else another edit of this run needs more
            model.options = replace(model.options, verify="full")


@edit
def flip_a_bit_and_verify(model: Model, number: int) -> None:
    if (key := pick_made(model, number)) and key not in model.damaged:  # twice the same bit is none
        path = output(model, key, "upper.txt")
        content = bytearray(path.read_bytes())
        content[number % len(content)] ^= 1 << number % 8
        with path.open("r+b") as file:
            file.write(content)
        model.damaged.add(key)
        model.options = replace(model.options, verify="digest")


@edit
def put_a_foreign_file_beside_an_output(model: Model, number: int) -> None:
    if key := pick_made(model, number):
        output(model, key, "upper.txt").with_name("notes of mine.txt").write_text("mine")


@edit
def append_a_sample(model: Model, number: int) -> None:
    if model.mounted:
        model.toy.keys.append(model.new_key())


@edit
def insert_a_sample_in_front(model: Model, number: int) -> None:
    if model.mounted:
        model.toy.keys.insert(0, model.new_key())


@edit
def remove_a_sample(model: Model, number: int) -> None:
    if key := pick(model, number):
        model.toy.keys.remove(key)


def twin(key: str, number: int) -> str:
    """A recording of the same name in another format."""
    stem, _, suffix = key.rpartition(".")
    return f"{stem}.{[other for other in ('wav', 'mp3', 'ogg') if other != suffix][number % 2]}"


def put_a_twin(model: Model, number: int, *, instead: bool) -> None:
    key = pick(model, number)
    if not (isinstance(model.toy, SharedToy) and model.mounted and key) or twin(key, number) in model.toy.keys:
        return
    other = twin(key, number)
    if model.seen(other) is None or other not in model.made or number % 3 == 0:
        model.write_source(other, f"text {key}"[::-1])
    model.toy.keys.insert(model.toy.keys.index(key), other)
    if instead:
        model.toy.keys.remove(key)


@edit
def put_a_twin_beside_a_sample(model: Model, number: int) -> None:
    put_a_twin(model, number, instead=False)


@edit
def put_a_twin_in_place_of_a_sample(model: Model, number: int) -> None:
    put_a_twin(model, number, instead=True)


@edit
def put_a_sample_back(model: Model, number: int) -> None:
    gone = sorted(model.made.keys() - set(model.toy.keys))
    if gone:
        model.toy.keys.insert(number % (len(model.toy.keys) + 1), gone[number % len(gone)])


@edit
def reverse_the_list(model: Model, number: int) -> None:
    model.toy.keys.reverse()


@edit
def change_the_shard_size(model: Model, number: int) -> None:
    model.toy.shard_size = 1 + number % 4


@edit
def delete_the_work_folder(model: Model, number: int) -> None:
    shutil.rmtree(model.toy.root / "work", ignore_errors=True)


def damage(path: Path, number: int) -> None:
    """Delete a file, cut it, overwrite a part, or put something else there."""
    content = path.read_bytes()
    place = number * 37 % (len(content) + 1)
    ways = [
        lambda: path.unlink(),
        lambda: path.write_bytes(content[:place]),
        lambda: path.write_bytes(content[:place] + b"\x00\xff{garbage" + content[place + 10 :]),
        lambda: path.write_bytes(b""),
        lambda: path.write_bytes(content.replace(b'"format": 1', b'"format": 999')),
    ]
    ways[number % len(ways)]()


@edit
def damage_a_plan(model: Model, number: int) -> None:
    plans = sorted(model.toy.work.glob("*/plan/*.json")) + sorted(model.toy.work.glob("index/*.json"))
    if plans:
        damage(plans[number % len(plans)], number)


@edit
def damage_a_receipt(model: Model, number: int) -> None:
    receipts = sorted(model.toy.work.glob("*/receipt/*.json"))
    if receipts:
        damage(receipts[number % len(receipts)], number)


@edit
def damage_members(model: Model, number: int) -> None:
    path = model.toy.state / "members"
    if path.exists():
        damage(path, number)


@edit
def cut_or_garble_a_ledger(model: Model, number: int) -> None:
    files = sorted(model.toy.ledger_dir.glob("*.jsonl"))
    if not files:
        return
    path = files[number % len(files)]
    before = path.read_bytes().splitlines(keepends=True)
    content = b"".join(before)
    place = number * 53 % (len(content) + 1)
    path.write_bytes([content[:place], content[:place] + b"\x00\xff\n?" + content[place + 4 :]][number % 2])
    after = set(path.read_bytes().splitlines(keepends=True))
    for row in (decode_row(line) for line in before if line not in after):
        model.perhaps |= {row["key"]} if row and "key" in row else set()
    model.lost_rows = True


@edit
def delete_a_ledger(model: Model, number: int) -> None:
    files = sorted(model.toy.ledger_dir.glob("*.jsonl"))
    if files:
        rows = map(decode_row, files[number % len(files)].read_bytes().splitlines(keepends=True))
        model.perhaps |= {row["key"] for row in rows if row and "key" in row}
        model.lost_rows = True
        files[number % len(files)].unlink()


@edit
def move_the_dataset(model: Model, number: int) -> None:
    old = model.toy.dataset_dir
    model.toy.dataset = f"moved{number % 3}"
    if old != model.toy.dataset_dir and old.exists():
        os.rename(old, model.toy.dataset_dir)
    release()


@edit
def unmount_the_sources(model: Model, number: int) -> None:
    if model.mounted:
        os.rename(model.toy.sources, model.toy.root / "elsewhere")
        model.mounted = False
        if number % 2:
            model.options = replace(model.options, sources_gone="ok")


@edit
def mount_the_sources(model: Model, number: int) -> None:
    if not model.mounted:
        os.rename(model.toy.root / "elsewhere", model.toy.sources)
        model.mounted = True


@edit
def go_on_without_sources(model: Model, number: int) -> None:
    model.options = replace(model.options, sources_gone="ok")


@edit
def retry_what_failed(model: Model, number: int) -> None:
    model.options = replace(model.options, retry_failed=True if number % 2 else ["bad_text", "no_source"])


@edit
def remake_one(model: Model, number: int) -> None:
    if key := pick(model, number):
        model.options = replace(model.options, remake=key)


@edit
def remake_all(model: Model, number: int) -> None:
    model.options = replace(model.options, remake="all")


@edit
def leave_a_half_written_file(model: Model, number: int) -> None:
    folder = model.toy.state if number % 2 else model.toy.work / "words" / "plan"
    if folder.exists():
        (folder / ".polymill-0123abcd-left").write_text("half")


def release() -> None:
    """Let go of the datasets that this process planned, as its end would."""
    while planner._held_locks:
        planner._held_locks.pop().release()


def marks(model: Model, files: set[str]) -> dict[str, tuple[int, int]]:
    found = {path: model.toy.dataset_dir / path for path in files}
    return {
        name: (path.stat().st_mtime_ns, path.stat().st_ino) for name, path in sorted(found.items()) if path.exists()
    }


def run_and_check(model: Model) -> None:
    toy = model.toy
    toy.options = model.options
    scratch = toy.root / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    if model.refuses() if not model.perhaps else refused(toy, scratch):
        before = {top: everything(toy.root / top) for top in ("results", "work")}
        for where in (scratch, None):
            with pytest.raises(PlanningError, match=r"cannot be seen now|which is no folder"):
                planner.plan_dataset(toy.stage(), scratch=where)
        after = {top: everything(toy.root / top) for top in ("results", "work")}
        assert {k: v[1:] for k, v in before["work"].items()} == {k: v[1:] for k, v in after["work"].items()}
        # The lock is taken before anything is known; nothing else changes.
        assert changed_files(before["results"], after["results"]) <= {f"toy/{toy.dataset}/.state/run.lock"}
        return
    expected = model.expected()
    before_run = marks(model, {path for made in model.made.values() for path in made.files})
    before = everything(toy.root / "results"), everything(toy.root / "work")
    foretold = toy.dry_run(scratch)
    assert (everything(toy.root / "results"), everything(toy.root / "work")) == before
    model.calls.clear()
    plan = planner.plan_dataset(toy.stage(), scratch=None)
    assert plan.n_to_make == foretold.n_to_make
    for shard in toy.due(plan):
        toy.answer(plan, shard)
    write_index(plan.index_plan, toy.dataset_dir)
    made = set(model.calls)
    note(f"expected {sorted(expected)}, made {sorted(made)}")
    assert len(model.calls) == len(made)
    assert expected - model.perhaps <= made <= expected | model.perhaps
    ours = {path for key in made for path in [*model.files(key), *(model.made[key].files if key in model.made else [])]}
    others = before_run.keys() - ours
    assert marks(model, others) == {path: before_run[path] for path in others}
    model.pass_files_on()
    model.account(sorted(made))
    check_content(model)
    model.damaged.clear()
    model.perhaps.clear()
    model.options = PlanOptions()
    toy.options = PlanOptions()
    if not model.refuses():
        check_nothing_is_left(model, scratch)


def refused(toy: Toy, scratch: Path) -> bool:
    """Whether planning stops: after rows were lost nobody knows which sources count as seen before."""
    scratch.mkdir(exist_ok=True)
    try:
        planner.plan_dataset(toy.stage(), scratch=scratch)
    except PlanningError:
        return True  # for the reason that is asked for next
    finally:
        shutil.rmtree(scratch)
    return False


def changed_files(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Files, not folders, that differ or are only in one."""
    absent = (0, 0, 0, "")
    names = before.keys() | after.keys()
    changed = {name for name in names if before.get(name, absent)[1:] != after.get(name, absent)[1:]}
    return {name for name in changed if before.get(name, absent)[3] or after.get(name, absent)[3]}


def check_content(model: Model) -> None:
    toy = model.toy
    ok = [key for key in toy.keys if model.made[key].ok]
    failed = [key for key in toy.keys if not model.made[key].ok]
    assert toy.index() == {"made": ok, "failed": failed}
    for key in ok:
        made = model.made[key]
        for name, content in expected_contents(made.text or "", made.note, made.repeat).items():
            assert output(model, key, name).read_bytes() == content
    for key in failed:
        assert not any((toy.dataset_dir / path).exists() for path in model.files(key))
    if not model.lost_rows:  # else nobody knows what an unwanted sample left
        known = {path for made in model.made.values() if made.ok and not made.taken for path in made.files}
        assert samples_files(toy) <= known
    left = [path for top in (toy.state, toy.work) for path in top.rglob(".polymill-*")]
    left += [path for path in toy.state.glob("*/unfinished/**/*") if path.is_file()]
    assert left == []


def samples_files(toy: Toy) -> set[str]:
    found = (path for path in toy.dataset_dir.rglob("*.txt") if path.name != "notes of mine.txt")
    return {str(path.relative_to(toy.dataset_dir)) for path in found}


def check_nothing_is_left(model: Model, scratch: Path) -> None:
    shutil.rmtree(scratch, ignore_errors=True)
    again = model.toy.dry_run(scratch)
    assert again.n_to_make == 0
    stale = [path.name for path in scratch.iterdir()]
    # What was made from a source that changed under way, or is gone, is planned once more and costs no sample.
    assert stale == [], f"not settled: {stale}"
    assert again.plans.keys() == {p.stem for p in again.plans.values()}


STEP = st.tuples(st.sampled_from(sorted(EDITS)), st.integers(0, 999))


@given(steps=st.lists(STEP, min_size=1, max_size=7))
@settings(max_examples=150)
def test_after_any_edits_exactly_the_samples_concerned_are_made(steps: list[tuple[str, int]]) -> None:
    play(steps, edits_a_run=1)


@given(steps=st.lists(STEP, min_size=2, max_size=8))
@settings(max_examples=100)
def test_edits_that_come_together_cost_their_samples_once(steps: list[tuple[str, int]]) -> None:
    play(steps, edits_a_run=2)


@given(steps=st.lists(STEP, min_size=2, max_size=8), edits_a_run=st.integers(1, 2))
@settings(max_examples=100)
def test_the_same_holds_where_samples_share_folders(steps: list[tuple[str, int]], edits_a_run: int) -> None:
    play(steps, edits_a_run=edits_a_run, kind=SharedToy)


def play(steps: list[tuple[str, int]], edits_a_run: int, kind: type[Toy] = Toy) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        model = Model(kind(Path(folder)))
        model.toy.sources.mkdir()
        model.toy.keys = [model.new_key() for _ in range(5)]

        def counted(function: str, tasks: Sequence[Any], **named: Any) -> Iterator[tuple[Any, Any]]:
            for task, result in in_this_process(function, tasks, **named):
                model.calls.append(task.key)
                yield task, result

        patch.setattr(shard_job, "run_tasks", counted)
        patch.setattr(shard_job.log, "disabled", True)
        patch.setattr(os, "fsync", lambda _: None)
        try:
            run_and_check(model)
            for start in range(0, len(steps), edits_a_run):
                for name, number in steps[start : start + edits_a_run]:
                    EDITS[name](model, number)
                run_and_check(model)
        finally:
            release()
