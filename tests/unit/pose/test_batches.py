"""Poses equal upstream's, and are the same bytes however captions are grouped; what is wrong with one costs one."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from scripts.pose import batches
from scripts.pose.batches import make_poses
from scripts.pose.model_files.assembly import Part, make_autoencoder, make_mardm
from scripts.pose.model_files.model_file import PoseModel, write_model
from scripts.pose.model_files.official import find_model
from scripts.pose.names import pose_names
from scripts.pose.sampling.generation import LatentGenerator
from scripts.pose.sampling.noise import Noise
from scripts.pose.sampling.rows import ROWS
from scripts.shared.errors import ConfigError, JobError, SampleError
from scripts.shared.fingerprints import digest_file, stat_source
from scripts.shared.sample_task import MadeSample, SampleTask
from tests.pose_models import GOLDEN, SMALL_HEADS, SMALL_TEXT, small_ae_weights, small_mardm_weights, write_small_model
from tests.unit.pose.sampling.golden_runs import golden_batch

SETTINGS: dict[str, Any] = {
    "format": 1,
    "kind": "sit",
    "skeleton": "t2m",
    "sequence_length": 16,
    "frame_index": -1,
    "time_steps": 6,
    "cfg": 2.5,
    "solver": "midpoint",
    "solver_steps": 2,
    "precision": "fp32",
    "seed": 3407,
    "save_motion": False,
}
Write = Callable[..., SampleTask]


@pytest.fixture(autouse=True)
def fresh_process() -> Iterator[None]:
    """What a process remembers of its device's memory does not outlive a test."""
    yield
    batches._maker.cache_clear()


class Place:
    """A model, and captions with their text vectors."""

    def __init__(self, folder: Path, model: Path, **settings: Any) -> None:
        self.folder, self.model = folder, model
        kind, skeleton = settings.get("kind", "sit"), settings.get("skeleton", "t2m")
        identity = find_model(model, kind, skeleton, None, None, needs_lengths=False).identity
        self.settings = SETTINGS | {"model_identity": identity} | settings
        (folder / "text").mkdir(parents=True)

    def task(self, name: str, *, text: NDArray[Any] | None = None, repeats: int = 1, **entry: Any) -> SampleTask:
        caption = entry.setdefault("caption", f"a person is {name}")
        if text is None:
            seed = np.frombuffer(caption.encode(), np.uint8)
            text = np.random.default_rng(seed).standard_normal(SMALL_TEXT).astype(np.float32)
        np.save(self.folder / "text" / f"{name}.npy", text)
        names = pose_names(name, repeats)
        files = [f"poses/{pose}.{suffix}" for pose in names for suffix in ("npy", "json")]
        if self.settings["save_motion"]:
            files += [f"motions/{pose}{suffix}.npy" for pose in names for suffix in ("", "_features")]
        return SampleTask(
            key=name,
            entry={"files": files, "source": f"text/{name}.npy", **entry},
            settings=self.settings,
            means={"model": str(self.model), "batch_size": 0, "device": "cpu"},
            source=self.folder / "text" / f"{name}.npy",
            folder=self.folder / "made" / name,
        )

    def tasks(self, n: int) -> list[SampleTask]:
        """Captions of two lengths."""
        return [self.task(f"walk_{i}", **({"n_frames": 8} if i % 3 == 0 else {})) for i in range(n)]


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    write_small_model(path, length_estimator=True)
    return path


@pytest.fixture
def place(tmp_path: Path, small_model: Path) -> Place:
    return Place(tmp_path, small_model)


def made(result: MadeSample | SampleError) -> MadeSample:
    assert isinstance(result, MadeSample), result
    return result


def error(result: MadeSample | SampleError) -> SampleError:
    assert isinstance(result, SampleError), result
    return result


def digests(results: list[MadeSample | SampleError]) -> list[dict[str, tuple[int, str]]]:
    return [made(result).files for result in results]


def pose(task: SampleTask, name: str | None = None) -> NDArray[np.float32]:
    joints: NDArray[np.float32] = np.load(task.folder / "poses" / f"{name or task.key}.npy")
    return joints


# Against upstream


def test_poses_equal_upstreams_from_text_vectors_to_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    golden = dict(np.load(GOLDEN / "pipeline.npz"))
    normalised, features = (golden[name].reshape(-1, 67).astype(np.float64) for name in ("motion_norm", "features"))
    lines = [np.polyfit(x, y, 1) for x, y in zip(normalised.T, features.T, strict=True)]
    std, mean = np.array(lines, np.float32).T.copy()
    ae = Part(small_ae_weights("t2m"), "golden")
    model = PoseModel(
        make_autoencoder(ae, "t2m"),
        make_mardm(Part(small_mardm_weights(), "golden"), SMALL_HEADS, ae),
        None,
        mean,
        std,
        kind="sit",
        skeleton="t2m",
        identity="",
        text_encoder="clip",
    )
    write_model(tmp_path / "model.safetensors", model, sources={})
    noise = golden_batch().surviving_noise()

    def upstreams(_seed: int, caption: str, _repeat: int, *_sizes: int, ddpm: bool) -> Noise:
        assert not ddpm
        return Noise(noise.order[int(caption)], noise.start[int(caption)], None)

    monkeypatch.setattr(batches, "caption_noise", upstreams)
    place = Place(tmp_path, tmp_path / "model.safetensors", time_steps=18, cfg=4.5, solver="dopri5", save_motion=True)
    tasks = [place.task(f"pose_{i}", text=golden["cond"][i], caption=str(i)) for i in range(8)]
    for result in make_poses(tasks):
        assert made(result).facts == {"frames": 16, "frame": int(golden["frame_index"]), "device": "cpu"}

    def close(found: list[NDArray[np.float32]], expected: NDArray[np.float32]) -> bool:
        return bool(np.abs(np.stack(found) - expected).max() / np.abs(expected).max() < 5e-4)

    assert close([pose(task) for task in tasks], golden["poses"])
    motions = [task.folder / "motions" / f"{task.key}.npy" for task in tasks]
    assert close([np.load(path) for path in motions], golden["joints"])
    assert close([np.load(path.with_stem(f"{path.stem}_features")) for path in motions], golden["features"])


# However captions are grouped


def test_a_pose_is_the_same_bytes_in_any_group_order_and_alone(place: Place) -> None:
    tasks = place.tasks(70)
    whole = digests(make_poses(tasks))
    assert digests(make_poses(tasks[::-1])) == whole[::-1]
    parts = [digests(make_poses(tasks[first : first + 9])) for first in range(0, 70, 9)]
    assert [files for part in parts for files in part] == whole
    for i in (0, 33, 68, 69):
        assert digests(make_poses([tasks[i]])) == [whole[i]]


@pytest.mark.parametrize("settings", [{"kind": "ddpm"}, {"skeleton": "kit"}, {"solver": "rk4"}, {"cfg": 1}], ids=str)
def test_every_kind_of_model_makes_the_same_bytes_in_any_group(tmp_path: Path, settings: dict[str, Any]) -> None:
    kind, skeleton = settings.get("kind", "sit"), settings.get("skeleton", "t2m")
    write_small_model(tmp_path / "model.safetensors", kind=kind, skeleton=skeleton)
    place = Place(tmp_path, tmp_path / "model.safetensors", **settings)
    tasks = place.tasks(5)
    whole = digests(make_poses(tasks))
    assert [files for task in tasks[::-1] for files in digests(make_poses([task]))] == whole[::-1]
    assert pose(tasks[0]).shape == ((21, 3) if skeleton == "kit" else (22, 3))


def test_captions_have_noise_of_their_own_and_seeds_others(place: Place) -> None:
    same = place.task("one").source.read_bytes()
    tasks = [place.task("one"), place.task("two")]
    tasks[1].source.write_bytes(same)
    make_poses(tasks)
    assert not np.array_equal(pose(tasks[0]), pose(tasks[1]))
    first = pose(tasks[0])
    place.settings = place.settings | {"seed": 1}
    make_poses([place.task("one")])
    assert not np.array_equal(pose(tasks[0]), first)


def test_more_repeats_add_poses_and_change_none(place: Place) -> None:
    (once,) = digests(make_poses([place.task("walk")]))
    thrice = place.task("walk", repeats=3)
    (files,) = digests(make_poses([thrice]))
    assert list(files) == thrice.entry["files"]
    assert {name: files[name] for name in once} == once
    poses = [pose(thrice, name) for name in ("walk", "walk-r2", "walk-r3")]
    assert not any(np.array_equal(poses[i], poses[i - 1]) for i in range(3))


# What is written


def test_files_hold_the_chosen_frame_and_what_the_ledger_says_of_them(place: Place) -> None:
    place.settings = place.settings | {"save_motion": True, "frame_index": 3}
    task = place.task("waving", n_frames=24)
    (result,) = make_poses([task])
    assert list(made(result).files) == task.entry["files"]
    for name, (size, digest) in made(result).files.items():
        assert ((task.folder / name).stat().st_size, digest_file(task.folder / name)) == (size, digest)
    assert made(result).source == stat_source(task.source)
    assert made(result).facts == {"frames": 24, "frame": 3, "device": "cpu"}
    motion, features = (np.load(task.folder / f"motions/waving{end}.npy") for end in ("", "_features"))
    assert (motion.shape, features.shape, motion.dtype, features.dtype) == ((24, 22, 3), (24, 67), "f4", "f4")
    assert np.array_equal(pose(task), motion[3])
    told = json.loads((task.folder / "poses/waving.json").read_bytes())
    assert (told["caption"], told["frame_index"]) == ("a person is waving", 3)
    assert np.array_equal(np.array(told["joints"], np.float32), motion[3])


def test_frames_beyond_whole_tokens_are_left_out(place: Place) -> None:
    assert made(make_poses([place.task("walk", n_frames=19)])[0]).facts["frames"] == 16


# Lengths that the model chooses


def test_a_length_left_to_the_model_is_drawn_for_each_pose_alike_in_any_company(place: Place) -> None:
    text = np.random.default_rng(1).standard_normal(SMALL_TEXT).astype(np.float32)
    tasks = [place.task(f"walk_{i}", text=text, n_frames=0) for i in range(6)]
    results = make_poses(tasks)
    frames = [made(result).facts["frames"] for result in results]
    assert len(set(frames)) > 2
    assert all(n % 4 == 0 and 4 <= n <= 196 for n in frames)
    assert digests(make_poses(tasks[4:])) == digests(results)[4:]


def test_a_length_of_no_token_is_made_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.pose.pose_maker.draw_tokens", lambda logits, _: torch.zeros(len(logits)))
    assert made(make_poses([place.task("walk", n_frames=0)])[0]).facts["frames"] == 4


def test_a_model_without_estimator_fails_only_captions_without_a_length(tmp_path: Path) -> None:
    write_small_model(tmp_path / "model.safetensors")
    place = Place(tmp_path, tmp_path / "model.safetensors")
    without, other = make_poses([place.task("walk", n_frames=0), place.task("run")])
    assert error(without).error == "no_length_estimator"
    assert "write the frames behind '#'" in error(without).message
    made(other)


# One bad caption


def test_a_frame_beyond_the_end_of_a_captions_own_motion_fails_it_alone(place: Place) -> None:
    place.settings = place.settings | {"frame_index": 12}
    short, other = make_poses([place.task("short", n_frames=8), place.task("walk")])
    assert str(error(short)).startswith("bad_frame: 'a person is short': frame_index: 12 is beyond the 8 frames")
    made(other)


def test_a_motion_that_is_not_finite_fails_its_caption_and_no_other(place: Place) -> None:
    tasks = place.tasks(5)
    alone = digests(make_poses([tasks[0], *tasks[2:]]))
    tasks[1] = place.task("walk_1", text=np.full(SMALL_TEXT, 3e38, np.float32))
    first, broken, *others = make_poses(tasks)
    assert str(error(broken)) == "not_finite: walk_1: the model gives NaN or infinity; leave it out if others work"
    assert not tasks[1].folder.exists() or not any(tasks[1].folder.iterdir())
    assert digests([first, *others]) == alone


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (np.zeros(SMALL_TEXT), "holds float64"),
        (np.full(SMALL_TEXT, np.nan, np.float32), "holds NaN"),
        (
            np.zeros(512, np.float32),
            r"shape \(512,\), but the model takes vectors of \(40,\): was it trained with another",
        ),
        (None, "No such file"),
    ],
)
def test_a_text_vector_that_cannot_be_used_fails_its_caption_alone(
    place: Place, text: NDArray[Any] | None, words: str
) -> None:
    task = place.task("walk", text=text)
    if text is None:
        task.source.unlink()
    bad, other = make_poses([task, place.task("run")])
    with pytest.raises(SampleError, match=f"^bad_text_vector: walk.npy: .*{words}"):
        raise error(bad)
    made(other)


# Memory and devices


def refuse(monkeypatch: pytest.MonkeyPatch, most: int, say: Exception) -> list[int]:
    """Let no more than `most` rows fit; the rows that are tried."""
    tried: list[int] = []
    whole = LatentGenerator.__call__

    def call(self: LatentGenerator, text: torch.Tensor, noise: Noise) -> torch.Tensor:
        tried.append(self.rows)
        if self.rows > most:
            raise say
        return whole(self, text, noise)

    monkeypatch.setattr(LatentGenerator, "__call__", call)
    return tried


NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


@pytest.mark.parametrize("said", NO_MEMORY, ids=lambda said: type(said).__name__)
def test_rows_that_do_not_fit_are_halved_once_for_all_and_the_ledger_says_so(
    place: Place, monkeypatch: pytest.MonkeyPatch, said: Exception
) -> None:
    tasks = place.tasks(15)
    usual = ROWS["cpu"]
    whole = [pose(task) for task, result in zip(tasks, make_poses(tasks), strict=True) if made(result)]
    batches._maker.cache_clear()
    tried = refuse(monkeypatch, usual // 4, said)
    results = make_poses(tasks)
    assert tried[:4] == [usual, usual // 2, usual // 4, usual // 4]
    assert set(tried[3:]) == {usual // 4}
    assert made(results[-1]).facts["batch_rows"] == usual // 4
    for task, before in zip(tasks, whole, strict=True):
        np.testing.assert_allclose(pose(task), before, atol=1e-5)
    tried.clear()
    make_poses(tasks[:3])
    assert set(tried) == {usual // 4}


def test_a_device_that_has_no_room_for_one_motion_ends_the_job(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = refuse(monkeypatch, 0, NO_MEMORY[0])
    with pytest.raises(JobError, match=r"computes no more on cpu: CUDA out of memory.*what is finished is kept"):
        make_poses(place.tasks(3))
    assert tried[-1] == 1


def test_a_gpu_that_fails_ends_the_job_and_a_defect_on_the_cpu_is_none_of_the_device(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, 0, torch.AcceleratorError("CUDA error: unspecified launch failure"))
    with pytest.raises(torch.AcceleratorError):
        make_poses(place.tasks(3))
    (task, *_) = place.tasks(1)
    maker = batches._maker(json.dumps(task.settings, sort_keys=True), task.means["model"], "cpu")
    maker.device = "cuda"
    with pytest.raises(JobError, match="computes no more on cuda: CUDA error: unspecified launch failure"):
        make_poses([task])


def test_a_gpu_that_torch_cannot_use_ends_the_job(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    task = place.task("walk")
    task.means["device"] = "cuda"
    with pytest.raises(JobError, match=r"torch .* cannot use it: .*`gpus: \[\]`"):
        make_poses([task])


def test_a_model_that_was_replaced_ends_the_job(place: Place) -> None:
    place.settings = place.settings | {"model_identity": "0" * 32}
    with pytest.raises(ConfigError, match=r"small\.safetensors"):
        make_poses([place.task("walk")])
