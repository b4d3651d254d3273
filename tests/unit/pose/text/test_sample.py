"""A sample of the stage `text`: one caption's vector as a file, with what is worth knowing of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from scripts.pose.pose_files import read_array
from scripts.pose.text.clip import ClipText
from scripts.pose.text.identity import clip_identity
from scripts.pose.text.sample import make_sample
from scripts.shared.errors import ConfigError, JobError, SampleError
from scripts.shared.fingerprints import SourceStat, digest_bytes
from scripts.shared.sample_task import SampleTask
from tests.unit.pose.text.clips import State, readable_tower


def write_clip(path: Path, state: State) -> Path:
    save_file(state, path)
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.safetensors", readable_tower())


def task(folder: Path, clip: Path, caption: str, **settings: Any) -> SampleTask:
    return SampleTask(
        key="walk",
        entry={"caption": caption, "files": ["text/walk.npy"]},
        settings={"format": 1, "text_encoder": "clip", "text_identity": clip_identity(clip), **settings},
        means={"clip": str(clip)},
        source=folder,
        folder=folder,
    )


def test_a_captions_vector_is_written_with_its_facts(tmp_path: Path, clip: Path) -> None:
    made = make_sample(task(tmp_path, clip, "A person walks"))
    data = (tmp_path / "text" / "walk.npy").read_bytes()
    encoder = ClipText(clip)
    assert np.array_equal(read_array(data, "walk"), encoder.encode_tokens(encoder.tokenize("A person walks")))
    assert made.files == {"text/walk.npy": (len(data), digest_bytes(data))}
    assert made.facts == {"tokens": 5, "cut": False}
    assert made.source == SourceStat(0, 0)


def test_that_a_caption_was_cut_is_a_fact(tmp_path: Path, clip: Path) -> None:
    facts = make_sample(task(tmp_path, clip, "walk " * 5_000)).facts
    assert (facts["tokens"], facts["cut"]) == (77, True)


def test_an_encoder_that_changed_since_planning_ends_the_job(tmp_path: Path, clip: Path) -> None:
    with pytest.raises(JobError, match=r"changed after this plan was written .* run again"):
        make_sample(task(tmp_path, clip, "A person walks", text_identity="0" * 32))


def test_an_encoder_that_is_not_known_is_named(tmp_path: Path, clip: Path) -> None:
    with pytest.raises(ConfigError, match=r"text_encoder: 't5' is not clip or minilm"):
        make_sample(task(tmp_path, clip, "A person walks", text_encoder="t5"))


def test_a_vector_that_is_not_finite_fails_its_caption(tmp_path: Path) -> None:
    state = readable_tower()
    state["text_projection"][0, 0] = torch.nan
    broken = write_clip(tmp_path / "clip.safetensors", state)
    with pytest.raises(SampleError, match="not_finite: 'A person walks'"):
        make_sample(task(tmp_path, broken, "A person walks"))
    assert not (tmp_path / "text").exists()
