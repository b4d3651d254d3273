"""scripts.cnclip.places: where files lie, for names and for the patterns of rules."""

from pathlib import Path
from typing import Any

import pytest

from scripts.cnclip import places
from scripts.shared.config import load_config
from scripts.shared.errors import ConfigError


def config(root: Path | str, **dataset: Any) -> dict[str, Any]:
    datasets = {"mine": {"root": str(root), **dataset}}
    return load_config({"results_dir": "out", "cnclip": {"datasets": datasets}}, lambda _key: "config.yaml")


def put(path: Path, content: bytes = b"") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_a_split_is_there_as_tsv_or_as_lmdb(tmp_path: Path) -> None:
    put(tmp_path / "train_imgs.tsv")
    put(tmp_path / "lmdb" / "test" / "imgs" / "data.mdb")
    asked = config(tmp_path)
    assert places.splits(asked, "mine") == ["train", "test"]
    assert places.pictures_file(asked, "mine", "train") == tmp_path / "train_imgs.tsv"
    assert places.texts_file(asked, "mine", "train") == tmp_path / "train_texts.jsonl"
    unpacked = Path("out/cnclip/data/mine/unpacked")
    assert places.pictures_file(asked, "mine", "test") == unpacked / "test_imgs.tsv"
    assert places.texts_file(asked, "mine", "test") == unpacked / "test_texts.jsonl"


def test_a_dataset_without_a_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cnclip\.datasets\.mine\.root: .* holds neither"):
        places.splits(config(tmp_path), "mine")


def test_the_size_of_the_pictures_tells_how_many_jobs_read_them(tmp_path: Path) -> None:
    put(tmp_path / "train_imgs.tsv", bytes(9000))
    put(tmp_path / "lmdb" / "test" / "imgs" / "data.mdb", bytes(4096))
    asked = config(tmp_path, shard_bytes=4096)
    assert [places.n_shards(asked, "mine", split) for split in ("train", "test")] == [3, 1]
    with pytest.raises(ConfigError, match=r"valid.*data\.mdb: No such file .* cnclip\.datasets\.mine"):
        places.n_shards(asked, "mine", "valid")
    assert places.n_shards(config("demo"), "mine", "valid") > 0


def test_translations_lie_beside_the_official_files_also_of_an_lmdb(tmp_path: Path) -> None:
    put(tmp_path / "lmdb" / "test" / "imgs" / "data.mdb")
    asked = config(tmp_path, languages=["en", "fr"])
    assert places.translated_texts(asked, "mine", "test") == {
        "en": tmp_path / "test_texts.en.jsonl",
        "fr": tmp_path / "test_texts.fr.jsonl",
    }


def test_a_place_of_wildcards_is_the_pattern_of_a_rule() -> None:
    asked = config("demo")
    pattern = places.feature_files(asked, "{form}", "{dataset}", "{split}")
    assert pattern["facts"] == "out/cnclip/eval/{form}/{dataset}/features/{split}/facts.json"
    named = places.feature_files(asked, "kl.onnx_int8", "mine", "test")
    assert {name: path.format(form="kl.onnx_int8", dataset="mine", split="test") for name, path in pattern.items()} == (
        named
    )


def test_a_model_that_is_a_folder_is_read_where_it_lies(tmp_path: Path) -> None:
    put(tmp_path / "folder" / "config.json")
    models = {"folder": {"weights": str(tmp_path / "folder")}, "file": {"weights": str(tmp_path / "base.pt")}}
    raw = {"results_dir": "out", "cnclip": {"models": models, "runs": {"kl": {"dataset": "x"}}}}
    asked = load_config(raw, lambda _key: "config.yaml")
    names = ("folder", "file", "kl", "kl.init", "kl.onnx_int8", "file.tensorrt")
    assert [places.model_folder(asked, name) for name in names] == [
        tmp_path / "folder",
        Path("out/cnclip/models/file"),
        Path("out/cnclip/runs/kl/model"),
        Path("out/cnclip/runs/kl/init"),
        Path("out/cnclip/exports/kl"),
        Path("out/cnclip/exports/file"),
    ]
    with pytest.raises(ConfigError, match=r"no form 'int4' of 'kl'; forms are init, onnx_fp32"):
        places.model_folder(asked, "kl.int4")
