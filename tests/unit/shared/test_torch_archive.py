import gzip
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch

from scripts.shared.errors import ConfigError
from scripts.shared.torch_archive import check_pickle, read_records


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "latest.tar"
    torch.save({"ae": {"w": torch.arange(300.0)}, "opt_ae": {"step": torch.ones(1)}}, path)
    return path


def refused(path: Path, *words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_records(path)
    for word in (str(path), *words):
        assert word in str(caught.value)


def test_the_records_of_a_checkpoint_are_listed_without_the_name_it_was_saved_under(saved: Path) -> None:
    found = {record.name: record.size for record in read_records(saved)}
    assert found["data/0"] == 1200
    assert found["data/1"] == 4
    assert "data.pkl" in found


def test_reading_the_list_of_contents_does_not_read_the_tensors(tmp_path: Path) -> None:
    # A file with a hole of 8 GB in place of a tensor: reading it would take seconds.
    path = tmp_path / "latest.tar"
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
        archive.writestr("latest/data.pkl", b"\x80\x02}.")
        archive.writestr("latest/data/0", b"1234")
        archive.fp.seek(8 << 30, 1)
        archive.start_dir = archive.fp.tell()
    assert [record.size for record in read_records(path)] == [4, 4]


@pytest.mark.parametrize("left", [0.02, 0.5, 0.9, -200, -21, -1])
def test_a_file_that_is_cut_off_anywhere_is_refused(saved: Path, left: float) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(left * len(whole))] if left > 0 else whole[:left])
    refused(saved, "is cut off", "list of contents", "download it again")


def test_an_empty_file_is_refused(saved: Path) -> None:
    saved.write_bytes(b"")
    refused(saved, "is empty", "download it again")


def test_the_format_of_before_pytorch_1_6_is_refused_with_the_line_that_saves_it_again(saved: Path) -> None:
    torch.save({"ae": {"w": torch.ones(2)}}, saved, _use_new_zipfile_serialization=False)
    refused(saved, "before version 1.6", "`torch.save(torch.load(path, weights_only=True), path)`")
    torch.save(torch.load(saved, weights_only=True), saved)
    assert read_records(saved)


def test_other_files_that_come_from_downloads_are_told_apart(saved: Path) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(gzip.compress(whole))
    refused(saved, "gunzip")
    saved.write_bytes(b"<!DOCTYPE html><html>Quota exceeded</html>")
    refused(saved, "web page")
    saved.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    refused(saved, "git lfs pull")
    saved.write_bytes(b"nothing of the kind")
    refused(saved, "no file of torch.save", "nothing")


def test_a_real_tar_archive_is_told_from_a_checkpoint_that_bears_its_name(saved: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.tar"
    with tarfile.open(packed, "w") as archive:
        archive.add(saved, "latest.tar")
    refused(packed, "is a tar archive", "unpack it")


def test_a_zip_of_something_else_is_refused(saved: Path) -> None:
    with zipfile.ZipFile(saved, "w") as archive:
        archive.writestr("latest.tar", b"a checkpoint, packed")
    refused(saved, "no data.pkl")


def test_an_archive_that_was_packed_again_is_refused(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in records.items():
            archive.writestr(name, data)
    refused(saved, "packed again")


def test_a_missing_file_is_an_error_with_its_name(tmp_path: Path) -> None:
    refused(tmp_path / "latest.tar", "cannot be read")


def test_damage_in_the_list_of_contents_is_never_more_than_a_refusal(saved: Path) -> None:
    whole, n_refused = saved.read_bytes(), 0
    start = whole.index(b"PK\x01\x02")  # of the list
    for position in range(start, start + 46 + 8, 2):  # its first entry: numbers and name
        for bit in range(8):
            spoilt = bytearray(whole)
            spoilt[position] ^= 1 << bit
            saved.write_bytes(spoilt)
            try:
                read_records(saved)
            except ConfigError:
                n_refused += 1
    assert n_refused > 50


def test_a_damaged_table_of_tensors_is_refused(saved: Path) -> None:
    check_pickle(saved)
    spoilt = bytearray(saved.read_bytes())
    spoilt[spoilt.index(b"FloatStorage")] ^= 1
    saved.write_bytes(spoilt)
    with pytest.raises(ConfigError, match=r"latest\.tar: is damaged: data\.pkl in it is not as it was written"):
        check_pickle(saved)
