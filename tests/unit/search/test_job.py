"""What a worker does with pictures and videos that go together."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.search import job
from scripts.search.job import device_errors, encode_assets, group
from scripts.search.vectors_file import read_vectors
from scripts.shared.errors import JobError, SampleError
from scripts.shared.sample_task import MadeSample, SampleTask
from tests.search_place import make_picture
from tests.search_toy import FakeEncoder
from tests.snakemake_run import make_clip

MEANS = {"device": "cpu", "decoders": 2, "encoder": "conse", "model": "", "path": ""}


def task(folder: Path, key: str, **entry: Any) -> SampleTask:
    kind = "video" if key.endswith("mp4") else "image"
    said = {"source": key, "files": [f"vectors/{key}.npz"], "kind": kind, "frame_interval": 0.2, **entry}
    return SampleTask(
        key, said, {"encoder": "conse", "form": "torch", "min_size": 32}, MEANS, folder / key, folder / "made"
    )


@pytest.fixture(autouse=True)
def fake_encoder(monkeypatch: pytest.MonkeyPatch) -> FakeEncoder:
    encoder = FakeEncoder()
    monkeypatch.setattr(job, "_encoder", lambda _: encoder)
    return encoder


def test_pictures_go_together_and_each_video_alone(tmp_path: Path) -> None:
    tasks = [task(tmp_path, f"{number}.jpg") for number in range(10)] + [task(tmp_path, f"{n}.mp4") for n in range(2)]
    parts = group({"device": "cpu"}, tasks)
    assert [len(part) for part in parts] == [8, 2, 1, 1]
    assert sorted(of.key for part in parts for of in part) == sorted(of.key for of in tasks)
    assert [len(part) for part in group({"device": "cuda"}, tasks)] == [10, 1, 1]


def test_each_picture_gets_its_own_vector_whichever_of_its_company_fail(
    tmp_path: Path, fake_encoder: FakeEncoder
) -> None:
    for number in (0, 2):
        make_picture(tmp_path / f"{number}.jpg", seed=number)
    (tmp_path / "1.jpg").write_bytes(b"no picture")
    made = encode_assets([task(tmp_path, f"{number}.jpg") for number in range(3)])
    assert isinstance(made[1], SampleError)
    assert made[1].error == "no_picture"
    for number in (0, 2):
        found = read_vectors(tmp_path / "made" / "vectors" / f"{number}.jpg.npz")
        pixels = job.read_picture(tmp_path / f"{number}.jpg", size=8, min_size=1)[0]
        np.testing.assert_array_equal(found.features, fake_encoder.encode_pixels(pixels[None]))
        assert len(found.times) == 0


def test_a_video_has_a_vector_a_frame_and_its_facts(tmp_path: Path) -> None:
    make_clip(tmp_path / "x.mp4", seed=1)
    [made] = encode_assets([task(tmp_path, "x.mp4")])
    assert isinstance(made, MadeSample)
    assert {key: made.facts[key] for key in ("n_vectors", "width", "height", "duration", "identity", "dim")} == {
        "n_vectors": 2, "width": 64, "height": 48, "duration": 0.4, "identity": "fake", "dim": 2,
    }  # fmt: skip
    assert read_vectors(tmp_path / "made" / "vectors" / "x.mp4.npz").times.tolist() == [0, 0.2]


def test_vectors_that_are_no_numbers_are_a_failed_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_picture(tmp_path / "x.jpg", seed=1)
    make_clip(tmp_path / "x.mp4", seed=1)
    monkeypatch.setattr(FakeEncoder, "encode_pixels", lambda _, pixels: np.full((len(pixels), 2), np.nan, np.float32))
    for name in ("x.jpg", "x.mp4"):
        [made] = encode_assets([task(tmp_path, name)])
        assert isinstance(made, SampleError)
        assert made.error == "not_finite"


def test_what_a_gpu_refuses_ends_the_job_and_costs_no_picture() -> None:
    with pytest.raises(JobError, match="computes no more on the GPU: out of memory"), device_errors("cuda"):
        raise RuntimeError("out of memory\nand more")
    with pytest.raises(RuntimeError), device_errors("cpu"):
        raise RuntimeError("a defect")
