import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from scripts.pose.model_files.conversion import convert
from scripts.pose.model_files.header import read_header
from scripts.pose.model_files.model_file import PoseModel, load_model
from scripts.pose.model_files.official import ModelFiles, find_model
from scripts.shared.errors import ConfigError, JobError
from tests.pose_models import (
    SMALL_HEADS,
    save,
    save_ae,
    save_mardm,
    small_ae_weights,
    small_estimator_weights,
    small_mardm_weights,
    small_mean_std,
    write_checkpoints,
)


def found(checkpoints: Path, *, needs_lengths: bool = False, kind: str = "sit", skeleton: str = "t2m") -> ModelFiles:
    return find_model(checkpoints, kind, skeleton, None, None, needs_lengths=needs_lengths)


def converted(files: ModelFiles, target: Path) -> PoseModel:
    convert(files, target, heads=SMALL_HEADS)
    return load_model(target, kind=files.kind, skeleton=files.skeleton, identity=files.identity, device="cpu")


def refused(checkpoints: Path, *words: str, needs_lengths: bool = False) -> None:
    target = checkpoints.parent / "out" / "model.safetensors"
    with pytest.raises(ConfigError) as caught:
        convert(found(checkpoints, needs_lengths=needs_lengths), target, heads=SMALL_HEADS)
    for word in words:
        assert word in str(caught.value)
    assert not target.parent.exists()


def mardm_file(checkpoints: Path) -> Path:
    return checkpoints / "t2m" / "MARDM_SiT_XL" / "model" / "latest.tar"


def ae_file(checkpoints: Path) -> Path:
    return checkpoints / "t2m" / "AE" / "model" / "latest.tar"


def test_official_files_are_converted_bit_for_bit_and_only_the_averaged_weights(pristine: Path, tmp_path: Path) -> None:
    model = converted(found(pristine, needs_lengths=True), tmp_path / "model.safetensors")
    assert model.length_estimator is not None
    for net, expected in (
        (model.autoencoder, small_ae_weights("t2m")),
        (model.mardm, small_mardm_weights()),
        (model.length_estimator, small_estimator_weights()),
    ):
        state = net.state_dict()
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[key], expected[key]) for key in expected)
    np.testing.assert_array_equal(model.mean, small_mean_std("t2m")[0])
    np.testing.assert_array_equal(model.std, small_mean_std("t2m")[1])
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.safetensors"]


def test_the_converted_file_bears_kind_skeleton_and_identity(tmp_path: Path) -> None:
    checkpoints = write_checkpoints(tmp_path, kind="ddpm", skeleton="kit", length_estimator=True, full_width=True)
    files = found(checkpoints, kind="ddpm", skeleton="kit", needs_lengths=True)
    model = converted(files, tmp_path / files.converted_name)
    np.testing.assert_array_equal(model.std, small_mean_std("kit")[1])
    again = found(tmp_path / files.converted_name, kind="ddpm", skeleton="kit", needs_lengths=True)
    assert (again.identity, again.lengths_identity) == (files.identity, files.lengths_identity)
    assert again.text_encoder == "clip"
    with pytest.raises(ConfigError, match="model: sit is asked for"):
        found(tmp_path / files.converted_name, kind="sit", skeleton="kit")


def test_the_official_number_of_heads_is_taken_where_none_is_given(pristine: Path, tmp_path: Path) -> None:
    convert(found(pristine), tmp_path / "model.safetensors")
    header = read_header(tmp_path / "model.safetensors")
    assert (header.heads, header.lengths_identity) == (16, "")


def test_the_file_tells_the_same_wherever_the_checkpoints_lie(
    pristine: Path, checkpoints: Path, tmp_path: Path
) -> None:
    for name, place in (("a", pristine), ("b", checkpoints)):
        convert(found(place), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_weights_that_were_saved_on_a_gpu_are_converted_without_one(checkpoints: Path, tmp_path: Path) -> None:
    path = ae_file(checkpoints)
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in records.items():  # the name of the device, a text with its length before it
            archive.writestr(name, data.replace(b"\x03\x00\x00\x00cpu", b"\x06\x00\x00\x00cuda:0"))
    assert b"cuda:0" in path.read_bytes()
    model = converted(found(checkpoints), tmp_path / "model.safetensors")
    assert torch.equal(
        model.autoencoder.state_dict()["decoder.model.6.bias"], small_ae_weights("t2m")["decoder.model.6.bias"]
    )


def test_half_precision_weights_are_stored_as_float32(checkpoints: Path, tmp_path: Path) -> None:
    save_ae(ae_file(checkpoints), {key: value.half() for key, value in small_ae_weights("t2m").items()})
    weight = converted(found(checkpoints), tmp_path / "model.safetensors").autoencoder.state_dict()[
        "decoder.model.6.bias"
    ]
    assert weight.dtype == torch.float32
    assert torch.equal(weight, small_ae_weights("t2m")["decoder.model.6.bias"].half().float())


def test_clip_weights_in_a_checkpoint_are_left_out(checkpoints: Path, tmp_path: Path) -> None:
    save_mardm(mardm_file(checkpoints), small_mardm_weights() | {"clip_model.logit_scale": torch.ones(())})
    convert(found(checkpoints), tmp_path / "model.safetensors")
    assert not any("clip_model" in key for key in load_file(tmp_path / "model.safetensors"))


def flip_a_bit_of(path: Path, tensor: torch.Tensor) -> None:
    whole = bytearray(path.read_bytes())
    start = whole.index(tensor.numpy().tobytes())
    whole[start + tensor.nbytes // 2] ^= 4
    path.write_bytes(whole)


@pytest.mark.parametrize("key", ["mask_latent", "cond_emb.weight", "DiffMLPs.net.final_layer.linear.bias"])
def test_a_flipped_bit_in_a_weight_is_refused_with_its_key(checkpoints: Path, key: str) -> None:
    path = mardm_file(checkpoints)
    flip_a_bit_of(path, small_mardm_weights()[key])
    refused(checkpoints, f"{path}: ['ema_mardm']: {key} is damaged", "checksum", "download the file again")


def test_a_flipped_bit_in_what_is_not_used_stops_nothing(checkpoints: Path, tmp_path: Path) -> None:
    flip_a_bit_of(
        mardm_file(checkpoints), small_mardm_weights()["cond_emb.weight"] * 2
    )  # the weights that are not averaged
    model = converted(found(checkpoints), tmp_path / "model.safetensors")
    assert torch.equal(model.mardm.cond_emb.weight, small_mardm_weights()["cond_emb.weight"])


def test_a_flipped_bit_in_the_table_of_tensors_is_refused(checkpoints: Path) -> None:
    path = mardm_file(checkpoints)
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"ema_mardm")] ^= 1
    path.write_bytes(whole)
    refused(checkpoints, f"{path}: is damaged: data.pkl")


@pytest.mark.parametrize("field", [26, 27, 28, 29])  # length of its name, and of what follows the name
def test_a_record_whose_own_header_points_elsewhere_is_refused(checkpoints: Path, field: int) -> None:
    path = checkpoints / "t2m" / "length_estimator" / "model" / "finest.tar"
    spoilt = bytearray(path.read_bytes())
    spoilt[spoilt.index(b"data/0") - len("finest/") - 30 + field] ^= 4
    path.write_bytes(spoilt)
    refused(checkpoints, f"{path}: ['estimator']: output.0.bias is damaged", needs_lengths=True)


def test_a_checkpoint_that_wants_to_run_code_is_refused_and_nothing_runs(checkpoints: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "trapped"),)

    save(ae_file(checkpoints), {"ae": small_ae_weights("t2m"), "note": Trap()})
    refused(checkpoints, str(ae_file(checkpoints)), "nothing in it was run", "mkdir")
    assert not (tmp_path / "trapped").exists()


def test_a_checkpoint_without_the_table_is_refused_with_those_it_has(checkpoints: Path) -> None:
    save(mardm_file(checkpoints), {"mardm": small_mardm_weights(), "ep": 3})
    refused(checkpoints, f"{mardm_file(checkpoints)}: has no table 'ema_mardm'; it holds 'mardm', 'ep'")
    save(mardm_file(checkpoints), small_mardm_weights()["mask_latent"])
    refused(checkpoints, "it holds Tensor")
    save(mardm_file(checkpoints), {"ema_mardm": [1, 2]})
    refused(checkpoints, "no table of tensors by key")


def test_an_autoencoder_where_a_mardm_should_be_is_refused(checkpoints: Path) -> None:
    save(mardm_file(checkpoints), {"ema_mardm": small_ae_weights("t2m")})
    refused(checkpoints, f"{mardm_file(checkpoints)}: ['ema_mardm']", "not the weights of a MARDM")


def test_missing_unexpected_and_misshapen_weights_are_refused(checkpoints: Path) -> None:
    state = small_ae_weights("t2m")
    missing = {key: value for key, value in state.items() if key != "encoder.model.3.0.bias"}
    for spoilt, words in (
        (missing, "key 'encoder.model.3.0.bias' is missing"),
        (state | {"extra.weight": torch.ones(2)}, "key 'extra.weight' is unexpected"),
        (state | {"encoder.model.3.0.bias": torch.ones(47)}, "the shape (47,); expected was (48,)"),
    ):
        save_ae(ae_file(checkpoints), spoilt)
        refused(checkpoints, f"{ae_file(checkpoints)}: ['ae']", words)


def test_the_other_skeletons_autoencoder_is_refused(checkpoints: Path) -> None:
    save_ae(ae_file(checkpoints), small_ae_weights("kit"))
    refused(checkpoints, str(ae_file(checkpoints)), "64 features a frame, those of skeleton kit")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(checkpoints: Path, value: float) -> None:
    state = small_mardm_weights()
    state["cond_emb.bias"][7] = value
    save_mardm(mardm_file(checkpoints), state)
    refused(checkpoints, str(mardm_file(checkpoints)), "cond_emb.bias holds NaN or infinity")


def test_weights_that_are_integers_are_refused(checkpoints: Path) -> None:
    save(
        ae_file(checkpoints),
        {"ae": small_ae_weights("t2m") | {"decoder.model.6.bias": torch.ones(67, dtype=torch.int64)}},
    )
    refused(checkpoints, "decoder.model.6.bias holds torch.int64")


def test_a_length_estimator_is_looked_at_only_where_it_is_needed(checkpoints: Path, tmp_path: Path) -> None:
    path = checkpoints / "t2m" / "length_estimator" / "model" / "finest.tar"
    save(path, {"estimator": {"output.0.weight": torch.ones(512, 40)}})
    refused(checkpoints, f"{path}: ['estimator']", "missing", needs_lengths=True)
    assert converted(found(checkpoints), tmp_path / "model.safetensors").length_estimator is None


def test_files_that_changed_since_they_were_found_are_refused(checkpoints: Path, tmp_path: Path) -> None:
    files = found(checkpoints)
    state = small_mardm_weights()
    state["cond_emb.bias"][0] += 1
    save_mardm(mardm_file(checkpoints), state)
    with pytest.raises(JobError, match=r"latest\.tar or a file with it changed since the plan was made"):
        convert(files, tmp_path / "model.safetensors")


def test_a_file_that_vanished_since_it_was_found_is_named(checkpoints: Path, tmp_path: Path) -> None:
    files = found(checkpoints)
    shutil.rmtree(checkpoints / "t2m" / "AE")
    with pytest.raises(ConfigError, match=r"AE/model/latest\.tar: cannot be read"):
        convert(files, tmp_path / "model.safetensors")
