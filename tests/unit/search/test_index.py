"""From ledgers to the index: parts, captions, the one encoder, and what verification sees."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.search import index, parts
from scripts.search.captions import encode_captions, least_score, matching_scores, read_captions, read_encoded
from scripts.search.check import listed_assets, vectors_checker
from scripts.search.database import open_database
from scripts.search.index import write_index
from scripts.search.stage import vectors_stage
from scripts.search.vectors_file import Vectors, parse_vectors, read_vectors, vectors_npz
from scripts.shared.config import load_config
from scripts.shared.errors import JobError
from scripts.shared.planning.planner import plan_dataset
from scripts.shared.shard_job import run_shard
from tests.search_place import SearchPlace, make_picture
from tests.search_toy import FakeEncoder

OUTPUTS = {name: f"{name}.out" for name in ("failures", "summary", "failures_by_class", "throughput")}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SearchPlace:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(index, "to_png", lambda _: b"PNG")  # drawing takes a second
    here = SearchPlace(tmp_path, {"folders": {"a": "a", "b": "b"}, "shard_size": 2})
    for name in ("a/1.jpg", "a/2.jpg", "a/copy.jpg", "b/film.mp4"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("same" if name in ("a/1.jpg", "a/copy.jpg") else name)
    return here


def config_of(here: SearchPlace) -> dict[str, Any]:
    return load_config({"search": {"datasets": {here.name: here.options}}}, lambda _: "config.yaml")


def make(here: SearchPlace, captions: Path | None = None) -> Path:
    plan = plan_dataset(vectors_stage(config_of(here), here.name), scratch=None)
    for shard, path in plan.plans.items():
        receipt = path.parents[1] / "receipt" / f"{shard}.json"
        if not receipt.exists():
            run_shard(path, receipt, function="tests.search_toy:fake_assets", versions={}, workers=1,
                      group=lambda _, tasks: [tasks], finish=parts.write_part)  # fmt: skip
    write(here, plan.index_plan, captions)
    return plan.index_plan


def write(here: SearchPlace, plan: Path, captions: Path | None = None) -> None:
    outputs = {name: here.folder / path for name, path in OUTPUTS.items()}
    write_index(plan, captions=captions, database=here.database, outputs=outputs, title="search mine")


def test_the_index_holds_the_vectors_of_all_shards_whether_from_their_arrays_or_files(place: SearchPlace) -> None:
    plan = make(place)
    vectors = {path: rows.tolist() for path, rows in place.indexed().items()}
    assert {path: len(rows) for path, rows in vectors.items()} == {
        "a/1.jpg": 1,
        "a/2.jpg": 1,
        "a/copy.jpg": 1,
        "b/film.mp4": 3,
    }
    assert vectors["a/1.jpg"] == vectors["a/copy.jpg"]
    for path, rows in vectors.items():
        assert read_vectors(place.dataset / "vectors" / f"{path}.npz").features.tolist() == rows
    whole = place.database.read_bytes()
    (place.dataset / "vectors").rename(place.dataset / "away")
    write(place, plan)  # from the arrays alone
    assert place.database.read_bytes() == whole
    (place.dataset / "away").rename(place.dataset / "vectors")
    shutil.rmtree(place.state / "vectors" / "parts")
    write(place, plan)
    assert place.database.read_bytes() == whole
    (place.dataset / "vectors" / "a" / "2.jpg.npz").write_bytes(b"damaged")
    with pytest.raises(JobError, match=r"2\.jpg\.npz: does not hold what was written; run again with --config verify"):
        write(place, plan)
    assert place.database.read_bytes() == whole


def test_folders_without_a_picture_have_an_empty_index(place: SearchPlace) -> None:
    for path in place.folder.glob("*/*.*"):
        path.unlink()
    make(place, captions_of(place, {"path": "a/1.jpg", "en": "x"}))
    assert place.assets() == {}
    assert listed_assets(place.dataset) == []
    with open_database(place.database) as database:
        assert [database.meta[key] for key in ("n_assets", "n_vectors", "dim", "min_score")] == ["0", "0", "0", ""]


def test_an_array_of_another_kind_is_as_none(place: SearchPlace) -> None:
    plan = make(place)
    whole = place.database.read_bytes()
    for path in (place.state / "vectors" / "parts").iterdir():
        np.save(path, np.zeros((3, 3)))
    write(place, plan)
    assert place.database.read_bytes() == whole


def test_vectors_of_two_models_are_never_in_one_index(place: SearchPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    make(place)
    before = place.database.read_bytes()
    make_picture(place.folder / "a" / "3.jpg", seed=1)
    kept = index._keep

    def keep_other(row: Any) -> Any:
        if row["key"] == "a/3.jpg":
            row = row | {"facts": row["facts"] | {"identity": "another"}}
        return kept(row)

    monkeypatch.setattr(index, "_keep", keep_other)
    with pytest.raises(JobError, match=r"a/1\.jpg and a/3\.jpg were encoded by two models"):
        make(place)
    assert place.database.read_bytes() == before


def captions_of(here: SearchPlace, *lines: dict[str, str]) -> Path:
    (here.folder / "captions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    encode_captions(here.folder / "captions.jsonl", FakeEncoder(), here.folder / "captions.npz")
    return here.folder / "captions.npz"


def test_the_least_score_is_that_which_nineteen_of_twenty_captions_reach(place: SearchPlace) -> None:
    make(place, captions_of(place, {"path": "b/film.mp4", "en": "x" * 5}, {"path": "gone.jpg", "en": "x"}))
    film = place.indexed()["b/film.mp4"]
    best = max(row[0] * np.cos(5) + row[1] * np.sin(5) for row in film)  # the frame that is most like it
    with open_database(place.database) as database:
        assert float(database.meta["min_score"]) == pytest.approx(best, abs=1e-4)
    assert least_score(np.linspace(0, 1, 101)) == 0.05
    assert least_score([]) is None


def test_captions_of_another_encoder_are_refused(place: SearchPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeEncoder, "identity", "another")
    with pytest.raises(JobError, match="captions were encoded by another model"):
        make(place, captions_of(place, {"path": "a/1.jpg", "zh": "x"}))


def test_scores_of_captions_are_with_their_own_assets(tmp_path: Path) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_text('{"path": "a", "zh": "x", "en": "xx"}\n{"path": "b", "en": "xxx"}\n')
    encode_captions(path, FakeEncoder(), tmp_path / "captions.npz")
    encoded = read_encoded(tmp_path / "captions.npz")
    assert (encoded.paths, encoded.languages) == (("a", "a", "b"), ("zh", "en", "en"))
    one = np.array([[np.cos(1), np.sin(1)]], np.float32)
    np.testing.assert_allclose(matching_scores(encoded, {"a": one}), [1, np.cos(1)], rtol=1e-6)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"en": "no path"}', 'caption 1: needs a "path"'),
        ('{"path": "a.jpg", "de": "Katze"}', "a text under zh or en"),
        ('{"path": "a.jpg", "en": " "}', "'en' is ' ', which is no text"),
        ('{"path": "a.jpg", "en": 7}', "'en' is 7"),
        ('{"path": "a.jpg", "en": "x", "en": "y"}', "caption 1: "),
        ("[1]", "caption 1: is no object"),
        ('{"path": "a.jpg", "en": ', "does not end on its line"),
    ],
)
def test_a_caption_that_is_none_is_named(tmp_path: Path, line: str, says: str) -> None:
    (tmp_path / "captions.jsonl").write_text(line + "\n")
    with pytest.raises(JobError, match=says):
        read_captions(tmp_path / "captions.jsonl")


def test_verification_sees_a_sound_index_and_sound_vectors(place: SearchPlace) -> None:
    make(place)
    assert listed_assets(place.dataset) == ["a/1.jpg", "a/2.jpg", "a/copy.jpg", "b/film.mp4"]
    check = vectors_checker({})
    sound = (place.dataset / "vectors" / "b" / "film.mp4.npz").read_bytes()
    assert check({"film.npz": sound}) == ""
    film = parse_vectors(sound)
    assert "none of unit length" in check({"x": vectors_npz(Vectors(2 * film.features, film.times))})
    assert "do not ascend" in check({"x": vectors_npz(Vectors(film.features, film.times[::-1].copy()))})
    assert "3 vectors for 2 times" in check({"x": vectors_npz(Vectors(film.features, film.times[:2]))})
    assert "no vectors" in check({"x": b"something else"})
    assert "cannot be read" in check({"x": sound[:200]})
    assert check({}) == "no file on record"
