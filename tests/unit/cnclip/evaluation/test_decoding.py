from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from scripts.cnclip.data.pictures import open_picture
from scripts.cnclip.evaluation import decoding
from scripts.cnclip.evaluation.decoding import PictureTask, decoded_batches
from scripts.cnclip.pixels import as_uint8
from scripts.shared.errors import JobError
from tests.unit.cnclip.evaluation.made import colours, write_dataset


def tasks(folder: Path, n: int) -> list[PictureTask]:
    pictures = colours(n)
    made = []
    for row, (image_id, data) in enumerate(pictures.items()):
        path = folder / f"{image_id}.png"
        path.write_bytes(data)
        made.append(PictureTask(row, path, 8))
    return made


@pytest.mark.parametrize("workers", [0, 2])
def test_every_picture_comes_once_as_the_model_takes_it(tmp_path: Path, workers: int) -> None:
    wanted = tasks(tmp_path, 70)
    batches = list(decoded_batches(wanted, workers=workers, at_once=16, few=8))
    assert [len(batch.rows) for batch in batches] == [16, 16, 16, 16, 6]
    assert sorted(np.concatenate([batch.rows for batch in batches]).tolist()) == list(range(70))
    for batch in batches:
        for row, pixels in zip(batch.rows, batch.pixels, strict=True):
            assert (pixels == as_uint8(open_picture(wanted[row].path.read_bytes()), 8)).all()


def test_what_cannot_be_decoded_is_told_by_row(tmp_path: Path) -> None:
    wanted = tasks(tmp_path, 3)
    wanted[1].path.write_bytes(b"GIF89a")
    wanted[2].path.unlink()
    (batch,) = decoded_batches(wanted, workers=0)
    assert batch.rows.tolist() == [0]
    assert sorted(batch.failed) == [1, 2]
    assert "No such file" in batch.failed[2].message


def test_nothing_to_decode_is_no_batch() -> None:
    assert list(decoded_batches([], workers=0)) == []


def test_an_error_of_the_job_ends_it(tmp_path: Path) -> None:
    write_dataset(tmp_path, colours(2), [])
    with pytest.raises(JobError, match="no longer at byte 1"):
        list(decoded_batches([PictureTask(0, tmp_path / "x_imgs.tsv", 8, 1, 50, 1)], workers=0))


def test_who_takes_no_more_ends_the_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    def endless(tasks: object, workers: int) -> Iterator[tuple[PictureTask, np.ndarray]]:
        try:
            while True:
                yield PictureTask(0, tmp_path, 8), np.zeros((3, 8, 8), np.uint8)
        finally:
            ended.append(True)

    monkeypatch.setattr(decoding, "_answers", endless)
    batches = decoded_batches([], workers=0, at_once=2)
    next(batches)
    batches.close()
    assert ended == [True]
