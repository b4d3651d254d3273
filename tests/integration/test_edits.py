"""Edits of a finished CLIP4MC dataset, each followed by the real `snakemake` command.

Every case starts from a copy of one finished tree with index and gate: six pairs in three shards, of which one cannot
be made. A case is a list of steps; a step says which samples its run must make, and the index must hold.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.snakemake_run import Workplace, contents, everything, leftovers, make_clip, marks, remade

BAD = 4  # the clip that is no clip
N_PAIRS = 6


@dataclass(frozen=True)
class Step:
    """One edit and the run after it.

    Attributes:
        edit: what the user does.
        makes: numbers of the samples whose files are made again, or for the first time.
        listed: numbers of the samples in the index then; None for those listed before.
        arguments: what the run is given.
    """

    edit: Callable[[Workplace], None]
    makes: set[int]
    listed: list[int] | None = None
    arguments: tuple[str, ...] = ()


GOOD = [0, 1, 2, 3, 5]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    here = Workplace.create(tmp_path_factory.mktemp("finished") / "here", n_clips=N_PAIRS)
    here.clip(BAD).write_bytes(b"<html>404</html>")
    here.make()
    assert (here.listed(), here.failed()) == (GOOD, [BAD])
    return here


# --- what users do ---------------------------------------------------------------------------------------------------


def nothing(_: Workplace) -> None:
    pass


def touch_clip(number: int) -> Callable[[Workplace], None]:
    return lambda here: os.utime(here.clip(number))


def age_clip(number: int) -> Callable[[Workplace], None]:
    return lambda here: os.utime(here.clip(number), ns=(10**18, 10**18))


def equal_clip(number: int) -> Callable[[Workplace], None]:
    def edit(here: Workplace) -> None:
        content = here.clip(number).read_bytes()
        here.clip(number).unlink()
        here.clip(number).write_bytes(content)

    return edit


def restored_clip(number: int) -> Callable[[Workplace], None]:
    def edit(here: Workplace) -> None:
        shutil.copy2(here.clip(number), here.folder / "backup")
        here.clip(number).unlink()
        shutil.copy2(here.folder / "backup", here.clip(number))

    return edit


def other_clip(number: int) -> Callable[[Workplace], None]:
    return lambda here: make_clip(here.clip(number), seed=50 + number)


def spoil_clip(number: int) -> Callable[[Workplace], None]:
    return lambda here: here.clip(number).write_bytes(b"spoilt")


def remove_clip(number: int) -> Callable[[Workplace], None]:
    return lambda here: here.clip(number).unlink()


def delete_file(number: int, name: str = "size.json") -> Callable[[Workplace], None]:
    return lambda here: (here.sample(number) / name).unlink()


def delete_sample(number: int) -> Callable[[Workplace], None]:
    return lambda here: shutil.rmtree(here.sample(number))


def truncate(number: int) -> Callable[[Workplace], None]:
    return lambda here: os.truncate(here.sample(number) / "video_input.pkl", 100)


def flip(number: int) -> Callable[[Workplace], None]:
    def edit(here: Workplace) -> None:
        with (here.sample(number) / "video_input.pkl").open("r+b") as file:
            file.seek(-20, os.SEEK_END)
            byte = file.read(1)[0]
            file.seek(-20, os.SEEK_END)
            file.write(bytes([byte ^ 1]))

    return edit


def foreign_file(number: int) -> Callable[[Workplace], None]:
    return lambda here: (here.sample(number) / "mine.txt").write_text("mine") and None


def option(**options: object) -> Callable[[Workplace], None]:
    def edit(here: Workplace) -> None:
        here.options.update(options)
        here.save()

    return edit


def append_pair(number: int) -> Callable[[Workplace], None]:
    def edit(here: Workplace) -> None:
        make_clip(here.clip(number), seed=number)
        here.pairs.append(here.pair(number))
        here.save()

    return edit


def insert_pair(number: int) -> Callable[[Workplace], None]:
    def edit(here: Workplace) -> None:
        make_clip(here.clip(number), seed=number)
        here.pairs.insert(0, here.pair(number))
        here.save()

    return edit


def remove_pair(number: int) -> Callable[[Workplace], None]:
    def edit(here: Workplace) -> None:
        here.pairs = [pair for pair in here.pairs if pair["index"] != number]
        here.save()

    return edit


def restore_pair(number: int) -> Callable[[Workplace], None]:
    def edit(here: Workplace) -> None:
        here.pairs.insert(number, here.pair(number))
        here.save()

    return edit


def reverse_pairs(here: Workplace) -> None:
    here.pairs.reverse()
    here.save()


def caption(number: int, text: str) -> Callable[[Workplace], None]:
    def edit(here: Workplace) -> None:
        here.pairs[number]["transcript"] = text
        here.save()

    return edit


def delete_work(here: Workplace) -> None:
    shutil.rmtree(here.folder / "work")


def delete_in_work(pattern: str) -> Callable[[Workplace], None]:
    def edit(here: Workplace) -> None:
        found = list(here.work.glob(pattern))
        assert found
        for path in found:
            path.unlink()

    return edit


def spoil_in(top: str, pattern: str, content: bytes | None = None) -> Callable[[Workplace], None]:
    """Cut every file found in half, or put other content there."""

    def edit(here: Workplace) -> None:
        found = list((here.work if top == "work" else here.state).glob(pattern))
        assert found
        for path in found:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content is None else content)

    return edit


def delete_ledger(shard: int) -> Callable[[Workplace], None]:
    def edit(here: Workplace) -> None:
        for path in (here.state / "frames" / "ledger").glob(f"{shard:05d}.*"):
            path.unlink()

    return edit


def delete_members(here: Workplace) -> None:
    (here.state / "members").unlink()


def delete_index(name: str) -> Callable[[Workplace], None]:
    return lambda here: (here.dataset / name).unlink()


def delete_snakemake(here: Workplace) -> None:
    shutil.rmtree(here.folder / ".snakemake")


def move_clips(here: Workplace) -> None:
    (here.folder / "clips").rename(here.folder / "moved clips")
    here.options["clips_dir"] = "moved clips"
    here.save()


def unmount(here: Workplace) -> None:
    (here.folder / "clips").rename(here.folder / "unmounted")


def mount(here: Workplace) -> None:
    (here.folder / "unmounted").rename(here.folder / "clips")


def move_results_out(here: Workplace) -> None:
    """Results on another disk: the folder moves, `output_dir` names its new place."""
    here.dataset.rename(here.folder / "big disk")
    here.options["output_dir"] = "big disk"
    here.save()


def rename_results_dir(here: Workplace) -> None:
    (here.folder / "results").rename(here.folder / "renamed")
    (here.folder / "results").symlink_to("renamed")


def copy_results_without_times(here: Workplace) -> None:
    shutil.copytree(here.dataset, here.folder / "copied", copy_function=shutil.copyfile, symlinks=True)
    shutil.rmtree(here.dataset)
    (here.folder / "copied").rename(here.dataset)


def sample_becomes_link(number: int) -> Callable[[Workplace], None]:
    def edit(here: Workplace) -> None:
        here.sample(number).rename(here.folder / "elsewhere")
        here.sample(number).symlink_to(here.folder / "elsewhere")

    return edit


def both(*edits: Callable[[Workplace], None]) -> Callable[[Workplace], None]:
    def edit(here: Workplace) -> None:
        for one in edits:
            one(here)

    return edit


def config(*values: str) -> tuple[str, ...]:
    return ("--config", *values)


CASES: dict[str, list[Step]] = {
    # Sources.
    "a clip touched": [Step(touch_clip(1), {1})],
    "a clip given an older time": [Step(age_clip(1), {1})],
    "a clip replaced by equal content": [Step(equal_clip(2), {2})],
    "a clip restored with its time": [Step(restored_clip(2), set())],
    "a clip replaced by another": [Step(other_clip(3), {3})],
    "two clips of two shards replaced": [Step(both(other_clip(0), other_clip(5)), {0, 5})],
    "a clip spoilt, then mended": [Step(spoil_clip(0), set(), [1, 2, 3, 5]), Step(other_clip(0), {0}, GOOD)],
    "the clip that failed mended": [Step(other_clip(BAD), {BAD}, [*GOOD[:4], 4, 5])],
    "the clip that failed touched": [Step(touch_clip(BAD), set())],
    "the failed one tried again": [Step(nothing, set(), arguments=config("retry_failed=true"))],
    "another class of failures tried again": [Step(nothing, set(), arguments=config("retry_failed=[timeout]"))],
    "a clip touched where sizes alone count": [
        Step(touch_clip(1), set(), arguments=config("fingerprint=size")),
        Step(nothing, set(), arguments=config("fingerprint=size")),
    ],
    "the clips' folder moved and named anew": [Step(move_clips, set())],
    "the clips not mounted, and going on": [Step(unmount, set(), arguments=config("sources_gone=ok"))],
    "one clip gone, as if deleted to save room": [Step(remove_clip(3), set(), arguments=config("sources_gone=ok"))],
    "a clip gone, its sample deleted, then both back": [
        Step(
            both(delete_sample(3), lambda here: here.clip(3).rename(here.folder / "kept.mp4")),
            set(),
            [0, 1, 2, 5],
            config("sources_gone=ok"),
        ),
        Step(lambda here: (here.folder / "kept.mp4").rename(here.clip(3)) and None, {3}, GOOD),
    ],
    # Outputs.
    "one file of a sample deleted": [Step(delete_file(1), {1})],
    "a pickle deleted": [Step(delete_file(5, "video_input.pkl"), {5})],
    "a sample's folder deleted": [Step(delete_sample(2), {2})],
    "two shards' samples deleted": [Step(both(delete_sample(0), delete_sample(3)), {0, 3})],
    "the same file deleted twice": [Step(delete_file(1), {1}), Step(delete_file(1), {1})],
    "an output cut short, seen with verify: full": [Step(truncate(1), {1}, arguments=config("verify=full"))],
    "an output cut short, not looked at": [Step(truncate(1), set()), Step(nothing, {1}, None, config("verify=full"))],
    "a bit flipped, seen with verify: digest": [Step(flip(2), {2}, arguments=config("verify=digest"))],
    "a bit flipped, sizes cannot tell": [Step(flip(2), set(), arguments=config("verify=full"))],
    "all files verified, nothing wrong": [Step(nothing, set(), arguments=config("verify=digest"))],
    "a foreign file in a sample's folder": [Step(foreign_file(1), set())],
    "a foreign file, then the clip touched": [Step(foreign_file(1), set()), Step(touch_clip(1), {1})],
    "a sample's folder replaced by a link to it": [Step(sample_becomes_link(1), set())],
    "a link's clip touched": [Step(both(sample_becomes_link(1), touch_clip(1)), {1})],
    "the results copied without their times": [Step(copy_results_without_times, set())],
    # The list.
    "a pair appended": [Step(append_pair(6), {6}, [*GOOD, 6])],
    "three pairs appended": [Step(both(*map(append_pair, (6, 7, 8))), {6, 7, 8}, [*GOOD, 6, 7, 8])],
    "a pair inserted in front": [Step(insert_pair(9), {9}, [*GOOD, 9])],
    "a pair removed": [Step(remove_pair(2), set(), [0, 1, 3, 5])],
    "a pair removed and put back": [Step(remove_pair(2), set(), [0, 1, 3, 5]), Step(restore_pair(2), set(), GOOD)],
    "the failed pair removed": [Step(remove_pair(BAD), set())],
    "the list turned round": [Step(reverse_pairs, set())],
    "a caption changed": [Step(caption(3, "another text"), {3})],
    "a caption emptied, then given back": [
        Step(caption(3, " "), set(), [0, 1, 2, 5]),
        Step(caption(3, "text again"), {3}, GOOD),
    ],
    "fewer wanted, then more": [
        Step(option(select="first:3"), set(), [0, 1, 2]),
        Step(option(select="first:4"), set(), [0, 1, 2, 3]),
        Step(option(select="all"), set(), GOOD),
    ],
    "max_samples shrinks and grows": [Step(option(max_samples=6), set()), Step(option(max_samples=0), set())],
    # Settings.
    "a setting changed": [Step(option(default_size=0.25), set(GOOD))],
    "a setting changed and changed back": [
        Step(option(default_size=0.25), set(GOOD)),
        Step(option(default_size=0.5), set(GOOD)),
    ],
    "a setting changed and back before a run": [Step(both(option(num_frames=3), option(num_frames=2)), set())],
    "shards of another size": [Step(option(shard_size=1), set())],
    "shards of another size and a new pair": [Step(both(option(shard_size=5), append_pair(6)), {6}, [*GOOD, 6])],
    "another split": [Step(option(split_mode="all_test"), set())],
    "another number of workers": [Step(option(workers=2), set())],
    "one sample asked for again": [Step(nothing, {1}, arguments=config("remake=sample_000001_v1"))],
    "all asked for again": [Step(nothing, set(GOOD), arguments=config("remake=all"))],
    # Memory.
    "the work folder deleted": [Step(delete_work, set())],
    "Snakemake's own memory deleted": [Step(delete_snakemake, set())],
    "work and Snakemake's memory deleted": [Step(both(delete_work, delete_snakemake), set())],
    "the plans deleted": [Step(delete_in_work("frames/plan/*.json"), set())],
    "the plans cut short": [Step(spoil_in("work", "frames/plan/*.json"), set())],
    "the plans empty, a clip touched": [Step(both(spoil_in("work", "*/plan/*", b""), touch_clip(0)), {0})],
    "the receipts deleted": [Step(delete_in_work("frames/receipt/*.json"), set())],
    "the receipts garbage": [Step(spoil_in("work", "frames/receipt/*", b"\xff\x00"), set())],
    "the index plan cut short": [Step(spoil_in("work", "index/plan.json"), set())],
    "the index deleted": [Step(delete_index("dataset_info.json"), set())],
    "the list of failures deleted": [Step(delete_index("failures.csv"), set())],
    "the gate's mark deleted": [Step(delete_in_work("gate/passed.json"), set())],
    "a ledger deleted": [Step(delete_ledger(0), {0, 1})],
    "the ledgers garbage": [Step(spoil_in("state", "frames/ledger/*", b"{garbage\n"), set(GOOD))],
    "the members deleted": [Step(delete_members, set())],
    "the members cut short": [Step(spoil_in("state", "members"), set())],
    "the members garbage, a pair appended": [
        Step(both(spoil_in("state", "members", b"\x00\xff\n"), append_pair(6)), {6}, [*GOOD, 6])
    ],
    # Places.
    "the results moved to another disk": [Step(move_results_out, set())],
    "the results folder renamed behind a link": [Step(rename_results_dir, set()), Step(touch_clip(1), {1})],
}


# Near relatives of other cases, and of edits that tests/unit/shared/test_edits_of_a_dataset.py plays: `make faults` has
# them all.
LONG = {
    "a clip given an older time",
    "two clips of two shards replaced",
    "the clip that failed touched",
    "another class of failures tried again",
    "a clip gone, its sample deleted, then both back",
    "two shards' samples deleted",
    "the same file deleted twice",
    "a bit flipped, sizes cannot tell",
    "all files verified, nothing wrong",
    "a foreign file, then the clip touched",
    "three pairs appended",
    "the failed pair removed",
    "a caption emptied, then given back",
    "max_samples shrinks and grows",
    "a setting changed",
    "shards of another size",
    "another number of workers",
    "all asked for again",
    "the plans deleted",
    "the list of failures deleted",
    "a clip replaced by equal content",
    "a clip touched where sizes alone count",
    "an output cut short, not looked at",
    "a link's clip touched",
    "a setting changed and back before a run",
    "the receipts garbage",
    "the plans empty, a clip touched",
    "the members cut short",
    "Snakemake's own memory deleted",
    "shards of another size and a new pair",
    "one file of a sample deleted",
    "one clip gone, as if deleted to save room",
    "another split",
    "the gate's mark deleted",
    "the index plan cut short",
    "fewer wanted, then more",
    "a pair removed",
    "a clip restored with its time",
    "the clip that failed mended",
    "the clips' folder moved and named anew",
    "a sample's folder deleted",
    "a sample's folder replaced by a link to it",
    "the results copied without their times",
    "a pair inserted in front",
    "a pair removed and put back",
    "the plans cut short",
    "the receipts deleted",
    "work and Snakemake's memory deleted",
    "the members garbage, a pair appended",
    "the results folder renamed behind a link",
}
NAMES = [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in CASES]


@pytest.mark.parametrize("name", NAMES)
def test_exactly_the_samples_concerned_are_made(name: str, finished: Workplace, tmp_path: Path) -> None:
    here = finished.copy(tmp_path / "here")
    listed = here.listed()
    for step in CASES[name]:
        step.edit(here)
        before = marks(here.dataset)
        ran = here.make(*step.arguments)
        after = marks(here.dataset)
        assert remade(before, after) == step.makes
        listed = listed if step.listed is None else step.listed
        assert here.listed() == listed
        wanted = {pair["index"] for pair in here.pairs}
        if not here.options.get("select", "all").startswith("first"):
            assert set(here.failed()) == wanted - set(listed)
        assert all(len(list(here.sample(number).glob("[vts]*"))) == 3 for number in listed)
        assert f"{len(step.makes):,} to make" in ran.text or not step.makes or "failed" in ran.text
    # Asked again as it stands: `retry_failed` and `remake` would make again what they name.
    arguments = () if any(word in str(step.arguments) for word in ("retry", "remake")) else step.arguments
    again = here.run(*arguments)
    assert again.nothing_to_do, again.text
    assert leftovers(here.folder) == []


def test_clips_that_are_not_mounted_stop_the_run_before_it_writes(finished: Workplace, tmp_path: Path) -> None:
    here = finished.copy(tmp_path / "here")
    here.make()  # plans name absolute places, so a copy is planned once; no sample is made
    unmount(here)
    before = contents(here.folder / "results", without=("run.lock",)), contents(here.folder / "work")
    ran = here.run()
    assert ran.code != 0
    assert "is it mounted?" in ran.text
    assert "--config sources_gone=ok" in ran.text
    assert "Traceback (most recent" not in ran.text
    assert before == (contents(here.folder / "results", without=("run.lock",)), contents(here.folder / "work"))
    mount(here)
    assert here.run().nothing_to_do


def test_index_follows_the_order_of_the_list(finished: Workplace, tmp_path: Path) -> None:
    here = finished.copy(tmp_path / "here")
    option(split_mode="all_train")(here)
    here.make()
    forward = here.index()["train"]
    reverse_pairs(here)
    here.make()
    assert here.index()["train"] == forward[::-1]


READ_ONLY = {
    "-n": ("-n",),
    "--dag": ("--dag",),
    "--rulegraph": ("--rulegraph",),
    "--summary": ("--summary",),
    "--list-changes": ("--list-changes", "input"),
    "--touch": ("--touch",),
    "--lint": ("--lint",),
    "--unlock": ("--unlock",),
    "--report": ("--report", "report.html"),
}


RELATIVES = {"--rulegraph", "--summary", "--list-changes"}  # of modes that are there


@pytest.mark.parametrize(
    "mode", [pytest.param(mode, marks=pytest.mark.slow if mode in RELATIVES else ()) for mode in READ_ONLY]
)
def test_a_mode_that_runs_nothing_writes_nothing(mode: str, finished: Workplace, tmp_path: Path) -> None:
    here = finished.copy(tmp_path / "here")
    touch_clip(1)(here)
    append_pair(6)(here)
    delete_file(0)(here)
    before = tree(here)
    ran = here.run(*READ_ONLY[mode])
    after = tree(here)
    if mode == "--touch":  # its work is to set the times of declared outputs, nothing else
        assert {name: mark[2:] for name, mark in before.items()} == {name: mark[2:] for name, mark in after.items()}
        assert remade(marks(finished.dataset), marks(here.dataset)) >= set()
    else:
        assert before == after
    if mode not in ("--lint",):
        assert ran.code == 0, ran.text
    due = here.make()
    assert "3 to make" in due.text
    assert here.listed() == [*GOOD, 6]


def tree(here: Workplace) -> dict[str, object]:
    return {**everything(here.folder / "results"), **{f"w/{k}": v for k, v in everything(here.work).items()}}


def test_a_dry_run_says_how_many_samples_and_why(finished: Workplace, tmp_path: Path) -> None:
    here = finished.copy(tmp_path / "here")
    both(touch_clip(1), append_pair(6), delete_file(0))(here)
    text = here.run("-n").text
    assert "clip4mc train: 7 samples wanted, 3 made, 3 to make: " in text
    for words in ("1 source changed", "1 new", "1 output missing"):
        assert words in text
    assert "shard 00000: " in text
    assert "shard 00003: 1 new" in text
    assert "1 failed before and stay so (" in text
    assert "needs about" in text
    assert "free in" in text


def test_words_go_to_stderr_and_leave_the_graph_alone(finished: Workplace, tmp_path: Path) -> None:
    here = finished.copy(tmp_path / "here")
    command = here.command("--dag")
    ran = subprocess.run(command, cwd=here.folder, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("digraph")
    assert "samples wanted" in ran.stderr


def test_one_sample_is_made_by_its_path(finished: Workplace, tmp_path: Path) -> None:
    here = finished.copy(tmp_path / "here")
    target = "results/clip4mc/train/sample_000001_v1/video_input.pkl"
    assert here.run(target).nothing_to_do
    both(delete_file(1, "video_input.pkl"), other_clip(2))(here)
    before = marks(here.dataset)
    ran = here.run(target)
    assert ran.code == 0, ran.text
    assert remade(before, marks(here.dataset)) == {1}
    before = marks(here.dataset)
    here.make()
    assert remade(before, marks(here.dataset)) == {2}
    assert here.run().nothing_to_do
    assert here.run(target).nothing_to_do


def test_a_failed_sample_asked_for_by_its_path_is_tried_again(finished: Workplace, tmp_path: Path) -> None:
    here = finished.copy(tmp_path / "here")
    target = f"results/clip4mc/train/sample_{BAD:06d}_v{BAD}/size.json"
    ran = here.run(target)
    assert ran.code != 0
    assert f"sample_{BAD:06d}_v{BAD} failed: " in ran.text
    assert "not a plan" not in ran.text
    # Mended so that its size and time tell nothing: only the question makes it.
    stat = here.clip(BAD).stat()
    make_clip(here.clip(BAD), seed=BAD)
    os.truncate(here.clip(BAD), here.clip(BAD).stat().st_size)
    ran = here.run(target)
    assert ran.code == 0, ran.text
    assert stat.st_size != here.clip(BAD).stat().st_size
    here.make()
    assert here.listed() == [*GOOD[:4], 4, 5]
    assert here.failed() == []
    assert here.run().nothing_to_do


def test_an_unknown_sample_is_refused_by_name(finished: Workplace) -> None:
    ran = finished.run("results/clip4mc/train/sample_000099_nobody/size.json")
    assert ran.code != 0
    assert "sample_000099_nobody is not among the 6 samples" in ran.text


def test_a_file_in_the_place_of_a_sample_is_named_and_kept(finished: Workplace, tmp_path: Path) -> None:
    here = finished.copy(tmp_path / "here")
    delete_sample(1)(here)
    here.sample(1).write_text("a note of mine")
    ran = here.run()
    assert ran.code != 0
    assert "sample_000001_v1" in ran.text
    assert here.sample(1).read_text() == "a note of mine"
    here.sample(1).unlink()
    here.make()
    assert here.listed() == GOOD


def test_an_empty_list_makes_an_empty_index(tmp_path: Path) -> None:
    here = Workplace.create(tmp_path / "here", n_clips=1)
    here.pairs = []
    here.save()
    ran = here.make()
    assert "0 samples wanted" in ran.text
    assert here.index() == {"train": [], "val": [], "test": []}
    assert here.run().nothing_to_do
    here.pairs = [here.pair(0)]
    here.save()
    here.make()
    assert here.listed() == [0]


@pytest.mark.parametrize("content", ["", "not json", '{"a": 1', "[{]", "42"])
def test_a_list_that_cannot_be_read_stops_before_anything_is_written(
    content: str, finished: Workplace, tmp_path: Path
) -> None:
    here = finished.copy(tmp_path / "here")
    (here.folder / "pairs.json").write_text(content)
    before = tree(here)
    ran = here.run()
    assert ran.code != 0
    assert "pairs.json" in ran.text
    assert "Traceback (most recent" not in ran.text
    changed = {name for name in tree(here) if tree(here)[name] != before.get(name)}
    assert changed <= {".state", ".state/run.lock", "clip4mc/train/.state", "clip4mc/train/.state/run.lock"}


def test_all_samples_failing_is_said_and_leaves_an_index(tmp_path: Path) -> None:
    here = Workplace.create(tmp_path / "here", n_clips=3, shard_size=1)
    for number in range(3):
        here.clip(number).write_bytes(b"nothing")
    here.make()
    assert (here.listed(), here.failed()) == ([], [0, 1, 2])
    assert json.loads((here.dataset / "summary.json").read_text())["failed"] == 3
    assert here.run().nothing_to_do


def test_too_many_failures_stop_at_the_gate_and_keep_what_was_made(tmp_path: Path) -> None:
    here = Workplace.create(tmp_path / "here", n_clips=1, shard_size=50)
    here.pairs = [{**here.pair(n), "clip_path": "clip0.mp4" if n else "gone.mp4"} for n in range(20)]
    here.pairs[1]["clip_path"] = "gone too.mp4"
    here.save()
    ran = here.run()
    assert ran.code != 0
    assert "2 of 20 samples failed, more than max_failed_fraction = 0.05: " in ran.text
    assert len(here.listed()) == 18
    again = here.run()
    assert again.code != 0
    here.make("--config", "max_failed_fraction=0.1")
    assert here.listed() == list(range(2, 20))
