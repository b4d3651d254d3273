import json
import math
from pathlib import Path

import pytest

from scripts.shared.errors import JobError
from scripts.shared.training.metrics_log import TENSORBOARD, MetricsLog, cut_rows, read_rows
from scripts.shared.training.run_folder import metrics_file


def written(run_dir: Path, steps: range, *, after_step: int = 0) -> None:
    with MetricsLog(run_dir, after_step=after_step) as log:
        for step in steps:
            log.row(step, {"loss": 1 / step})


def steps(run_dir: Path) -> list[int]:
    return [row["step"] for row in read_rows(metrics_file(run_dir))]


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, after_step=0) as log:
        log.row(1, {"loss": 0.1, "lr": 1e-5})
        log.row(2, {"valid/loss": math.nan, "lr": math.inf})
    assert list(read_rows(metrics_file(tmp_path))) == [
        {"step": 1, "loss": 0.1, "lr": 1e-5},
        {"step": 2, "valid/loss": None, "lr": None},
    ]


def test_a_tag_stands_before_the_names_of_the_curves_alone(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, after_step=0, tag="train/") as log:
        log.row(1, {"loss": 0.1})
    (board,) = (tmp_path / TENSORBOARD).iterdir()
    assert b"train/loss" in board.read_bytes()
    assert list(read_rows(metrics_file(tmp_path))) == [{"step": 1, "loss": 0.1}]


def test_rows_of_steps_that_are_taken_again_are_cut(tmp_path: Path) -> None:
    written(tmp_path, range(1, 8))
    written(tmp_path, range(5, 7), after_step=4)
    assert steps(tmp_path) == [1, 2, 3, 4, 5, 6]


def test_a_training_that_begins_has_no_rows_of_another(tmp_path: Path) -> None:
    written(tmp_path, range(1, 8))
    written(tmp_path, range(1, 3))
    assert steps(tmp_path) == [1, 2]
    assert len(list((tmp_path / TENSORBOARD).iterdir())) == 1


@pytest.mark.parametrize("cut", range(1, 22))
def test_a_file_that_was_cut_anywhere_goes_on_with_whole_rows(cut: int, tmp_path: Path) -> None:
    written(tmp_path, range(1, 4))
    path = metrics_file(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:-cut])
    cut_rows(path, after_step=99)
    held = path.read_bytes()
    assert content.startswith(held)
    assert held.count(b"\n") == content[:-cut].count(b"\n")
    assert held.endswith(b"\n")


def test_what_is_no_row_is_named_by_its_line(tmp_path: Path) -> None:
    path = metrics_file(tmp_path)
    path.write_text('{"step": 1}\n{"loss": 1}\n')
    with pytest.raises(JobError, match=r"metrics\.jsonl: line 2 is no row"):
        cut_rows(path, after_step=5)


def test_tensorboard_shows_the_same(tmp_path: Path) -> None:
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    written(tmp_path, range(1, 4))
    written(tmp_path, range(3, 5), after_step=2)
    shown, purged = [], []
    for path in sorted((tmp_path / TENSORBOARD).iterdir()):
        content = path.read_bytes()
        while content:
            size = int.from_bytes(content[:8], "little")
            assert int.from_bytes(content[8:12], "little") == masked_crc32c(content[:8])
            event = Event.FromString(content[12 : 12 + size])
            content = content[16 + size :]
            purged += [event.step] if event.HasField("session_log") else []
            shown += [(event.step, item.tag, item.simple_value) for item in event.summary.value]
    # A reader leaves out what was there from the purged step on.
    assert purged == [3]
    assert [(step, tag) for step, tag, _ in shown] == [(step, "loss") for step in (1, 2, 3, 3, 4)]
    assert [held for *_, held in shown] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 3, 1 / 4])
    assert json.loads(metrics_file(tmp_path).read_text().splitlines()[2])["loss"] == 1 / 3
