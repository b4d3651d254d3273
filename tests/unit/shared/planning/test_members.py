"""Membership: a key keeps its shard, whatever happens to the list or the file."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from scripts.shared.ledger import LedgerWriter
from scripts.shared.planning.members import Members, forget_members, read_members, save_members, shard_name

LISTS = st.lists(
    st.tuples(st.permutations([f"k{n}" for n in range(8)]), st.integers(0, 8), st.integers(1, 5)),
    min_size=1,
    max_size=6,
)


def grow(path: Path, lists: list[tuple[list[str], int, int]], folders: list[Path] | None = None) -> Members:
    members = Members()
    for keys, n_keys, shard_size in lists:
        members = read_members(path, folders or [])
        members.assign(keys[:n_keys], shard_size)
        save_members(path, members)
    return members


@given(lists=LISTS)
def test_a_key_keeps_its_shard_under_any_lists_and_sizes(lists: list[tuple[list[str], int, int]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "state", "members")
        first_seen: dict[str, int] = {}
        for step in lists:
            shards = grow(path, [step]).shard_of
            assert {key: shards[key] for key in first_seen} == first_seen
            first_seen = dict(shards)
            assert first_seen.keys() >= set(step[0][: step[1]])


@given(lists=LISTS)
def test_no_shard_grows_past_the_largest_size_asked_for(lists: list[tuple[list[str], int, int]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        shards = list(grow(Path(name, "members"), lists).shard_of.values())
        largest = max(size for _, _, size in lists)
        assert all(shards.count(shard) <= largest for shard in shards)


@given(
    lists=LISTS, place=st.integers(0, 10**4), junk=st.binary(max_size=12), over=st.integers(0, 30), cut=st.booleans()
)
def test_damage_anywhere_never_moves_a_key_that_the_ledger_knows(
    lists: list[tuple[list[str], int, int]], place: int, junk: bytes, over: int, cut: bool
) -> None:
    with tempfile.TemporaryDirectory() as name:
        path, folder = Path(name, "members"), Path(name, "frames", "ledger")
        before = grow(path, lists).shard_of
        for key, shard in before.items():
            writer = LedgerWriter(folder, shard_name(shard), {})
            writer.append({"key": key, "status": "ok"})
            writer.close()
        content = path.read_bytes() if path.exists() else b""
        place %= len(content) + 1
        damaged = content[:place] if cut else content[:place] + junk + content[place + over :]
        path.write_bytes(damaged)
        members = read_members(path, [folder])
        known = {key: shard for key, shard in members.shard_of.items() if key in before}
        if members.damaged:
            assert known == before
        else:  # whole saves are missing, or nothing is
            assert known.items() <= before.items()
        save_members(path, members)
        again = read_members(path, [])
        assert (again.damaged, again.shard_of) == (0, members.shard_of)


def test_a_deleted_file_is_made_again_from_the_ledgers(tmp_path: Path) -> None:
    for shard, key in (("00003", "a"), ("00001", "b")):
        writer = LedgerWriter(tmp_path / "ledger", shard, {})
        writer.append({"key": key, "status": "failed"})
        writer.close()
    members = read_members(tmp_path / "members", [tmp_path / "ledger"])
    assert members.shard_of == {"a": 3, "b": 1}
    save_members(tmp_path / "members", members)
    assert read_members(tmp_path / "members", []).shard_of == {"a": 3, "b": 1}


def test_an_emptied_file_is_made_again_from_the_ledgers_too(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path / "ledger", "00003", {})
    writer.append({"key": "a", "status": "ok"})
    writer.close()
    (tmp_path / "members").touch()
    assert read_members(tmp_path / "members", [tmp_path / "ledger"]).shard_of == {"a": 3}


def test_a_save_that_was_cut_is_mended_at_the_next(tmp_path: Path) -> None:
    path = tmp_path / "members"
    grow(path, [(["a", "b"], 2, 5)])
    whole = path.read_bytes()
    grow(path, [(["a", "b", "c"], 3, 5)])
    for end in range(len(whole), path.stat().st_size):
        cut = tmp_path / f"cut{end}"
        cut.write_bytes(path.read_bytes()[:end])
        members = grow(cut, [(["a", "b", "c", "d"], 4, 5)])
        assert members.shard_of == dict.fromkeys("abcd", 0)
        assert read_members(cut, []).damaged == 0


def test_a_changed_digit_is_damage_and_the_ledger_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "members"
    grow(path, [(["a", "b"], 2, 1)])
    writer = LedgerWriter(tmp_path / "ledger", "00001", {})
    writer.append({"key": "b", "status": "ok"})
    writer.close()
    path.write_bytes(path.read_bytes().replace(b"00001 b", b"00007 b"))
    members = read_members(path, [tmp_path / "ledger"])
    assert (members.shard_of, members.damaged) == ({"b": 1, "a": 0}, 2)


def test_keys_of_any_characters_are_kept(tmp_path: Path) -> None:
    keys = ["two words", "é", "\u2028", "# 1 00000000", "0 0", " ", "x" * 300]
    grow(tmp_path / "members", [(keys, len(keys), 2)])
    members = read_members(tmp_path / "members", [])
    assert (list(members.shard_of), members.damaged) == (keys, 0)


def test_nothing_new_writes_nothing(tmp_path: Path) -> None:
    save_members(tmp_path / "members", Members())
    assert not (tmp_path / "members").exists()


def test_forgotten_keys_leave_the_others_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "members"
    grow(path, [(["a", "b"], 2, 1), (["c"], 1, 1)])
    before = read_members(path, []).shard_of
    forget_members(path, {"b", "unknown"})
    members = read_members(path, [])
    assert (members.shard_of, members.damaged) == ({"a": before["a"], "c": before["c"]}, 0)
    text = path.read_bytes()
    forget_members(path, {"b"})
    assert path.read_bytes() == text


def test_nothing_is_forgotten_in_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "members"
    grow(path, [(["a", "b"], 2, 1)])
    path.write_bytes(damaged := path.read_bytes().replace(b"00001 b", b"00007 b"))
    forget_members(path, {"a"})
    assert path.read_bytes() == damaged
