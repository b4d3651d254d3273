"""The ledger: what is written is read, and damage loses rows but never invents one."""

import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.shared import atomic_files, ledger
from scripts.shared.errors import PlanningError
from scripts.shared.ledger import (
    FORMAT,
    LedgerWriter,
    compact,
    decode_head,
    decode_row,
    encode_row,
    list_shards,
    read_shard,
)

KEYS = st.sampled_from(["a", "b", "c", "key with spaces", "é\u2028x", '"quoted"', "\ud800"])
ROWS = st.lists(
    st.builds(
        lambda key, status, number: {"key": key, "status": status, "number": number},
        KEYS,
        st.sampled_from(["ok", "failed", "making"]),
        st.integers(),
    ),
    max_size=8,
)
ATTEMPTS = st.lists(ROWS, min_size=1, max_size=3)


def write(folder: Path, attempts: list[list[dict[str, Any]]], shard: str = "00000") -> list[Path]:
    paths = []
    for number, rows in enumerate(attempts):
        writer = LedgerWriter(folder, shard, {"toy": str(number)})
        for row in rows:
            writer.append({**row, "made_by": writer.made_by})
        writer.close()
        paths.append(writer.path)
    return paths


def last_rows(lines: list[bytes]) -> dict[str, Any]:
    rows = [decode_row(line) for line in lines]
    return {row["key"]: row for row in rows if row is not None and "key" in row}


@given(attempts=ATTEMPTS)
def test_the_last_row_of_a_key_counts(attempts: list[list[dict[str, Any]]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, attempts)
        read = read_shard(folder, "00000")
        last = {row["key"]: row for rows in attempts for row in rows}
        assert {key: {**row, "made_by": None} for key, row in read.rows.items()} == {
            key: {**row, "made_by": None} for key, row in last.items()
        }
        assert read.damaged == 0


SAMPLE_ROWS = st.builds(
    lambda key, digests, source, status, more: {
        "key": key, "settings": digests[0], "entry": digests[1], "source": source, "plan": digests[2],
        "made_by": digests[3], "status": status, **more,
    },
    KEYS,
    st.lists(st.text("0123456789abcdef", min_size=1, max_size=32), min_size=4, max_size=4),
    st.tuples(st.integers(-1, 2**63), st.integers(-1, 2**63)).map(list),
    st.sampled_from(["ok", "failed"]),
    st.sampled_from([{}, {"files": {"a": [1, '"status":"ok"']}}, {"message": 'so "status":"failed"'}]),
)  # fmt: skip
OTHER_ROWS = st.sampled_from([{"key": "a", "status": "making"}, {"rate": {"made": 1}}, {"format": 1, "versions": {}}])


@given(row=SAMPLE_ROWS | OTHER_ROWS, damage=st.integers(-1, 300))
def test_the_head_of_a_row_is_what_the_whole_row_begins_with(row: dict[str, Any], damage: int) -> None:
    line = bytearray(encode_row(row))
    if 0 <= damage < len(line) - 1:
        line[damage] ^= 1
    head, whole = decode_head(bytes(line)), decode_row(bytes(line))
    if head is None or whole is None:
        assert head is whole
    else:
        assert head.items() <= whole.items()
        assert {"key", "status"} & row.keys() <= head.keys()


def test_the_head_of_a_sample_row_holds_nothing_more(tmp_path: Path) -> None:
    row = {"key": "a", "settings": "1", "entry": "2", "source": [3, 4], "plan": "5", "made_by": "6", "status": "ok"}
    head = decode_head(encode_row({**row, "files": {}, "facts": {}}))
    assert head == {name: value for name, value in row.items() if name != "made_by"}


@given(attempts=ATTEMPTS, which=st.integers(0, 2), place=st.integers(0, 10**6))
def test_a_ledger_cut_at_any_byte_loses_only_the_rows_from_there(
    attempts: list[list[dict[str, Any]]], which: int, place: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        paths = write(Path(name), attempts)
        path = paths[which % len(paths)]
        content = path.read_bytes()
        path.write_bytes(content[: place % (len(content) + 1)])
        whole = [line for path in paths for line in path.read_bytes().splitlines(keepends=True) if line[-1:] == b"\n"]
        assert read_shard(Path(name), "00000").rows == last_rows(whole)


@given(
    attempts=ATTEMPTS,
    which=st.integers(0, 2),
    place=st.integers(0, 10**6),
    junk=st.binary(min_size=1, max_size=40),
    over=st.integers(0, 60),
)
def test_a_ledger_garbled_at_any_byte_loses_only_the_lines_there(
    attempts: list[list[dict[str, Any]]], which: int, place: int, junk: bytes, over: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        paths = write(Path(name), attempts)
        path = paths[which % len(paths)]
        content = path.read_bytes()
        place %= len(content) + 1
        path.write_bytes(content[:place] + junk + content[place + over :])
        # Independent of the reader: a line counts where it stands as it was written, from start to end.
        written = set(content.splitlines(keepends=True))
        kept = [
            line
            for other in paths
            for line in other.read_bytes().split(b"\n")
            if other != path or line + b"\n" in written
        ]
        assert read_shard(Path(name), "00000").rows == last_rows([line + b"\n" for line in kept if line])


@given(
    row=st.dictionaries(st.text(), st.integers() | st.text(), max_size=3),
    place=st.integers(0, 400),
    bit=st.integers(0, 7),
)
def test_a_row_with_a_flipped_bit_is_no_row(row: dict[str, Any], place: int, bit: int) -> None:
    line = encode_row({"key": "k", **row})
    broken = bytearray(line)
    broken[place % (len(line) - 1)] ^= 1 << bit
    assert decode_row(line) == {"key": "k", **row}
    assert decode_row(bytes(broken)) is None


@given(attempts=ATTEMPTS)
def test_compaction_changes_nothing(attempts: list[list[dict[str, Any]]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, attempts)
        before = read_shard(folder, "00000")
        compact(folder, "00000", before)
        after = read_shard(folder, "00000")
        assert (after.rows, after.rates, len(after.files), after.damaged) == (before.rows, before.rates, 1, 0)
        assert {row["made_by"] for row in after.rows.values()} <= after.versions.keys()


def test_a_kill_between_the_compacted_file_and_the_removal_of_the_old_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, [[{"key": "a", "status": "ok", "n": 1}], [{"key": "a", "status": "ok", "n": 2}]])
    before = read_shard(tmp_path, "00000")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        compact(tmp_path, "00000", before)
    assert len(list_shards(tmp_path)["00000"]) == 3
    assert read_shard(tmp_path, "00000").rows == before.rows


def test_rows_of_a_job_that_starts_after_compaction_are_read_after_it(tmp_path: Path) -> None:
    write(tmp_path, [[{"key": "a", "status": "ok"}]] * 9)
    compact(tmp_path, "00000", read_shard(tmp_path, "00000"))
    write(tmp_path, [[{"key": "a", "status": "making"}]])
    assert read_shard(tmp_path, "00000").rows["a"]["status"] == "making"


def test_attempts_are_ordered_as_numbers(tmp_path: Path) -> None:
    for number, status in ((999_999, "failed"), (1_000_000, "ok")):
        line = encode_row({"key": "a", "status": status})
        (tmp_path / f"00000.{number:06d}-ffffffff.jsonl").write_bytes(line)
    assert read_shard(tmp_path, "00000").rows["a"]["status"] == "ok"


def test_two_jobs_that_start_at_once_have_files_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "list_shards", lambda _: {})
    one, two = LedgerWriter(tmp_path, "00000", {}), LedgerWriter(tmp_path, "00000", {})
    assert one.path != two.path


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, [[{"key": "a", "status": "ok"}]])
    for name in ("notes.txt", "00000.jsonl", "x.000001-ff.jsonl", ".polymill-0123-00000.000002-ab.jsonl"):
        (tmp_path / name).write_bytes(encode_row({"key": "b", "status": "ok"}))
    assert list(read_shard(tmp_path, "00000").rows) == ["a"]


def test_results_of_a_newer_version_are_refused_by_name(tmp_path: Path) -> None:
    (path,) = write(tmp_path, [[]])
    path.write_bytes(encode_row({"format": FORMAT + 1, "made_by": "x", "versions": {}}))
    with pytest.raises(PlanningError, match=rf"newer version of Polymill \(ledger format {FORMAT + 1}, this version"):
        read_shard(tmp_path, "00000")


def test_a_row_is_on_the_disk_before_files_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    writer = LedgerWriter(tmp_path, "00000", {})
    writer.append({"key": "a", "status": "making"}, sync=True)
    assert synced == [writer.path.stat().st_size]


def test_a_full_disk_in_mid_row_is_an_error_that_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = LedgerWriter(tmp_path, "00000", {})
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:5]))
    with pytest.raises(OSError, match="No space left") as caught:
        writer.append({"key": "a", "status": "ok"})
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(writer.path))
    monkeypatch.setattr(os, "write", real)
    assert "a" not in read_shard(tmp_path, "00000").rows


def test_the_row_after_a_torn_one_in_the_same_file_is_lost_with_it_and_no_other(tmp_path: Path) -> None:
    (path,) = write(tmp_path, [[{"key": "a", "status": "ok"}]])
    with path.open("ab") as file:
        file.write(encode_row({"key": "b", "status": "ok"})[:20])
        file.write(encode_row({"key": "c", "status": "ok"}))
        file.write(encode_row({"key": "d", "status": "ok"}))
    read = read_shard(tmp_path, "00000")
    assert (sorted(read.rows), read.damaged) == (["a", "d"], 1)


def test_a_file_removed_while_it_is_read_is_passed_over(tmp_path: Path) -> None:
    (path,) = write(tmp_path, [[{"key": "a", "status": "ok"}]])
    path.unlink()
    assert read_shard(tmp_path, "00000", [path]).rows == {}


def test_no_folder_is_an_empty_ledger(tmp_path: Path) -> None:
    assert read_shard(tmp_path / "none", "00000").rows == {}
    assert atomic_files.TEMPORARY_PREFIX.startswith(".")
