import csv
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.shared.config import load_config
from scripts.shared.errors import ConfigError, JobError, PlanningError
from scripts.shared.safe_pickle import dumps
from scripts.speaker.gathering import gather, settle_gathering


def embedding(name: str, value: float = 1.0, dim: int = 4, **more: Any) -> dict[str, Any]:
    return {"embedding": np.full(dim, value, np.float32), "relative_path": name, "model": "m:1", **more}


def put(folder: Path, *held: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, value in enumerate(held):
        (folder / f"{number}.pkl").write_bytes(dumps(value))
    return folder


def config(tmp_path: Path, **options: Any) -> dict[str, Any]:
    dataset = {"embeddings_dir": str(tmp_path / "in"), **options}
    return load_config({"speaker": {"datasets": {"lab": dataset}}}, lambda _: "config.yaml")


def request(tmp_path: Path, **options: Any) -> Path:
    return settle_gathering(config(tmp_path, **options), "lab", tmp_path / "request.json", scratch=None)


class Gathered:
    def __init__(self, tmp_path: Path, **options: Any) -> None:
        out = {name: tmp_path / "out" / name for name in ("embeddings", "table", "files", "failures", "summary")}
        gather(request(tmp_path, **options), outputs=out)
        self.array = np.load(out["embeddings"], mmap_mode="r")
        self.files = [tuple(row) for row in csv.reader(out["files"].open())][1:]
        self.table = [tuple(row) for row in csv.reader(out["table"].open())][1:]
        self.failures = list(csv.DictReader(out["failures"].open()))
        self.summary = json.loads(out["summary"].read_text())


def test_embeddings_come_in_the_order_of_their_recordings(tmp_path: Path) -> None:
    put(tmp_path / "in", embedding("b/1.wav", 2.0), embedding("a/10.wav", 1.0, duration=2.5), embedding("a/9.wav", 3.0))
    found = Gathered(tmp_path)
    assert found.table == [("0", "a/10.wav", "2.500"), ("1", "a/9.wav", ""), ("2", "b/1.wav", "")]
    assert found.array[:, 0].tolist() == [1.0, 3.0, 2.0]
    assert found.summary == {"ok": 3, "failed": 0, "errors": {}, "model": "m:1"}
    assert [path for path, _ in Gathered(tmp_path, order="natural").files] == ["a/9.wav", "a/10.wav", "b/1.wav"]


def test_one_pickle_may_hold_a_list(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(dumps([embedding("b.wav", 2.0), {"no": 1}, embedding("a.wav", 1.0)]))
    found = Gathered(tmp_path)
    assert found.array[:, 0].tolist() == [1.0, 2.0]
    assert [(row["key"], row["error"]) for row in found.failures] == [("in[1]", "bad_embedding")]
    assert found.files == [("a.wav", "0"), ("b.wav", "1"), ("in[1]", "")]


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))

    path = Path()


def test_a_bad_pickle_is_a_failure_with_its_reason_and_stops_no_other(tmp_path: Path) -> None:
    folder = put(tmp_path / "in", embedding("a.wav"), {"x": 1}, embedding("b.wav", float("nan")), embedding("a.wav"))
    Bomb.path = tmp_path / "bomb"
    (folder / "bomb.pkl").write_bytes(pickle.dumps({"embedding": Bomb()}))
    (folder / "cut.pkl").write_bytes(dumps(embedding("c.wav"))[:-20])
    found = Gathered(tmp_path)
    assert found.summary["ok"] == 1
    reasons = {row["key"]: row["message"] for row in found.failures}
    assert set(reasons) == {"1.pkl", "2.pkl", "3.pkl", "bomb.pkl", "cut.pkl"}
    assert "has no 'embedding'" in reasons["1.pkl"]
    assert "NaN" in reasons["2.pkl"]
    assert "and so it is in an earlier one" in reasons["3.pkl"]
    assert "open" in reasons["bomb.pkl"]
    assert not Bomb.path.exists()


def test_embeddings_of_two_models_are_refused_and_both_named(tmp_path: Path) -> None:
    put(tmp_path / "in", embedding("a.wav"), embedding("b.wav", model="resnet:2"), embedding("c.wav"))
    with pytest.raises(JobError, match=r"embeddings of 2 models: m:1 \(2\) and resnet:2 \(1\); these cannot be"):
        Gathered(tmp_path)


def test_embeddings_of_two_lengths_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "in", embedding("a.wav"), embedding("b.wav", dim=5))
    with pytest.raises(JobError, match=r"of 2 lengths: 4 numbers \(1\) and 5 numbers \(1\)"):
        Gathered(tmp_path)


def test_nothing_usable_says_why(tmp_path: Path) -> None:
    put(tmp_path / "in", {"x": 1})
    with pytest.raises(JobError, match=r"no embedding in it can be used: 0\.pkl: has no 'embedding'"):
        Gathered(tmp_path)


def test_select_and_a_csv_choose_among_them(tmp_path: Path) -> None:
    put(tmp_path / "in", embedding("a.wav", 1.0), embedding("b.wav", 2.0), embedding("c.wav", 3.0))
    assert Gathered(tmp_path, select="range:1-3").array[:, 0].tolist() == [2.0, 3.0]
    assert Gathered(tmp_path, select=["c.wav", "a.wav"]).array[:, 0].tolist() == [1.0, 3.0]
    (tmp_path / "order.csv").write_text("relative_path\nc.wav\nlost.wav\na.wav\n")
    found = Gathered(tmp_path, order="csv", order_csv=str(tmp_path / "order.csv"))
    assert found.files == [("c.wav", "0"), ("lost.wav", ""), ("a.wav", "1")]
    assert [row["error"] for row in found.failures] == ["no_embedding"]
    (tmp_path / "in/damaged.pkl").write_bytes(b"no pickle")
    found = Gathered(tmp_path, order="csv", order_csv=str(tmp_path / "order.csv"))
    assert [(row["key"], row["error"]) for row in found.failures] == [
        ("lost.wav", "no_embedding"), ("damaged.pkl", "bad_embedding")
    ]  # fmt: skip
    assert [path for path, _ in found.files] == ["c.wav", "lost.wav", "a.wav"]


def test_the_request_changes_with_what_lies_there_and_with_nothing_else(tmp_path: Path) -> None:
    put(tmp_path / "in", embedding("a.wav"))
    first = request(tmp_path).read_bytes()
    assert request(tmp_path).read_bytes() == first
    put(tmp_path / "in/more", embedding("b.wav"))
    second = request(tmp_path).read_bytes()
    assert second != first
    assert request(tmp_path, order="natural").read_bytes() != second


def test_a_plan_only_writes_nothing(tmp_path: Path) -> None:
    put(tmp_path / "in", embedding("a.wav"))
    (tmp_path / "scratch").mkdir()
    path = tmp_path / "work/request.json"
    stand_in = settle_gathering(config(tmp_path), "lab", path, scratch=tmp_path / "scratch")
    assert (stand_in.parent.name, path.exists()) == ("scratch", False)


def test_a_name_that_is_a_recordings_and_a_damaged_pickles_gives_one_row(tmp_path: Path) -> None:
    put(tmp_path / "in", embedding("1.pkl"), {"x": 1})
    found = Gathered(tmp_path)
    assert (found.files, len(found.array)) == ([("1.pkl", "0")], 1)


def test_a_folder_that_cannot_be_read_is_no_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "in", embedding("a.wav"))
    locked = put(tmp_path / "in/locked", embedding("b.wav"))
    scandir = os.scandir

    def refuse(place: str) -> Any:
        if Path(place) == locked:
            raise PermissionError(13, "Permission denied", place)
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PlanningError, match=r"locked/: Permission denied; mend it, or take it out of embeddings_dir"):
        request(tmp_path)


def test_what_cannot_be_is_said_before_any_job(tmp_path: Path) -> None:
    with pytest.raises(PlanningError, match=r"in: No such file or directory; is embeddings_dir right"):
        request(tmp_path)
    with pytest.raises(ConfigError, match="order: csv and order_csv"):
        request(tmp_path, order="csv")


def test_what_is_no_regular_file_is_a_failure_and_is_not_waited_on(tmp_path: Path) -> None:
    put(tmp_path / "in", embedding("a.wav"))
    os.mkfifo(tmp_path / "in/pipe.pkl")
    (tmp_path / "in/device.pkl").symlink_to("/dev/zero")
    (tmp_path / "in/gone.pkl").symlink_to("nowhere")
    found = Gathered(tmp_path)
    assert [(row["key"], row["message"]) for row in found.failures] == [
        ("device.pkl", "device.pkl: is no regular file"),
        ("gone.pkl", "gone.pkl: No such file or directory"),
        ("pipe.pkl", "pipe.pkl: is no regular file"),
    ]


def test_linked_folders_are_read_and_hidden_ones_are_not(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", embedding("a.wav"))
    put(tmp_path / "in/.state", embedding("b.wav"))
    (tmp_path / "in/more").symlink_to(tmp_path / "elsewhere")
    assert [path for path, _ in Gathered(tmp_path).files] == ["a.wav"]
    (tmp_path / "elsewhere/circle").symlink_to(tmp_path / "in")
    with pytest.raises(PlanningError, match="a link to a folder that it lies in"):
        request(tmp_path)


def test_a_name_that_no_table_can_hold_is_a_failure(tmp_path: Path) -> None:
    put(tmp_path / "in", embedding("a.wav"), embedding("b\r.wav"), embedding("c\udcff.wav"))
    (tmp_path / "in/z\r.pkl").write_bytes(b"")
    found = Gathered(tmp_path)
    assert [row["key"] for row in found.failures] == ["1.pkl", "2.pkl", "z?.pkl"]
    assert found.files == [("1.pkl", ""), ("2.pkl", ""), ("a.wav", "0"), ("z?.pkl", "")]
