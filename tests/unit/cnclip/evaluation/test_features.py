import json
from pathlib import Path

import numpy as np
import pytest

from scripts.cnclip.data.picture_list import PictureList, write_pictures
from scripts.cnclip.data.tsv import lines
from scripts.cnclip.evaluation import features as module
from scripts.cnclip.evaluation.feature_files import IMAGES, TEXTS, lmdb_order, read_official, read_part, read_split
from scripts.cnclip.evaluation.features import join_features, official_files, picture_features, text_features
from scripts.shared.errors import JobError
from tests.unit.cnclip.evaluation.golden import GOLDEN, ColourEncoder, as_json
from tests.unit.cnclip.evaluation.made import colours, make_features, write_dataset, write_texts


def test_features_of_the_golden_dataset_are_those_of_upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scripts.cnclip.tokens import Tokenizer
    from scripts.cnclip.torch_encoder import TorchEncoder
    from tests.cnclip_models import golden_model

    encoder = TorchEncoder(golden_model(), Tokenizer(), identity="golden", device="cpu")
    monkeypatch.setattr(module, "open_model", lambda *_, **__: encoder)
    source = GOLDEN / "lmdb_golden"
    there = list(lines(source / "train_imgs.tsv"))
    columns = zip(*((line.image_id, line.offset, line.length) for line in there), strict=True)
    listed = PictureList(*(np.array(column, np.int64) for column in columns))
    write_pictures(tmp_path / "pictures.npz", listed, np.zeros((len(there), 20), np.uint8))
    tsv, pictures = source / "train_imgs.tsv", tmp_path / "pictures.npz"
    parts = [tmp_path / f"{shard}.npz" for shard in range(2)]
    for shard, part in enumerate(parts):
        picture_features(model=tmp_path, tsv=tsv, pictures=pictures, shard=shard, n_shards=2, part=part)
    text_features(model=tmp_path, texts=source / "train_texts.jsonl", part=tmp_path / "texts.npz")
    official = tmp_path / "imgs.jsonl", tmp_path / "texts.jsonl"
    join_features(picture_parts=parts, text_part=tmp_path / "texts.npz", folder=tmp_path / "all", official=official)

    for kind, file, made in (
        (IMAGES, "train_imgs.img_feat.jsonl", official[0]),
        (TEXTS, "train_texts.txt_feat.jsonl", official[1]),
    ):
        wanted_ids, wanted = read_official(source / file, kind)
        ids, features = read_official(made, kind)
        assert ids.tolist() == wanted_ids.tolist()
        assert np.abs(features - wanted).max() < 1e-5
    assert read_split(tmp_path / "all").image_ids.tolist() == as_json(source / "reader.json")["eval_image_order"]


def test_ids_are_in_the_order_of_an_lmdb() -> None:
    ids = np.array([58, 7, 1000000001, 12, 100, 3, 2**63 - 1], np.int64)
    assert ids[lmdb_order(ids)].tolist() == sorted(ids.tolist(), key=lambda one: str(one).encode())


def test_shards_do_not_change_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [(5, "红色", [1]), (3, "绿色", [2])]
    one = make_features(monkeypatch, write_dataset(tmp_path / "a", colours(25), texts))
    many = make_features(monkeypatch, write_dataset(tmp_path / "b", colours(25), texts), n_shards=4)
    for name in ("image_ids.npy", "image_features.npy", "text_ids.npy", "text_features.npy", "facts.json"):
        assert (one / name).read_bytes() == (many / name).read_bytes()
    assert as_json(one / "timings.json")["pictures"]["pictures"] == 25


def test_a_picture_that_cannot_be_decoded_costs_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = colours(5) | {3: b"no picture"}
    folder = make_features(monkeypatch, write_dataset(tmp_path, pictures, [(1, "红", [3])]))
    made = read_split(folder)
    assert made.image_ids.tolist() == [1, 2, 4, 5]
    assert made.facts["failed"] == {"3": "no_picture"}
    assert np.isfinite(made.image_features).all()


def test_a_tsv_that_was_changed_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(tmp_path, colours(3), [(1, "红", [3])])
    content = (tmp_path / "x_imgs.tsv").read_bytes()
    (tmp_path / "x_imgs.tsv").write_bytes(b"9" + content)
    with pytest.raises(JobError, match="changed since its check"):
        make_features(monkeypatch, tmp_path)


def test_parts_of_another_model_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(tmp_path, colours(3), [(1, "红", [3])])
    make_features(monkeypatch, tmp_path)

    class Other(ColourEncoder):
        identity = "another"

    monkeypatch.setattr(module, "open_model", lambda *_, **__: Other())
    text_features(model=tmp_path, texts=tmp_path / "x_texts.jsonl", part=tmp_path / "parts/texts.npz")
    parts = [tmp_path / "parts/0.npz"]
    with pytest.raises(JobError, match=r"texts.npz: made of another model than .*0.npz: identity is 'another'"):
        join_features(picture_parts=parts, text_part=tmp_path / "parts/texts.npz", folder=tmp_path / "all")


def test_parts_of_another_data_set_or_too_few_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    make_features(monkeypatch, write_dataset(a, colours(4), [(1, "红", [3])]), n_shards=2)
    make_features(monkeypatch, write_dataset(b, colours(5), [(1, "红", [3])]), n_shards=2)
    texts, out = a / "parts/texts.npz", tmp_path / "all"
    with pytest.raises(JobError, match="made of another data set"):
        join_features(picture_parts=[a / "parts/0.npz", b / "parts/1.npz"], text_part=texts, folder=out)
    with pytest.raises(JobError, match="one of 2 parts, and 1 are given"):
        join_features(picture_parts=[a / "parts/0.npz"], text_part=texts, folder=out)
    with pytest.raises(JobError, match="parts repeat pictures"):
        join_features(picture_parts=[a / "parts/0.npz", same(a)], text_part=texts, folder=out)


def same(folder: Path) -> Path:
    copy = folder / "parts/copy.npz"
    copy.write_bytes((folder / "parts/0.npz").read_bytes())
    return copy


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04" + bytes(200)], ids=["empty", "head", "cut off"])
def test_a_damaged_part_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0.npz").write_bytes(content)
    with pytest.raises(JobError, match=r"0.npz: no features .* remove it and run again"):
        read_part(tmp_path / "0.npz")


def test_the_training_split_gets_no_official_files() -> None:
    assert official_files(Path("x"), "train") is None
    names = ("valid_imgs.img_feat.jsonl", "valid_texts.txt_feat.jsonl")
    assert official_files(Path("x"), "valid") == tuple(Path("x", name) for name in names)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [{"image_id": 1, "feature": [1.0]}, {"image_id": 1, "feature": [1.0]}],
            "line 2: image_id 1 stands",
        ),
        ([{"image_id": 1, "feature": [1.0]}, {"image_id": 2, "feature": [1.0, 2.0]}], "line 2: 2 numbers"),
        ([{"image_id": "1", "feature": [1.0]}], "line 1 is not"),
        ([{"image_id": 1, "feature": ["x"]}], "no list of numbers"),
        ([], "holds no features"),
    ],
)
def test_a_wrong_official_feature_file_is_refused(tmp_path: Path, rows: list[dict], said: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(JobError, match=said):
        read_official(path, IMAGES)


def test_features_of_another_length_or_shape_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_features(monkeypatch, write_dataset(tmp_path, colours(3), [(1, "红", [3])]))
    np.save(folder / "text_features.npy", np.zeros((1, 4), np.float32))
    with pytest.raises(JobError, match="differ in length of vectors"):
        read_split(folder)
    np.save(folder / "text_features.npy", np.zeros((2, 3), np.float32))
    with pytest.raises(JobError, match=r"text_features.npy: holds float32 \(2, 3\) for 1 ids"):
        read_split(folder)
    (folder / "text_features.npy").write_bytes(b"")
    with pytest.raises(JobError, match=r"text_features.npy: cannot be read"):
        read_split(folder)


def test_a_dataset_without_texts_in_one_file_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(tmp_path, colours(3), [(1, "红", [3])])
    first = (make_features(monkeypatch, tmp_path) / "text_features.npy").read_bytes()
    write_texts(tmp_path / "x_texts.jsonl", [(1, "蓝", [3])])
    assert (make_features(monkeypatch, tmp_path) / "text_features.npy").read_bytes() != first
