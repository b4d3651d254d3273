"""The official LMDB: what upstream wrote is rebuilt, killed jobs change no byte, and nothing in one is trusted."""

import base64
import json
import os
import pickle
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import lmdb
import pytest

from scripts.cnclip.data import lmdb_files
from scripts.cnclip.data.lmdb_files import PairsLmdb, write_lmdb
from scripts.cnclip.data.tsv import lines
from scripts.shared.errors import ConfigError, JobError, SampleError
from tests.unit.cnclip.data.conftest import Tables, a_picture, jsonl_row, tsv_row

GOLDEN = Path("tests/data/golden/cnclip/lmdb_golden")
Maker = Callable[..., Tables]


def content(folder: Path) -> dict[bytes, bytes]:
    """Keys and values in the order of the database."""
    with lmdb.open(str(folder), readonly=True, lock=False) as database, database.begin() as transaction:
        return dict(transaction.cursor().iternext())


def make_by_hand(folder: Path, pairs: Mapping[bytes, bytes], pictures: Mapping[bytes, bytes]) -> PairsLmdb:
    """An LMDB of a stranger, who may put anything into it."""
    for name, entries in (("pairs", pairs), ("imgs", pictures)):
        (folder / name).mkdir(parents=True)
        with lmdb.open(str(folder / name)) as database, database.begin(write=True) as transaction:
            for key, value in entries.items():
                transaction.put(key, value)
    return PairsLmdb(folder)


@pytest.fixture
def golden_lmdb(tables: Maker, tmp_path: Path) -> Path:
    made = tables((GOLDEN / "train_imgs.tsv").read_bytes(), (GOLDEN / "train_texts.jsonl").read_bytes())
    write_lmdb(made.tsv, made.pictures, made.texts, tmp_path / "lmdb" / "train")
    return tmp_path / "lmdb" / "train"


@pytest.fixture
def forty(tables: Maker) -> Tables:
    """Forty pictures of several sizes and a hundred pairs."""
    pictures = b"".join(tsv_row(7 * i, a_picture(i, "BMP", size=1 + 5 * i)) for i in range(40))
    return tables(pictures, b"".join(jsonl_row(i, f"文 {i}", [7 * i, 7 * (39 - i)]) for i in range(20)))


# --- written


def test_keys_values_and_pickles_are_those_that_upstream_wrote(golden_lmdb: Path) -> None:
    golden = json.loads((GOLDEN / "lmdb_content.json").read_text(encoding="utf-8"))
    for name in ("pairs", "imgs"):
        expected = [(key.encode(), base64.b64decode(value)) for key, value in golden[name].items()]
        assert list(content(golden_lmdb / name).items()) == expected


def test_it_is_read_in_the_order_of_upstreams_readers(golden_lmdb: Path) -> None:
    reader = json.loads((GOLDEN / "reader.json").read_text(encoding="utf-8"))
    golden = json.loads((GOLDEN / "lmdb_content.json").read_text(encoding="utf-8"))
    database = PairsLmdb(golden_lmdb)
    assert list(database.image_ids()) == reader["eval_image_order"]
    assert database.n_pairs == reader["num_pairs"]
    assert database.n_pictures == len(reader["eval_image_order"])
    for number in range(database.n_pairs):
        assert list(database.pair(number)) == golden["pairs_decoded"][str(number)]
    pictures = {line.image_id: line.data for line in lines(GOLDEN / "train_imgs.tsv")}
    assert {image_id: database.picture(image_id) for image_id in database.image_ids()} == pictures


def test_the_texts_of_its_pairs_have_the_tokens_that_upstreams_reader_gave(golden_lmdb: Path) -> None:
    from scripts.cnclip.tokens import Tokenizer, normalise

    reader = json.loads((GOLDEN / "reader.json").read_text(encoding="utf-8"))
    database = PairsLmdb(golden_lmdb)
    texts = [normalise(database.pair(number)[2]) for number in range(database.n_pairs)]
    tokens = Tokenizer().encode(texts, 52).tolist()
    for row, expected, end in zip(tokens, reader["pair_ids"], reader["pair_eos_index"], strict=True):
        assert row == expected + [0] * (52 - len(expected))
        assert row[end] == 102


def test_only_good_pictures_and_their_pairs_are_written(tables: Maker, tmp_path: Path) -> None:
    made = tables(tsv_row(1, a_picture(1)) + tsv_row(2, b"junk"), jsonl_row(1, "a", [2, 1]) + jsonl_row(2, "b", [2]))
    write_lmdb(made.tsv, made.pictures, made.texts, tmp_path / "out")
    assert list(content(tmp_path / "out" / "imgs")) == [b"1", b"num_images"]
    assert PairsLmdb(tmp_path / "out").pair(0) == (1, 1, "a")
    assert PairsLmdb(tmp_path / "out").n_pairs == 1


def test_a_split_without_anything_is_an_lmdb_of_nothing(tables: Maker, tmp_path: Path) -> None:
    made = tables(b"", b"")
    write_lmdb(made.tsv, made.pictures, made.texts, tmp_path / "out")
    database = PairsLmdb(tmp_path / "out")
    assert (database.n_pairs, database.n_pictures, list(database.image_ids())) == (0, 0, [])


@pytest.fixture
def small_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb_files, "_PICTURES_A_COMMIT", 7)
    monkeypatch.setattr(lmdb_files, "_PAIRS_A_COMMIT", 9)
    monkeypatch.setattr(lmdb_files, "_BYTES_A_COMMIT", 200_000)


@pytest.mark.usefixtures("small_commits")
def test_a_job_that_was_ended_anywhere_goes_on_to_the_same_bytes(
    forty: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lmdb(forty.tsv, forty.pictures, forty.texts, tmp_path / "once")
    commit, n_commits = lmdb_files._commit, 0

    def ended_after_each(folder: Path, entries: Mapping[bytes, bytes]) -> None:
        nonlocal n_commits
        n_commits += 1
        commit(folder, entries)
        raise KeyboardInterrupt

    monkeypatch.setattr(lmdb_files, "_commit", ended_after_each)
    target = tmp_path / "often"
    while not target.exists():
        with suppress(KeyboardInterrupt):
            write_lmdb(forty.tsv, forty.pictures, forty.texts, target)
    assert n_commits > 10
    for name in ("pairs", "imgs"):
        assert (target / name / "data.mdb").read_bytes() == (tmp_path / "once" / name / "data.mdb").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["often", "once", "train"]
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*")) == [
        *("imgs", "imgs/data.mdb", "pairs", "pairs/data.mdb")
    ]


@pytest.mark.usefixtures("small_commits")
def test_what_was_begun_from_other_lists_is_not_gone_on_with(
    tables: Maker, forty: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path, entries: Mapping[bytes, bytes]) -> None:
        raise lmdb.DiskError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(lmdb_files, "_write_pairs", full)
        with pytest.raises(JobError, match="No space left on device"):
            write_lmdb(forty.tsv, forty.pictures, forty.texts, tmp_path / "out")
    other = tables(tsv_row(1, a_picture(1)), jsonl_row(5, "other", [1]), split="valid")
    write_lmdb(other.tsv, other.pictures, other.texts, tmp_path / "out")
    assert list(PairsLmdb(tmp_path / "out").image_ids()) == [1]
    assert PairsLmdb(tmp_path / "out").pair(0) == (1, 5, "other")


def test_a_database_that_a_full_disk_kept_from_beginning_is_begun_anew(
    forty: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path, texts: Path) -> None:
        (folder / "data.mdb").write_bytes(b"\0" * 4096)  # half of the two pages that a database begins with
        raise lmdb.DiskError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(lmdb_files, "_write_pairs", full)
        with pytest.raises(JobError, match="No space left on device"):
            write_lmdb(forty.tsv, forty.pictures, forty.texts, tmp_path / "out")
    write_lmdb(forty.tsv, forty.pictures, forty.texts, tmp_path / "out")
    write_lmdb(forty.tsv, forty.pictures, forty.texts, tmp_path / "undisturbed")
    for name in ("pairs", "imgs"):
        whole = (tmp_path / "undisturbed" / name / "data.mdb").read_bytes()
        assert (tmp_path / "out" / name / "data.mdb").read_bytes() == whole


def test_one_that_is_there_is_replaced_and_a_changed_tsv_is_noticed(forty: Tables, tmp_path: Path) -> None:
    for _ in range(2):
        write_lmdb(forty.tsv, forty.pictures, forty.texts, tmp_path / "out")
    forty.tsv.write_bytes(b"1\tYWJj\n" + forty.tsv.read_bytes())
    with pytest.raises(JobError, match="changed since its check; run again"):
        write_lmdb(forty.tsv, forty.pictures, forty.texts, tmp_path / "out")
    assert PairsLmdb(tmp_path / "out").n_pictures == 40


def test_two_jobs_do_not_write_one_lmdb(forty: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(*_: object) -> None:
        with pytest.raises(JobError, match=f"pid {os.getpid()} .* is writing it"):
            write_lmdb(forty.tsv, forty.pictures, forty.texts, tmp_path / "out")

    monkeypatch.setattr(lmdb_files, "_write_pairs", meanwhile)
    write_lmdb(forty.tsv, forty.pictures, forty.texts, tmp_path / "out")


# --- read


def test_readers_of_one_process_share_it_and_survive_pickling_and_forking(golden_lmdb: Path) -> None:
    one, two = PairsLmdb(golden_lmdb), PairsLmdb(golden_lmdb)
    expected = one.pair(3)
    assert two.pair(3) == expected
    assert pickle.loads(pickle.dumps(one)).pair(3) == expected
    child = os.fork()
    if child == 0:
        fresh = PairsLmdb(golden_lmdb)
        os._exit(0 if one.pair(3) == expected == fresh.pair(3) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert one.pair(4)[1] == 101


class _Runs:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("polymill_was_here",)


@pytest.mark.parametrize(
    "value",
    [
        pickle.dumps(_Runs()),
        pickle.dumps((1, 2, _Runs())),
        pickle.dumps((1, 2)),
        pickle.dumps((1, 2, b"bytes")),
        pickle.dumps((True, 2, "text")),
        pickle.dumps((1, -2, "text")),
        pickle.dumps((2**63, 2, "text")),
        pickle.dumps({"image_id": 1}),
        pickle.dumps((1, 2, "text"))[:-4],
        b"",
        b"cposix\nsystem\n(S'true'\ntR.",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
    ],
)
def test_a_hostile_pickle_runs_nothing_and_costs_its_own_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    pairs = {b"0": value, b"1": pickle.dumps((5, 6, "good")), b"num_samples": b"2"}
    database = make_by_hand(tmp_path / "lmdb", pairs, {b"5": b"YWJj", b"num_images": b"1"})
    with pytest.raises(SampleError, match=r"bad_pair: .*pair 0"):
        database.pair(0)
    assert database.pair(1) == (5, 6, "good")
    assert not Path("polymill_was_here").exists()


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_every_protocol_are_read(tmp_path: Path, protocol: int) -> None:
    pair = (2**62, 7, "猫 \U0001f600")
    pairs = {b"0": pickle.dumps(pair, protocol=protocol), b"num_samples": b"1"}
    assert make_by_hand(tmp_path / "lmdb", pairs, {}).pair(0) == pair


def test_absent_pairs_and_pictures_are_named(golden_lmdb: Path) -> None:
    database = PairsLmdb(golden_lmdb)
    with pytest.raises(SampleError, match="there is no pair 12"):
        database.pair(12)
    with pytest.raises(SampleError, match=r"no_such_picture: .*imgs: there is no picture 5"):
        database.picture(5)


@pytest.mark.parametrize("count", [None, b"", b"many", b"-1", b"3", b"9" * 400])
def test_a_count_that_cannot_be_is_refused(tmp_path: Path, count: bytes | None) -> None:
    pairs = {b"0": pickle.dumps((1, 2, "a")), b"1": pickle.dumps((1, 3, "b"))}
    database = make_by_hand(tmp_path / "lmdb", pairs | ({} if count is None else {b"num_samples": count}), {})
    with pytest.raises(ConfigError, match="num_samples is absent or wrong"):
        _ = database.n_pairs


def test_pairs_beyond_the_number_that_is_said_are_not_left_out_in_silence(tmp_path: Path) -> None:
    pairs = {str(n).encode(): pickle.dumps((5, n, "good")) for n in range(3)} | {b"num_samples": b"2"}
    with pytest.raises(ConfigError, match="num_samples says 2, and 3 pairs are there"):
        _ = make_by_hand(tmp_path / "lmdb", pairs, {}).n_pairs


@pytest.mark.parametrize("key", [b"../5", b"007"])
def test_a_key_that_is_no_id_is_refused(tmp_path: Path, key: bytes) -> None:
    database = make_by_hand(tmp_path / "lmdb", {}, {key: b"YWJj", b"num_images": b"1"})
    with pytest.raises(ConfigError, match=f"the key {key!r} is no id"):
        list(database.image_ids())


def test_a_file_that_was_cut_off_is_refused_before_its_reader_is_killed(tmp_path: Path) -> None:
    pictures = {b"%d" % number: b"A" * 3000 for number in range(100)} | {b"num_images": b"100"}
    make_by_hand(tmp_path / "lmdb", {}, pictures)
    file = tmp_path / "lmdb" / "imgs" / "data.mdb"
    file.write_bytes(file.read_bytes()[:120_000])
    with pytest.raises(ConfigError, match=r"imgs: cannot be opened \(cut off: 120,000 of [0-9,]+ bytes; copy it again"):
        list(PairsLmdb(tmp_path / "lmdb").image_ids())


def test_damaged_pages_are_told_with_their_file(tmp_path: Path) -> None:
    make_by_hand(tmp_path / "lmdb", {}, {b"%d" % number: b"A" * 500 for number in range(200)} | {b"num_images": b"200"})
    file = tmp_path / "lmdb" / "imgs" / "data.mdb"
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + bytes(byte ^ 0xFF for byte in whole[8192:]))
    with pytest.raises(JobError, match=r"imgs/data.mdb: damaged \(.*\); copy it again"):
        list(PairsLmdb(tmp_path / "lmdb").image_ids())


def test_what_is_no_lmdb_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be opened .* a folder with pairs/data.mdb and imgs/data.mdb"):
        _ = PairsLmdb(tmp_path / "none").n_pairs
    (tmp_path / "pairs").mkdir()
    (tmp_path / "pairs" / "data.mdb").write_bytes(b"no database" * 1000)
    with pytest.raises(ConfigError, match=r"pairs: cannot be opened"):
        _ = PairsLmdb(tmp_path).n_pairs
