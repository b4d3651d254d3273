"""The demo: split by combination, deterministic, and of the layouts that users bring."""

import json
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.cnclip.data import demo
from scripts.cnclip.data.demo import SUBJECTS, make_demo
from scripts.cnclip.data.texts import read_good_texts
from scripts.cnclip.data.tsv import lines
from scripts.cnclip.places import SPLITS
from scripts.shared.errors import ConfigError


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "demo"
    make_demo(root, 123, n=40)
    return root


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def asked(root: Path, split: str) -> Iterator[str]:
    yield from (text.text for text in read_good_texts(root / f"{split}_texts.jsonl"))


def test_the_whole_set_has_the_sizes_of_the_specification() -> None:
    split = demo._split(123, 630)
    assert {name: len(combinations) for name, combinations in split.items()} == {"train": 441, "valid": 94, "test": 95}
    numbers = [combination.number for combinations in split.values() for combination in combinations]
    assert sorted(numbers) == list(range(630))
    captions = {caption for combinations in split.values() for one in combinations for caption in one.captions()}
    assert len(captions) == 3 * 630  # no two combinations are asked for in the same words


def test_pictures_and_texts_of_a_split_name_each_other(small: Path) -> None:
    for split, n_pictures, n_texts in (("train", 4 * 28, 3 * 28), ("valid", 2 * 6, 6), ("test", 2 * 6, 6)):
        ids = [line.image_id for line in lines(small / f"{split}_imgs.tsv") if line.error is None]
        texts = list(read_good_texts(small / f"{split}_texts.jsonl"))
        assert (len(ids), len(set(ids)), len(texts)) == (n_pictures, n_pictures, n_texts)
        assert {i for text in texts for i in text.image_ids} == set(ids)


def test_the_test_asks_for_what_was_not_seen(small: Path) -> None:
    trained = set(asked(small, "train"))
    assert not trained & set(asked(small, "test"))
    assert not trained & set(asked(small, "valid"))
    pictures = [line.data for split in SPLITS for line in lines(small / f"{split}_imgs.tsv")]
    assert max(Counter(pictures).values()) == 1


def test_english_texts_have_the_ids_and_answers_of_the_chinese(small: Path) -> None:
    for split in ("valid", "test"):
        chinese, english = (list(read_good_texts(small / f"{split}_texts{ending}.jsonl")) for ending in ("", ".en"))
        assert [text._replace(text="") for text in chinese] == [text._replace(text="") for text in english]
        assert all(text.text.isascii() for text in english)
    pairs = [json.loads(line) for line in (small / "parallel.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [pair["zh"] for pair in pairs] == list(asked(small, "train"))
    assert all(pair["en"].isascii() for pair in pairs)


def test_zero_shot_pictures_lie_in_folders_of_their_subject(small: Path) -> None:
    folder = small / "zeroshot" / "subjects"
    names = (folder / "label_cn.txt").read_text(encoding="utf-8").splitlines()
    assert names == [subject.zh for subject in SUBJECTS]
    assert (folder / "label.txt").read_text(encoding="utf-8").splitlines() == [subject.en for subject in SUBJECTS]
    assert sorted(path.name for path in (folder / "test").iterdir()) == [f"{k:03d}" for k in range(21)]
    by_id = {line.image_id: line.data for line in lines(small / "test_imgs.tsv")}
    texts = {i: text.text for text in read_good_texts(small / "test_texts.jsonl") for i in text.image_ids}
    found = list(folder.glob("test/*/*.jpg"))
    assert len(found) == len(by_id)
    for path in found:
        assert path.read_bytes() == by_id[int(path.stem)]
        assert names[int(path.parent.name)] in texts[int(path.stem)]


def test_a_picture_shows_its_ground_and_something_at_its_place(small: Path) -> None:
    texts = {i: text.text for text in read_good_texts(small / "train_texts.jsonl") for i in text.image_ids}
    corners = {"左上角": (0, 0), "右上角": (0, 1), "左下角": (1, 0), "右下角": (1, 1)}
    for line in lines(small / "train_imgs.tsv"):
        pixels = np.asarray(Image.open(BytesIO(line.data)), np.float64)
        assert pixels.shape == (96, 96, 3)
        for name, (down, right) in corners.items():
            if name in texts[line.image_id or 0]:
                opposite = pixels[(1 - down) * 76 : (1 - down) * 76 + 20, (1 - right) * 76 : (1 - right) * 76 + 20]
                assert opposite.std((0, 1)).max() < 4  # the plain ground, but for JPEG


def test_equal_seeds_give_equal_bytes_and_others_do_not(small: Path, tmp_path: Path) -> None:
    make_demo(tmp_path / "again", 123, n=40)
    assert files(tmp_path / "again") == files(small)
    (tmp_path / "again" / "CREDITS.md").unlink()  # as of a job that was ended
    make_demo(tmp_path / "again", 124, n=40)
    assert files(tmp_path / "again")["train_imgs.tsv"] != files(small)["train_imgs.tsv"]
    assert (tmp_path / "again" / "CREDITS.md").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match=r"holds 'thesis.txt', which is not of the demo"):
        make_demo(tmp_path)
    with pytest.raises(ConfigError, match="7 to 630 combinations, not 6"):
        make_demo(tmp_path / "demo", n=6)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_photographers_are_named(small: Path) -> None:
    said = (small / "CREDITS.md").read_text(encoding="utf-8")
    assert all(word in said for word in ("danielbuechele", "vultilion", "creativecommons.org/licenses/by/2.0"))
