"""Runs on a machine that has GPUs as far as Polymill can tell: their library and their decoder are stood in for."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from scripts.shared import layout
from scripts.shared.devices import LOCKS
from scripts.shared.ledger import list_shards, read_shard
from tests.snakemake_run import ROOT, Workplace, contents

UUIDS = [f"GPU-{uuid4()}" for _ in range(2)]
TWO_GPUS = {
    "PYTHONPATH": os.pathsep.join([str(ROOT / "tests" / "stand_ins"), str(ROOT)]),
    "POLYMILL_FAKE_GPUS": ",".join(UUIDS),
    "POLYMILL_SOFT_CARD": "yes",
    "CUDA_VISIBLE_DEVICES": "0,1",
}
COUNTED = (".state", "summary.json")  # which say who decoded


@pytest.fixture(autouse=True, scope="module")
def locks() -> Iterator[None]:
    """Take away those that the runs leave for the next job on these GPUs."""
    yield
    for path in LOCKS.glob("GPU-*"):
        if path.name.rpartition(".")[0] in UUIDS:
            path.unlink()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return Workplace.create(tmp_path / "place", 4)


def facts(place: Workplace) -> list[dict[str, Any]]:
    folder = layout.ledger_dir(place.dataset, "frames")
    return [row["facts"] for shard in list_shards(folder) for row in read_shard(folder, shard).rows.values()]


def summary(place: Workplace) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((place.dataset / "summary.json").read_text(encoding="utf-8"))
    return content


def test_gpus_are_counted_and_leased_and_give_the_bytes_of_the_cpu(place: Workplace, tmp_path: Path) -> None:
    place.options["decoder"] = "nvdec"
    place.save()
    by_cpu = place.copy(tmp_path / "by_cpu")
    ran = place.run(environment=TWO_GPUS)
    assert ran.code == 0, ran.text
    assert 'Provided resources: gpu=Resource("gpu", 2)' in ran.text
    assert ran.text.count("decodes on GPU") == 2  # one job a shard
    assert {fact["decoder"] for fact in facts(place)} == {"nvdec"}
    assert summary(place)["decoders"] == {"nvdec": 4}
    place.options["decoder"] = "auto"
    place.save()
    assert place.run("-n").nothing_to_do  # without a GPU, or after another choice, nothing is made again

    ran = by_cpu.run("--resources", "gpu=0", environment=TWO_GPUS)
    assert ran.code == 0, ran.text
    why = "the run gives this job no GPU"
    assert f"{why}: decodes on the CPU" in ran.text
    assert {(fact["decoder"], fact["why_cpu"]) for fact in facts(by_cpu)} == {("cpu", why)}
    assert (summary(by_cpu)["decoders"], summary(by_cpu)["why_cpu"]) == ({"cpu": 4}, {why: 4})
    assert contents(place.dataset, COUNTED) == contents(by_cpu.dataset, COUNTED)


def test_auto_tries_both_in_a_real_run_alone_and_says_what_it_chose(place: Workplace) -> None:
    place.options["decoder"] = "auto"
    place.save()
    assert "trying" not in place.run("-n", environment=TWO_GPUS).text
    assert not place.work.exists()
    ran = place.run(environment=TWO_GPUS)
    assert ran.code == 0, ran.text
    assert ran.text.count("decoder auto: trying CPU and GPU on 4 clips") == 1
    choice = json.loads((place.work / "decoder.json").read_text())
    assert choice["machine"] == {"gpus": ["Fake 1000"] * 2, "cores": 2}
    assert min(choice["clips_per_s"].values()) > 0
    assert summary(place)["decoder_choice"] == choice
    assert {fact["decoder"] for fact in facts(place)} == {choice["choice"]}


def test_a_gpu_that_does_not_exist_is_named_before_anything_is_made(place: Workplace) -> None:
    place.options["decoder"] = "nvdec"
    place.top["gpus"] = [0, 5]
    place.save()
    ran = place.run("-n", environment=TWO_GPUS)
    assert ran.code != 0
    assert "gpus: no GPU 5 on this machine; there are 0, 1" in ran.text
    assert "Traceback (most recent" not in ran.text
