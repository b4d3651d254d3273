"""A batch that does not fit the device goes through it in smaller ones; a device that is lost ends the job."""

import weakref

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch
from numpy.typing import NDArray

from scripts.shared.errors import JobError, SampleError
from scripts.speaker.batches import Batches
from scripts.speaker.encoders.encoder import DeviceMemoryError


class Encoder:
    """Means over time, on a device that refuses batches from some number of frames on; it notes their rows."""

    name, dim, device = "means", 3, "cuda"

    def __init__(self, refuses: float, error: Exception | None = None) -> None:
        self.refuses, self.error = refuses, error or DeviceMemoryError("out of memory")
        self.rows: list[int] = []

    def embed(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self.rows.append(len(batch))
        if batch.shape[0] * batch.shape[1] >= self.refuses:
            raise type(self.error)(*self.error.args)
        means: NDArray[np.float32] = batch.mean(axis=1)
        return means


def batch(rows: int, n_frames: int) -> NDArray[np.float32]:
    return np.random.default_rng(n_frames).standard_normal((rows, n_frames, 3)).astype(np.float32)


@pytest.mark.parametrize("n", [1, 5, 8])
def test_a_batch_that_fits_runs_whole_and_gives_a_row_for_each_recording(n: int) -> None:
    encoder = Encoder(refuses=np.inf)
    embeddings, rows = Batches(encoder).embed(batch(8, 300), n)
    np.testing.assert_array_equal(embeddings, batch(8, 300).mean(axis=1)[:n])
    assert (rows, encoder.rows) == (8, [8])


@pytest.mark.parametrize(("n", "tried"), [(8, [8, 4, 2, 2, 2, 2]), (5, [8, 4, 2, 2, 2]), (1, [8, 4, 2])])
def test_a_batch_too_large_is_halved_until_it_fits_and_no_empty_rows_are_computed(n: int, tried: list[int]) -> None:
    encoder = Encoder(refuses=900)
    embeddings, rows = Batches(encoder).embed(batch(8, 300), n)
    np.testing.assert_array_equal(embeddings, batch(8, 300).mean(axis=1)[:n])
    assert (rows, encoder.rows) == (2, tried)


def test_what_was_too_large_once_is_not_tried_again() -> None:
    encoder = Encoder(refuses=900)
    batches = Batches(encoder)
    batches.embed(batch(4, 300), 4)
    encoder.rows.clear()
    assert batches.embed(batch(8, 250), 8)[1] == 4 - 2  # 4 x 250 are 1,000 and refused, 900 were not tried
    assert encoder.rows == [4, 2, 2, 2, 2]
    assert batches.embed(batch(8, 100), 8)[1] == 8
    encoder.rows.clear()
    assert batches.embed(batch(8, 300), 8)[1] == 2
    assert encoder.rows == [2, 2, 2, 2]


def test_a_recording_that_never_fits_fails_alone() -> None:
    batches = Batches(Encoder(refuses=900))
    with pytest.raises(SampleError, match="out_of_memory: 10 s need more memory than there is; max_seconds") as failed:
        batches.embed(batch(4, 1000), 4)
    assert failed.value.error == "out_of_memory"
    assert batches.embed(batch(4, 200), 4)[1] == 4


RUNTIME_ERRORS = [
    RuntimeError("integer out of range: 2147483648\nand more"),
    torch.AcceleratorError("integer out of range: 2147483648"),
    onnxruntime.capi.onnxruntime_pybind11_state.Fail("integer out of range: 2147483648"),
]


@pytest.mark.parametrize("error", RUNTIME_ERRORS, ids=lambda error: type(error).__name__)
def test_what_the_model_cannot_take_fails_alone_while_the_device_answers(error: Exception) -> None:
    batches = Batches(Encoder(refuses=900, error=error))
    with pytest.raises(SampleError, match=r"^model_failed: the model does not take 10 s: integer out of range: \d+$"):
        batches.embed(batch(2, 1000), 2)
    assert batches.embed(batch(8, 300), 8)[1] == 2


@pytest.mark.parametrize(
    "error", [*RUNTIME_ERRORS, DeviceMemoryError("all is taken")], ids=lambda error: type(error).__name__
)
def test_a_device_that_takes_nothing_any_more_ends_the_job(error: Exception) -> None:
    batches = Batches(Encoder(refuses=0, error=error))
    with pytest.raises(JobError, match=r"the model computes no more on cuda: .*what is finished is kept"):
        batches.embed(batch(4, 1000), 4)


def test_a_defect_is_no_trouble_of_the_device() -> None:
    with pytest.raises(TypeError):
        Batches(Encoder(refuses=0, error=TypeError("no"))).embed(batch(1, 300), 1)


def test_a_failed_batch_is_let_go_before_the_next_is_tried() -> None:
    kept: list[weakref.ref[NDArray[np.float32]]] = []

    class Greedy(Encoder):
        def embed(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            assert not any(ref() is not None for ref in kept), "an earlier try still holds memory"
            activations = np.ones(8)
            kept.append(weakref.ref(activations))
            try:
                return super().embed(batch)
            except DeviceMemoryError as error:
                raise DeviceMemoryError("as runtimes tell it") from error

    assert Batches(Greedy(refuses=900)).embed(batch(8, 300), 8)[1] == 2
