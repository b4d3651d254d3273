import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scripts.clip4mc.contact_sheet import SheetSample, choose_for_sheet, contact_sheet, read_sample, strip_of
from scripts.shared.clip_tokens import ClipTokenizer
from scripts.shared.errors import JobError
from scripts.shared.figures.style import to_png
from scripts.shared.safe_pickle import dumps

KEYS = [f"sample_{number:06d}_v" for number in range(60)]
SPLITS = {"train": KEYS[:50], "val": KEYS[50:55], "test": KEYS[55:56]}


@pytest.fixture(scope="module")
def tokenizer() -> ClipTokenizer:
    return ClipTokenizer.embedded()


def made_frames(n_frames: int, height: int = 6, width: int = 8) -> NDArray[np.uint8]:
    return np.random.default_rng(n_frames).integers(0, 256, (n_frames, height, width, 3), dtype=np.uint8)


def stored(folder: Path, tokenizer: ClipTokenizer, frames: NDArray[np.uint8], caption: str = "a red apple") -> Path:
    sample = folder / "sample_000007_v7"
    sample.mkdir(parents=True)
    (sample / "video_input.pkl").write_bytes(dumps(frames))
    (sample / "text_input.pkl").write_bytes(dumps({"tokens": tokenizer.encode(caption)}))
    (sample / "size.json").write_text(json.dumps([number / len(frames) for number in range(len(frames))]))
    return sample


def sheet_sample(n_frames: int, caption: str = "a red apple") -> SheetSample:
    sizes = tuple(number / n_frames for number in range(n_frames))
    return SheetSample("sample_000007_v7", "val", caption, made_frames(min(n_frames, 16)), sizes)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def test_samples_come_from_all_splits_in_turn_and_stand_in_the_order_of_the_index() -> None:
    chosen = choose_for_sheet(SPLITS, n_samples=6, seed=42)
    assert [split for split, _ in chosen] == ["train"] * 3 + ["val"] * 2 + ["test"]
    assert chosen == sorted(chosen, key=lambda pair: KEYS.index(pair[1]))
    assert chosen != choose_for_sheet(SPLITS, n_samples=6, seed=43)


def test_other_samples_that_are_added_or_reordered_displace_few_on_the_sheet() -> None:
    before = set(choose_for_sheet(SPLITS, n_samples=6, seed=42))
    more = {"train": [*reversed(SPLITS["train"]), "sample_000100_v"], "val": SPLITS["val"], "test": SPLITS["test"]}
    assert len(before - set(choose_for_sheet(more, n_samples=6, seed=42))) <= 1


def test_fewer_samples_than_wanted_are_all_shown() -> None:
    assert choose_for_sheet({"train": [], "val": [], "test": KEYS[:2]}, n_samples=6, seed=1) == [
        ("test", KEYS[0]),
        ("test", KEYS[1]),
    ]
    assert choose_for_sheet({"train": [], "val": [], "test": []}, n_samples=6, seed=1) == []


def test_a_sample_is_read_as_it_is_stored(tmp_path: Path, tokenizer: ClipTokenizer) -> None:
    frames = made_frames(5)
    folder = stored(tmp_path, tokenizer, frames, "Breaking  the block, twice!")
    sample = read_sample(folder, split="val", tokenizer=tokenizer, channel_order="rgb")
    assert (sample.key, sample.split, sample.caption) == ("sample_000007_v7", "val", "breaking the block , twice !")
    assert np.array_equal(sample.frames, frames)
    assert sample.sizes == (0.0, 0.2, 0.4, 0.6, 0.8)


def test_frames_stored_as_bgr_are_turned_for_the_eye(tmp_path: Path, tokenizer: ClipTokenizer) -> None:
    frames = made_frames(3)
    folder = stored(tmp_path, tokenizer, np.ascontiguousarray(frames[..., ::-1]))
    assert np.array_equal(read_sample(folder, split="x", tokenizer=tokenizer, channel_order="bgr").frames, frames)


def test_of_many_frames_sixteen_evenly_spaced_ones_are_shown(tmp_path: Path, tokenizer: ClipTokenizer) -> None:
    frames = made_frames(121)
    sample = read_sample(stored(tmp_path, tokenizer, frames), split="x", tokenizer=tokenizer, channel_order="rgb")
    assert np.array_equal(sample.frames, frames[::8])
    assert len(sample.sizes) == 121


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("video_input.pkl", b"\x80\x04junk", "video_input.pkl: damaged"),
        ("video_input.pkl", dumps(np.zeros((2, 6, 8, 3), np.uint8)), "size.json: damaged (3 sizes of 2 frames)"),
        ("video_input.pkl", dumps(np.zeros((3, 6, 8), np.uint8)), "damaged (it holds uint8 (3, 6, 8))"),
        ("video_input.pkl", dumps([1, 2]), "video_input.pkl: damaged"),
        ("text_input.pkl", dumps({"ids": 1}), "text_input.pkl: damaged"),
        ("text_input.pkl", dumps({"tokens": np.arange(5)}), "text_input.pkl: damaged"),
        ("size.json", b"[0.1, ", "size.json: damaged"),
        ("size.json", b"[" * 100_000, "size.json: damaged"),
        ("size.json", b"[0.1, NaN, 0.3]", "size.json: damaged (nan is no size from 0 to 1)"),
        ("size.json", b"[0.1, 0.2, 1e308]", "size.json: damaged (1e+308 is no size from 0 to 1)"),
        ("size.json", None, "size.json: No such file or directory; run again"),
    ],
)
def test_a_damaged_sample_is_named_with_the_mend(
    tmp_path: Path, tokenizer: ClipTokenizer, file: str, content: bytes | None, says: str
) -> None:
    folder = stored(tmp_path, tokenizer, made_frames(3))
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(JobError) as raised:
        read_sample(folder, split="x", tokenizer=tokenizer, channel_order="rgb")
    assert says in str(raised.value)
    assert str(folder) in str(raised.value)


def test_the_strip_holds_each_frame_whole_and_white_between() -> None:
    frames = made_frames(4, height=6, width=80)
    strip = strip_of(frames)
    assert strip.shape == (6, 4 * 80 + 3 * 2, 3)
    for number, frame in enumerate(frames):
        assert np.array_equal(strip[:, number * 82 : number * 82 + 80], frame)
    assert (strip[:, 80:82] == 255).all()


def test_a_row_has_caption_key_split_frames_and_the_sizes_under_the_frames() -> None:
    sample = sheet_sample(5)
    figure = contact_sheet([sample], title="clip4mc train: 1 of the 1 samples made")
    assert texts(figure)[0] == "clip4mc train: 1 of the 1 samples made"
    assert texts(figure)[2:] == ["a red apple", "sample_000007_v7   val"]
    picture, curve = figure.axes
    assert np.array_equal(picture.images[0].get_array(), strip_of(sample.frames))
    places, sizes = curve.lines[0].get_data()
    assert tuple(sizes) == sample.sizes
    assert places.tolist() == [4, 13, 22, 31, 40]  # the middles of frames of 8 pixels, 1 between them
    assert curve.get_xlim() == (0, 44)
    assert curve.get_ylim() == (0, 1)
    left, right = (axes.get_position() for axes in (picture, curve))
    assert (left.x0, left.x1) == (right.x0, right.x1)


def test_the_curve_of_more_frames_than_shown_runs_from_the_first_to_the_last() -> None:
    curve = contact_sheet([sheet_sample(121)], title="x").axes[1]
    places, sizes = curve.lines[0].get_data()
    assert (places[0], places[-1], len(sizes)) == (4, 16 * 9 - 1 - 4, 121)


def test_a_long_caption_is_wrapped_and_nothing_of_it_is_lost() -> None:
    words = ["building"] * 75
    lines = texts(contact_sheet([sheet_sample(2, " ".join(words))], title="x"))[2:-1]
    assert len(lines) > 3
    assert " ".join(lines).split() == words


def test_a_sheet_without_samples_says_so() -> None:
    figure = contact_sheet([], title="clip4mc train")
    assert [text.get_text() for text in figure.axes[0].texts] == ["no sample was made"]
    assert to_png(figure)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(1, 160, 256, 3), (2, 16, 16, 3), (16, 2, 900, 3), (16, 900, 2, 3)])
def test_frames_of_any_number_and_shape_are_drawn_with_any_caption(shape: tuple[int, int, int, int]) -> None:
    sample = SheetSample("k", "test", "挖 $x^2$ \x07", np.zeros(shape, np.uint8), (0.5,) * shape[0])
    assert to_png(contact_sheet([sample], title="x")) == to_png(contact_sheet([sample], title="x"))
