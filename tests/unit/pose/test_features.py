from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.pose.features import joints_from_features
from scripts.pose.skeleton import SKELETONS

T2M = SKELETONS["t2m"]
RECOVERED = np.load("tests/data/golden/mardm/recover_from_ric.npz")
REAL = np.load(Path("tests/data/demo/pose/real_motion.npz"))
CLIPS = sorted(key.removesuffix("_joints") for key in REAL.files if key.endswith("_joints"))


def walk_in_a_circle() -> NDArray[np.float64]:
    """Features of a stiff body that turns a quarter to its left in 10 frames while it goes 1 forward in each."""
    features = np.zeros((11, T2M.n_features))
    features[:, 0] = -np.pi / 40
    features[:, 2], features[:, 3], features[:, 4:] = 1, 0.9, 0.5
    return features


@pytest.mark.parametrize("name", ["t2m", "kit"])
@pytest.mark.parametrize("kind", ["single", "batch"])
def test_joints_are_those_of_mardm(name: str, kind: str) -> None:
    features, wanted = RECOVERED[f"{name}_{kind}_features"], RECOVERED[f"{name}_{kind}_joints"]
    found = joints_from_features(features, SKELETONS[name])
    assert found.dtype == np.float32
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() / np.abs(wanted).max() <= 1e-5
    assert np.abs(found[..., 0, :] - RECOVERED[f"{name}_{kind}_root_pos"]).max() / np.abs(wanted).max() <= 1e-5


@pytest.mark.parametrize("clip", CLIPS)
def test_joints_of_real_motion_are_those_it_came_from(clip: str) -> None:
    found = joints_from_features(REAL[f"{clip}_features"], T2M)
    assert np.abs(found - REAL[f"{clip}_joints"]).max() <= 1e-5


def test_joints_of_whole_runs_are_those_of_mardm() -> None:
    with np.load("tests/data/golden/mardm/pipeline.npz") as wanted:
        joints = joints_from_features(wanted["features"], T2M)
        assert np.abs(joints - wanted["joints"]).max() / np.abs(wanted["joints"]).max() <= 1e-5


def test_a_batch_gives_what_each_motion_gives_alone() -> None:
    features = RECOVERED["t2m_batch_features"].copy()
    features[1, 7] = np.nan
    together = joints_from_features(features, T2M)
    for i in (0, 2):
        assert np.array_equal(together[i], joints_from_features(features[i], T2M))
    assert not np.isfinite(together[1]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_precision_given_is_kept(dtype: type) -> None:
    assert joints_from_features(REAL["run_features"].astype(dtype), T2M).dtype == dtype


def test_a_body_begins_above_the_origin_and_turns_by_twice_the_half_rate() -> None:
    joints = joints_from_features(walk_in_a_circle(), T2M)
    assert joints[0, 0].tolist() == [0, 0.9, 0]
    assert joints[0, 1].tolist() == pytest.approx([0.5, 0.5, 0.5])
    # After a quarter turn to the left, the body's left and front, +X and +Z at first, are -Z and +X.
    assert (joints[10, 1] - joints[10, 0] * (1, 0, 1)).tolist() == pytest.approx([0.5, 0.5, -0.5])
    # Ten steps of 1, each along the way that the body faces after it.
    angles = np.pi / 20 * np.arange(1, 11)
    assert joints[10, 0].tolist() == pytest.approx([np.sin(angles).sum(), 0.9, np.cos(angles).sum()])


def test_features_of_another_skeleton_are_named() -> None:
    with pytest.raises(ValueError, match="kit has 64 features a frame, not 67"):
        joints_from_features(walk_in_a_circle(), SKELETONS["kit"])
