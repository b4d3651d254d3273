from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.cnclip.data.lmdb_files import PairsLmdb
from scripts.cnclip.tokens import Tokenizer
from scripts.cnclip.training.batches import Share
from scripts.cnclip.training.loading import PairReader, pair_ids, trimmed
from scripts.cnclip.training.towers import pixel_values, text_rows
from scripts.shared.errors import ConfigError
from scripts.shared.training.loading import loaded
from tests.cnclip_models import golden_model
from tests.unit.cnclip.training.small_run import write_split


@pytest.fixture(scope="module")
def lmdb(tmp_path_factory: pytest.TempPathFactory) -> PairsLmdb:
    """24 pairs, of which pair 3 has no picture."""
    folder = tmp_path_factory.mktemp("pairs")
    write_split(folder, "train", 2, spoilt=3)
    return PairsLmdb(folder / "lmdb" / "train")


def share(*pairs: int, epoch: int = 0) -> Share:
    return Share(epoch, np.array(pairs))


def test_pairs_are_read_in_the_order_of_the_share(lmdb: PairsLmdb) -> None:
    found = PairReader(lmdb, Tokenizer(), size=32, context_length=16)[share(5, 0)]
    assert found.image_ids.tolist() == [105, 100]
    assert found.text_ids.tolist() == [5, 0]
    assert (found.pictures.shape, found.pictures.dtype) == ((2, 3, 32, 32), torch.uint8)
    wanted = Tokenizer().encode(["绿色的方", "红色的圆"], 16)
    assert torch.equal(found.ids, torch.from_numpy(wanted[:, :8]))
    assert not found.unreadable


def test_the_next_pair_stands_in_for_one_that_cannot_be_read(lmdb: PairsLmdb) -> None:
    found = PairReader(lmdb, Tokenizer(), size=32, context_length=16)[share(2, 3)]
    assert found.image_ids.tolist() == [102, 104]
    assert len(found.unreadable) == 1
    assert "pair 3" in found.unreadable[0]


def test_a_set_without_a_readable_picture_is_an_error(tmp_path: Path) -> None:
    from tests.unit.cnclip.training import small_run

    original, small_run.picture = small_run.picture, lambda *_: b"no picture"
    try:
        write_split(tmp_path, "train", 1)
    finally:
        small_run.picture = original
    with pytest.raises(ConfigError, match="none can be read"):
        PairReader(PairsLmdb(tmp_path / "lmdb" / "train"), Tokenizer(), size=32, context_length=16)[share(0)]


def test_the_control_gets_captions_of_others_with_their_ids(lmdb: PairsLmdb) -> None:
    captions = np.roll(np.arange(24), 1)
    found = PairReader(lmdb, Tokenizer(), size=32, context_length=16, captions=captions)[share(5)]
    assert (found.image_ids.tolist(), found.text_ids.tolist()) == ([105], [4])


def test_changed_pictures_follow_the_epoch(lmdb: PairsLmdb) -> None:
    reader = PairReader(lmdb, Tokenizer(), size=32, context_length=16, augment_seed=1)
    first, again, later = (reader[share(7, epoch=epoch)].pictures for epoch in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, later)


def test_reading_processes_change_nothing(lmdb: PairsLmdb) -> None:
    reader = PairReader(lmdb, Tokenizer(), size=32, context_length=16, augment_seed=1)
    todo = [share(number, number + 8, epoch=number) for number in range(6)]
    here, there = (list(loaded(reader, todo, workers=workers, pin=False)) for workers in (0, 2))
    for one, other in zip(here, there, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one[:4], other[:4], strict=True))


def test_the_ids_are_those_of_all_pairs(lmdb: PairsLmdb) -> None:
    images, texts = pair_ids(lmdb)
    assert images.tolist() == list(range(100, 124))
    assert texts.tolist() == list(range(24))


def test_cutting_what_all_texts_leave_empty_changes_no_feature() -> None:
    torch.set_num_threads(1)
    ids = Tokenizer().encode(["俯瞰湖面的中国古塔", "塔"], 52)
    short = trimmed(ids)
    assert short.shape == (2, 16)
    model = golden_model()
    model.set_attn_implementation("sdpa")
    with torch.no_grad():
        whole, cut = (text_rows(model, torch.from_numpy(of)) for of in (ids, short))
    torch.testing.assert_close(cut, whole, atol=1e-6, rtol=0)


def test_a_text_as_long_as_the_context_is_whole() -> None:
    ids = Tokenizer().encode(["塔" * 99], 52)
    assert trimmed(ids).tolist() == ids.tolist()


def test_pixels_are_normalised_as_those_of_the_evaluation() -> None:
    from scripts.cnclip import pixels

    raw = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8)).astype(np.uint8)
    found = pixel_values(torch.from_numpy(raw))
    np.testing.assert_allclose(found.numpy(), pixels.normalised(raw), atol=1e-6)
