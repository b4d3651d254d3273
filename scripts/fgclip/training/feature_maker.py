"""Making the features that `frozen` keeps."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from scripts.fgclip.data.records import Item, Records, read_records
from scripts.fgclip.model.model_folder import load_video_clip, read_facts
from scripts.fgclip.training.frozen import features_dir, features_file, write_features
from scripts.fgclip.training.item_reader import decoded
from scripts.fgclip.training.sampling import frame_bins, frames_of
from scripts.shared.devices import Chosen, visible
from scripts.shared.errors import SampleError
from scripts.shared.job_gpu import hold_gpu
from scripts.shared.training.loading import loaded

log = logging.getLogger(__name__)


class _Frames(NamedTuple):
    numbers: NDArray[np.int64]
    frames: torch.Tensor
    unreadable: str


class _FrameReader(Dataset[_Frames]):
    def __init__(self, records: Records, num_frames: int, size: int) -> None:
        self._records, self._num_frames, self._size = records, num_frames, size

    def __getitem__(self, item: Item) -> _Frames:
        numbers = frames_of(frame_bins(item.span, self._num_frames), None)
        try:
            frames = decoded(self._records.videos[item.video], numbers, self._size)
        except SampleError as error:
            return _Frames(numbers, torch.zeros(0), f"{item.name}: {error}; it has no features")
        return _Frames(numbers, torch.from_numpy(frames), "")


def make_features(
    *,
    init: Path,
    records: Path,
    root: Path,
    num_frames: int,
    frame_chunk: int,
    num_workers: int,
    gpus: Chosen = "auto",
    jobs_per_gpu: int = 1,
) -> None:
    """Write the features of every item's middle frames, with the very network that the training begins with.

    An item whose video cannot be read has none; the training then leaves it out and says so.

    Args:
        init: model folder.
        records: `records.json` of the items.
        root: folder of all features; those of this network that are there already are kept.
        num_frames: T, of an item.
        frame_chunk: frames that are encoded at once.
        num_workers: processes that decode; 0: this one.
        gpus: `gpus` of the configuration.
        jobs_per_gpu: jobs that share one GPU.

    Raises:
        ConfigError: the model cannot be used.
        JobError: the records cannot be read, or the disk is full.
    """
    torch.set_num_threads(1)
    held = read_records(records)
    target = features_dir(root, read_facts(init).weights_sha256, num_frames)
    todo = [item for item in held.items if not _file(target, held, item).exists()]
    target.mkdir(parents=True, exist_ok=True)
    if not visible(gpus):
        log.info("no GPU answers: features are made on the CPU")
        _make(todo, held, init, "cpu", target, num_frames, frame_chunk, num_workers)
        return
    with hold_gpu({"gpus": gpus, "jobs_per_gpu": jobs_per_gpu}, lambda: False, verb="encodes frames"):
        _make(todo, held, init, "cuda", target, num_frames, frame_chunk, num_workers)


def _make(
    todo: list[Item],
    records: Records,
    init: Path,
    device: str,
    target: Path,
    num_frames: int,
    frame_chunk: int,
    num_workers: int,
) -> None:
    model, _, _ = load_video_clip(init, device)
    reader = _FrameReader(records, num_frames, model.image_size)
    read: Iterator[_Frames] = loaded(reader, todo, workers=num_workers, pin=device == "cuda")
    for item, found in zip(todo, read, strict=True):
        if found.unreadable:
            log.warning("%s", found.unreadable)
            continue
        with torch.no_grad():
            features = model.encode_frames(found.frames.to(device), dense=False, chunk=frame_chunk)
        write_features(_file(target, records, item), found.numbers, features.pooled.float().cpu().numpy())


def _file(folder: Path, records: Records, item: Item) -> Path:
    return features_file(folder, item.name, records.videos[item.video].digest)
