"""A worker's scores of videos: the same bytes in any company, and what is wrong with one video costs that one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scripts.fgclip.scoring import job
from scripts.fgclip.scoring.job import score_videos
from scripts.fgclip.scoring.prompts import PromptSets
from scripts.fgclip.scoring.score_files import VideoScores, read_scores
from scripts.fgclip.scoring.scorer import VideoScorer
from scripts.shared.errors import JobError, SampleError
from scripts.shared.fingerprints import stat_source
from scripts.shared.sample_task import MadeSample, SampleTask
from scripts.shared.video.frames import read_frames
from tests.odd_videos import x264
from tests.unit.fgclip.model.networks import NUM_FRAMES, SIZE, tiny_folder

PROMPTS = PromptSets({"Square": ("a red square appears",)}, ("nothing happens",))
SETTINGS: dict[str, Any] = {
    "format": 1,
    "stride": 5,
    "top_k": 2,
    "batch": 4,
    "prompts": PROMPTS.as_settings(),
    "num_frames": NUM_FRAMES,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and two videos of 42 and 80 frames."""
    folder = tmp_path_factory.mktemp("place")
    tiny_folder(folder / "model")
    for name, n_frames in (("a", 42), ("b", 80)):
        x264(n_frames=n_frames)(folder / f"{name}.mp4")
    return folder


@pytest.fixture(autouse=True)
def fresh_process() -> Iterator[None]:
    """What a process keeps of a model does not outlive a test."""
    yield
    job._scorer.cache_clear()


def task(place: Path, key: str, target: Path, *, decoders: int = 1, device: str = "cpu", **settings: Any) -> SampleTask:
    means = {"model": str(place / "model"), "device": device, "decoders": decoders}
    entry = {"source": f"{key}.mp4", "files": [f"scores/toy/{key}.npz"]}
    target.mkdir(exist_ok=True)
    return SampleTask(key, entry, SETTINGS | settings, means, place / f"{key}.mp4", target)


def scored(task: SampleTask) -> VideoScores:
    [made] = score_videos([task])
    assert isinstance(made, MadeSample), made
    return read_scores(task.folder / task.entry["files"][0])


def test_every_so_many_frames_one_is_scored(place: Path, tmp_path: Path) -> None:
    wanted = task(place, "a", tmp_path)
    [made] = score_videos([wanted])
    assert isinstance(made, MadeSample)
    assert made.source == stat_source(place / "a.mp4")
    assert made.facts == {"n_frames": 42, "n_scored": 9, "device": "cpu"}
    scores = read_scores(tmp_path / "scores/toy/a.npz")
    assert scores.frames.tolist() == list(range(0, 42, 5))
    assert scores.n_frames == 42
    assert scores.classes == ("Square", "Normal")
    assert scores.margin_map.shape == (9, 6, 6)
    assert made.files["scores/toy/a.npz"][0] == (tmp_path / "scores/toy/a.npz").stat().st_size


def test_company_and_decoders_change_no_byte(place: Path, tmp_path: Path) -> None:
    alone = [score_videos([task(place, key, tmp_path / "alone")])[0] for key in "ab"]
    together = score_videos([task(place, key, tmp_path / "together", decoders=2) for key in "ba"])
    assert [made.files for made in alone] == [made.files for made in reversed(together)]  # type: ignore[union-attr]


def test_a_video_decoded_at_several_goes_has_the_same_scores(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = scored(task(place, "b", tmp_path / "one"))
    reads = []
    monkeypatch.setattr(job, "_FRAMES_AT_A_GO", 8)
    monkeypatch.setattr(job, "read_frames", lambda *a, **k: (reads.append(k), read_frames(*a, **k))[1])
    in_parts = scored(task(place, "b", tmp_path / "two"))
    assert len(reads) == 2  # 16 frames are scored: no go for none
    assert all((how["height"], how["width"]) == (SIZE, SIZE) for how in reads)  # squashed, as training does: no crop
    assert np.array_equal(at_once.margin_map, in_parts.margin_map)
    assert np.array_equal(at_once.class_logits, in_parts.class_logits)


def test_frames_late_in_a_video_are_scored_too(place: Path, tmp_path: Path) -> None:
    """Not so with defect D1 of the guide's program, which reads the first 512 frames of a video only."""
    assert scored(task(place, "b", tmp_path, stride=1)).frames[-1] == 79


def test_what_is_wrong_with_one_video_costs_that_one(place: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes((place / "a.mp4").read_bytes()[:500])
    bad = task(place, "a", tmp_path / "bad")
    bad = SampleTask(bad.key, bad.entry, bad.settings, bad.means, tmp_path / "broken.mp4", bad.folder)
    refused, made = score_videos([bad, task(place, "b", tmp_path / "good")])
    assert isinstance(refused, SampleError)
    assert refused.error in {"not_a_video", "unreadable", "truncated"}
    assert isinstance(made, MadeSample)


def test_scores_that_are_no_numbers_are_no_scores(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode = VideoScorer.encode

    def broken(self: VideoScorer, frames: Any) -> Any:
        encoded = encode(self, frames)
        return encoded._replace(pooled=encoded.pooled * torch.nan)

    monkeypatch.setattr(VideoScorer, "encode", broken)
    [refused] = score_videos([task(place, "a", tmp_path)])
    assert isinstance(refused, SampleError)
    assert refused.error == "not_finite"


def test_a_gpu_that_torch_cannot_use_ends_the_job_with_the_way_out(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(JobError, match=r"cannot use it: .* `gpus: \[\]` in the configuration scores the videos"):
        score_videos([task(place, "a", tmp_path, device="cuda")])


def test_what_a_gpu_refuses_is_not_the_videos_fault(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore lines")

    on_cpu = task(place, "a", tmp_path)
    scorer = job._scorer(job.json.dumps(on_cpu.settings, sort_keys=True), on_cpu.means["model"], "cpu")
    monkeypatch.setattr(job, "_scorer", lambda *_: scorer)
    monkeypatch.setattr(VideoScorer, "encode", refuse)
    with pytest.raises(JobError, match=r"Tried to allocate 2 GiB; run again .*\(a smaller `score_batch` needs less\)"):
        score_videos([task(place, "a", tmp_path, device="cuda")])
