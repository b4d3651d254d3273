import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.pose.model_files.official import ModelFiles, find_model
from scripts.shared.errors import ConfigError
from tests.pose_models import (
    save_array,
    save_mardm,
    small_mardm_weights,
    small_mean_std,
    write_checkpoints,
    write_small_model,
)


def found(checkpoints: Path, *, kind: str = "sit", skeleton: str = "t2m", needs_lengths: bool = False) -> ModelFiles:
    return find_model(checkpoints, kind, skeleton, None, None, needs_lengths=needs_lengths)


def refused(checkpoints: Path, *words: str, kind: str = "sit", skeleton: str = "t2m", lengths: bool = False) -> None:
    with pytest.raises(ConfigError) as caught:
        found(checkpoints, kind=kind, skeleton=skeleton, needs_lengths=lengths)
    for word in words:
        assert word in str(caught.value)


def test_the_official_files_are_found_where_they_are_published(pristine: Path) -> None:
    files = found(pristine, needs_lengths=True)
    assert {part: path.relative_to(pristine.parent).as_posix() for part, path in files.paths.items()} == {
        "ae": "checkpoints/t2m/AE/model/latest.tar",
        "mardm": "checkpoints/t2m/MARDM_SiT_XL/model/latest.tar",
        "length_estimator": "checkpoints/t2m/length_estimator/model/finest.tar",
        "mean": "datasets/HumanML3D/Mean.npy",
        "std": "datasets/HumanML3D/Std.npy",
    }
    assert (files.kind, files.skeleton, files.text_encoder, files.is_converted) == ("sit", "t2m", "clip", False)


def test_kit_has_its_autoencoder_under_another_name(tmp_path: Path) -> None:
    checkpoints = write_checkpoints(tmp_path, kind="ddpm", skeleton="kit", statistics="utils")
    files = found(checkpoints, kind="ddpm", skeleton="kit")
    assert files.paths["ae"] == checkpoints / "kit" / "AE" / "model" / "net_best_fid.tar"
    assert files.paths["mardm"] == checkpoints / "kit" / "MARDM_DDPM_XL" / "model" / "latest.tar"
    assert files.paths["std"] == tmp_path / "utils" / "eval_mean_std" / "kit" / "eval_std.npy"


def test_the_identity_stays_when_files_are_copied_and_touched(pristine: Path, checkpoints: Path) -> None:
    for path in checkpoints.rglob("*.tar"):
        os.utime(path, (1, 1))
    assert found(checkpoints).identity == found(pristine).identity
    assert len(found(pristine).identity) == 32


def test_the_identity_changes_with_a_single_weight(checkpoints: Path) -> None:
    before = found(checkpoints).identity
    state = small_mardm_weights()
    save_mardm(checkpoints / "t2m" / "MARDM_SiT_XL" / "model" / "latest.tar", state)
    assert found(checkpoints).identity == before
    state["DiffMLPs.net.res_blocks.1.mlp.0.weight"][3, 5] += 1e-6
    save_mardm(checkpoints / "t2m" / "MARDM_SiT_XL" / "model" / "latest.tar", state)
    assert found(checkpoints).identity != before


def test_the_identity_changes_with_mean_and_deviation(checkpoints: Path) -> None:
    before = found(checkpoints).identity
    mean, _ = small_mean_std("t2m")
    save_array(checkpoints.parent / "datasets" / "HumanML3D" / "Mean.npy", mean + 1)
    assert found(checkpoints).identity != before


def test_one_file_used_as_two_kinds_is_two_models(checkpoints: Path) -> None:
    folder = checkpoints / "t2m"
    shutil.copytree(folder / "MARDM_SiT_XL", folder / "MARDM_DDPM_XL")
    assert found(checkpoints).identity != found(checkpoints, kind="ddpm").identity


def test_the_length_estimator_is_no_part_of_the_identity_but_of_the_converted_files_name(pristine: Path) -> None:
    without, with_lengths = found(pristine), found(pristine, needs_lengths=True)
    assert without.identity == with_lengths.identity
    assert (without.lengths_identity, len(with_lengths.lengths_identity)) == ("", 32)
    assert without.converted_name != with_lengths.converted_name
    assert without.converted_name.startswith("t2m-sit-")


def test_a_model_of_the_other_kind_alone_is_refused_with_the_option_to_set(checkpoints: Path) -> None:
    missing = "t2m/MARDM_DDPM_XL/model/latest.tar"
    refused(checkpoints, str(checkpoints), missing, "there is t2m/MARDM_SiT_XL", "set model: sit", kind="ddpm")


def test_a_model_of_the_other_skeleton_alone_is_refused_with_the_option_to_set(checkpoints: Path) -> None:
    refused(checkpoints, "kit/AE/model/net_best_fid.tar", "set skeleton: t2m", skeleton="kit")


def test_a_missing_length_estimator_matters_only_where_it_is_needed(checkpoints: Path) -> None:
    shutil.rmtree(checkpoints / "t2m" / "length_estimator")
    assert "length_estimator" not in found(checkpoints).paths
    refused(checkpoints, "lacks t2m/length_estimator/model/finest.tar,", "a caption states none", lengths=True)


def test_a_folder_that_is_not_the_right_one_is_refused_with_the_right_one(checkpoints: Path, tmp_path: Path) -> None:
    refused(checkpoints / "t2m", f"name the folder above, {checkpoints}")
    refused(checkpoints.parent, f"name {checkpoints}")
    refused(tmp_path / "nowhere", "does not exist", "t2m/MARDM_SiT_XL/model/latest.tar")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "it is empty")
    (tmp_path / "empty" / "readme.txt").touch()
    refused(tmp_path / "empty", "it holds readme.txt", "Put the official files there")


def test_a_checkpoint_is_no_folder_of_checkpoints(checkpoints: Path) -> None:
    refused(checkpoints / "t2m" / "AE" / "model" / "latest.tar", "is a file", "name the folder")


def test_a_cut_off_checkpoint_is_refused_while_planning(checkpoints: Path) -> None:
    path = checkpoints / "t2m" / "AE" / "model" / "latest.tar"
    path.write_bytes(path.read_bytes()[:-1000])
    refused(checkpoints, str(path), "is cut off")


def test_statistics_of_the_other_data_set_are_refused_while_planning(checkpoints: Path) -> None:
    mean, std = small_mean_std("kit")
    save_array(checkpoints.parent / "mean.npy", mean)
    save_array(checkpoints.parent / "std.npy", std)
    names = str(checkpoints.parent / "mean.npy"), str(checkpoints.parent / "std.npy")
    with pytest.raises(ConfigError, match=r"mean\.npy: holds numbers of shape \(64,\), those of KIT-ML"):
        find_model(checkpoints, "sit", "t2m", *names, needs_lengths=False)


def test_a_converted_file_stands_for_the_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    identity = write_small_model(path, kind="ddpm", length_estimator=True, text_encoder="minilm")
    files = found(path, kind="ddpm", needs_lengths=True)
    assert files.is_converted
    assert files.paths == {"model": path}
    assert (files.identity, files.text_encoder) == (identity, "minilm")
    assert len(files.lengths_identity) == 32


def test_a_converted_file_of_another_kind_or_skeleton_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_small_model(path)
    refused(path, str(path), "model sit", "model: ddpm is asked for", kind="ddpm")
    refused(path, str(path), "skeleton t2m", "skeleton: kit is asked for", skeleton="kit")


def test_a_converted_file_without_a_length_estimator_is_refused_where_one_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_small_model(path)
    refused(path, str(path), "without a length estimator", lengths=True)


def test_a_converted_file_has_its_own_mean_and_deviation(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_small_model(path)
    with pytest.raises(ConfigError, match="leave mean and std out"):
        find_model(path, "sit", "t2m", "mean.npy", "std.npy", needs_lengths=False)


def test_a_converted_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "model.safetensors", str(tmp_path / "model.safetensors"), "cannot be read")


def test_planning_does_not_import_torch() -> None:
    code = "import sys, scripts.pose.model_files.official; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
