import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.shared import layout
from scripts.shared.errors import JobError
from scripts.shared.fingerprints import digest_bytes
from scripts.shared.ledger import LedgerWriter, read_shard
from scripts.shared.planning.index_plan import plan_file
from scripts.shared.planning.members import Members, save_members
from scripts.shared.planning.plan_file import PlanHeader, closed
from scripts.speaker.embedding_file import embedding_pickle
from scripts.speaker.index import write_index
from scripts.speaker.shard_arrays import part_file, read_part, write_part

DIM = 3


class Dataset:
    """Finished and failed recordings over two shards, as jobs leave them."""

    def __init__(self, folder: Path, names: list[str], failed: tuple[str, ...] = ()) -> None:
        self.dir, self.work, self.names = folder / "out", folder / "work", names
        self.shard_of = {name: number % 2 for number, name in enumerate(names)}
        members = Members(self.shard_of, unsaved=list(names))
        save_members(layout.members_file(self.dir), members)
        for shard in ("00000", "00001"):
            writer = LedgerWriter(layout.ledger_dir(self.dir, "embeddings"), shard, {})
            for number, name in enumerate(names):
                if self.shard_of[name] == int(shard):
                    writer.append(self._failed(name) if name in failed else self._made(name, float(number + 1)))
            writer.append({"rate": {"made": 2, "failed": 0, "seconds": 4.0, "at": 1000.0, "workers": 2}})
            writer.close()
        head = {"digest": "", "serial": "", "dataset_dir": str(self.dir), "stage": "embeddings",
                "settings": {"model": "m:1", "runtime": "onnx"}, "shards": ["00000", "00001"]}  # fmt: skip
        text = json.dumps(head)[:-1] + ', "keys": [\n' + ",\n".join(json.dumps(name) for name in names) + "\n"
        plan_file(self.work).parent.mkdir(parents=True)
        plan_file(self.work).write_bytes(closed(text.encode()))

    def _made(self, name: str, value: float) -> dict[str, Any]:
        data = embedding_pickle(
            np.full(DIM, value, np.float32),
            audio_file=f"/in/{name}", relative_path=name, duration=2.0, sample_rate=8000, model="m:1", frontend={},
        )  # fmt: skip
        path = self.dir / self.file(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        facts = {"duration": 2.0, "sample_rate": 8000, "device": "cpu", "decoder": "soundfile"}
        files = {self.file(name): (len(data), digest_bytes(data))}
        return {"key": name, "status": "ok", "settings": "", "entry": "", "source": (1, 1), "files": files, "plan": "",
                "made_by": "", "facts": facts}  # fmt: skip

    def _failed(self, name: str) -> dict[str, Any]:
        return {"key": name, "status": "failed", "settings": "", "entry": "", "source": (1, 1), "plan": "",
                "made_by": "", "error": "silent", "message": f"{name}: silent", "source_name": name}  # fmt: skip

    def file(self, name: str) -> str:
        return f"embeddings/{name.rpartition('.')[0]}.pkl"

    def finish(self) -> None:
        for shard in ("00000", "00001"):
            header = PlanHeader("", "", "embeddings", shard, (), str(self.dir), "", {}, {}, 1.0)
            write_part(header, read_shard(layout.ledger_dir(self.dir, "embeddings"), shard).rows)

    def index(self) -> dict[str, Path]:
        names = ("embeddings", "table", "files", "failures", "summary", "stats", "failures_by_class", "throughput")
        outputs = {name: self.dir / name for name in names}
        outputs["embeddings"] = self.dir / "embeddings.npy"
        outputs["stats"] = self.dir / "embeddings" / "extraction_stats.json"
        write_index(plan_file(self.work), outputs=outputs, title="speaker x")
        return outputs


NAMES = ["b/1.wav", "a/2.wav", "a/1.wav", "c.wav", "d.wav"]


def test_the_array_has_a_row_a_recording_in_the_order_of_the_collection(tmp_path: Path) -> None:
    made = Dataset(tmp_path, NAMES, failed=("a/1.wav",))
    made.finish()
    out = made.index()
    array = np.load(out["embeddings"], mmap_mode="r")
    assert (array.dtype, array.shape) == (np.float32, (4, DIM))
    assert array[:, 0].tolist() == [1.0, 2.0, 4.0, 5.0]
    assert list(csv.reader(out["files"].open()))[1:] == [
        ["b/1.wav", "0"], ["a/2.wav", "1"], ["a/1.wav", ""], ["c.wav", "2"], ["d.wav", "3"]
    ]  # fmt: skip
    assert list(csv.reader(out["table"].open()))[2] == ["1", "a/2.wav", "2.000"]
    (failure,) = csv.DictReader(out["failures"].open())
    assert (failure["key"], failure["error"]) == ("a/1.wav", "silent")


def test_the_statistics_count_files_and_seconds(tmp_path: Path) -> None:
    made = Dataset(tmp_path, NAMES, failed=("d.wav",))
    made.finish()
    stats = json.loads(made.index()["stats"].read_text())
    assert (stats["total"], stats["ok"], stats["failed"], stats["errors"]) == (5, 4, 1, {"silent": 1})
    assert (stats["audio_seconds"], stats["devices"], stats["model"]) == (8.0, {"cpu": 4}, "m:1")
    # Two jobs of two files each in the same four seconds.
    assert (stats["processing_seconds"], stats["files_per_second"], stats["real_time_factor"]) == (4.0, 1.0, 0.5)


@pytest.mark.parametrize("damaged", [b"", b"no array", b"PK\3\4 no archive"])
def test_without_parts_the_pickles_are_read(tmp_path: Path, damaged: bytes) -> None:
    made = Dataset(tmp_path, NAMES)
    made.finish()
    whole = made.index()["embeddings"].read_bytes()
    part_file(made.dir, "00000").unlink()
    part_file(made.dir, "00001").write_bytes(damaged)
    assert made.index()["embeddings"].read_bytes() == whole


def test_a_part_keeps_what_it_has_and_opens_no_pickle_for_it(tmp_path: Path) -> None:
    made = Dataset(tmp_path, NAMES)
    made.finish()
    before = part_file(made.dir, "00001").read_bytes()
    for name in NAMES:
        (made.dir / made.file(name)).unlink()
    made.finish()
    assert part_file(made.dir, "00001").read_bytes() == before
    assert len(read_part(made.dir, "00000")) + len(read_part(made.dir, "00001")) == len(NAMES)


def test_a_pickle_that_is_not_what_was_written_ends_the_job_with_its_name(tmp_path: Path) -> None:
    made = Dataset(tmp_path, NAMES)
    (made.dir / made.file("b/1.wav")).write_bytes(b"x")
    with pytest.raises(JobError, match=r"embeddings/b/1\.pkl: does not hold what was written; .* verify=digest"):
        made.finish()


def test_a_collection_of_which_all_failed_has_an_empty_array(tmp_path: Path) -> None:
    made = Dataset(tmp_path, ["a.wav", "b.wav"], failed=("a.wav", "b.wav"))
    made.finish()
    out = made.index()
    assert np.load(out["embeddings"]).shape == (0, 0)
    assert json.loads(out["summary"].read_text())["failed"] == 2


def test_equal_ledgers_give_equal_files(tmp_path: Path) -> None:
    made = Dataset(tmp_path, NAMES)
    made.finish()
    first = {name: path.read_bytes() for name, path in made.index().items()}
    assert {name: path.read_bytes() for name, path in made.index().items()} == first
