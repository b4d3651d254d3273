from pathlib import Path

import numpy as np
import pytest

from scripts.pose.toy.motions import LONGEST, SHORTEST, Clip, looped, mean_and_std, read_clips
from scripts.shared.errors import ConfigError
from tests.unit.pose.toy.demo import CAPTIONS, MOTIONS


def test_each_clip_has_captions_to_train_with_and_another_one_to_test_with(clips: list[Clip]) -> None:
    assert len(clips) == 15
    assert [clip.name for clip in clips] == sorted(clip.name for clip in clips)
    captions = [caption for clip in clips for caption in (*clip.captions, clip.held_out)]
    assert len(set(captions)) == len(captions) == 15 * 8


def test_normalised_features_have_mean_0_and_deviation_1(clips: list[Clip]) -> None:
    mean, std = mean_and_std(clips)
    frames = np.concatenate([(clip.features - mean) / std for clip in clips])
    assert frames.mean(0) == pytest.approx(0, abs=1e-4)
    assert frames.std(0) == pytest.approx(1, abs=1e-4)


def test_a_number_that_never_changes_is_not_blown_up() -> None:
    clip = Clip("still", np.ones((20, 67), np.float32), np.ones((20, 22, 3), np.float32), ("still",), "still life")
    mean, std = mean_and_std([clip])
    assert mean == pytest.approx(1)
    assert std == pytest.approx(1e-3)


def test_a_clip_shorter_than_a_crop_is_repeated_and_others_are_left(clips: list[Clip]) -> None:
    for clip in clips:
        frames = looped(clip.features)
        assert np.array_equal(frames[: len(clip.features)], clip.features)
        if len(clip.features) < SHORTEST:
            assert len(frames) >= LONGEST
            assert np.array_equal(frames[len(clip.features) :][: len(clip.features)], clip.features)
        else:
            assert len(frames) == len(clip.features)
    assert [clip.name for clip in clips if len(clip.features) < SHORTEST] == ["run"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,caption\nwalk,a\n", "the columns must be clip,caption, not name,caption"),
        ("clip,caption\nfly,a\nfly,b\n", "no clip 'fly'"),
        ("clip,caption\nwalk,a\n", "clip 'walk' has 1 captions; it takes two"),
        ("clip,caption\nwalk,a\nwalk, \n", "line 3: no caption"),
        ("clip,caption\nwalk\n", "line 2: no caption"),
    ],
)
def test_captions_that_cannot_be_used_are_refused_with_the_file_and_the_mend(
    tmp_path: Path, text: str, words: str
) -> None:
    motions, captions = tmp_path / "one.npz", tmp_path / "captions.csv"
    np.savez(motions, walk_features=np.zeros((20, 67)), walk_joints=np.zeros((20, 22, 3)))
    captions.write_text(text)
    with pytest.raises(ConfigError, match=words) as refused:
        read_clips(motions, captions)
    assert str(refused.value).startswith(str(captions))


@pytest.mark.parametrize(
    ("features", "joints", "words"),
    [
        (np.zeros((20, 64)), np.zeros((20, 22, 3)), r"walk_features must be \(20, 67\).*not \(20, 64\)"),
        (np.zeros((0, 67)), np.zeros((0, 22, 3)), "at least one frame"),
        (np.zeros((20, 67)), np.zeros((19, 22, 3)), r"walk_joints must be \(20, 22, 3\)"),
        (np.zeros((20, 67)), np.full((20, 22, 3), np.nan), "walk_joints has numbers that are not finite"),
    ],
)
def test_motions_of_another_shape_or_not_finite_are_refused(
    tmp_path: Path, features: np.ndarray, joints: np.ndarray, words: str
) -> None:
    motions, captions = tmp_path / "one.npz", tmp_path / "captions.csv"
    np.savez(motions, walk_features=features, walk_joints=joints)
    captions.write_text("clip,caption\nwalk,a\nwalk,b\n")
    with pytest.raises(ConfigError, match=words):
        read_clips(motions, captions)


@pytest.mark.parametrize("content", [None, b"no archive", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_archive_of_motions_is_refused(tmp_path: Path, content: bytes | None) -> None:
    motions = tmp_path / "motions.npz"
    if content is not None:
        motions.write_bytes(content)
    with pytest.raises(ConfigError, match=r"motions\.npz"):
        read_clips(motions, CAPTIONS)
    assert MOTIONS.exists()
