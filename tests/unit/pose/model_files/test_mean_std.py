from pathlib import Path

import numpy as np
import pytest

from scripts.pose.model_files.mean_std import Statistics, find_mean_std, read_mean_std
from scripts.shared.errors import ConfigError
from tests.pose_models import save_array, small_mean_std


def pair(folder: Path, mean: object, std: object) -> tuple[Path, Path]:
    np.save(folder / "Mean.npy", mean)  # type: ignore[arg-type]
    np.save(folder / "Std.npy", std)  # type: ignore[arg-type]
    return folder / "Mean.npy", folder / "Std.npy"


def refused(paths: tuple[Path, Path], skeleton: str, *words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_mean_std(*paths, skeleton)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(("skeleton", "width", "full"), [("t2m", 67, 263), ("kit", 64, 251)])
def test_of_the_data_sets_own_wider_files_the_first_columns_are_taken(
    tmp_path: Path, skeleton: str, width: int, full: int
) -> None:
    values = np.arange(1, full + 1, dtype=np.float32)
    mean, std = read_mean_std(*pair(tmp_path, values, values * 2), skeleton)
    np.testing.assert_array_equal(mean, values[:width])
    np.testing.assert_array_equal(std, 2 * values[:width])


@pytest.mark.parametrize("skeleton", ["t2m", "kit"])
def test_files_of_the_features_alone_are_taken_as_they_are(tmp_path: Path, skeleton: str) -> None:
    expected = small_mean_std(skeleton)
    for found, wanted in zip(read_mean_std(*pair(tmp_path, *expected), skeleton), expected, strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


def test_numbers_of_the_other_byte_order_are_read_as_the_same_numbers(tmp_path: Path) -> None:
    mean, std = small_mean_std("t2m")
    found, _ = read_mean_std(*pair(tmp_path, mean.astype(">f4"), std), "t2m")
    assert found.dtype == np.dtype(np.float32)
    np.testing.assert_array_equal(found, mean)


@pytest.mark.parametrize(("skeleton", "other", "named"), [("t2m", "kit", "KIT-ML"), ("kit", "t2m", "HumanML3D")])
def test_the_other_data_sets_files_are_refused_by_name(tmp_path: Path, skeleton: str, other: str, named: str) -> None:
    paths = pair(tmp_path, *small_mean_std(other))
    refused(paths, skeleton, str(paths[0]), f"those of {named}", f"skeleton {skeleton} needs")


def test_a_shape_of_no_data_set_is_refused(tmp_path: Path) -> None:
    refused(pair(tmp_path, np.ones((1, 67), np.float32), np.ones(67, np.float32)), "t2m", "(1, 67)", "needs 67, or 263")


def spoilt(index: int, value: float) -> Statistics:
    std = small_mean_std("t2m")[1].copy()
    std[index] = value
    return std


@pytest.mark.parametrize(("value", "word"), [(0.0, "0.0"), (-0.5, "-0.5"), (np.nan, "nan"), (np.inf, "inf")])
def test_a_deviation_that_is_not_a_positive_number_is_refused(tmp_path: Path, value: float, word: str) -> None:
    paths = pair(tmp_path, small_mean_std("t2m")[0], spoilt(12, value))
    refused(paths, "t2m", str(paths[1]), f"feature 12 is {word}", "HumanML3D")


def test_a_mean_that_is_no_number_is_refused(tmp_path: Path) -> None:
    paths = pair(tmp_path, spoilt(3, np.nan), small_mean_std("t2m")[1])
    refused(paths, "t2m", str(paths[0]), "feature 3 is nan")


def test_exchanged_files_are_refused(tmp_path: Path) -> None:
    mean, std = small_mean_std("t2m")
    refused(pair(tmp_path, std, mean), "t2m", "are mean and std exchanged?")


def test_other_types_of_numbers_are_refused(tmp_path: Path) -> None:
    refused(pair(tmp_path, np.ones(67, np.int64), np.ones(67)), "t2m", "int64", "not float32 or float64")


def test_an_array_of_objects_is_refused_unread(tmp_path: Path) -> None:
    refused(pair(tmp_path, np.array([None] * 67), np.ones(67)), "t2m", "Mean.npy", "no whole .npy file")


@pytest.mark.parametrize("left", [0, 5, 60, -1])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, left: int) -> None:
    paths = pair(tmp_path, *small_mean_std("t2m"))
    paths[1].write_bytes(paths[1].read_bytes()[:left])
    refused(paths, "t2m", str(paths[1]), "no whole .npy file")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    refused((tmp_path / "Mean.npy", tmp_path / "Std.npy"), "t2m", str(tmp_path / "Mean.npy"), "cannot be read")


def test_the_data_sets_folder_comes_before_the_evaluations_and_beside_before_inside(tmp_path: Path) -> None:
    checkpoints = tmp_path / "checkpoints"
    mean, std = small_mean_std("kit")
    inside = checkpoints / "utils" / "eval_mean_std" / "kit"
    save_array(inside / "eval_mean.npy", mean)
    save_array(inside / "eval_std.npy", std)
    assert find_mean_std(checkpoints, "kit", None, None) == (inside / "eval_mean.npy", inside / "eval_std.npy")
    beside = tmp_path / "datasets" / "KIT-ML"
    save_array(beside / "Mean.npy", mean)
    assert find_mean_std(checkpoints, "kit", None, "")[0] == inside / "eval_mean.npy"  # the pair is not complete
    save_array(beside / "Std.npy", std)
    assert find_mean_std(checkpoints, "kit", None, None) == (beside / "Mean.npy", beside / "Std.npy")


def test_a_relative_folder_of_checkpoints_gives_relative_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mean, std = small_mean_std("t2m")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for folder, checkpoints in ((Path("datasets"), "checkpoints"), (Path("../datasets"), "../checkpoints")):
        save_array(folder / "HumanML3D" / "Mean.npy", mean)
        save_array(folder / "HumanML3D" / "Std.npy", std)
        wanted = (folder / "HumanML3D" / "Mean.npy", folder / "HumanML3D" / "Std.npy")
        assert find_mean_std(Path(checkpoints), "t2m", None, None) == wanted


def test_where_neither_is_found_every_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find_mean_std(tmp_path / "checkpoints", "t2m", None, None)
    for place in (
        tmp_path / "datasets" / "HumanML3D" / "Mean.npy",
        tmp_path / "utils" / "eval_mean_std" / "t2m" / "eval_mean.npy",
        tmp_path / "checkpoints" / "datasets" / "HumanML3D" / "Mean.npy",
        tmp_path / "checkpoints" / "utils" / "eval_mean_std" / "t2m" / "eval_mean.npy",
    ):
        assert str(place) in str(caught.value)


def test_named_files_are_taken_and_only_both_together(tmp_path: Path) -> None:
    assert find_mean_std(tmp_path, "t2m", "a.npy", "b.npy") == (Path("a.npy"), Path("b.npy"))
    with pytest.raises(ConfigError, match="mean is set and std is not"):
        find_mean_std(tmp_path, "t2m", "a.npy", None)
    with pytest.raises(ConfigError, match="std is set and mean is not"):
        find_mean_std(tmp_path, "t2m", "", "b.npy")
